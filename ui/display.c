/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ui/display.h"

static DisplayOptions *the_options;

void display_options_set(DisplayOptions *options)
{
    DisplayOptions_free(the_options);
    the_options = options;
}

const DisplayOptions *display_options(void)
{
    return the_options;
}
