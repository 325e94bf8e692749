/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/job.h"

#include <errno.h>
#include <string.h>

#include "block/throttle-group.h"
#include "qapi/qapi-events.h"
#include "qom/object.h"
#include "util/error.h"
#include "util/machine-lock.h"
#include "util/main-loop.h"

#define SLICE_US 100000 /* a job that is limited copies this much ahead, at most */

struct JobTransaction {
    unsigned refs;
    GPtrArray *jobs; /* of Job, borrowed: that have not ended */
    bool aborting;
};

static GPtrArray *jobs; /* of Job */

/* ---- states ---- */

#define BIT(status) (1u << JOB_STATUS_##status)

static const unsigned states_after[] = {
    [JOB_STATUS_UNDEFINED] = BIT(CREATED),
    [JOB_STATUS_CREATED] = BIT(RUNNING) | BIT(ABORTING) | BIT(NULL),
    [JOB_STATUS_RUNNING] = BIT(PAUSED) | BIT(READY) | BIT(WAITING) | BIT(ABORTING),
    [JOB_STATUS_PAUSED] = BIT(RUNNING),
    [JOB_STATUS_READY] = BIT(STANDBY) | BIT(WAITING) | BIT(ABORTING),
    [JOB_STATUS_STANDBY] = BIT(READY),
    [JOB_STATUS_WAITING] = BIT(PENDING) | BIT(ABORTING),
    [JOB_STATUS_PENDING] = BIT(ABORTING) | BIT(CONCLUDED),
    [JOB_STATUS_ABORTING] = BIT(CONCLUDED),
    [JOB_STATUS_CONCLUDED] = BIT(NULL),
    [JOB_STATUS_NULL] = 0,
};

static const unsigned verb_states[JOB_VERB_COUNT] = {
    [JOB_VERB_CANCEL] = BIT(CREATED) | BIT(RUNNING) | BIT(PAUSED) | BIT(READY) | BIT(STANDBY) |
                        BIT(WAITING) | BIT(PENDING),
    [JOB_VERB_PAUSE] = BIT(CREATED) | BIT(RUNNING) | BIT(PAUSED) | BIT(READY) | BIT(STANDBY),
    [JOB_VERB_RESUME] = BIT(CREATED) | BIT(RUNNING) | BIT(PAUSED) | BIT(READY) | BIT(STANDBY),
    [JOB_VERB_SET_SPEED] = BIT(CREATED) | BIT(RUNNING) | BIT(PAUSED) | BIT(READY) | BIT(STANDBY),
    [JOB_VERB_COMPLETE] = BIT(READY) | BIT(STANDBY),
    [JOB_VERB_FINALIZE] = BIT(PENDING),
    [JOB_VERB_DISMISS] = BIT(CONCLUDED),
};

static void set_status(Job *job, JobStatus status)
{
    g_assert(states_after[job->status] & 1u << status);
    job->status = status;
    qapi_event_send_job_status_change(job->id, status);
}

/* May users do that in the state that it is in? */
static bool check_verb(const Job *job, JobVerb verb, GError **errp)
{
    static const char *const names[JOB_VERB_COUNT] = { "cancel",    "pause",    "resume",
                                                       "set-speed", "complete", "finalize",
                                                       "dismiss" };

    if (!(verb_states[verb] & 1u << job->status)) {
        error_set(errp, "Job '%s' in state '%s' cannot accept command verb '%s'", job->id,
                  JobStatus_str(job->status), names[verb]);
        return false;
    }
    return true;
}

/* With the mutex. */
static void changed(Job *job)
{
    job->woken = true;
    g_cond_broadcast(&job->changed);
}

/* ---- making and ending ---- */

JobTransaction *job_transaction_new(void)
{
    JobTransaction *transaction = g_new0(JobTransaction, 1);

    transaction->refs = 1;
    transaction->jobs = g_ptr_array_new();
    return transaction;
}

void job_transaction_unref(JobTransaction *transaction)
{
    if (!--transaction->refs) {
        g_ptr_array_unref(transaction->jobs);
        g_free(transaction);
    }
}

