/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who reads what was there has the range for himself, so that nobody writes to it meanwhile: he
 * would have to copy it first, and that needs the range, too.
 */
#include "block/copy-before-write.h"

#include <errno.h>
#include <inttypes.h>

#include "block/copy.h"
#include "block/dirty-bitmap.h"
#include "block/driver.h"
#include "block/gate.h"
#include "block/iov.h"
#include "block/job-block.h"
#include "util/error.h"
#include "util/units.h"

#define READ_MAX   BLOCK_JOB_CHUNK /* bytes that a reader has for himself at once */
#define STATUS_MAX (64 * MIB)
#define COPIERS    16 /* threads that copy for those who do not wait for ever */

typedef struct Cbw {
    BlockCopy copy;
    DirtySet *readable; /* chunks that are kept; NULL: it was not opened */
    bool broken;        /* something was written that could not be copied; atomic */
    GMutex mutex;
    GCond ended;
    unsigned copies; /* under the mutex: of threads, that go on */
} Cbw;

/* A copy that a thread of its own makes. */
typedef struct Copy {
    Cbw *s;
    uint64_t offset, bytes;
    bool ended, given_up; /* under the mutex of s: it, and who waits for it, are through */
    int err;
} Copy;

static const BlockdevOptionsCbw *options_of(const BlockNode *node)
{
    return node->options->u.copy_before_write;
}

/* ---- making ---- */

static bool open_nodes(BlockNode *node, GError **errp)
{
    const BlockdevOptionsCbw *o = options_of(node);
    int64_t length, target;

    if (!block_node_open_below(node, &node->file, o->file, "file", errp) ||
        !block_node_open_below(node, &node->target, o->target, "target", errp)) {
        return false;
    }
    length = block_node_length(node->file.node);
    target = block_node_length(node->target.node);
    if (block_node_is_below(node->file.node, node->target.node)) {
        error_set(errp, "'target': what is in block node '%s' cannot be kept in itself or below it",
                  node->file.node->name);
    } else if (length < 0 || target < 0) {
        error_set_errno(errp, (int)-MIN(length, target), "the sizes of '%s' and '%s' are not known",
                        node->file.node->name, node->target.node->name);
    } else if (length != target) {
        error_set(errp,
                  "block node '%s' has %" PRId64 " bytes, and '%s' %" PRId64
                  ": they have to be as large",
                  node->file.node->name, length, node->target.node->name, target);
    } else {
        return true;
    }
    return false;
}

/* What is kept: all, or what the bitmap has now. */
static bool find_kept(const BlockNode *node, Cbw *s, GError **errp)
{
    const BlockDirtyBitmapRef *ref = options_of(node)->bitmap;
    BlockNode *of = ref ? block_job_node(ref->node, errp) : NULL;
    BlockDirtyBitmap *bitmap = of ? block_dirty_bitmap_find(of, ref->name, errp) : NULL;
    uint64_t at = 0, bytes;

    if (!ref) {
        dirty_set_add(s->readable, 0, s->copy.size);
        dirty_set_add(s->copy.left, 0, s->copy.size);
        return true;
    }
    if (!bitmap || !block_dirty_bitmap_check(bitmap, BLOCK_DIRTY_BITMAP_READ, errp)) {
        return false;
    }
    if (bitmap->size != s->copy.size) {
        error_set(errp,
                  "bitmap '%s' is of %" PRIu64 " bytes, and block node '%s' has %" PRIu64
                  ": they have to be as large",
                  ref->name, bitmap->size, node->file.node->name, s->copy.size);
        return false;
    }
    for (; block_dirty_bitmap_next(bitmap, &at, s->copy.size, s->copy.size, &bytes); at += bytes) {
        dirty_set_add(s->readable, at, bytes);
        dirty_set_add(s->copy.left, at, bytes);
    }
    return true;
}

static bool cbw_open(BlockNode *node, GError **errp)
{
    Cbw *s = node->state = g_new0(Cbw, 1);

    g_mutex_init(&s->mutex);
    g_cond_init(&s->ended);
    if (!open_nodes(node, errp)) {
        return false;
    }
    block_copy_init(&s->copy, &node->file.node, &node->target.node,
                    (uint64_t)block_node_length(node->file.node), false);
    s->readable = dirty_set_new(s->copy.size, s->copy.chunk);
    if (!find_kept(node, s, errp)) {
        return false;
    }
    block_job_set_live(node->target.node, node->file.node, true);
    return true;
}

static void cbw_close(BlockNode *node)
{
    Cbw *s = node->state;

    g_mutex_lock(&s->mutex);
    while (s->copies) {
        g_cond_wait(&s->ended, &s->mutex);
    }
    g_mutex_unlock(&s->mutex);
    if (s->readable) {
        block_edge_change(&node->file, 0, BLOCK_PERM_ALL, NULL); /* fewer than before */
        block_edge_change(&node->target, 0, BLOCK_PERM_ALL, NULL);
        block_job_set_live(node->target.node, node->file.node, false);
    }
    dirty_set_free(s->readable);
    block_copy_clear(&s->copy);
    g_cond_clear(&s->ended);
    g_mutex_clear(&s->mutex);
    g_free(s);
}

