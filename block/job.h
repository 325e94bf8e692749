/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Jobs: work in the background, with a name, a state that users are told of, and verbs that they
 * may use in some states. A job works in a thread of its own; all else, such as its states and the
 * last changes that it makes, belongs to the main thread with the machine lock.
 *
 * Jobs of one transaction make their last changes together: if one fails, all do.
 */
#ifndef BLOCK_JOB_H
#define BLOCK_JOB_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "qapi/qapi-types.h"

typedef struct Job Job;
typedef struct JobTransaction JobTransaction;

typedef enum JobVerb {
    JOB_VERB_CANCEL,
    JOB_VERB_PAUSE,
    JOB_VERB_RESUME,
    JOB_VERB_SET_SPEED,
    JOB_VERB_COMPLETE,
    JOB_VERB_FINALIZE,
    JOB_VERB_DISMISS,
} JobVerb;
#define JOB_VERB_COUNT 7

/* What a kind of jobs is. What may be NULL has nothing to do there. */
typedef struct JobDriver {
    JobType type;
    bool block; /* query-block-jobs lists it, and BLOCK_JOB_ events tell of it */
    /* The work, in the job's thread: 0, or a positive errno value, or job_fail(). */
    int (*run)(Job *job);
    /* All of the transaction are done: the last changes that may fail, as run(). May be NULL; so
     * may the next. */
    int (*prepare)(Job *job);
    /* None of them has failed: what cannot. */
    void (*commit)(Job *job);
    /* Some have, or were cancelled. Without run() if that was before it began. */
    void (*abort)(Job *job);
    /* After that, at the end of both. */
    void (*clean)(Job *job);
    bool can_complete; /* job_is_completing() is asked for */
    /* May it be completed now? NULL: yes. */
    bool (*check_complete)(const Job *job, GError **errp);
} JobDriver;

struct Job {
    const JobDriver *driver;
    void *opaque; /* the kind's own */
    char *id;
    bool auto_finalize, auto_dismiss, started;
    JobStatus status;
    char *error; /* why it failed; NULL: it has not */
    BlockDeviceIoStatus io_status;
    JobTransaction *transaction;
    GThread *thread;
    bool hurried; /* it waits for no limits any more */
    int result;   /* of run() */
    /* Under the mutex: */
    GMutex mutex;
    GCond changed; /* what follows is another now */
    bool paused;   /* by a user or an error: it shall wait */
    bool cancelled, completing,
        keep_source; /* it shall end: at once; by completing; but as it is */
    int late_error;  /* of job_fail_later(), or 0 */
    bool idle;       /* the thread waits */
    bool woken;      /* something was changed since it last waited for that */
    uint64_t speed;  /* bytes a second; 0: no limit */
    uint64_t progress, total;
    int64_t next_us; /* with a speed: when it may copy again */
};

/* ---- making ---- */

/* A job called @id, of which there is none, in state created. @transaction may be NULL: it is one
 * by itself. Errors: the name is not possible, or is in use. */
Job *job_new(const char *id, const JobDriver *driver, bool auto_finalize, bool auto_dismiss,
             uint64_t speed, JobTransaction *transaction, GError **errp);
void job_start(Job *job);
/* Instead of job_start(): it has never been. */
void job_discard(Job *job);

/* For jobs whose last changes are made together. A reference. */
JobTransaction *job_transaction_new(void);
void job_transaction_unref(JobTransaction *transaction);

/* ---- for users ---- */

/* NULL, and an error, if there is none. */
Job *job_find(const char *id, GError **errp);
/* The first, or the one after @job; NULL: there is no other. */
Job *job_next(const Job *job);
bool job_pause(Job *job, GError **errp);
bool job_resume(Job *job, GError **errp);
/* Unless @force, one that is ready ends well, without its last change. */
bool job_cancel(Job *job, bool force, GError **errp);
bool job_complete(Job *job, GError **errp);
bool job_finalize(Job *job, GError **errp);
bool job_dismiss(Job *job, GError **errp);
bool job_set_speed(Job *job, int64_t speed, GError **errp);
/* The program ends: all jobs are cancelled, and gone. */
void jobs_finish(void);

/* ---- for the job's thread ---- */

/* Between two parts of the work: waits while it is paused, and as long as its speed wants. False:
 * it was cancelled, or something else went wrong; run() has to return. */
bool job_may_go_on(Job *job);
/* Wait until something has changed since this was called last: by a verb, or job_wake(). Follow it
 * with job_may_go_on(). */
void job_wait(Job *job);
/* So many bytes were copied, or were found to need no copy (@copied false: speed does not count).
 */
void job_progress(Job *job, uint64_t bytes, bool copied);
/* Any thread. */
void job_set_total(Job *job, uint64_t total);
void job_wake(Job *job);
bool job_is_cancelled(Job *job);
bool job_is_completing(Job *job);
/* From now on it can be completed. */
void job_ready(Job *job);
/* The job cannot do what it is for any more: @err, which its run() finds in job_may_go_on(). */
void job_fail_later(Job *job, int err);
/* Why run() or prepare() fails, for users: it returns what this does. Takes @err. */
int job_fail(Job *job, GError *err);
/* A request failed: what is done by @policy is told, and, if it is to stop, job_may_go_on() will
 * wait. False: the job fails. */
bool job_may_try_again(Job *job, BlockdevOnError policy, bool read, int err);

#endif
