/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Driver "copy-before-write": the node below, but what was in it when this node was made goes to
 * another one before it is written. So both together have what there was: driver "snapshot-access"
 * (block/snapshot-access.c) shows it.
 */
#ifndef BLOCK_COPY_BEFORE_WRITE_H
#define BLOCK_COPY_BEFORE_WRITE_H

#include "block/status.h"

bool cbw_is(const BlockNode *node);
/* Requests on what was there; @node is such a node. EACCES: it is not kept, or not any more. */
int cbw_snapshot_read(BlockNode *node, uint64_t offset, const struct iovec *iov, unsigned iovcnt);
int cbw_snapshot_status(BlockNode *node, uint64_t offset, uint64_t bytes, BlockStatus *status);
/* Keep the whole chunks in it no longer. */
int cbw_snapshot_discard(BlockNode *node, uint64_t offset, uint64_t bytes);

#endif
