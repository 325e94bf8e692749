/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Of a program that was built without SDL. */
#include "ui/sdl.h"
#include "util/error.h"

bool sdl_display_start(const DisplayOptions *options, const char *name, const SdlHost *host,
                       GError **errp)
{
    error_set(errp, "this program was built without SDL: install libsdl2-dev, and build it anew");
    return false;
}

void sdl_display_stop(void)
{
}
