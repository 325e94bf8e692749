/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the commands about snapshots of disks have in common with transactions. */
#ifndef MONITOR_SNAPSHOT_FILE_H
#define MONITOR_SNAPSHOT_FILE_H

#include "block/node.h"

/* As blockdev-snapshot-sync: the node on top, borrowed, or NULL. */
BlockNode *snapshot_to_file(const BlockdevSnapshotSync *options, GError **errp);
/* A drive, or a node. */
BlockNode *snapshot_find_disk(const char *device, GError **errp);

#endif
