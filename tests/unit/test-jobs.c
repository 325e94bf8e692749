/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Jobs by themselves: states, verbs, transactions; sets of chunks, ranges, the gate, hooks. */
#include <errno.h>
#include <string.h>

#include "block/backend.h"
#include "block/dirty-set.h"
#include "block/gate.h"
#include "block/job.h"
#include "block/ranges.h"
#include "qapi/event.h"
#include "util/machine-lock.h"
#include "util/main-loop.h"
#include "util/units.h"

/* ---- jobs ---- */

static GString *heard; /* "ID:state " of each event */

static void hear(const char *name, struct json_object *event)
{
    struct json_object *data = NULL, *id = NULL, *status = NULL;

    if (strcmp(name, "JOB_STATUS_CHANGE") == 0) {
        json_object_object_get_ex(event, "data", &data);
        json_object_object_get_ex(data, "id", &id);
        json_object_object_get_ex(data, "status", &status);
        g_string_append_printf(heard, "%s:%s ", json_object_get_string(id),
                               json_object_get_string(status));
    }
}

static void assert_heard(const char *text)
{
    g_assert_cmpstr(heard->str, ==, text);
    g_string_truncate(heard, 0);
}

/* What a job does, and what was asked of it. */
typedef struct Work {
    int result, prepare_result; /* of run() and prepare() */
    bool ready;                 /* it becomes that, and waits until it is to be completed */
    bool waits;                 /* until it is cancelled */
    GString *calls;
} Work;

static int work_run(Job *job)
{
    const Work *work = job->opaque;

    if (work->ready) {
        job_ready(job);
    }
    while ((work->waits || (work->ready && !job_is_completing(job))) && job_may_go_on(job)) {
        job_wait(job);
    }
    return work->result;
}

static int work_prepare(Job *job)
{
    Work *work = job->opaque;

    g_string_append(work->calls, "prepare ");
    return work->prepare_result;
}

static void work_commit(Job *job)
{
    g_string_append(((Work *)job->opaque)->calls, "commit ");
}

static void work_abort(Job *job)
{
    g_string_append(((Work *)job->opaque)->calls, "abort ");
}

static void work_clean(Job *job)
{
    g_string_append(((Work *)job->opaque)->calls, "clean ");
}

static const JobDriver driver = {
    .type = JOB_TYPE_MIRROR,
    .run = work_run,
    .prepare = work_prepare,
    .commit = work_commit,
    .abort = work_abort,
    .clean = work_clean,
    .can_complete = true,
};

static Job *make(const char *id, Work *work, bool automatic, JobTransaction *transaction)
{
    Job *job = job_new(id, &driver, automatic, automatic, 0, transaction, NULL);

    g_assert_nonnull(job);
    job->opaque = work;
    work->calls = g_string_new(NULL);
    return job;
}

static void assert_calls(Work *work, const char *calls)
{
    g_assert_cmpstr(work->calls->str, ==, calls);
    g_string_free(work->calls, TRUE);
}

static void until(const char *id, JobStatus status)
{
    Job *job;

    while ((job = job_find(id, NULL)) && job->status != status) {
        main_loop_iterate(true);
    }
    g_assert_true(job || status == JOB_STATUS_NULL);
}

/* A thread of a job tells its state by itself. */
static void until_told(Job *job, JobStatus status)
{
    while (job->status != status) {
        machine_unlock();
        g_thread_yield();
        machine_lock();
    }
}

static void test_ends(void)
{
    Work good = { 0 }, bad = { .result = EIO }, late = { .prepare_result = ENOSPC };

    job_start(make("a", &good, true, NULL));
    until("a", JOB_STATUS_NULL);
    assert_heard("a:created a:running a:waiting a:pending a:concluded a:null ");
    assert_calls(&good, "prepare commit clean ");
    job_start(make("a", &bad, true, NULL));
    until("a", JOB_STATUS_NULL);
    assert_heard("a:created a:running a:aborting a:concluded a:null ");
    assert_calls(&bad, "abort clean ");
    job_start(make("a", &late, true, NULL));
    until("a", JOB_STATUS_NULL);
    assert_heard("a:created a:running a:waiting a:pending a:aborting a:concluded a:null ");
    assert_calls(&late, "prepare abort clean ");
}