/* Who has it at all keeps others from writing below it: that would not be copied. */
static bool cbw_set_perms(BlockNode *node, unsigned uses, unsigned shares, GError **errp)
{
    const unsigned writes = BLOCK_PERM_WRITE | BLOCK_PERM_RESIZE;
    bool used = node->edges->len, keeps = used && block_node_is_active();
    unsigned target = (used ? BLOCK_PERM_READ : 0) | (keeps && !node->read_only ? writes : 0);

    if (!node->target.node) {
        return true;
    }
    return block_edge_change(&node->file, uses | (used ? BLOCK_PERM_READ : 0),
                             keeps ? shares & ~writes : shares, errp) &&
           block_edge_change(&node->target, target,
                             keeps ? BLOCK_PERM_ALL & ~writes : BLOCK_PERM_ALL, errp);
}

/* ---- writing ---- */

static GThreadPool *copiers;

static void copy_free(Copy *copy)
{
    Cbw *s = copy->s;

    g_free(copy);
    s->copies--;
    g_cond_broadcast(&s->ended);
}

static void copy_in_thread(gpointer data, gpointer opaque)
{
    Copy *copy = data;
    Cbw *s = copy->s;
    uint64_t done;
    int err = block_copy_before(&s->copy, copy->offset, copy->bytes, &done);

    block_gate_leave();
    g_mutex_lock(&s->mutex);
    copy->err = err;
    copy->ended = true;
    g_cond_broadcast(&s->ended);
    if (copy->given_up) {
        copy_free(copy);
    }
    g_mutex_unlock(&s->mutex);
}

/* As block_copy_before(), but who waits longer than @seconds has ETIMEDOUT, while it goes on: the
 * range is then still not free. */
static int copy_until(Cbw *s, uint64_t offset, uint64_t bytes, uint32_t seconds)
{
    static gsize made;
    int64_t until = g_get_monotonic_time() + seconds * G_USEC_PER_SEC;
    Copy *copy = g_new0(Copy, 1);
    int err = ETIMEDOUT;

    if (g_once_init_enter(&made)) {
        copiers = g_thread_pool_new(copy_in_thread, NULL, COPIERS, FALSE, NULL);
        g_once_init_leave(&made, 1);
    }
    *copy = (Copy){ .s = s, .offset = offset, .bytes = bytes };
    g_mutex_lock(&s->mutex);
    s->copies++;
    block_gate_join();
    g_thread_pool_push(copiers, copy, NULL);
    while (!copy->ended && g_cond_wait_until(&s->ended, &s->mutex, until)) {
    }
    if (copy->ended) {
        err = copy->err;
        copy_free(copy);
    } else {
        copy->given_up = true;
    }
    g_mutex_unlock(&s->mutex);
    return err;
}

static bool is_broken(const Cbw *s)
{
    return __atomic_load_n(&s->broken, __ATOMIC_SEQ_CST);
}

/* Before [@offset, @offset + @bytes) is written. */
static int before_write(const BlockNode *node, uint64_t offset, uint64_t bytes)
{
    const BlockdevOptionsCbw *o = options_of(node);
    Cbw *s = node->state;
    uint64_t done;
    int err;

    if (is_broken(s) || offset >= s->copy.size) {
        return 0;
    }
    bytes = MIN(bytes, s->copy.size - offset);
    if (!o->cbw_timeout || !block_copy_is_left(&s->copy, offset, bytes)) {
        err = block_copy_before(&s->copy, offset, bytes, &done);
    } else {
        err = copy_until(s, offset, bytes, o->cbw_timeout);
    }
    if (err && o->on_cbw_error == ON_CBW_ERROR_BREAK_SNAPSHOT) {
        __atomic_store_n(&s->broken, true, __ATOMIC_SEQ_CST);
        err = 0;
    }
    return err;
}

static int cbw_read(BlockNode *node, uint64_t offset, const struct iovec *iov, unsigned iovcnt)
{
    return block_node_read(node->file.node, offset, iov, iovcnt);
}

static int cbw_write(BlockNode *node, uint64_t offset, const struct iovec *iov, unsigned iovcnt,
                     unsigned flags)
{
    int err = before_write(node, offset, iov_size(iov, iovcnt));

    return err ? err : block_node_write(node->file.node, offset, iov, iovcnt, flags);
}

static int cbw_write_zeroes(BlockNode *node, uint64_t offset, uint64_t bytes, unsigned flags)
{
    int err = before_write(node, offset, bytes);

    return err ? err : block_node_write_zeroes(node->file.node, offset, bytes, flags);
}

static int cbw_discard(BlockNode *node, uint64_t offset, uint64_t bytes, unsigned flags)
{
    int err = before_write(node, offset, bytes);

    return err ? err : block_node_discard(node->file.node, offset, bytes, flags);
}

static bool cbw_locate(BlockNode *node, BlockLocation *at)
{
    return at->request.op != AIO_WRITE && block_node_locate(node->file.node, at);
}

static bool cbw_read_now(BlockNode *node, uint64_t offset, const struct iovec *iov, unsigned iovcnt)
{
    return block_node_read_now(node->file.node, offset, iov, iovcnt);
}

