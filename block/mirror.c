/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A set has the chunks that the target does not have. What is written to the source goes into it
 * when it is written, and before whoever wrote is told; the thread takes chunks out before it reads
 * them. So a chunk that is changed while it is read is copied again. With write-blocking, whoever
 * writes copies that himself.
 */
#include "block/mirror.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "block/backend.h"
#include "block/dirty-set.h"
#include "block/driver.h"
#include "block/gate.h"
#include "block/ranges.h"
#include "block/reopen.h"
#include "block/status.h"
#include "util/error.h"
#include "util/units.h"

#define GRANULARITY     (64 * KIB)
#define GRANULARITY_MIN 512
#define GRANULARITY_MAX (64 * MIB)
#define CHUNKS_MAX      (UINT64_C(1) << 28)
#define LAST_BYTES      (4 * MIB) /* that the guest waits for at the end, at most */

typedef struct Mirror {
    BlockJob b;
    BlockMirror options;
    BlockNode *base;   /* of commit: what it has is not copied, and it is the target; else NULL */
    GPtrArray *opened; /* of block_job_let_write() */
    uint64_t size;
    uint64_t align; /* what is copied begins and ends at multiples of it, or at the end */
    DirtySet *dirty;
    BlockWriteHook hook;
    BlockRanges ranges; /* that are being copied */
    uint64_t cursor;    /* the thread's */
} Mirror;

static GPtrArray *mirrors; /* of Mirror: all there are */

static Mirror *mirror_of(const Job *job)
{
    return job->opaque;
}

/* ---- what is written meanwhile ---- */

static void copy_written(Mirror *m, uint64_t offset, uint64_t bytes)
{
    g_autofree uint8_t *buf = g_malloc(MIN(bytes, BLOCK_JOB_CHUNK));

    while (bytes) {
        uint64_t some = MIN(bytes, BLOCK_JOB_CHUNK);
        bool read;

        block_ranges_lock(&m->ranges, offset, some);
        if (block_job_copy(m->options.source, m->options.target, offset, some, buf, &read)) {
            dirty_set_add(m->dirty, offset, some); /* the thread will see what is wrong */
        }
        block_ranges_unlock(&m->ranges, offset, some);
        offset += some;
        bytes -= some;
    }
}

static void copy_aligned(Mirror *m, uint64_t offset, uint64_t bytes)
{
    uint64_t begin = offset / m->align * m->align;
    uint64_t end = MIN((offset + bytes + m->align - 1) / m->align * m->align, m->size);

    copy_written(m, begin, end - begin);
}

static void after_write(BlockWriteHook *hook, uint64_t offset, uint64_t bytes, int err)
{
    Mirror *m = (Mirror *)((char *)hook - offsetof(Mirror, hook));

    bytes = offset < m->size ? MIN(bytes, m->size - offset) : 0;
    if (m->options.write_blocking && !err && bytes) {
        copy_aligned(m, offset, bytes);
    } else {
        dirty_set_add(m->dirty, offset, bytes);
    }
    job_wake(m->b.job);
}

/* ---- copying ---- */

/* The next chunks; without the gate. */
static int copy_next(Mirror *m, uint64_t bytes, void *buf, bool *read)
{
    uint64_t offset = m->cursor;
    int err;

    block_ranges_lock(&m->ranges, offset, bytes);
    dirty_set_remove(m->dirty, offset, bytes);
    err = block_job_copy(m->options.source, m->options.target, offset, bytes, buf, read);
    if (err) {
        dirty_set_add(m->dirty, offset, bytes);
    }
    block_ranges_unlock(&m->ranges, offset, bytes);
    return err;
}

/* False: the job fails by *@err. */
static bool step(Mirror *m, uint64_t bytes, int *err)
{
    Job *job = m->b.job;
    bool read = false;

    block_gate_enter();
    *err = copy_next(m, bytes, m->b.buf, &read);
    block_gate_leave();
    if (*err) {
        return job_may_try_again(
            job, read ? m->options.on_source_error : m->options.on_target_error, read, *err);
    }
    m->cursor += bytes;
    job_progress(job, bytes, true);
    return true;
}

