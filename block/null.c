/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Driver "null-co": takes every request, and keeps nothing. For measurements and tests. */
#include <errno.h>
#include <inttypes.h>

#include "block/driver.h"
#include "block/iov.h"
#include "util/error.h"
#include "util/units.h"

static bool null_open(BlockNode *node, GError **errp)
{
    const BlockdevOptionsNull *options = node->options->u.null_co;

    if (options->size > BLOCK_MAX_SIZE) {
        error_set(errp, "size=%" PRIu64 " is too large: at most %" PRId64, options->size,
                  (int64_t)BLOCK_MAX_SIZE);
        return false;
    }
    node->filename = g_strdup("null-co://");
    return true;
}

static int take(const BlockNode *node)
{
    uint64_t ns = node->options->u.null_co->latency_ns;

    if (ns) {
        g_usleep(ns / 1000);
    }
    return 0;
}

static int null_read(BlockNode *node, uint64_t offset, const struct iovec *iov, unsigned iovcnt)
{
    if (node->options->u.null_co->read_zeroes) {
        iov_clear(iov, iovcnt, 0);
    }
    return take(node);
}

static int null_write(BlockNode *node, uint64_t offset, const struct iovec *iov, unsigned iovcnt,
                      unsigned flags)
{
    return take(node);
}

static int null_write_zeroes(BlockNode *node, uint64_t offset, uint64_t bytes, unsigned flags)
{
    return take(node);
}

static int null_discard(BlockNode *node, uint64_t offset, uint64_t bytes, unsigned flags)
{
    return take(node);
}

static int null_flush(BlockNode *node)
{
    return take(node);
}

static int null_status(BlockNode *node, uint64_t offset, uint64_t bytes, BlockStatus *status)
{
    bool zero = node->options->u.null_co->read_zeroes;

    *status = (BlockStatus){ .bytes = bytes, .allocated = true, .data = !zero, .zero = zero };
    return 0;
}

static int64_t null_length(BlockNode *node)
{
    const BlockdevOptionsNull *options = node->options->u.null_co;

    return options->has_size ? (int64_t)options->size : (int64_t)GIB;
}

static int64_t null_allocated(BlockNode *node)
{
    return 0;
}

static const BlockDriver null_driver = {
    .id = BLOCKDEV_DRIVER_NULL_CO,
    .open = null_open,
    .read = null_read,
    .write = null_write,
    .write_zeroes = null_write_zeroes,
    .discard = null_discard,
    .flush = null_flush,
    .status = null_status,
    .length = null_length,
    .allocated = null_allocated,
};
BLOCK_DRIVER_REGISTER(null_driver)
