/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Jobs that make images, while the machine goes on. */
#ifndef BLOCK_CREATE_JOB_H
#define BLOCK_CREATE_JOB_H

#include "block/create.h"
#include "block/job.h"

/* What is made: a file, or an image in a node. Its strings are its own. */
typedef struct CreateJob {
    char *path; /* of the file; NULL: an image */
    uint64_t size;
    BlockPreallocation preallocation;
    BlockNode *file; /* that gets the image: a reference */
    BlockQcow2Create qcow2;
    GError *err; /* why there can be none; NULL: there may be */
    /* the job's */
    BlockCreateWatch watch;
    Job *job;
    GPtrArray *busy; /* of BlockNode, references: the file, and what is below it */
    char *user;
} CreateJob;

/* Can there be a job of that name? */
bool create_job_check(const char *id, GError **errp);
/* A job that makes @what, which it takes, also on failure, and stays until job-dismiss. Errors: the
 * name. */
bool create_job_start(const char *id, CreateJob *what, GError **errp);

#endif