static void test_by_hand(void)
{
    Work work = { .ready = true };
    Job *job = make("a", &work, false, NULL);

    job_start(job);
    until_told(job, JOB_STATUS_READY);
    g_assert_false(job_finalize(job, NULL));
    g_assert_false(job_dismiss(job, NULL));
    g_assert_true(job_pause(job, NULL));
    g_assert_false(job_pause(job, NULL));
    until_told(job, JOB_STATUS_STANDBY);
    g_assert_true(job_resume(job, NULL));
    g_assert_false(job_resume(job, NULL));
    until_told(job, JOB_STATUS_READY);
    g_assert_false(job_set_speed(job, -1, NULL));
    g_assert_true(job_complete(job, NULL));
    until("a", JOB_STATUS_PENDING);
    g_assert_false(job_pause(job, NULL));
    g_assert_false(job_complete(job, NULL));
    g_assert_true(job_finalize(job, NULL));
    g_assert_cmpint(job->status, ==, JOB_STATUS_CONCLUDED);
    g_assert_false(job_cancel(job, true, NULL));
    g_assert_true(job_dismiss(job, NULL));
    g_assert_null(job_find("a", NULL));
    assert_heard("a:created a:running a:ready a:standby a:ready a:waiting a:pending a:concluded "
                 "a:null ");
    assert_calls(&work, "prepare commit clean ");
}

/* Forced, or gently, which leaves a job that is ready as it is; and before it began. */
static void test_cancel(void)
{
    Work forced = { .ready = true }, gently = { .ready = true }, early = { 0 };
    Job *job = make("a", &forced, true, NULL);

    job_start(job);
    until_told(job, JOB_STATUS_READY);
    g_assert_true(job_cancel(job, true, NULL));
    until("a", JOB_STATUS_NULL);
    assert_calls(&forced, "abort clean ");
    job = make("a", &gently, true, NULL);
    job_start(job);
    until_told(job, JOB_STATUS_READY);
    g_assert_true(job_cancel(job, false, NULL));
    g_assert_true(job->keep_source);
    g_assert_false(job_complete(job, NULL));
    until("a", JOB_STATUS_NULL);
    assert_calls(&gently, "prepare commit clean ");
    g_string_truncate(heard, 0);
    g_assert_true(job_cancel(make("a", &early, true, NULL), true, NULL));
    assert_heard("a:created a:aborting a:concluded a:null ");
    assert_calls(&early, "abort clean ");
}

static void test_transaction(void)
{
    for (unsigned fails = 0; fails < 2; fails++) {
        Work first = { .ready = true }, second = { .result = fails ? EIO : 0 };
        JobTransaction *both = job_transaction_new();
        Job *job = make("a", &first, true, both);

        job_start(job);
        job_start(make("b", &second, true, both));
        job_transaction_unref(both);
        until("b", fails ? JOB_STATUS_NULL : JOB_STATUS_WAITING);
        if (!fails) {
            until_told(job, JOB_STATUS_READY);
            g_assert_true(job_complete(job, NULL));
        }
        until("a", JOB_STATUS_NULL);
        g_assert_null(job_find("b", NULL));
        assert_calls(&first, fails ? "abort clean " : "prepare commit clean ");
        assert_calls(&second, fails ? "abort clean " : "prepare commit clean ");
    }
    g_string_truncate(heard, 0);
}

static void test_finish(void)
{
    Work waits = { .waits = true }, paused = { .ready = true }, held = { 0 };
    Job *job = make("b", &paused, true, NULL);

    job_start(make("a", &waits, false, NULL));
    job_start(job);
    until_told(job, JOB_STATUS_READY);
    g_assert_true(job_pause(job, NULL));
    until_told(job, JOB_STATUS_STANDBY);
    job_start(make("c", &held, false, NULL));
    until("c", JOB_STATUS_PENDING);
    jobs_finish();
    g_assert_null(job_next(NULL));
    assert_calls(&waits, "abort clean ");
    assert_calls(&paused, "abort clean ");
    assert_calls(&held, "abort clean ");
    while (main_loop_iterate(false)) { /* what the threads asked of it finds nothing */
    }
    g_string_truncate(heard, 0);
}

