/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/snapshot-job.h"

#include "block/job.h"
#include "migration/vm-snapshot.h"

typedef struct SnapshotJob {
    char *tag, *vmstate;
    GPtrArray *devices;
} SnapshotJob;

static int snapshot_run(Job *job)
{
    return 0;
}

static int snapshot_prepare(Job *job)
{
    const SnapshotJob *s = job->opaque;
    GError *err = NULL;

    job_set_total(job, 1);
    switch (job->driver->type) {
    case JOB_TYPE_SNAPSHOT_SAVE:
        vm_snapshot_save_to(s->tag, s->vmstate, s->devices, &err);
        break;
    case JOB_TYPE_SNAPSHOT_LOAD:
        vm_snapshot_load_from(s->tag, s->vmstate, s->devices, &err);
        break;
    default:
        vm_snapshot_delete_of(s->tag, s->devices, &err);
        break;
    }
    job_progress(job, 1, false);
    return err ? job_fail(job, err) : 0;
}

static void snapshot_clean(Job *job)
{
    SnapshotJob *s = job->opaque;

    g_free(s->tag);
    g_free(s->vmstate);
    g_ptr_array_unref(s->devices);
    g_free(s);
}

#define DRIVER(kind)                                                                              \
    {                                                                                             \
        .type = (kind), .run = snapshot_run, .prepare = snapshot_prepare, .clean = snapshot_clean \
    }

static const JobDriver drivers[] = {
    DRIVER(JOB_TYPE_SNAPSHOT_SAVE),
    DRIVER(JOB_TYPE_SNAPSHOT_LOAD),
    DRIVER(JOB_TYPE_SNAPSHOT_DELETE),
};

bool snapshot_job_start(const char *id, JobType type, const char *tag, const char *vmstate,
                        const GPtrArray *devices, GError **errp)
{
    SnapshotJob *s;
    Job *job = job_new(id, &drivers[type - JOB_TYPE_SNAPSHOT_SAVE], true, false, 0, NULL, errp);

    if (!job) {
        return false;
    }
    s = g_new(SnapshotJob, 1);
    *s = (SnapshotJob){ g_strdup(tag), g_strdup(vmstate), g_ptr_array_new_with_free_func(g_free) };
    for (unsigned i = 0; i < devices->len; i++) {
        g_ptr_array_add(s->devices, g_strdup(devices->pdata[i]));
    }
    job->opaque = s;
    job_start(job);
    return true;
}
