/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Driver "copy-on-read": another node, whose image keeps what is read of its backing files. Who
 * writes waits until what is kept of the same place has been. */
#include <stdlib.h>

#include "block/driver.h"
#include "block/iov.h"
#include "block/job-block.h"
#include "block/ranges.h"
#include "block/status.h"
#include "util/units.h"

#define CHUNK_MIN (64 * KIB) /* of nodes that have no clusters */

static bool cor_open(BlockNode *node, GError **errp)
{
    BlockRanges *ranges = node->state = g_new(BlockRanges, 1);

    block_ranges_init(ranges);
    return block_node_open_below(node, &node->file, node->options->u.copy_on_read->file, "file",
                                 errp);
}

static void cor_close(BlockNode *node)
{
    block_ranges_clear(node->state);
    g_free(node->state);
}

/* Who reads has it written, too: not while others write below it, which what is kept could replace.
 */
static bool cor_set_perms(BlockNode *node, unsigned uses, unsigned shares, GError **errp)
{
    bool keeps = uses & BLOCK_PERM_READ && !node->read_only && block_node_is_active();

    return !node->file.node ||
           block_edge_change(&node->file, uses | (keeps ? BLOCK_PERM_WRITE : 0),
                             keeps ? shares & ~(unsigned)BLOCK_PERM_WRITE : shares, errp);
}

static bool may_keep(const BlockNode *node)
{
    BlockNode *file = node->file.node;

    return !node->read_only && !file->read_only && block_skip_filters(file)->backing.node &&
           block_node_is_active();
}

/* Let the image have [@offset, @end). */
static int keep(BlockNode *file, uint64_t offset, uint64_t end)
{
    void *buf = NULL;
    int err = 0;

    while (offset < end && !err) {
        uint64_t some = MIN(end - offset, BLOCK_JOB_CHUNK);
        BlockStatus status;
        bool read;

        err = block_status(file, offset, some, &status);
        some = err ? 0 : MIN(some, status.bytes);
        if (!err && !status.allocated) {
            buf = buf ? buf : block_job_buffer();
            err = block_job_copy(file, file, offset, some, buf, &read);
        }
        offset += some;
    }
    free(buf);
    return err;
}

static int cor_read(BlockNode *node, uint64_t offset, const struct iovec *iov, unsigned iovcnt)
{
    BlockNode *file = node->file.node;
    int64_t length = may_keep(node) ? block_node_length(file) : 0;
    uint64_t chunk = MAX(block_node_cluster_size(file), CHUNK_MIN), from = offset & ~(chunk - 1);
    uint64_t end = (offset + iov_size(iov, iovcnt) + chunk - 1) & ~(chunk - 1);
    int err = 0;

    end = MIN(end, (uint64_t)MAX(length, 0));
    if (from >= end) {
        return block_node_read(file, offset, iov, iovcnt);
    }
    block_ranges_lock(node->state, from, end - from);
    err = keep(file, from, end);
    err = err ? err : block_node_read(file, offset, iov, iovcnt);
    block_ranges_unlock(node->state, from, end - from);
    return err;
}

static int cor_write(BlockNode *node, uint64_t offset, const struct iovec *iov, unsigned iovcnt,
                     unsigned flags)
{
    size_t bytes = iov_size(iov, iovcnt);
    int err;

    block_ranges_lock(node->state, offset, bytes);
    err = block_node_write(node->file.node, offset, iov, iovcnt, flags);
    block_ranges_unlock(node->state, offset, bytes);
    return err;
}

static int cor_write_zeroes(BlockNode *node, uint64_t offset, uint64_t bytes, unsigned flags)
{
    int err;

    block_ranges_lock(node->state, offset, bytes);
    err = block_node_write_zeroes(node->file.node, offset, bytes, flags);
    block_ranges_unlock(node->state, offset, bytes);
    return err;
}

static int cor_discard(BlockNode *node, uint64_t offset, uint64_t bytes, unsigned flags)
{
    int err;

    block_ranges_lock(node->state, offset, bytes);
    err = block_node_discard(node->file.node, offset, bytes, flags);
    block_ranges_unlock(node->state, offset, bytes);
    return err;
}

static bool cor_locate(BlockNode *node, BlockLocation *at)
{
    return at->request.op == AIO_FLUSH && block_node_locate(node->file.node, at);
}

static const BlockDriver cor_driver = {
    .id = BLOCKDEV_DRIVER_COPY_ON_READ,
    .open = cor_open,
    .close = cor_close,
    .set_perms = cor_set_perms,
    .read = cor_read,
    .write = cor_write,
    .write_zeroes = cor_write_zeroes,
    .discard = cor_discard,
    .locate = cor_locate,
    .can_fua = block_node_can_fua_below,
    .filter = true,
    .moves = true,
};
BLOCK_DRIVER_REGISTER(cor_driver)
