/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about jobs that are there (qapi/job.json, block-job.json). */
#include "block/job.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"

/* ---- lists ---- */

typedef struct Progress {
    int64_t done, total;
    bool idle, paused;
    uint64_t speed;
} Progress;

static Progress progress_of(Job *job)
{
    Progress p;

    g_mutex_lock(&job->mutex);
    p = (Progress){ (int64_t)job->progress, (int64_t)job->total, job->idle, job->paused,
                    job->speed };
    g_mutex_unlock(&job->mutex);
    return p;
}

GPtrArray *qmp_query_jobs(GError **errp)
{
    GPtrArray *list = JobInfo_list_new();

    for (Job *job = job_next(NULL); job; job = job_next(job)) {
        const Progress progress = progress_of(job);
        JobInfo *info = g_new0(JobInfo, 1);

        info->id = g_strdup(job->id);
        info->type = job->driver->type;
        info->status = job->status;
        info->current_progress = progress.done;
        info->total_progress = progress.total;
        info->error = g_strdup(job->error);
        g_ptr_array_add(list, info);
    }
    return list;
}

static BlockJobInfo *block_job_info(Job *job)
{
    const Progress progress = progress_of(job);
    BlockJobInfo *info = g_new0(BlockJobInfo, 1);

    info->type = g_strdup(JobType_str(job->driver->type));
    info->device = g_strdup(job->id);
    info->len = progress.total;
    info->offset = progress.done;
    info->busy = job->thread && !progress.idle;
    info->paused = progress.paused;
    info->speed = (int64_t)progress.speed;
    info->io_status = job->io_status;
    info->ready = job->status == JOB_STATUS_READY || job->status == JOB_STATUS_STANDBY;
    info->status = job->status;
    info->auto_finalize = job->auto_finalize;
    info->auto_dismiss = job->auto_dismiss;
    info->error = g_strdup(job->error);
    return info;
}

GPtrArray *qmp_query_block_jobs(GError **errp)
{
    GPtrArray *list = BlockJobInfo_list_new();

    for (Job *job = job_next(NULL); job; job = job_next(job)) {
        if (job->driver->block) {
            g_ptr_array_add(list, block_job_info(job));
        }
    }
    return list;
}

/* ---- verbs ---- */

bool qmp_job_pause(const char *id, GError **errp)
{
    Job *job = job_find(id, errp);

    return job && job_pause(job, errp);
}

bool qmp_job_resume(const char *id, GError **errp)
{
    Job *job = job_find(id, errp);

    return job && job_resume(job, errp);
}

bool qmp_job_cancel(const char *id, GError **errp)
{
    Job *job = job_find(id, errp);

    return job && job_cancel(job, true, errp);
}

bool qmp_job_complete(const char *id, GError **errp)
{
    Job *job = job_find(id, errp);

    return job && job_complete(job, errp);
}

bool qmp_job_finalize(const char *id, GError **errp)
{
    Job *job = job_find(id, errp);

    return job && job_finalize(job, errp);
}

bool qmp_job_dismiss(const char *id, GError **errp)
{
    Job *job = job_find(id, errp);

    return job && job_dismiss(job, errp);
}

/* ---- those of block jobs ---- */

static Job *find_block(const char *id, GError **errp)
{
    Job *job = job_find(id, NULL);

    if (!job || !job->driver->block) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_ACTIVE,
                        "Block job '%s' not found; query-block-jobs lists those there are", id);
        return NULL;
    }
    return job;
}

bool qmp_block_job_set_speed(const char *device, int64_t speed, GError **errp)
{
    Job *job = find_block(device, errp);

    return job && job_set_speed(job, speed, errp);
}

bool qmp_block_job_cancel(const char *device, bool has_force, bool force, GError **errp)
{
    Job *job = find_block(device, errp);

    if (job && job->paused && !force) {
        error_set(errp, "job '%s' is paused: give 'force', or let it go on first", device);
        return false;
    }
    return job && job_cancel(job, force, errp);
}

bool qmp_block_job_pause(const char *device, GError **errp)
{
    Job *job = find_block(device, errp);

    return job && job_pause(job, errp);
}

bool qmp_block_job_resume(const char *device, GError **errp)
{
    Job *job = find_block(device, errp);

    return job && job_resume(job, errp);
}

bool qmp_block_job_complete(const char *device, GError **errp)
{
    Job *job = find_block(device, errp);

    return job && job_complete(job, errp);
}

bool qmp_block_job_finalize(const char *id, GError **errp)
{
    Job *job = find_block(id, errp);

    return job && job_finalize(job, errp);
}

bool qmp_block_job_dismiss(const char *id, GError **errp)
{
    Job *job = find_block(id, errp);

    return job && job_dismiss(job, errp);
}
