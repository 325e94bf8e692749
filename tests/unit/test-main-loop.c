/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The main loop, the machine lock, and the running clock. */
#include <errno.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/clock.h"
#include "util/machine-lock.h"
#include "util/main-loop.h"
#include "util/task.h"
#include "util/timer.h"

/* ---- scheduling ---- */

static GString *trace;

static void note(void *opaque)
{
    g_assert_true(machine_lock_held());
    g_string_append(trace, opaque);
}

static void quit(void *opaque)
{
    main_loop_quit();
}

static void test_schedule(void)
{
    trace = g_string_new(NULL);
    main_loop_schedule(note, (void *)(uintptr_t) "a");
    main_loop_schedule(note, (void *)(uintptr_t) "b");
    main_loop_schedule(quit, NULL);
    main_loop_run();
    g_assert_cmpstr(trace->str, ==, "ab");
    main_loop_schedule(note, (void *)(uintptr_t) "c"); /* run again after a quit */
    main_loop_schedule(quit, NULL);
    main_loop_run();
    g_assert_cmpstr(trace->str, ==, "abc");
    g_assert_false(main_loop_iterate(false));
    g_string_free(trace, TRUE);
}

static void *schedule_from_thread(void *opaque)
{
    g_assert_false(machine_lock_held());
    g_usleep(1000); /* the main thread is in poll() by now */
    main_loop_schedule(quit, NULL);
    return NULL;
}

static void test_schedule_from_thread(void)
{
    GThread *thread = g_thread_new("t", schedule_from_thread, NULL);

    main_loop_run();
    g_thread_join(thread);
}

/* ---- the lock ---- */

static void *take_lock(void *opaque)
{
    unsigned *counter = opaque;

    for (int i = 0; i < 1000; i++) {
        machine_lock();
        g_assert_true(machine_lock_held());
        ++*counter;
        machine_unlock();
    }
    main_loop_schedule(quit, NULL);
    return NULL;
}

static void test_lock(void)
{
    unsigned counter = 0;
    GThread *a = g_thread_new("a", take_lock, &counter);
    GThread *b = g_thread_new("b", take_lock, &counter);

    while (counter < 2000) {
        main_loop_iterate(true); /* lets go of the lock while it waits */
    }
    main_loop_iterate(false);
    g_thread_join(a);
    g_thread_join(b);
    while (main_loop_iterate(false)) {
    }
    main_loop_schedule(quit, NULL);
    main_loop_run(); /* forget the quits */
}

/* A thread that hardly ever lets go cannot starve the main thread. */
static void *hog(void *opaque)
{
    int *stop = opaque;

    while (!g_atomic_int_get(stop)) {
        machine_lock();
        machine_unlock();
    }
    return NULL;
}

static void test_fairness(void)
{
    GThread *thread;
    int stop = 0;

    thread = g_thread_new("hog", hog, &stop);
    for (int i = 0; i < 50; i++) {
        machine_unlock();
        machine_lock(); /* comes back, sooner or later */
    }
    g_atomic_int_set(&stop, 1);
    machine_unlock();
    g_thread_join(thread);
    machine_lock();
}

typedef struct Meeting {
    GCond cond;
    bool here;
} Meeting;

static void *come(void *opaque)
{
    Meeting *meeting = opaque;

    machine_lock();
    meeting->here = true;
    g_cond_signal(&meeting->cond);
    machine_unlock();
    return NULL;
}

static void test_cond(void)
{
    Meeting meeting = { .here = false };
    GThread *thread;

    g_cond_init(&meeting.cond);
    thread = g_thread_new("t", come, &meeting);
    while (!meeting.here) {
        machine_cond_wait(&meeting.cond);
    }
    g_assert_true(machine_lock_held());
    g_thread_join(thread);
    g_cond_clear(&meeting.cond);
}

static void test_recursion(void)
{
    if (g_test_subprocess()) {
        machine_lock();
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_failed();
}

/* ---- the running clock ---- */

static void test_clock_runs_and_stops(void)
{
    int64_t a, b;

    a = clock_ns();
    g_usleep(100);
    g_assert_cmpint(clock_ns(), ==, a); /* stands until started */
    clock_start();
    clock_start();
    g_usleep(100);
    b = clock_ns();
    g_assert_cmpint(b, >=, a + 100 * NS_PER_US);
    clock_stop();
    clock_stop();
    a = clock_ns();
    g_assert_cmpint(a, >=, b);
    g_usleep(100);
    g_assert_cmpint(clock_ns(), ==, a);
}

static void store_time(void *opaque)
{
    *(int64_t *)opaque = clock_ns();
}

static int64_t longest_wait; /* that the loop asked for */

/* In the C library's place. */
int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
    struct timespec left = timeout ? *timeout : (struct timespec){ 0 };

    longest_wait = MAX(longest_wait, left.tv_sec * NS_PER_SEC + left.tv_nsec);
    return (int)syscall(SYS_ppoll, fds, count, timeout ? &left : NULL, mask, sizeof(*mask));
}

