/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which display the machine has (-display), for those who ask. Main thread, machine lock. */
#ifndef UI_DISPLAY_H
#define UI_DISPLAY_H

#include "qapi/qapi-types.h"

/* @options is the display's from now on, and ours. */
void display_options_set(DisplayOptions *options);
/* NULL: none was given. Borrowed. */
const DisplayOptions *display_options(void);

#endif
