/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What cannot go along when a machine is saved, to a stream or to a snapshot, leaves the guest
 * before that; and so does what the host is to have back when the program ends. If the machine goes
 * on here, it may come again when that runs (runstate_add_start()). Machine lock.
 */
#ifndef HW_CORE_SAVE_LEAVE_H
#define HW_CORE_SAVE_LEAVE_H

#include <stdbool.h>

/* Call @fn(@opaque) when the machine stands and its states are about to be taken, or it ends;
 * and no more. */
void save_leave_add(void (*fn)(void *opaque), void *opaque);
void save_leave_remove(void (*fn)(void *opaque), void *opaque);
/* Call all of them. Were there any? Then the guest may have been sent interrupts. */
bool save_leave(void);

#endif
