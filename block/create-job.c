/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/create-job.h"

#include <errno.h>

#include "block/driver.h"
#include "qom/object.h"
#include "util/error.h"

/* Nobody else changes what the image is made in. */
static void keep(CreateJob *c)
{
    for (BlockNode *node = c->file; node && !c->err; node = node->file.node) {
        if (block_node_check_idle(node, &c->err)) {
            node->busy = c->user;
            node->refs++;
            g_ptr_array_add(c->busy, node);
        }
    }
}

static void let_go(CreateJob *c)
{
    for (unsigned i = 0; i < c->busy->len; i++) {
        BlockNode *node = c->busy->pdata[i];

        node->busy = NULL;
        block_node_unref(node);
    }
    g_ptr_array_set_size(c->busy, 0);
}

static void create_job_free(CreateJob *c)
{
    let_go(c);
    g_ptr_array_unref(c->busy);
    block_node_unref(c->file);
    g_clear_error(&c->err);
    g_free(c->user);
    g_free(c->path);
    g_free((char *)(uintptr_t)c->qcow2.backing);
    g_free((char *)(uintptr_t)c->qcow2.backing_format);
    g_free(c);
}

static bool go_on(BlockCreateWatch *watch)
{
    CreateJob *c = (CreateJob *)(void *)((char *)watch - offsetof(CreateJob, watch));

    return job_may_go_on(c->job);
}

static int create_run(Job *job)
{
    CreateJob *c = job->opaque;
    GError *err = g_steal_pointer(&c->err);

    job_set_total(job, 1);
    if (err) {
        return job_fail(job, err);
    }
    if (!(c->path ? block_create_raw(c->path, c->size, c->preallocation, &c->watch, &err)
                  : block_create_qcow2_in_node(c->file, &c->qcow2, &err))) {
        if (job_is_cancelled(job)) {
            g_clear_error(&err);
            return ECANCELED;
        }
        return job_fail(job, err);
    }
    job_progress(job, 1, false);
    return 0;
}

static void create_clean(Job *job)
{
    create_job_free(g_steal_pointer(&job->opaque));
}

static const JobDriver create_driver = {
    .type = JOB_TYPE_CREATE,
    .run = create_run,
    .clean = create_clean,
};

bool create_job_check(const char *id, GError **errp)
{
    if (job_find(id, NULL)) {
        error_set(errp, "Job ID '%s' already in use", id);
        return false;
    }
    if (!object_id_wellformed(id)) {
        error_set(errp, "Invalid job ID '%s'", id);
        return false;
    }
    return true;
}

bool create_job_start(const char *id, CreateJob *c, GError **errp)
{
    c->busy = g_ptr_array_new();
    c->job = job_new(id, &create_driver, true, false, 0, NULL, errp);
    if (!c->job) {
        create_job_free(c);
        return false;
    }
    c->user = g_strdup_printf("job '%s' (%s)", id, JobType_str(JOB_TYPE_CREATE));
    c->watch.go_on = go_on;
    c->qcow2.watch = &c->watch;
    c->job->opaque = c;
    keep(c);
    job_start(c->job);
    return true;
}