/* What is kept has the size that the disk had. */
static int cbw_truncate(BlockNode *node, uint64_t size)
{
    return ENOTSUP;
}

static const BlockDriver cbw_driver = {
    .id = BLOCKDEV_DRIVER_COPY_BEFORE_WRITE,
    .open = cbw_open,
    .close = cbw_close,
    .set_perms = cbw_set_perms,
    .read = cbw_read,
    .write = cbw_write,
    .write_zeroes = cbw_write_zeroes,
    .discard = cbw_discard,
    .locate = cbw_locate,
    .read_now = cbw_read_now,
    .can_fua = block_node_can_fua_below,
    .filter = true,
    .truncate = cbw_truncate,
    .stays = true,
};
BLOCK_DRIVER_REGISTER(cbw_driver)

/* ---- what was there ---- */

bool cbw_is(const BlockNode *node)
{
    return node->driver == &cbw_driver;
}

/* From @at on, before @end: the node that has it, NULL: none; and up to where. */
static BlockNode *holder(const Cbw *s, uint64_t at, uint64_t end, uint64_t *next)
{
    bool readable = dirty_set_has(s->readable, at), left = dirty_set_has(s->copy.left, at);

    do {
        at = (at | (s->copy.chunk - 1)) + 1;
    } while (at < end && dirty_set_has(s->readable, at) == readable &&
             dirty_set_has(s->copy.left, at) == left);
    *next = MIN(at, end);
    return !readable ? NULL : left ? *s->copy.source : *s->copy.target;
}

/* Have the chunks from @offset to @end, at most @max bytes, for oneself: up to where. */
static uint64_t have(Cbw *s, uint64_t offset, uint64_t end, uint64_t max, uint64_t *first,
                     uint64_t *last)
{
    *first = offset;
    *last = MIN(end, offset + MAX(max, s->copy.chunk));
    end = *last;
    block_copy_round(&s->copy, first, last);
    block_ranges_lock(&s->copy.ranges, *first, *last - *first);
    return end;
}

static int read_some(const Cbw *s, uint64_t offset, uint64_t end, const struct iovec *iov,
                     unsigned iovcnt, size_t skip)
{
    g_autofree struct iovec *part = g_new(struct iovec, iovcnt);
    int err = 0;

    while (offset < end && !err) {
        uint64_t next;
        BlockNode *from = holder(s, offset, end, &next);
        unsigned n = iov_slice(iov, iovcnt, skip, next - offset, part);

        err = from ? block_node_read(from, offset, part, n) : EACCES;
        skip += next - offset;
        offset = next;
    }
    return err;
}

int cbw_snapshot_read(BlockNode *node, uint64_t offset, const struct iovec *iov, unsigned iovcnt)
{
    Cbw *s = node->state;
    uint64_t bytes = iov_size(iov, iovcnt), from = offset, end;
    int err = 0;

    bytes = offset < s->copy.size ? MIN(bytes, s->copy.size - offset) : 0;
    iov_clear(iov, iovcnt, bytes);
    for (end = offset + bytes; offset < end && !err;) {
        uint64_t first, last, to = have(s, offset, end, READ_MAX, &first, &last);

        err = read_some(s, offset, to, iov, iovcnt, offset - from);
        block_ranges_unlock(&s->copy.ranges, first, last - first);
        offset = to;
    }
    return err ? err : is_broken(s) ? EACCES : 0;
}

int cbw_snapshot_status(BlockNode *node, uint64_t offset, uint64_t bytes, BlockStatus *status)
{
    Cbw *s = node->state;
    uint64_t first, last, next, to;
    BlockNode *from;
    int err;

    if (offset >= s->copy.size) { /* the disk is another one now, and longer */
        *status = (BlockStatus){ .bytes = bytes, .allocated = true, .zero = true };
        return 0;
    }
    bytes = MIN(bytes, s->copy.size - offset);
    to = have(s, offset, offset + bytes, STATUS_MAX, &first, &last);
    from = holder(s, offset, to, &next);
    err = from ? block_status_chain(from, NULL, offset, next - offset, status) : EACCES;
    block_ranges_unlock(&s->copy.ranges, first, last - first);
    status->allocated = true;
    status->data |= !status->zero;
    status->has_at = false;
    return err ? err : is_broken(s) ? EACCES : 0;
}

int cbw_snapshot_discard(BlockNode *node, uint64_t offset, uint64_t bytes)
{
    Cbw *s = node->state;
    uint64_t end = offset + bytes;

    offset = (offset + s->copy.chunk - 1) & ~(s->copy.chunk - 1);
    end = end >= s->copy.size ? s->copy.size : end & ~(s->copy.chunk - 1);
    if (offset >= end) {
        return 0;
    }
    block_ranges_lock(&s->copy.ranges, offset, end - offset);
    dirty_set_remove(s->readable, offset, end - offset);
    dirty_set_remove(s->copy.left, offset, end - offset);
    block_ranges_unlock(&s->copy.ranges, offset, end - offset);
    return block_node_discard(*s->copy.target, offset, end - offset, 0);
}