Job *job_find(const char *id, GError **errp)
{
    for (unsigned i = 0; jobs && i < jobs->len; i++) {
        Job *job = jobs->pdata[i];

        if (strcmp(job->id, id) == 0) {
            return job;
        }
    }
    error_set(errp, "there is no job '%s': query-jobs lists those there are", id);
    return NULL;
}

Job *job_next(const Job *job)
{
    bool found = !job;

    for (unsigned i = 0; jobs && i < jobs->len; i++) {
        if (found) {
            return jobs->pdata[i];
        }
        found = jobs->pdata[i] == job;
    }
    return NULL;
}

Job *job_new(const char *id, const JobDriver *driver, bool auto_finalize, bool auto_dismiss,
             uint64_t speed, JobTransaction *transaction, GError **errp)
{
    Job *job;

    if (!object_id_wellformed(id)) {
        error_set(errp,
                  "Invalid job ID '%s': it begins with a letter, and has letters, digits, -, . and "
                  "_",
                  id);
        return NULL;
    }
    if (job_find(id, NULL)) {
        error_set(errp, "Job ID '%s' already in use", id);
        return NULL;
    }
    jobs = jobs ? jobs : g_ptr_array_new();
    job = g_new0(Job, 1);
    job->driver = driver;
    job->id = g_strdup(id);
    job->auto_finalize = auto_finalize;
    job->auto_dismiss = auto_dismiss;
    job->speed = speed;
    g_mutex_init(&job->mutex);
    g_cond_init(&job->changed);
    job->transaction = transaction ? transaction : job_transaction_new();
    job->transaction->refs += transaction != NULL;
    g_ptr_array_add(job->transaction->jobs, job);
    g_ptr_array_add(jobs, job);
    set_status(job, JOB_STATUS_CREATED);
    return job;
}

static void leave_transaction(Job *job)
{
    if (job->transaction) {
        g_ptr_array_remove(job->transaction->jobs, job);
        g_clear_pointer(&job->transaction, job_transaction_unref);
    }
}

/* Its last state was told. */
static void job_free(Job *job)
{
    g_ptr_array_remove(jobs, job);
    leave_transaction(job);
    g_cond_clear(&job->changed);
    g_mutex_clear(&job->mutex);
    g_free(job->error);
    g_free(job->id);
    g_free(job);
}

void job_discard(Job *job)
{
    set_status(job, JOB_STATUS_NULL);
    job_free(job);
}

/* ---- what happens when it is done ---- */

static void set_error(Job *job, int err)
{
    if (err && !job->error) {
        job->error = g_strdup(err == ECANCELED ? "Operation canceled" : g_strerror(err));
    }
}

static void tell_end(Job *job)
{
    int64_t total = (int64_t)job->total, progress = (int64_t)job->progress,
            speed = (int64_t)job->speed;

    if (!job->driver->block || !job->started) {
        return;
    }
    if (job->cancelled) {
        qapi_event_send_block_job_cancelled(job->driver->type, job->id, total, progress, speed);
    } else {
        qapi_event_send_block_job_completed(job->driver->type, job->id, total, progress, speed,
                                            job->error);
    }
}

static void call(void (*fn)(Job *job), Job *job)
{
    if (fn) {
        fn(job);
    }
}

/* It has made its last changes, or none. */
static void conclude(Job *job)
{
    call(job->driver->clean, job);
    tell_end(job);
    leave_transaction(job);
    set_status(job, JOB_STATUS_CONCLUDED);
    if (job->auto_dismiss) {
        set_status(job, JOB_STATUS_NULL);
        job_free(job);
    }
}

static void abort_job(Job *job)
{
    set_status(job, JOB_STATUS_ABORTING);
    call(job->driver->abort, job);
    conclude(job);
}

static bool is_working(const Job *job)
{
    return job->thread != NULL;
}

static void set_cancelled(Job *job)
{
    g_mutex_lock(&job->mutex);
    job->cancelled = true;
    changed(job);
    g_mutex_unlock(&job->mutex);
    if (is_working(job) && !job->hurried) { /* limits could hold it up for hours */
        job->hurried = true;
        throttle_hurry(job->thread);
    }
}

