/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the clients of servers that show screens (-vnc, -spice) do to the machine. Keys and pointers
 * count only while it runs. Main thread, machine lock.
 */
#ifndef SYSTEM_VIEWER_H
#define SYSTEM_VIEWER_H

#include "qapi/qapi-types.h"

/* The key @number (hw/input/key-codes.h) goes down or up. */
void viewer_key(uint8_t number, bool down);
/* Does the guest's pointer take places, rather than moves? */
bool viewer_absolute(void);
/* To @value on @axis, if it is a @place, else by that much; a button. They count together, when
 * viewer_sync() is called. */
void viewer_move(InputAxis axis, int value, bool place);
void viewer_button(InputButton which, bool down);
void viewer_sync(void);

/* The password that the secret object @secret has, which must be text; g_free. NULL with an error:
 * there is no such object, or it is none. */
char *viewer_password(const char *secret, GError **errp);

#endif
