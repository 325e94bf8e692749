/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How termios(3) says what a serial line is set to. */
#ifndef CHARDEV_CHAR_SERIAL_H
#define CHARDEV_CHAR_SERIAL_H

#include <termios.h>

#include "chardev/char.h"

/* Put @line, whose members are in range, into @modes: the speed that is nearest of those that
 * termios knows (50 to 115200). */
void char_serial_modes(struct termios *modes, const CharLine *line);

#endif
