/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Driver "raw": another node, or a part of it. */
#include <errno.h>
#include <inttypes.h>

#include "block/driver.h"
#include "block/guess.h"
#include "block/iov.h"
#include "block/raw.h"
#include "util/error.h"

typedef struct RawState {
    uint64_t offset, size;
    bool has_size;
    bool no_formats; /* raw_forbid_formats() */
} RawState;

void raw_forbid_formats(BlockNode *node)
{
    ((RawState *)node->state)->no_formats = true;
}

static bool check_part(const BlockNode *node, const RawState *s, GError **errp)
{
    int64_t length = block_node_length(node->file.node);

    if (length < 0) {
        error_set_errno(errp, (int)-length, "the size of %s is not known", node->filename);
        return false;
    }
    if (s->offset > (uint64_t)length || (s->has_size && s->size > (uint64_t)length - s->offset)) {
        error_set(errp,
                  "offset=%" PRIu64 ",size=%" PRIu64
                  " is beyond the end: the node below has %" PRId64 " bytes",
                  s->offset, s->size, length);
        return false;
    }
    return true;
}

static bool raw_open(BlockNode *node, GError **errp)
{
    const BlockdevOptionsRaw *options = node->options->u.raw;
    RawState *s = node->state = g_new0(RawState, 1);

    s->offset = options->offset;
    s->has_size = options->has_size;
    s->size = options->size;
    return block_node_open_below(node, &node->file, options->file, "file", errp) &&
           check_part(node, s, errp);
}

static void raw_close(BlockNode *node)
{
    g_free(node->state);
}

/* It ends where it ends, for writes too. */
static int place(const BlockNode *node, uint64_t offset, uint64_t bytes, uint64_t *below)
{
    const RawState *s = node->state;

    if (s->has_size && (offset > s->size || bytes > s->size - offset)) {
        return ENOSPC;
    }
    return __builtin_add_overflow(offset, s->offset, below) ? EINVAL : 0;
}

static int raw_read(BlockNode *node, uint64_t offset, const struct iovec *iov, unsigned iovcnt)
{
    const RawState *s = node->state;
    size_t bytes = iov_size(iov, iovcnt), inside = bytes;
    g_autofree struct iovec *part = NULL;
    uint64_t below;
    int err;

    if (s->has_size) { /* beyond its end zeros are read, as everywhere */
        inside = offset < s->size ? MIN(bytes, s->size - offset) : 0;
        iov_clear(iov, iovcnt, inside);
    }
    err = inside ? place(node, offset, inside, &below) : 0;
    if (err || !inside) {
        return err;
    }
    if (inside == bytes) {
        return block_node_read(node->file.node, below, iov, iovcnt);
    }
    part = g_new(struct iovec, iovcnt);
    return block_node_read(node->file.node, below, part, iov_slice(iov, iovcnt, 0, inside, part));
}

/* Whether it would begin like a format when that has been written. */
static bool begins_format(BlockNode *node, uint64_t offset, const struct iovec *iov,
                          unsigned iovcnt)
{
    uint8_t bytes[BLOCK_GUESS_BYTES] = { 0 };
    struct iovec all = { bytes, sizeof(bytes) };

    if (offset >= sizeof(bytes) || raw_read(node, 0, &all, 1) != 0) {
        return false;
    }
    iov_to_buf(iov, iovcnt, 0, bytes + offset, MIN(sizeof(bytes) - offset, iov_size(iov, iovcnt)));
    return block_guess_from(bytes) != NULL;
}

static int raw_write(BlockNode *node, uint64_t offset, const struct iovec *iov, unsigned iovcnt,
                     unsigned flags)
{
    const RawState *s = node->state;
    uint64_t below;
    int err = place(node, offset, iov_size(iov, iovcnt), &below);

    if (s->no_formats && begins_format(node, offset, iov, iovcnt)) {
        return EPERM;
    }
    return err ? err : block_node_write(node->file.node, below, iov, iovcnt, flags);
}

static int raw_write_zeroes(BlockNode *node, uint64_t offset, uint64_t bytes, unsigned flags)
{
    uint64_t below;
    int err = place(node, offset, bytes, &below);

    return err ? err : block_node_write_zeroes(node->file.node, below, bytes, flags);
}

static int raw_discard(BlockNode *node, uint64_t offset, uint64_t bytes, unsigned flags)
{
    uint64_t below;
    int err = place(node, offset, bytes, &below);

    return err ? err : block_node_discard(node->file.node, below, bytes, flags);
}

static bool raw_locate(BlockNode *node, BlockLocation *at)
{
    const RawState *s = node->state;

    if (s->no_formats && at->request.op == AIO_WRITE && at->request.offset < BLOCK_GUESS_BYTES) {
        return false; /* raw_write() looks at the bytes */
    }
    return (at->request.op == AIO_FLUSH ||
            place(node, at->request.offset, at->bytes, &at->request.offset) == 0) &&
           block_node_locate(node->file.node, at);
}

static bool raw_read_now(BlockNode *node, uint64_t offset, const struct iovec *iov, unsigned iovcnt)
{
    uint64_t below;

    return place(node, offset, iov_size(iov, iovcnt), &below) == 0 &&
           block_node_read_now(node->file.node, below, iov, iovcnt);
}

static int raw_status(BlockNode *node, uint64_t offset, uint64_t bytes, BlockStatus *status)
{
    uint64_t below;
    int err = place(node, offset, bytes, &below);

    return err ? err : block_status(node->file.node, below, bytes, status);
}

static int64_t raw_length(BlockNode *node)
{
    const RawState *s = node->state;
    int64_t length = s->has_size ? (int64_t)s->size : block_node_length(node->file.node);

    if (s->has_size || length < 0) {
        return length;
    }
    return length < (int64_t)s->offset ? 0 : length - (int64_t)s->offset;
}

static int raw_truncate(BlockNode *node, uint64_t size)
{
    const RawState *s = node->state;
    uint64_t below;

    if (s->has_size) {
        return ENOTSUP;
    }
    return __builtin_add_overflow(size, s->offset, &below)
               ? EFBIG
               : block_node_truncate(node->file.node, below);
}

static const BlockDriver raw_driver = {
    .id = BLOCKDEV_DRIVER_RAW,
    .open = raw_open,
    .close = raw_close,
    .read = raw_read,
    .write = raw_write,
    .write_zeroes = raw_write_zeroes,
    .discard = raw_discard,
    .locate = raw_locate,
    .read_now = raw_read_now,
    .status = raw_status,
    .can_fua = block_node_can_fua_below,
    .length = raw_length,
    .truncate = raw_truncate,
    .moves = true,
};
BLOCK_DRIVER_REGISTER(raw_driver)