static void test_names(void)
{
    Work work = { 0 };
    Job *job = make("a", &work, true, NULL);

    g_assert_null(job_new("a", &driver, true, true, 0, NULL, NULL));
    g_assert_null(job_new("1", &driver, true, true, 0, NULL, NULL));
    g_assert_true(job_next(NULL) == job);
    g_assert_null(job_next(job));
    job_discard(job);
    assert_heard("a:created a:null ");
    assert_calls(&work, "");
}

/* ---- chunks and ranges ---- */

static void test_dirty_set(void)
{
    DirtySet *set = dirty_set_new(1000 * KIB + 1, 4 * KIB); /* 251 of them */
    uint64_t offset = 0, bytes;

    g_assert_false(dirty_set_next(set, &offset, MIB, &bytes));
    dirty_set_add(set, 4095, 2);
    dirty_set_add(set, 1000 * KIB, 100 * KIB); /* the last one */
    dirty_set_add(set, UINT64_MAX, 1);
    g_assert_cmpuint(dirty_set_bytes(set), ==, 12 * KIB);
    g_assert_true(dirty_set_has(set, 8191));
    g_assert_false(dirty_set_has(set, 8192));
    offset = 8192;
    g_assert_true(dirty_set_next(set, &offset, MIB, &bytes));
    g_assert_cmpuint(offset, ==, 1000 * KIB);
    g_assert_cmpuint(bytes, ==, 1);
    offset += 4 * KIB;
    g_assert_true(dirty_set_next(set, &offset, 4096, &bytes)); /* from the beginning on */
    g_assert_cmpuint(offset, ==, 0);
    g_assert_cmpuint(bytes, ==, 4096);
    dirty_set_remove(set, 0, 1);
    dirty_set_add(set, 0, UINT64_MAX);
    g_assert_cmpuint(dirty_set_bytes(set), ==, 1000 * KIB + 1);
    for (uint64_t at = 0, n = 0; dirty_set_next(set, &at, 100 * KIB, &bytes); n++) {
        g_assert_cmpuint(at, ==, n * 100 * KIB);
        dirty_set_remove(set, at, bytes);
    }
    g_assert_cmpuint(dirty_set_bytes(set), ==, 0);
    dirty_set_free(set);
}

#define ROUNDS 2000

typedef struct Shared {
    BlockRanges ranges;
    unsigned inside[8];
} Shared;

static gpointer use_ranges(gpointer opaque)
{
    Shared *shared = opaque;

    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned from = i * 7 % 6, count = 1 + i % 3;

        block_ranges_lock(&shared->ranges, from * 100, count * 100);
        for (unsigned k = from; k < MIN(from + count, 8); k++) {
            g_assert_cmpuint(__atomic_fetch_add(&shared->inside[k], 1, __ATOMIC_SEQ_CST), ==, 0);
        }
        for (unsigned k = from; k < MIN(from + count, 8); k++) {
            __atomic_fetch_sub(&shared->inside[k], 1, __ATOMIC_SEQ_CST);
        }
        block_ranges_unlock(&shared->ranges, from * 100, count * 100);
    }
    return NULL;
}

static void test_ranges(void)
{
    Shared shared = { 0 };
    GThread *threads[4];

    block_ranges_init(&shared.ranges);
    for (unsigned i = 0; i < G_N_ELEMENTS(threads); i++) {
        threads[i] = g_thread_new("range", use_ranges, &shared);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(threads); i++) {
        g_thread_join(threads[i]);
    }
    block_ranges_clear(&shared.ranges);
}

static unsigned in_gate;

