/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Jobs that copy a node to another one, and keep that the same until they are completed: it then
 * takes the first one's place. Machine lock, main thread.
 */
#ifndef BLOCK_MIRROR_H
#define BLOCK_MIRROR_H

#include "block/job-block.h"

typedef struct BlockMirror {
    BlockNode *source, *target;
    BlockNode *replaces; /* whose place it takes; NULL: that of the source */
    MirrorSyncMode sync;
    bool write_blocking;
    uint64_t granularity; /* 0: 64 KiB */
    BlockdevOnError on_source_error, on_target_error;
} BlockMirror;

/* Begin. Errors: users of the nodes, sizes, options that make no sense. */
bool block_mirror_start(const BlockMirror *mirror, const BlockJobOptions *options, GError **errp);

/* A commit of @top, which is written meanwhile, to @base below it: the same, with what @base does
 * not have. */
bool block_mirror_commit(BlockNode *top, BlockNode *base, BlockdevOnError on_error,
                         const BlockJobOptions *options, GError **errp);

#endif