/* @failed, which is not working, and all others: those that work come here when they have ended. */
static void abort_transaction(Job *failed)
{
    JobTransaction *transaction = failed->transaction;
    g_autoptr(GPtrArray) others = g_ptr_array_copy(transaction->jobs, NULL, NULL);

    g_ptr_array_remove(others, failed);
    transaction->aborting = true;
    abort_job(failed);
    for (unsigned i = 0; i < others->len; i++) {
        Job *job = others->pdata[i];

        set_cancelled(job);
        set_error(job, ECANCELED);
        if (!is_working(job)) {
            abort_job(job);
        }
    }
}

static void finalize_transaction(JobTransaction *transaction)
{
    g_autoptr(GPtrArray) all = g_ptr_array_copy(transaction->jobs, NULL, NULL);

    for (unsigned i = 0; i < all->len; i++) {
        Job *job = all->pdata[i];
        int err = job->driver->prepare ? job->driver->prepare(job) : 0;

        if (err) {
            set_error(job, err);
            abort_transaction(job);
            return;
        }
    }
    for (unsigned i = 0; i < all->len; i++) {
        Job *job = all->pdata[i];

        call(job->driver->commit, job);
        conclude(job);
    }
}

static bool all_in(const JobTransaction *transaction, JobStatus status)
{
    for (unsigned i = 0; i < transaction->jobs->len; i++) {
        if (((const Job *)transaction->jobs->pdata[i])->status != status) {
            return false;
        }
    }
    return true;
}

static void set_pending(JobTransaction *transaction)
{
    bool automatic = true;

    for (unsigned i = 0; i < transaction->jobs->len; i++) {
        Job *job = transaction->jobs->pdata[i];

        set_status(job, JOB_STATUS_PENDING);
        if (job->driver->block && !job->auto_finalize) {
            qapi_event_send_block_job_pending(job->driver->type, job->id);
        }
        automatic = automatic && job->auto_finalize;
    }
    if (automatic) {
        finalize_transaction(transaction);
    }
}

/* Main thread: run() has returned. */
static void ended(Job *job)
{
    if (job->hurried) {
        throttle_hurry_end(job->thread);
    }
    g_thread_join(g_steal_pointer(&job->thread));
    if (job->cancelled) {
        job->result = ECANCELED;
    } else if (job->late_error) {
        job->result = job->late_error;
    }
    if (job->result) {
        set_error(job, job->result);
        if (job->transaction->aborting) {
            abort_job(job);
        } else {
            abort_transaction(job);
        }
        return;
    }
    set_status(job, JOB_STATUS_WAITING);
    if (all_in(job->transaction, JOB_STATUS_WAITING)) {
        set_pending(job->transaction);
    }
}

/* It may be gone: jobs_finish() does not wait for the loop. */
static void look(void *opaque)
{
    for (unsigned i = 0; i < jobs->len; i++) {
        if (jobs->pdata[i] == opaque) {
            ended(opaque);
            return;
        }
    }
}

static gpointer work(gpointer opaque)
{
    Job *job = opaque;

    job->result = job->driver->run(job);
    main_loop_schedule(look, job);
    return NULL;
}

void job_start(Job *job)
{
    job->started = true;
    set_status(job, JOB_STATUS_RUNNING);
    job->thread = g_thread_new("job", work, job);
}

void jobs_finish(void)
{
    Job *job;

    for (unsigned i = 0; jobs && i < jobs->len; i++) {
        set_cancelled(jobs->pdata[i]);
    }
    throttle_suspend(); /* nobody has the time any more for which its requests would wait */
    while ((job = job_next(NULL))) {
        job->auto_dismiss = true;
        if (is_working(job)) {
            GThread *thread = g_thread_ref(job->thread);

            machine_unlock(); /* it may want to tell its state */
            g_thread_join(thread);
            machine_lock();
            ended(job);
        } else if (job->status == JOB_STATUS_CONCLUDED) {
            job_discard(job);
        } else {
            set_error(job, ECANCELED);
            abort_transaction(job);
        }
    }
    throttle_resume();
}

/* ---- verbs ---- */

bool job_pause(Job *job, GError **errp)
{
    if (!check_verb(job, JOB_VERB_PAUSE, errp)) {
        return false;
    }
    if (job->paused) {
        error_set(errp, "job '%s' is paused already", job->id);
        return false;
    }
    g_mutex_lock(&job->mutex);
    job->paused = true;
    changed(job);
    g_mutex_unlock(&job->mutex);
    return true;
}

