/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Requests on nodes: checks, zeros that are found or written out, what drivers do not have. */
#include <errno.h>
#include <string.h>

#include "block/dirty-bitmap.h"
#include "block/driver.h"
#include "block/iov.h"
#include "util/units.h"

#define ZERO_CHUNK (256 * KIB) /* zeros that are written out at a time */

static bool in_range(uint64_t offset, uint64_t bytes)
{
    return offset <= BLOCK_MAX_SIZE && bytes <= BLOCK_MAX_SIZE - offset;
}

static bool may_write(const BlockNode *node, int *err)
{
    *err = node->read_only ? EROFS : block_node_is_active() ? 0 : EPERM;
    return !*err;
}

/* ---- who wants to know of writes ---- */

void block_node_add_hook(BlockNode *node, BlockWriteHook *hook)
{
    node->hooks = node->hooks ? node->hooks : g_ptr_array_new();
    g_ptr_array_add(node->hooks, hook);
}

void block_node_remove_hook(BlockNode *node, BlockWriteHook *hook)
{
    g_ptr_array_remove(node->hooks, hook);
    if (!node->hooks->len) {
        g_clear_pointer(&node->hooks, g_ptr_array_unref);
    }
}

static void call_after(const BlockNode *node, unsigned count, uint64_t offset, uint64_t bytes,
                       int err)
{
    while (node->hooks && count-- > 0) {
        BlockWriteHook *hook = node->hooks->pdata[count];

        if (hook->after) {
            hook->after(hook, offset, bytes, err);
        }
    }
}

/* Those that had agreed are told when another one has not. */
static int call_before(const BlockNode *node, uint64_t offset, uint64_t bytes)
{
    int err = 0;

    for (unsigned i = 0; node->hooks && i < node->hooks->len && !err; i++) {
        BlockWriteHook *hook = node->hooks->pdata[i];

        err = hook->before ? hook->before(hook, offset, bytes) : 0;
        if (err) {
            call_after(node, i, offset, bytes, err);
        }
    }
    return err;
}

/* A write of @node has ended with @err. */
static int written(BlockNode *node, uint64_t offset, uint64_t bytes, int err)
{
    if (block_dirty_bitmap_records(node)) {
        block_dirty_bitmap_mark(node, offset, bytes, !err);
    }
    call_after(node, node->hooks ? node->hooks->len : 0, offset, bytes, err);
    return err;
}

/* ---- requests ---- */

int block_node_read(BlockNode *node, uint64_t offset, const struct iovec *iov, unsigned iovcnt)
{
    uint64_t bytes = iov_size(iov, iovcnt);

    if (!in_range(offset, bytes)) {
        return EINVAL;
    }
    return bytes ? node->driver->read(node, offset, iov, iovcnt) : 0;
}

int block_node_write(BlockNode *node, uint64_t offset, const struct iovec *iov, unsigned iovcnt,
                     unsigned flags)
{
    uint64_t bytes = iov_size(iov, iovcnt);
    int err;

    if (!may_write(node, &err)) {
        return err;
    }
    if (!in_range(offset, bytes)) {
        return EINVAL;
    }
    block_node_check_threshold(node, offset + bytes);
    if (node->detect_zeroes != BLOCKDEV_DETECT_ZEROES_OPTIONS_OFF && bytes &&
        iov_is_zero(iov, iovcnt)) {
        bool unmap = node->detect_zeroes == BLOCKDEV_DETECT_ZEROES_OPTIONS_UNMAP;

        return block_node_write_zeroes(node, offset, bytes,
                                       (flags & BLOCK_FUA) | (unmap ? BLOCK_UNMAP : 0));
    }
    err = bytes ? call_before(node, offset, bytes) : 0;
    if (err || !bytes) {
        return err;
    }
    return written(node, offset, bytes, node->driver->write(node, offset, iov, iovcnt, flags));
}

int block_node_write_packed(BlockNode *node, uint64_t offset, const void *data)
{
    int64_t length = block_node_length(node);
    uint64_t bytes;
    int err;

    if (!node->driver->write_packed) {
        return ENOTSUP;
    }
    if (!may_write(node, &err)) {
        return err;
    }
    if (length < 0 || offset >= (uint64_t)length) {
        return EINVAL;
    }
    bytes = MIN(block_node_cluster_size(node), (uint64_t)length - offset);
    block_node_check_threshold(node, offset + bytes);
    err = call_before(node, offset, bytes);
    return err ? err : written(node, offset, bytes, node->driver->write_packed(node, offset, data));
}

uint64_t block_node_cluster_size(BlockNode *node)
{
    return node->driver->cluster_size ? node->driver->cluster_size(node) : 0;
}