static gpointer use_gate(gpointer opaque)
{
    for (unsigned i = 0; i < ROUNDS; i++) {
        block_gate_enter();
        __atomic_fetch_add(&in_gate, 1, __ATOMIC_SEQ_CST);
        __atomic_fetch_sub(&in_gate, 1, __ATOMIC_SEQ_CST);
        block_gate_leave();
    }
    return NULL;
}

static void test_gate(void)
{
    GThread *threads[3];

    for (unsigned i = 0; i < G_N_ELEMENTS(threads); i++) {
        threads[i] = g_thread_new("gate", use_gate, NULL);
    }
    for (unsigned i = 0; i < ROUNDS / 10; i++) {
        block_hold_all();
        block_hold_all(); /* they may be nested */
        block_resume_all();
        g_assert_cmpuint(__atomic_load_n(&in_gate, __ATOMIC_SEQ_CST), ==, 0);
        block_resume_all();
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(threads); i++) {
        g_thread_join(threads[i]);
    }
}

/* ---- hooks ---- */

typedef struct Listener {
    BlockWriteHook hook;
    int answer;
    unsigned before, after;
    int err;
} Listener;

static int before(BlockWriteHook *hook, uint64_t offset, uint64_t bytes)
{
    Listener *l = (Listener *)hook;

    l->before++;
    return l->answer;
}

static void after(BlockWriteHook *hook, uint64_t offset, uint64_t bytes, int err)
{
    Listener *l = (Listener *)hook;

    l->after++;
    l->err = err;
}

static void test_hooks(void)
{
    g_autoptr(BlockdevOptions) options = qapi_from_option(
        &BlockdevOptions_type, "null-co,node-name=n,size=1M,discard=unmap", "driver", NULL);
    BlockNode *node = block_node_add(options, NULL);
    Listener first = { { before, after } }, second = { { before, NULL } };
    char buf[512] = { 0 };

    block_node_add_hook(node, &first.hook);
    block_node_add_hook(node, &second.hook);
    g_assert_cmpint(block_node_pwrite(node, 0, buf, sizeof(buf)), ==, 0);
    g_assert_cmpint(block_node_write_zeroes(node, 0, 512, BLOCK_UNMAP), ==, 0);
    g_assert_cmpint(block_node_discard(node, 0, 512, 0), ==, 0);
    g_assert_cmpint(block_node_pread(node, 0, buf, sizeof(buf)), ==, 0);
    g_assert_cmpint(block_node_pwrite(node, 0, buf, 0), ==, 0);
    g_assert_cmpuint(first.before, ==, 3);
    g_assert_cmpuint(first.after, ==, 3);
    g_assert_cmpuint(second.before, ==, 3);
    second.answer = EIO; /* the first one is told that it did not come to that */
    g_assert_cmpint(block_node_pwrite(node, 0, buf, sizeof(buf)), ==, EIO);
    g_assert_cmpuint(first.after, ==, 4);
    g_assert_cmpint(first.err, ==, EIO);
    block_node_remove_hook(node, &second.hook);
    block_node_remove_hook(node, &first.hook);
    g_assert_cmpint(block_node_pwrite(node, 0, buf, sizeof(buf)), ==, 0);
    g_assert_cmpuint(first.before, ==, 4);
    g_assert_true(block_node_del("n", NULL));
}

int main(int argc, char *argv[])
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    heard = g_string_new(NULL);
    qapi_event_set_emitter(hear);
    g_test_add_func("/jobs/ends", test_ends);
    g_test_add_func("/jobs/by-hand", test_by_hand);
    g_test_add_func("/jobs/cancel", test_cancel);
    g_test_add_func("/jobs/transaction", test_transaction);
    g_test_add_func("/jobs/finish", test_finish);
    g_test_add_func("/jobs/names", test_names);
    g_test_add_func("/jobs/dirty-set", test_dirty_set);
    g_test_add_func("/jobs/ranges", test_ranges);
    g_test_add_func("/jobs/gate", test_gate);
    g_test_add_func("/jobs/hooks", test_hooks);
    int result = g_test_run();
    qapi_event_set_emitter(NULL);
    g_string_free(heard, TRUE);
    return result;
}
