/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Jobs that copy a node as it was when they began: whoever writes waits until what was there is
 * copied. Machine lock, main thread.
 */
#ifndef BLOCK_BACKUP_H
#define BLOCK_BACKUP_H

#include "block/job-block.h"

typedef struct BlockBackup {
    BlockNode *source, *target;
    MirrorSyncMode sync;
    const char *bitmap; /* of the source: what is copied, or what is in no backup; NULL: none */
    bool has_bitmap_mode;
    BitmapSyncMode bitmap_mode;
    bool compress; /* the target's clusters are written so */
    BlockdevOnError on_source_error, on_target_error;
} BlockBackup;

/* From now on the moment is kept; the rest is copied from job_start() on. NULL on errors: users of
 * the nodes, sizes, options that make no sense. There are no requests. */
Job *block_backup_new(const BlockBackup *backup, const BlockJobOptions *options, GError **errp);

#endif
