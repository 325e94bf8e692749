/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Images that are handed over: while a machine goes from one program to another, both have its
 * images open, and only one may write to them. Images are active when this program may; those of a
 * machine that waits for its migration (-incoming), and of one that was migrated away, are not:
 * they are read, without locks that keep others out. Machine lock, main thread, for everything.
 */
#ifndef BLOCK_ACTIVATE_H
#define BLOCK_ACTIVATE_H

#include "block/node.h"

/* Nodes that are made from now on are not active. There are none yet. */
void block_begin_inactive(void);
/* Take the images, as the other program left them; nothing happens if they are active. Errors:
 * another program has one of them, one is not as it should be; none is active then. Devices hear of
 * sizes that have changed. */
bool block_activate(GError **errp);
/* Give the images to whoever takes them: everything written is on the disk then. Devices must not
 * have requests any more. They stay active if that fails. */
bool block_inactivate(GError **errp);

#endif
