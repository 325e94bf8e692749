/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/create-job.h"

#include "qom/object.h"
#include "util/error.h"

static int create_run(Job *job)
{
    GError *err = job->opaque;

    job->opaque = NULL;
    job_set_total(job, 1);
    if (err) {
        return job_fail(job, err);
    }
    job_progress(job, 1, false);
    return 0;
}

static const JobDriver create_driver = {
    .type = JOB_TYPE_CREATE,
    .run = create_run,
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

bool create_job_start(const char *id, GError *err, GError **errp)
{
    Job *job = job_new(id, &create_driver, true, false, 0, NULL, errp);

    if (!job) {
        g_clear_error(&err);
        return false;
    }
    job->opaque = err;
    job_start(job);
    return true;
}
