/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Drives: backends that have a name, as -drive makes them. Machine lock. */
#ifndef BLOCK_DRIVE_H
#define BLOCK_DRIVE_H

#include "block/backend.h"
#include "block/drive-node.h"

/* The drive of a disk that @arg describes, which no device has yet; @snapshot: what is written is
 * temporary, unless it says itself. Borrowed. Errors: its name is taken or no name, what it holds
 * cannot be opened. */
BlockBackend *drive_new(const DriveArg *arg, bool snapshot, GError **errp);

/* Take drive @id away, with what it holds, and its name is free. A device that has it goes on: its
 * requests fail with ENOMEDIUM, which is reported to the guest. Or a node of that name, as
 * block_node_del() does. Errors: none such, a node in use. */
bool drive_del(const char *id, GError **errp);

#endif
