/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Snapshots of the whole machine as jobs (block/job.h): snapshot-save, -load, -delete. As the
 * machine stands meanwhile, all of it is the last change that a job makes; its thread does nothing.
 * The job stays until it is dismissed. Machine lock, main thread.
 */
#ifndef MIGRATION_SNAPSHOT_JOB_H
#define MIGRATION_SNAPSHOT_JOB_H

#include <glib.h>
#include <stdbool.h>

#include "qapi/qapi-types.h"

/* Start the job @id of kind @type, one of JOB_TYPE_SNAPSHOT_SAVE, _LOAD, _DELETE: snapshot @tag of
 * the block nodes called @devices (strings, copied). @vmstate: the one with the machine's state;
 * NULL to delete. False: there can be no job of that name; other errors are the job's. */
bool snapshot_job_start(const char *id, JobType type, const char *tag, const char *vmstate,
                        const GPtrArray *devices, GError **errp);

#endif
