/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Driver "blkdebug": another node, some of whose requests fail as its options say. */
#include <errno.h>

#include "block/blkdebug.h"
#include "block/driver.h"
#include "block/iov.h"
#include "util/error.h"

typedef struct DebugState {
    GMutex mutex;
    bool *spent; /* of each error: it was there once; under the mutex */
    Breakpoints *breakpoints;
} DebugState;

static bool debug_open(BlockNode *node, GError **errp)
{
    const BlockdevOptionsBlkdebug *options = node->options->u.blkdebug;
    const GPtrArray *errors = options->inject_error;
    DebugState *s = node->state = g_new0(DebugState, 1);

    g_mutex_init(&s->mutex);
    s->breakpoints = breakpoints_new();
    s->spent = g_new0(bool, errors ? errors->len : 0);
    for (unsigned i = 0; errors && i < errors->len; i++) {
        const BlkdebugInjectErrorOptions *e = errors->pdata[i];

        if (e->has_q_errno && (e->q_errno == 0 || e->q_errno > G_MAXINT16)) {
            error_set(errp,
                      "inject-error.%u.errno=%u is no error: give its number on Linux, as 5 "
                      "for EIO",
                      i, e->q_errno);
            return false;
        }
    }
    return block_node_open_below(node, &node->file, options->image, "image", errp);
}

static void debug_close(BlockNode *node)
{
    DebugState *s = node->state;

    breakpoints_free(s->breakpoints);
    g_mutex_clear(&s->mutex);
    g_free(s->spent);
    g_free(s);
}

static const BlkdebugEvent events[] = {
    [BLKDEBUG_IO_TYPE_READ] = BLKDEBUG_EVENT_READ_AIO,
    [BLKDEBUG_IO_TYPE_WRITE] = BLKDEBUG_EVENT_WRITE_AIO,
    [BLKDEBUG_IO_TYPE_WRITE_ZEROES] = BLKDEBUG_EVENT_WRITE_AIO,
    [BLKDEBUG_IO_TYPE_DISCARD] = BLKDEBUG_EVENT_NONE,
    [BLKDEBUG_IO_TYPE_FLUSH] = BLKDEBUG_EVENT_FLUSH_TO_DISK,
};

/* A flush goes first to the host, then to its disk: here that is one thing. */
static bool is_of(BlkdebugEvent event, BlkdebugIOType type)
{
    return event == BLKDEBUG_EVENT_NONE || event == events[type] ||
           (event == BLKDEBUG_EVENT_FLUSH_TO_OS && type == BLKDEBUG_IO_TYPE_FLUSH);
}

static bool meets(const BlkdebugInjectErrorOptions *e, BlkdebugIOType type, uint64_t offset,
                  uint64_t bytes)
{
    uint64_t first = offset / BLOCK_SECTOR,
             end = (offset + bytes + BLOCK_SECTOR - 1) / BLOCK_SECTOR;

    return is_of(e->event, type) && (!e->has_iotype || e->iotype == type) &&
           (!e->has_sector || e->sector < 0 ||
            ((uint64_t)e->sector >= first && (uint64_t)e->sector < end));
}

/* The error that the request meets, or 0; it may wait here. */
static int debug_error(const BlockNode *node, BlkdebugIOType type, uint64_t offset, uint64_t bytes)
{
    const GPtrArray *errors = node->options->u.blkdebug->inject_error;
    DebugState *s = node->state;
    int err = 0;

    if (type == BLKDEBUG_IO_TYPE_FLUSH) {
        breakpoints_meet(s->breakpoints, BLKDEBUG_EVENT_FLUSH_TO_OS);
    }
    if (events[type] != BLKDEBUG_EVENT_NONE) {
        breakpoints_meet(s->breakpoints, events[type]);
    }
    g_mutex_lock(&s->mutex);
    for (unsigned i = 0; !err && errors && i < errors->len; i++) {
        const BlkdebugInjectErrorOptions *e = errors->pdata[i];

        if (!s->spent[i] && meets(e, type, offset, bytes)) {
            s->spent[i] = e->once;
            err = e->has_q_errno ? (int)e->q_errno : EIO;
        }
    }
    g_mutex_unlock(&s->mutex);
    return err;
}

static int debug_read(BlockNode *node, uint64_t offset, const struct iovec *iov, unsigned iovcnt)
{
    int err = debug_error(node, BLKDEBUG_IO_TYPE_READ, offset, iov_size(iov, iovcnt));

    return err ? err : block_node_read(node->file.node, offset, iov, iovcnt);
}

static int debug_write(BlockNode *node, uint64_t offset, const struct iovec *iov, unsigned iovcnt,
                       unsigned flags)
{
    int err = debug_error(node, BLKDEBUG_IO_TYPE_WRITE, offset, iov_size(iov, iovcnt));

    return err ? err : block_node_write(node->file.node, offset, iov, iovcnt, flags);
}

static int debug_write_zeroes(BlockNode *node, uint64_t offset, uint64_t bytes, unsigned flags)
{
    int err = debug_error(node, BLKDEBUG_IO_TYPE_WRITE_ZEROES, offset, bytes);

    return err ? err : block_node_write_zeroes(node->file.node, offset, bytes, flags);
}

static int debug_discard(BlockNode *node, uint64_t offset, uint64_t bytes, unsigned flags)
{
    int err = debug_error(node, BLKDEBUG_IO_TYPE_DISCARD, offset, bytes);

    return err ? err : block_node_discard(node->file.node, offset, bytes, flags);
}

/* An error at a sector meets no flush. */
static int debug_flush(BlockNode *node)
{
    int err = debug_error(node, BLKDEBUG_IO_TYPE_FLUSH, 0, 0);

    return err ? err : block_node_flush(node->file.node);
}

static const BlockDriver debug_driver = {
    .id = BLOCKDEV_DRIVER_BLKDEBUG,
    .open = debug_open,
    .close = debug_close,
    .read = debug_read,
    .write = debug_write,
    .write_zeroes = debug_write_zeroes,
    .discard = debug_discard,
    .flush = debug_flush,
    .injects = true,
};
BLOCK_DRIVER_REGISTER(debug_driver)

Breakpoints *blkdebug_breakpoints(BlockNode *node)
{
    while (node && node->driver != &debug_driver) {
        node = node->file.node;
    }
    return node ? ((DebugState *)node->state)->breakpoints : NULL;
}
