/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/commit.h"

#include <errno.h>

#include "block/backend.h"
#include "block/driver.h"
#include "block/gate.h"
#include "block/reopen.h"
#include "util/error.h"

typedef struct Commit {
    BlockJob b;
    BlockNode *top, *base;
    char *backing_name;
    BlockdevOnError on_error;
    uint64_t size;     /* of the top */
    GPtrArray *opened; /* of block_job_let_write() */
} Commit;

bool block_chain_is_needed(const BlockStatus *status, const BlockNode *base)
{
    return status->allocated || (base && status->zero);
}

const char *block_chain_format(const BlockNode *node)
{
    node = block_skip_filters((BlockNode *)(uintptr_t)node);
    return node->driver->set_backing_name ? BlockdevDriver_str(node->driver->id) : "raw";
}

/* ---- the work ---- */

/* Copy what of [@at, ...) is needed: *@bytes. */
static int copy_some(Commit *c, uint64_t at, uint64_t *bytes, bool *needed, bool *read)
{
    BlockStatus status = { 0 };
    int err;

    *read = true;
    block_gate_enter();
    err = block_status_chain(c->top, c->base, at, MIN(c->size - at, BLOCK_JOB_CHUNK), &status);
    *bytes = status.bytes;
    *needed = !err && block_chain_is_needed(&status, c->base);
    if (*needed) {
        err = block_job_copy(c->top, c->base, at, *bytes, c->b.buf, read);
    }
    block_gate_leave();
    return err;
}

static int commit_run(Job *job)
{
    Commit *c = job->opaque;
    uint64_t at = 0;

    job_set_total(job, c->size);
    while (at < c->size && job_may_go_on(job)) {
        bool needed, read;
        uint64_t bytes;
        int err = copy_some(c, at, &bytes, &needed, &read);

        if (err && !job_may_try_again(job, c->on_error, read, err)) {
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

/* Let @user, whose backing file is the top, name the base instead. */
static bool rename_backing(Commit *c, BlockNode *user, GError **errp)
{
    const char *name = c->backing_name ? c->backing_name : block_skip_filters(c->base)->filename;
    bool read_only = user->read_only, ok;

    if (read_only && !block_node_set_read_only(user, false, errp)) {
        return false;
    }
    ok = user->driver->set_backing_name(user, name, block_chain_format(c->base), errp);
    if (read_only) {
        block_node_set_read_only(user, true, NULL);
    }
    return ok;
}

/* All whose backing file is @node, or a filter above it. */
static bool rename_all(Commit *c, const BlockNode *node, GError **errp)
{
    for (unsigned i = 0; i < node->edges->len; i++) {
        const BlockEdge *edge = node->edges->pdata[i];
        BlockNode *from = edge->from;

        if (from && (edge == &from->backing                        ? !rename_backing(c, from, errp)
                     : from->driver->filter && edge == &from->file ? !rename_all(c, from, errp)
                                                                   : false)) {
            return false;
        }
    }
    return true;
}

/* There are no requests. */
static bool drop_images(Commit *c, GError **errp)
{
    if (!rename_all(c, c->top, errp)) {
        return false;
    }
    block_job_let_go(&c->b);
    return block_job_move_users(c->top, c->base, errp);
}

static int commit_prepare(Job *job)
{
    Commit *c = job->opaque;
    GError *error = NULL;
    int err;

    block_hold_all();
    err = block_node_flush(c->base);
    if (!err && !drop_images(c, &error)) {
        err = job_fail(job, error);
    }
    block_resume_all();
    return err;
}

static void commit_clean(Job *job)
{
    Commit *c = job->opaque;

    block_hold_all();
    block_job_let_go(&c->b);
    block_job_set_live(c->top, c->base, false);
    block_job_end_write(c->opened);
    block_resume_all();
    block_job_clear(&c->b);
    g_ptr_array_unref(c->opened);
    g_free(c->backing_name);
    g_free(c);
}

static const JobDriver commit_driver = {
    .type = JOB_TYPE_COMMIT,
    .block = true,
    .run = commit_run,
    .prepare = commit_prepare,
    .clean = commit_clean,
};

/* ---- the beginning ---- */

static bool open_base(Commit *c, GError **errp)
{
    int64_t length = block_node_length(c->base);
    int err = 0;

    if (!block_job_let_write(c->base, c->opened, errp)) {
        return false;
    }
    if (length >= 0 && (uint64_t)length < c->size) {
        err = block_node_truncate(c->base, c->size);
    }
    if (err) {
        error_set_errno(errp, err, "block node '%s' cannot be made longer", c->base->name);
    }
    return !err;
}

/* There are no requests. */
static bool connect(Commit *c, GError **errp)
{
    const unsigned writes = BLOCK_PERM_WRITE | BLOCK_PERM_RESIZE;

    block_job_set_live(c->top, c->base, true);
    for (BlockNode *node = c->top; node != c->base; node = block_chain_below(node)) {
        if (!block_job_keep(&c->b, node, errp)) {
            return false;
        }
    }
    return open_base(c, errp) &&
           block_job_use(&c->b, c->top, BLOCK_PERM_READ, BLOCK_PERM_ALL & ~writes, errp) &&
           block_job_use(&c->b, c->base, BLOCK_PERM_READ | writes, BLOCK_PERM_ALL & ~writes, errp);
}

bool block_commit_start(const BlockChain *chain, const BlockJobOptions *options, GError **errp)
{
    int64_t length = block_node_length(chain->top);
    Commit *c;
    bool ok;

    if (length < 0) {
        error_set_errno(errp, (int)-length, "the size of block node '%s' is not known",
                        chain->top->name);
        return false;
    }
    c = g_new0(Commit, 1);
    if (!block_job_init(&c->b, options, &commit_driver, chain->top, errp)) {
        g_free(c);
        return false;
    }
    c->opened = g_ptr_array_new();
    c->top = chain->top;
    c->base = chain->base;
    c->backing_name = g_strdup(chain->backing_name);
    c->on_error = chain->on_error;
    c->size = (uint64_t)length;
    c->b.job->opaque = c;
    block_hold_all();
    ok = connect(c, errp);
    block_resume_all();
    if (ok) {
        job_start(c->b.job);
    } else {
        Job *job = c->b.job;

        commit_clean(job);
        job_discard(job);
    }
    return ok;
}
