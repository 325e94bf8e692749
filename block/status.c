/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/status.h"

#include <errno.h>

#include "block/driver.h"

/* A driver that does not say has data everywhere. */
static int ask_driver(BlockNode *node, uint64_t offset, uint64_t bytes, BlockStatus *status)
{
    if (node->driver->status) {
        return node->driver->status(node, offset, bytes, status);
    }
    if (node->file.node && !node->driver->length) {
        return block_status(node->file.node, offset, bytes, status);
    }
    *status = (BlockStatus){ .bytes = bytes, .allocated = true, .data = true };
    return 0;
}

int block_status(BlockNode *node, uint64_t offset, uint64_t bytes, BlockStatus *status)
{
    int64_t length = block_node_length(node);
    int err;

    if (length < 0) {
        return (int)-length;
    }
    if (!bytes || offset > (uint64_t)length || bytes > (uint64_t)length - offset) {
        return EINVAL;
    }
    err = ask_driver(node, offset, bytes, status);
    if (!err) {
        status->bytes = MIN(status->bytes, bytes);
    }
    return err;
}

BlockNode *block_skip_filters(BlockNode *node)
{
    while (node && node->driver->filter) {
        node = node->file.node;
    }
    return node;
}

BlockNode *block_chain_below(const BlockNode *node)
{
    return node->driver->filter ? node->file.node : node->backing.node;
}

int block_status_chain(BlockNode *node, const BlockNode *base, uint64_t offset, uint64_t bytes,
                       BlockStatus *status)
{
    base = block_skip_filters((BlockNode *)(uintptr_t)base);
    for (unsigned depth = 0;; depth++) {
        node = block_skip_filters(node);
        BlockNode *below = block_skip_filters(node->backing.node);
        int err = block_status(node, offset, bytes, status);
        int64_t length;

        status->depth = depth;
        if (err || status->allocated || !below || below == base) {
            return err;
        }
        length = block_node_length(below);
        if (length < 0) {
            return (int)-length;
        }
        bytes = status->bytes;
        if (offset >= (uint64_t)length) {
            *status = (BlockStatus){ .bytes = bytes, .zero = true, .depth = depth };
            return 0;
        }
        bytes = MIN(bytes, (uint64_t)length - offset);
        node = below;
    }
}