static void update_total(Mirror *m)
{
    Job *job = m->b.job;

    g_mutex_lock(&job->mutex);
    job->total = job->progress + dirty_set_bytes(m->dirty);
    g_mutex_unlock(&job->mutex);
}

/* Put in what is to be copied in any case: all, or what is above the backing file (of a commit, the
 * base). */
static int find_contents(Mirror *m)
{
    BlockNode *source = m->options.source,
              *base = m->base ? m->base : block_skip_filters(source)->backing.node;
    int err = 0;

    if (m->options.sync == MIRROR_SYNC_MODE_FULL) {
        dirty_set_add(m->dirty, 0, m->size);
    }
    for (uint64_t at = 0; m->options.sync == MIRROR_SYNC_MODE_TOP && at < m->size && !err;) {
        BlockStatus status = { 0 };

        if (!job_may_go_on(m->b.job)) {
            break;
        }
        block_gate_enter();
        err = base ? block_status_chain(source, base, at, m->size - at, &status) : 0;
        block_gate_leave();
        status.bytes = base ? status.bytes : m->size;
        if (!err && (!base || status.allocated)) {
            dirty_set_add(m->dirty, at, status.bytes);
        }
        at += status.bytes;
    }
    return err;
}

static int flush_target(Mirror *m)
{
    int err;

    block_gate_enter();
    err = block_node_flush(m->options.target);
    block_gate_leave();
    return err;
}

/* Nothing is left to be copied. False: the job fails by *@err. */
static bool be_ready(Mirror *m, bool *ready, int *err)
{
    if (!*ready) {
        *err = flush_target(m);
        if (*err) {
            return job_may_try_again(m->b.job, m->options.on_target_error, false, *err);
        }
        *ready = true;
        job_ready(m->b.job);
    } else {
        job_wait(m->b.job);
    }
    return true;
}

static int mirror_run(Job *job)
{
    Mirror *m = mirror_of(job);
    int err = find_contents(m);
    bool ready = false;

    while (!err && job_may_go_on(job)) {
        uint64_t bytes, left = dirty_set_bytes(m->dirty);

        update_total(m);
        if (ready && job_is_completing(job) && left <= LAST_BYTES) {
            break;
        }
        if (dirty_set_next(m->dirty, &m->cursor, BLOCK_JOB_CHUNK, &bytes)
                ? step(m, bytes, &err)
                : be_ready(m, &ready, &err)) {
            err = 0;
        }
    }
    return err;
}

/* ---- the end ---- */

/* There are no requests. */
static int copy_last(Mirror *m)
{
    uint64_t bytes;
    bool read;
    int err = 0;

    while (!err && dirty_set_next(m->dirty, &m->cursor, BLOCK_JOB_CHUNK, &bytes)) {
        err = copy_next(m, bytes, m->b.buf, &read);
        if (!err) {
            job_progress(m->b.job, bytes, true);
        }
    }
    update_total(m);
    return err ? err : block_node_flush(m->options.target);
}

static void stop_listening(Mirror *m)
{
    if (m->dirty) {
        block_node_remove_hook(m->options.source, &m->hook);
        dirty_set_free(g_steal_pointer(&m->dirty));
    }
}

/* There are no requests. */
static int take_place(Mirror *m)
{
    BlockNode *place = m->options.replaces ? m->options.replaces : m->options.source;
    GError *err = NULL;

    block_job_let_go(&m->b);
    if (!block_job_move_users(place, m->options.target, &err)) {
        return job_fail(m->b.job, err);
    }
    return 0;
}

static int mirror_prepare(Job *job)
{
    Mirror *m = mirror_of(job);
    int err;

    block_hold_all();
    err = copy_last(m);
    if (!err) {
        stop_listening(m);
        err = job->keep_source ? 0 : take_place(m);
    }
    block_resume_all();
    if (!err && !job->keep_source) {
        g_ptr_array_set_size(m->opened, 0); /* it stays as its users want it */
        block_job_tell_resized();
    }
    return err;
}