bool job_resume(Job *job, GError **errp)
{
    if (!check_verb(job, JOB_VERB_RESUME, errp)) {
        return false;
    }
    if (!job->paused) {
        error_set(errp, "job '%s' is not paused", job->id);
        return false;
    }
    job->io_status = BLOCK_DEVICE_IO_STATUS_OK;
    g_mutex_lock(&job->mutex);
    job->paused = false;
    changed(job);
    g_mutex_unlock(&job->mutex);
    return true;
}

static bool is_ready(const Job *job)
{
    return job->status == JOB_STATUS_READY || job->status == JOB_STATUS_STANDBY;
}

bool job_cancel(Job *job, bool force, GError **errp)
{
    if (!check_verb(job, JOB_VERB_CANCEL, errp)) {
        return false;
    }
    if (job->driver->can_complete && !force && is_ready(job)) {
        g_mutex_lock(&job->mutex);
        job->completing = job->keep_source = true;
        changed(job);
        g_mutex_unlock(&job->mutex);
        return true;
    }
    set_cancelled(job);
    if (!is_working(job)) {
        set_error(job, ECANCELED);
        abort_transaction(job);
    }
    return true;
}

bool job_complete(Job *job, GError **errp)
{
    if (!check_verb(job, JOB_VERB_COMPLETE, errp)) {
        return false;
    }
    if (job->cancelled || job->keep_source) {
        error_set(errp, "job '%s' was cancelled, and cannot be completed", job->id);
        return false;
    }
    if (job->driver->check_complete && !job->driver->check_complete(job, errp)) {
        return false;
    }
    g_mutex_lock(&job->mutex);
    job->completing = true;
    changed(job);
    g_mutex_unlock(&job->mutex);
    return true;
}

bool job_finalize(Job *job, GError **errp)
{
    if (!check_verb(job, JOB_VERB_FINALIZE, errp)) {
        return false;
    }
    finalize_transaction(job->transaction);
    return true;
}

bool job_dismiss(Job *job, GError **errp)
{
    if (!check_verb(job, JOB_VERB_DISMISS, errp)) {
        return false;
    }
    job_discard(job);
    return true;
}

bool job_set_speed(Job *job, int64_t speed, GError **errp)
{
    if (!check_verb(job, JOB_VERB_SET_SPEED, errp)) {
        return false;
    }
    if (speed < 0) {
        error_set(errp, "'speed' is negative: 0 is no limit");
        return false;
    }
    g_mutex_lock(&job->mutex);
    job->speed = (uint64_t)speed;
    job->next_us = 0;
    changed(job);
    g_mutex_unlock(&job->mutex);
    return true;
}

/* ---- the thread ---- */

/* Tell that it is paused, or no longer; with the mutex, which it gives up meanwhile. */
static void tell_paused(Job *job, bool paused)
{
    g_mutex_unlock(&job->mutex);
    machine_lock();
    if (paused) {
        set_status(job, job->status == JOB_STATUS_READY ? JOB_STATUS_STANDBY : JOB_STATUS_PAUSED);
    } else {
        set_status(job, job->status == JOB_STATUS_STANDBY ? JOB_STATUS_READY : JOB_STATUS_RUNNING);
    }
    machine_unlock();
    g_mutex_lock(&job->mutex);
}

static void wait_paused(Job *job)
{
    job->idle = true;
    tell_paused(job, true);
    while (job->paused && !job->cancelled) {
        g_cond_wait(&job->changed, &job->mutex);
    }
    job->idle = false;
    tell_paused(job, false);
}

/* With the mutex: has it to wait for its speed's sake? */
static bool is_too_fast(const Job *job, int64_t *until)
{
    *until = job->next_us - SLICE_US;
    return job->speed && g_get_monotonic_time() < *until;
}

