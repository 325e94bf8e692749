/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the image does not have is read and written to it, a range at a time, which nobody else
 * writes to meanwhile: else what the job has read could replace what was written after that.
 */
#include <errno.h>

#include "block/backend.h"
#include "block/commit.h"
#include "block/driver.h"
#include "block/gate.h"
#include "block/ranges.h"
#include "block/reopen.h"
#include "util/error.h"

typedef struct Stream {
    BlockJob b;
    BlockNode *top, *base;
    char *backing_name;
    BlockdevOnError on_error;
    uint64_t size; /* of the top */
    bool was_read_only;
    BlockWriteHook hook;
    bool listening;
    BlockRanges ranges;
    GThread *thread; /* the job's, once it runs */
} Stream;

/* ---- what is written meanwhile ---- */

static Stream *stream_of(BlockWriteHook *hook)
{
    return (Stream *)((char *)hook - offsetof(Stream, hook));
}

/* The job's own writes are in a range that it has. */
static bool is_own(const Stream *s)
{
    return g_thread_self() == __atomic_load_n(&s->thread, __ATOMIC_RELAXED);
}

static int before_write(BlockWriteHook *hook, uint64_t offset, uint64_t bytes)
{
    Stream *s = stream_of(hook);

    if (!is_own(s)) {
        block_ranges_lock(&s->ranges, offset, bytes);
    }
    return 0;
}

static void after_write(BlockWriteHook *hook, uint64_t offset, uint64_t bytes, int err)
{
    Stream *s = stream_of(hook);

    if (!is_own(s)) {
        block_ranges_unlock(&s->ranges, offset, bytes);
    }
}

/* ---- the work ---- */

/* Copy what of [@at, ...) is needed: *@done bytes. */
static int copy_some(Stream *s, uint64_t at, uint64_t *done, bool *needed, bool *read)
{
    uint64_t bytes = MIN(s->size - at, BLOCK_JOB_CHUNK);
    BlockStatus status = { 0 };
    int err;

    *read = true;
    block_gate_enter();
    block_ranges_lock(&s->ranges, at, bytes);
    err = block_status_chain(s->top, s->base, at, bytes, &status);
    *done = err ? bytes : status.bytes;
    *needed =
        !err && block_chain_is_needed(&status, s->base) && (status.depth || !status.allocated);
    if (*needed) {
        err = block_job_copy(s->top, s->top, at, *done, s->b.buf, read);
    }
    block_ranges_unlock(&s->ranges, at, bytes);
    block_gate_leave();
    return err;
}

static int stream_run(Job *job)
{
    Stream *s = job->opaque;
    uint64_t at = 0;

    __atomic_store_n(&s->thread, g_thread_self(), __ATOMIC_RELAXED);
    job_set_total(job, s->top->backing.node == s->base ? 0 : s->size);
    while (s->top->backing.node != s->base && at < s->size && job_may_go_on(job)) {
        bool needed, read;
        uint64_t bytes;
        int err = copy_some(s, at, &bytes, &needed, &read);

        if (err && !job_may_try_again(job, s->on_error, read, err)) {
            return err;
        }
        if (!err) {
            at += bytes;
            job_progress(job, bytes, needed);
        }
    }
    return 0;
}

/* ---- the end ---- */

static bool change_backing(Stream *s, GError **errp)
{
    BlockEdge keep = { 0 }; /* for the moment in which it is not used */
    BlockNode *top = s->top;
    const char *name = !s->base          ? NULL
                       : s->backing_name ? s->backing_name
                                         : block_skip_filters(s->base)->filename;

    if (!top->driver->set_backing_name(top, name, name ? block_chain_format(s->base) : NULL,
                                       errp)) {
        return false;
    }
    if (s->base &&
        !block_edge_attach(&keep, s->base, s->b.user, BLOCK_PERM_READ, BLOCK_PERM_ALL, errp)) {
        return false;
    }
    block_edge_detach(&top->backing);
    if (s->base) {
        block_edge_link(&top->backing, top, s->base);
        block_node_update_perms(top, NULL); /* it was read by what goes */
        block_edge_detach(&keep);
    }
    return true;
}

static int stream_prepare(Job *job)
{
    Stream *s = job->opaque;
    GError *error = NULL;
    int err = 0;

    if (s->top->backing.node == s->base) {
        return 0;
    }
    block_hold_all();
    err = block_node_flush(s->top);
    if (!err && !change_backing(s, &error)) {
        err = job_fail(job, error);
    }
    block_resume_all();
    return err;
}

static void stream_clean(Job *job)
{
    Stream *s = job->opaque;

    block_hold_all();
    if (s->listening) {
        block_node_remove_hook(s->top, &s->hook);
    }
    block_job_let_go(&s->b);
    if (s->was_read_only) {
        block_node_set_read_only(s->top, true, NULL);
    }
    block_resume_all();
    block_job_clear(&s->b);
    block_ranges_clear(&s->ranges);
    g_free(s->backing_name);
    g_free(s);
}

static const JobDriver stream_driver = {
    .type = JOB_TYPE_STREAM,
    .block = true,
    .run = stream_run,
    .prepare = stream_prepare,
    .clean = stream_clean,
};

/* ---- the beginning ---- */

/* There are no requests. */
static bool connect(Stream *s, GError **errp)
{
    for (BlockNode *node = s->top; node && node != s->base; node = block_chain_below(node)) {
        if (!block_job_keep(&s->b, node, errp)) {
            return false;
        }
    }
    if (s->top->read_only) {
        if (!block_node_set_read_only(s->top, false, errp)) {
            return false;
        }
        s->was_read_only = true;
    }
    if (!block_job_use(&s->b, s->top, BLOCK_PERM_READ | BLOCK_PERM_SAME, BLOCK_PERM_ALL, errp)) {
        return false;
    }
    s->hook = (BlockWriteHook){ .before = before_write, .after = after_write };
    block_node_add_hook(s->top, &s->hook);
    s->listening = true;
    return true;
}

bool block_stream_start(const BlockChain *chain, const BlockJobOptions *options, GError **errp)
{
    int64_t length = block_node_length(chain->top);
    Stream *s;
    bool ok;

    if (length < 0) {
        error_set_errno(errp, (int)-length, "the size of block node '%s' is not known",
                        chain->top->name);
        return false;
    }
    s = g_new0(Stream, 1);
    if (!block_job_init(&s->b, options, &stream_driver, chain->top, errp)) {
        g_free(s);
        return false;
    }
    s->top = chain->top;
    s->base = chain->base;
    s->backing_name = g_strdup(chain->backing_name);
    s->on_error = chain->on_error;
    s->size = (uint64_t)length;
    s->b.job->opaque = s;
    block_ranges_init(&s->ranges);
    block_hold_all();
    ok = connect(s, errp);
    block_resume_all();
    if (ok) {
        job_start(s->b.job);
    } else {
        Job *job = s->b.job;

        stream_clean(job);
        job_discard(job);
    }
    return ok;
}