/* Backing edges that lead from one of the two to the other one. */
static void set_live(Mirror *m, bool live)
{
    const BlockMirror *o = &m->options;

    block_job_set_live(m->base ? o->source : o->target, m->base ? m->base : o->source, live);
}

static void mirror_clean(Job *job)
{
    Mirror *m = mirror_of(job);

    block_hold_all();
    stop_listening(m);
    block_job_let_go(&m->b);
    set_live(m, false);
    block_job_end_write(m->opened);
    block_resume_all();
    g_ptr_array_remove(mirrors, m);
    block_job_clear(&m->b);
    block_ranges_clear(&m->ranges);
    block_node_unref(m->options.replaces);
    g_ptr_array_unref(m->opened);
    g_free(m);
}

/* Another one copies the same node, and would no longer be told of what is written. */
static bool mirror_check_complete(const Job *job, GError **errp)
{
    const Mirror *m = mirror_of(job);

    for (unsigned i = 0; i < mirrors->len; i++) {
        const Mirror *other = mirrors->pdata[i];

        if (other != m && other->options.source == m->options.source) {
            error_set(errp,
                      "job '%s' copies block node '%s', too, and cannot follow to another one: "
                      "cancel it first",
                      other->b.job->id, m->options.source->name);
            return false;
        }
    }
    return true;
}

static const JobDriver mirror_driver = {
    .type = JOB_TYPE_MIRROR,
    .block = true,
    .run = mirror_run,
    .prepare = mirror_prepare,
    .clean = mirror_clean,
    .can_complete = true,
    .check_complete = mirror_check_complete,
};

static const JobDriver commit_driver = {
    .type = JOB_TYPE_COMMIT,
    .block = true,
    .run = mirror_run,
    .prepare = mirror_prepare,
    .clean = mirror_clean,
    .can_complete = true,
};

/* ---- the beginning ---- */

static bool check_granularity(uint64_t granularity, GError **errp)
{
    if (granularity && (granularity < GRANULARITY_MIN || granularity > GRANULARITY_MAX ||
                        granularity & (granularity - 1))) {
        error_set(errp,
                  "granularity=%" PRIu64 " is not possible: it is a power of 2, from 512 to 64 MiB",
                  granularity);
        return false;
    }
    return true;
}

static bool check_sizes(Mirror *m, GError **errp)
{
    const BlockMirror *o = &m->options;
    int64_t source = block_node_length(o->source), target = block_node_length(o->target),
            replaced = o->replaces ? block_node_length(o->replaces) : target;

    if (source < 0 || target < 0) {
        error_set_errno(errp, (int)-MIN(source, target), "the sizes of '%s' and '%s' are not known",
                        o->source->name, o->target->name);
        return false;
    }
    if (!m->base && (target < source || (o->replaces && replaced != target))) {
        error_set(errp,
                  "block node '%s' has %" PRId64 " bytes, and '%s' %" PRId64
                  ": they have to be as large",
                  o->source->name, source, o->target->name, target);
        return false;
    }
    m->size = (uint64_t)source;
    return true;
}

static bool check_others(const BlockNode *source, GError **errp)
{
    for (unsigned i = 0; mirrors && i < mirrors->len; i++) {
        const Mirror *other = mirrors->pdata[i];
        const Job *job = other->b.job;

        if (other->options.source == source && job->completing && !job->keep_source) {
            error_set(errp, "block node '%s' is busy: job '%s' is about to end, and to replace it",
                      source->name, job->id);
            return false;
        }
    }
    return true;
}

static bool check(const BlockMirror *o, GError **errp)
{
    if (o->source == o->target) {
        error_set(errp, "block node '%s' cannot be copied to itself", o->source->name);
    } else if (o->sync == MIRROR_SYNC_MODE_INCREMENTAL || o->sync == MIRROR_SYNC_MODE_BITMAP) {
        error_set(errp, "sync=%s is not possible: use full, top or none",
                  MirrorSyncMode_str(o->sync));
    } else if (o->replaces && !block_node_is_below(o->source, o->replaces)) {
        error_set(errp, "'replaces': block node '%s' is not below '%s'", o->replaces->name,
                  o->source->name);
    } else {
        return check_granularity(o->granularity, errp) && check_others(o->source, errp);
    }
    return false;
}