bool job_may_go_on(Job *job)
{
    int64_t until;
    bool go_on;

    g_mutex_lock(&job->mutex);
    while (!job->cancelled && !job->late_error) {
        if (job->paused) {
            wait_paused(job);
        } else if (is_too_fast(job, &until)) {
            job->idle = true;
            g_cond_wait_until(&job->changed, &job->mutex, until);
            job->idle = false;
        } else {
            break;
        }
    }
    go_on = !job->cancelled && !job->late_error;
    g_mutex_unlock(&job->mutex);
    return go_on;
}

void job_wait(Job *job)
{
    g_mutex_lock(&job->mutex);
    job->idle = true;
    while (!job->woken) {
        g_cond_wait(&job->changed, &job->mutex);
    }
    job->idle = job->woken = false;
    g_mutex_unlock(&job->mutex);
}

void job_wake(Job *job)
{
    g_mutex_lock(&job->mutex);
    changed(job);
    g_mutex_unlock(&job->mutex);
}

void job_progress(Job *job, uint64_t bytes, bool copied)
{
    g_mutex_lock(&job->mutex);
    job->progress += bytes;
    job->idle = job->idle && !copied;
    if (job->speed && copied) {
        int64_t now = g_get_monotonic_time();

        job->next_us =
            MAX(job->next_us, now) + (int64_t)((double)bytes * G_USEC_PER_SEC / (double)job->speed);
    }
    g_mutex_unlock(&job->mutex);
}

void job_set_total(Job *job, uint64_t total)
{
    g_mutex_lock(&job->mutex);
    job->total = total;
    g_mutex_unlock(&job->mutex);
}

bool job_is_cancelled(Job *job)
{
    bool cancelled;

    g_mutex_lock(&job->mutex);
    cancelled = job->cancelled;
    g_mutex_unlock(&job->mutex);
    return cancelled;
}

bool job_is_completing(Job *job)
{
    bool completing;

    g_mutex_lock(&job->mutex);
    completing = job->completing;
    g_mutex_unlock(&job->mutex);
    return completing;
}

void job_ready(Job *job)
{
    g_mutex_lock(&job->mutex);
    job->idle = true; /* until there is something to do again */
    g_mutex_unlock(&job->mutex);
    machine_lock();
    set_status(job, JOB_STATUS_READY);
    qapi_event_send_block_job_ready(job->driver->type, job->id, (int64_t)job->total,
                                    (int64_t)job->progress, (int64_t)job->speed);
    machine_unlock();
}

void job_fail_later(Job *job, int err)
{
    g_mutex_lock(&job->mutex);
    job->late_error = job->late_error ? job->late_error : err;
    changed(job);
    g_mutex_unlock(&job->mutex);
}

int job_fail(Job *job, GError *err)
{
    g_free(job->error);
    job->error = g_strdup(err->message);
    g_error_free(err);
    return EIO;
}

/* ---- errors ---- */

static BlockErrorAction action_for(BlockdevOnError policy, int err)
{
    switch (policy) {
    case BLOCKDEV_ON_ERROR_IGNORE:
        return BLOCK_ERROR_ACTION_IGNORE;
    case BLOCKDEV_ON_ERROR_STOP:
        return BLOCK_ERROR_ACTION_STOP;
    case BLOCKDEV_ON_ERROR_ENOSPC:
    case BLOCKDEV_ON_ERROR_AUTO:
        return err == ENOSPC ? BLOCK_ERROR_ACTION_STOP : BLOCK_ERROR_ACTION_REPORT;
    default:
        return BLOCK_ERROR_ACTION_REPORT;
    }
}

bool job_may_try_again(Job *job, BlockdevOnError policy, bool read, int err)
{
    BlockErrorAction action = action_for(policy, err);

    machine_lock();
    qapi_event_send_block_job_error(
        job->id, read ? IO_OPERATION_TYPE_READ : IO_OPERATION_TYPE_WRITE, action);
    if (action == BLOCK_ERROR_ACTION_STOP) {
        job->io_status =
            err == ENOSPC ? BLOCK_DEVICE_IO_STATUS_NOSPACE : BLOCK_DEVICE_IO_STATUS_FAILED;
        g_mutex_lock(&job->mutex);
        job->paused = true;
        g_mutex_unlock(&job->mutex);
    }
    machine_unlock();
    return action != BLOCK_ERROR_ACTION_REPORT;
}
