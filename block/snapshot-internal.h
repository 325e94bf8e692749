/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Snapshots within images. Machine lock, main thread. */
#ifndef BLOCK_SNAPSHOT_INTERNAL_H
#define BLOCK_SNAPSHOT_INTERNAL_H

#include "block/node.h"

/* Can the node's image have them? If not, an error says so. */
bool block_snapshot_possible(const BlockNode *node, GError **errp);
/* And can it go back to one? Not while it has dirty bitmaps. */
bool block_snapshot_may_go_to(const BlockNode *node, GError **errp);
/* Take one, whose name no other has. */
bool block_snapshot_create(BlockNode *node, const BlockSnapshot *snapshot, GError **errp);
/* The same, and others may have the name. */
bool block_snapshot_create_another(BlockNode *node, const BlockSnapshot *snapshot, GError **errp);
/* By name or id. */
bool block_snapshot_delete(BlockNode *node, const char *name, GError **errp);
/* The disk is as it was then; devices hear of its size. */
bool block_snapshot_goto(BlockNode *node, const char *name, GError **errp);
/* Until it is closed, @node, which is only read, has what it had then: by id, by name, or, if both
 * are given, the one that has both; NULL: any. There are no requests. */
bool block_snapshot_load(BlockNode *node, const char *id, const char *name, GError **errp);
/* What there is of the one with this name or, if none has it, id; freed by the caller. NULL, and an
 * error: there is none. */
SnapshotInfo *block_snapshot_find(BlockNode *node, const char *name, GError **errp);

/* Copy the machine's state from the beginning of a file, before block_snapshot_create(); and that
 * of a snapshot to one. */
bool block_vm_state_write(BlockNode *node, int fd, uint64_t size, GError **errp);
bool block_vm_state_read(BlockNode *node, const char *name, int fd, uint64_t size, GError **errp);

#endif
