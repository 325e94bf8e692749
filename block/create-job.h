/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Jobs that stand for images that were made: the work is done when they begin. */
#ifndef BLOCK_CREATE_JOB_H
#define BLOCK_CREATE_JOB_H

#include "block/job.h"

/* Can there be a job of that name? */
bool create_job_check(const char *id, GError **errp);
/* A job that ends at once, with @err (which is taken; NULL: well), and stays until job-dismiss. */
bool create_job_start(const char *id, GError *err, GError **errp);

#endif