/* Never too early, and the wait for it is not rounded up to milliseconds. */
static void test_short_timer(void)
{
    int64_t ran;
    Timer *timer = timer_new(store_time, &ran);

    clock_start();
    longest_wait = 0;
    for (int i = 0; i < 20 || !longest_wait; i++) {
        int64_t due = clock_ns() + 1500 * NS_PER_US;

        ran = 0;
        timer_mod(timer, due);
        while (!ran) {
            main_loop_iterate(true);
        }
        g_assert_cmpint(ran, >=, due);
    }
    clock_stop();
    timer_free(timer);
    g_assert_cmpint(longest_wait, <=, 1500 * NS_PER_US);
}

static void test_stopped_timer(void)
{
    int64_t ran = 0;
    Timer *timer = timer_new(store_time, &ran);

    timer_mod(timer, clock_ns() + 1);
    g_usleep(100);
    main_loop_iterate(false);
    g_assert_cmpint(ran, ==, 0);
    g_assert_cmpint(timers_timeout_ns(), ==, -1);
    clock_start();
    while (!ran) {
        main_loop_iterate(true);
    }
    clock_stop();
    timer_free(timer);
}

/* A vCPU that sets a timer wakes a main thread that sleeps without a time-out. */
static void *set_timer(void *opaque)
{
    g_usleep(2000);
    machine_lock();
    timer_mod(opaque, clock_ns() + 100 * NS_PER_US);
    machine_unlock();
    return NULL;
}

static void test_timer_from_thread(void)
{
    int64_t ran = 0;
    Timer *timer = timer_new(store_time, &ran);
    GThread *thread;

    clock_start();
    thread = g_thread_new("t", set_timer, timer);
    while (!ran) {
        main_loop_iterate(true);
    }
    g_thread_join(thread);
    clock_stop();
    timer_free(timer);
}

/* ---- tasks ---- */

/* What happened, in order. */
static GString *trace;
static GThread *main_thread;
static int go; /* atomic */

static void record(const char *what)
{
    g_assert_true(machine_lock_held());
    g_string_append(trace, what);
}

static void note_scheduled(void *opaque)
{
    g_assert_true(g_thread_self() == main_thread);
    record("loop ");
    g_atomic_int_set(&go, true);
}

/* Until the main loop has run what the task scheduled. */
static void wait_for_main_loop(void *opaque)
{
    g_assert_false(machine_lock_held());
    while (!g_atomic_int_get(&go)) {
        g_usleep(100);
    }
    g_atomic_int_set(&go, false);
}

static void short_task(void *opaque)
{
    g_assert_false(g_thread_self() == main_thread);
    main_loop_schedule(note_scheduled, NULL);
    record("task ");
}

static void long_task(void *opaque)
{
    for (int i = 0; i < 2; i++) {
        record("task ");
        main_loop_schedule(note_scheduled, NULL);
        task_wait(wait_for_main_loop, NULL);
    }
    record("end ");
}

static void note_then(void *opaque)
{
    g_assert_true(g_thread_self() == main_thread);
    record("then ");
}

static void test_tasks(void)
{
    trace = g_string_new(NULL);
    main_thread = g_thread_self();
    g_assert_true(task_run(short_task, note_then, NULL));
    g_assert_false(task_pending());
    record("main ");
    while (!g_atomic_int_get(&go)) {
        main_loop_iterate(true);
    }
    g_atomic_int_set(&go, false);
    g_assert_cmpstr(trace->str, ==, "task then main loop ");
    g_string_truncate(trace, 0);
    g_assert_false(task_run(long_task, note_then, NULL));
    g_assert_true(task_pending());
    record("main ");
    main_loop_quit(); /* which the task holds up */
    main_loop_run();
    g_assert_cmpstr(trace->str, ==, "task main loop task loop end then ");
    g_assert_false(task_pending());
    g_string_free(trace, TRUE);
}

/* Outside of a task it is a call. */
static void set_flag(void *opaque)
{
    *(bool *)opaque = machine_lock_held();
}

static void test_no_task(void)
{
    bool called = false;

    task_wait(set_flag, &called);
    g_assert_true(called);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    g_assert_true(machine_lock_held());
    g_test_add_func("/main-loop/schedule", test_schedule);
    g_test_add_func("/main-loop/schedule-from-thread", test_schedule_from_thread);
    g_test_add_func("/main-loop/lock", test_lock);
    g_test_add_func("/main-loop/fairness", test_fairness);
    g_test_add_func("/main-loop/cond", test_cond);
    g_test_add_func("/main-loop/recursion", test_recursion);
    g_test_add_func("/main-loop/clock", test_clock_runs_and_stops);
    g_test_add_func("/main-loop/short-timer", test_short_timer);
    g_test_add_func("/main-loop/stopped-timer", test_stopped_timer);
    g_test_add_func("/main-loop/timer-from-thread", test_timer_from_thread);
    g_test_add_func("/task/turns", test_tasks);
    g_test_add_func("/task/none", test_no_task);
    return g_test_run();
}
