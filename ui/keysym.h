/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Keys as the X Window System and VNC name them. */
#ifndef UI_KEYSYM_H
#define UI_KEYSYM_H

#include <stdint.h>

#include "qapi/qapi-types.h"

/* The key of a keyboard with the layout of the United States that has @keysym, with shift or
 * without; Q_KEY_CODE_UNMAPPED: none. */
QKeyCode keysym_to_key(uint32_t keysym);

#endif
