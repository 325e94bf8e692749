/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Jobs between an image and its backing files. Machine lock, main thread. */
#ifndef BLOCK_COMMIT_H
#define BLOCK_COMMIT_H

#include "block/job-block.h"
#include "block/status.h"

typedef struct BlockChain {
    BlockNode *top, *base;
    const char *backing_name; /* how the image that is left on top names the base; NULL: its file */
    BlockdevOnError on_error;
} BlockChain;

/* Let @base, below @top, have what images above it have, up to @top, which is not written: what is
 * on top of that has @base as its backing file at the end. */
bool block_commit_start(const BlockChain *chain, const BlockJobOptions *options, GError **errp);

/* Let @top have what its backing files above @base (NULL: all) have: then that is its backing file,
 * or it has none. */
bool block_stream_start(const BlockChain *chain, const BlockJobOptions *options, GError **errp);

/* What has to be written of [@offset, ...), of which block_status_chain() down to @base has said
 * that, so that all above @base is not needed: it has it; or they are shorter than the base. */
bool block_chain_is_needed(const BlockStatus *status, const BlockNode *base);
/* The format by which an image names @node as its backing file. */
const char *block_chain_format(const BlockNode *node);

/* At once: what @top has goes to its backing file, and @top has nothing then. Nothing else is done
 * meanwhile. Errors: it has no backing file, jobs or others use one of the two in a way that does
 * not go together with that, the host refuses; @top has all of it then. Main thread. */
bool block_commit_now(BlockNode *top, GError **errp);

#endif
