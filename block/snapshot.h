/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * External snapshots: an image that is empty comes on top of a node, and takes what is written from
 * then on. Machine lock, main thread.
 */
#ifndef BLOCK_SNAPSHOT_H
#define BLOCK_SNAPSHOT_H

#include "block/node.h"

/* Let @overlay, which nobody uses and which has no backing file, have @node as that, and all users
 * of @node. If @node has none, somebody may write to @overlay meanwhile. Nothing changes on
 * failure. */
bool block_snapshot(BlockNode *node, BlockNode *overlay, GError **errp);

/* Undo block_snapshot(), or block_snapshot_to_file() (@made), after which nothing of the two has
 * changed: @overlay has no backing file again, or is gone; its file stays. There are no requests.
 */
void block_snapshot_undo(BlockNode *node, BlockNode *overlay, bool made);

typedef struct BlockSnapshotFile {
    const char *path;
    const char *node_name; /* of the overlay; NULL: one of ours */
    bool existing;         /* the image is there, and is as it has to be */
} BlockSnapshotFile;

/* The same with a qcow2 image in a file: its node, borrowed, or NULL. */
BlockNode *block_snapshot_to_file(BlockNode *node, const BlockSnapshotFile *file, GError **errp);

/* A node on top of @node, whose reference it takes, also on failure: what is written there is in a
 * file without a name, and gone when the program ends. NULL on errors. */
BlockNode *block_snapshot_temporary(BlockNode *node, GError **errp);

#endif