/* The base of a commit is written, and as long as what is on top of it. There are no requests. */
static bool open_base(Mirror *m, GError **errp)
{
    int64_t length = block_node_length(m->base);
    int err = 0;

    if (!block_job_let_write(m->base, m->opened, errp)) {
        return false;
    }
    if (length >= 0 && (uint64_t)length < m->size) {
        err = block_node_truncate(m->base, m->size);
    }
    if (err) {
        error_set_errno(errp, err, "block node '%s' cannot be made longer", m->base->name);
    }
    return !err;
}

/* A target that gets its backing file when it has the rest (blockdev-snapshot) would fill a cluster
 * of which a part is written with zeros. */
static uint64_t alignment(const BlockMirror *o)
{
    BlockNode *image = block_skip_filters(o->target);
    bool late =
        o->sync != MIRROR_SYNC_MODE_FULL && image->driver->set_backing_name && !image->backing.node;

    return late ? MAX(block_node_cluster_size(image), 1) : 1;
}

/* What is asked for; more, if the disk is so large that the set would be. */
static uint64_t chunk_size(const Mirror *m)
{
    uint64_t chunk = MAX(m->options.granularity ? m->options.granularity : GRANULARITY, m->align);

    while (m->size / chunk > CHUNKS_MAX) {
        chunk *= 2;
    }
    return chunk;
}

/* There are no requests. */
static bool connect(Mirror *m, GError **errp)
{
    const BlockMirror *o = &m->options;
    const unsigned writes = BLOCK_PERM_WRITE | BLOCK_PERM_RESIZE;

    set_live(m, true);
    if (m->base && !open_base(m, errp)) {
        return false;
    }
    for (BlockNode *node = o->source; m->base && node != m->base; node = block_chain_below(node)) {
        if (!block_job_keep(&m->b, node, errp)) {
            return false;
        }
    }
    if (!(m->base ? block_job_use(&m->b, o->source, BLOCK_PERM_READ, BLOCK_PERM_ALL, errp)
                  : block_job_read(&m->b, o->source, errp)) ||
        !block_job_use(&m->b, o->target, m->base ? BLOCK_PERM_READ | writes : writes,
                       BLOCK_PERM_ALL & ~writes, errp)) {
        return false;
    }
    m->align = alignment(o);
    m->dirty = dirty_set_new(m->size, chunk_size(m));
    m->hook.after = after_write;
    block_node_add_hook(o->source, &m->hook);
    return true;
}

static bool start(Mirror *m, const JobDriver *driver, const BlockJobOptions *options, GError **errp)
{
    bool ok;

    if (!check(&m->options, errp) || !check_sizes(m, errp) ||
        !block_job_init(&m->b, options, driver, m->options.source, errp)) {
        g_free(m);
        return false;
    }
    if (m->options.replaces) {
        m->options.replaces->refs++;
    }
    m->opened = g_ptr_array_new();
    m->b.job->opaque = m;
    block_ranges_init(&m->ranges);
    mirrors = mirrors ? mirrors : g_ptr_array_new();
    g_ptr_array_add(mirrors, m);
    block_hold_all();
    ok = connect(m, errp);
    block_resume_all();
    if (ok) {
        job_start(m->b.job);
    } else {
        Job *job = m->b.job;

        mirror_clean(job);
        job_discard(job);
    }
    return ok;
}

bool block_mirror_start(const BlockMirror *mirror, const BlockJobOptions *options, GError **errp)
{
    Mirror *m = g_new0(Mirror, 1);

    m->options = *mirror;
    return start(m, &mirror_driver, options, errp);
}

bool block_mirror_commit(BlockNode *top, BlockNode *base, BlockdevOnError on_error,
                         const BlockJobOptions *options, GError **errp)
{
    Mirror *m = g_new0(Mirror, 1);

    m->base = base;
    m->options = (BlockMirror){ .source = top,
                                .target = base,
                                .sync = MIRROR_SYNC_MODE_TOP,
                                .on_source_error = on_error,
                                .on_target_error = on_error };
    return start(m, &commit_driver, options, errp);
}