bool block_node_locate(BlockNode *node, BlockLocation *at)
{
    AioOp op = at->request.op;
    int err;

    if (op != AIO_READ && !may_write(node, &err)) {
        return false;
    }
    if (op == AIO_FLUSH ? node->no_flush : !at->bytes || !in_range(at->request.offset, at->bytes)) {
        return false;
    }
    if (op == AIO_WRITE &&
        (node->hooks || node->write_threshold || block_dirty_bitmap_records(node) ||
         node->detect_zeroes != BLOCKDEV_DETECT_ZEROES_OPTIONS_OFF)) {
        return false;
    }
    return node->driver->locate && node->driver->locate(node, at);
}

bool block_node_read_now(BlockNode *node, uint64_t offset, const struct iovec *iov, unsigned iovcnt)
{
    uint64_t bytes = iov_size(iov, iovcnt);

    return node->driver->read_now && bytes && in_range(offset, bytes) &&
           node->driver->read_now(node, offset, iov, iovcnt);
}

static int write_out_zeroes(BlockNode *node, uint64_t offset, uint64_t bytes, unsigned flags)
{
    g_autofree void *zeros = g_malloc0(MIN(bytes, ZERO_CHUNK));

    while (bytes) {
        struct iovec iov = { zeros, MIN(bytes, ZERO_CHUNK) };
        int err = node->driver->write(node, offset, &iov, 1, flags & BLOCK_FUA);

        if (err) {
            return err;
        }
        offset += iov.iov_len;
        bytes -= iov.iov_len;
    }
    return 0;
}

int block_node_write_zeroes(BlockNode *node, uint64_t offset, uint64_t bytes, unsigned flags)
{
    int err;

    if (!may_write(node, &err)) {
        return err;
    }
    if (!in_range(offset, bytes)) {
        return EINVAL;
    }
    block_node_check_threshold(node, offset + bytes);
    err = bytes ? call_before(node, offset, bytes) : 0;
    if (err || !bytes) {
        return err;
    }
    err = node->driver->write_zeroes
              ? node->driver->write_zeroes(node, offset, bytes,
                                           node->unmap ? flags : flags & ~(unsigned)BLOCK_UNMAP)
              : ENOTSUP;
    err = err == ENOTSUP && !(flags & BLOCK_FAST) ? write_out_zeroes(node, offset, bytes, flags)
                                                  : err;
    return written(node, offset, bytes, err);
}

int block_node_discard(BlockNode *node, uint64_t offset, uint64_t bytes, unsigned flags)
{
    int err;

    if (!may_write(node, &err)) {
        return err;
    }
    if (!in_range(offset, bytes)) {
        return EINVAL;
    }
    if (!node->unmap || !node->driver->discard || !bytes) {
        return 0;
    }
    err = call_before(node, offset, bytes);
    if (err) {
        return err;
    }
    err = node->driver->discard(node, offset, bytes, flags);
    if (err == ENOTSUP) { /* nothing has changed */
        call_after(node, node->hooks ? node->hooks->len : 0, offset, bytes, 0);
        return 0;
    }
    return written(node, offset, bytes, err);
}

int block_node_flush(BlockNode *node)
{
    if (node->read_only || node->no_flush) {
        return 0;
    }
    if (node->driver->flush) {
        return node->driver->flush(node);
    }
    return node->file.node ? block_node_flush(node->file.node) : 0;
}

bool block_node_can_fua(BlockNode *node)
{
    return !node->no_flush && node->driver->can_fua && node->driver->can_fua(node);
}

bool block_node_can_fua_below(BlockNode *node)
{
    return block_node_can_fua(node->file.node);
}

int block_node_pread(BlockNode *node, uint64_t offset, void *buf, size_t len)
{
    const struct iovec iov = { buf, len };

    return block_node_read(node, offset, &iov, 1);
}

int block_node_pwrite(BlockNode *node, uint64_t offset, const void *buf, size_t len)
{
    const struct iovec iov = { (void *)(uintptr_t)buf, len };

    return block_node_write(node, offset, &iov, 1, 0);
}

int64_t block_node_length(BlockNode *node)
{
    int64_t length =
        node->driver->length ? node->driver->length(node) : block_node_length(node->file.node);

    return length > BLOCK_MAX_SIZE ? -EFBIG : length;
}

int block_node_truncate(BlockNode *node, uint64_t size)
{
    int err;

    if (!may_write(node, &err)) {
        return err;
    }
    if (size > BLOCK_MAX_SIZE || !block_dirty_bitmap_check_size(node, size)) {
        return EFBIG;
    }
    if (node->driver->truncate) {
        err = node->driver->truncate(node, size);
    } else {
        err = node->file.node ? block_node_truncate(node->file.node, size) : ENOTSUP;
    }
    if (!err) {
        block_dirty_bitmap_resized(node, size);
    }
    return err;
}

int64_t block_node_allocated(BlockNode *node)
{
    if (node->driver->allocated) {
        return node->driver->allocated(node);
    }
    return node->file.node ? block_node_allocated(node->file.node) : -ENOTSUP;
}
