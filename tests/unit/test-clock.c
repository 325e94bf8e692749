/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The stepped clock and its timers; test-main-loop.c has the running one. */
#include "util/clock.h"
#include "util/main-loop.h"
#include "util/timer.h"

static GString *trace;

static void note(void *opaque)
{
    g_string_append_printf(trace, "%s@%d ", (const char *)opaque, (int)clock_ns());
}

static void test_step(void)
{
    int64_t t0 = clock_ns();
    Timer *a = timer_new(note, (void *)(uintptr_t) "a");
    Timer *b = timer_new(note, (void *)(uintptr_t) "b");
    Timer *c = timer_new(note, (void *)(uintptr_t) "c");

    g_assert_cmpint(t0, ==, 0);
    g_assert_cmpint(timers_next_expiry(), ==, -1);
    timer_mod(a, 300);
    timer_mod(b, 100);
    timer_mod(c, 100); /* after b: set later */
    g_assert_cmpint(timers_next_expiry(), ==, 100);
    g_assert_cmpint(timer_expiry(a), ==, 300);
    timers_step_to(99);
    g_assert_cmpstr(trace->str, ==, "");
    g_assert_cmpint(clock_ns(), ==, 99);
    timers_step_to(1000);
    g_assert_cmpstr(trace->str, ==, "b@100 c@100 a@300 ");
    g_assert_cmpint(clock_ns(), ==, 1000);
    g_assert_false(timer_pending(a));
    g_assert_cmpint(timer_expiry(a), ==, -1);

    timers_step_to(500); /* backwards: stays */
    g_assert_cmpint(clock_ns(), ==, 1000);
    clock_start(); /* a stepped clock never runs */
    g_assert_cmpint(clock_ns(), ==, 1000);
    g_assert_cmpint(clock_ns(), ==, 1000);
    timer_mod(a, 1);
    g_assert_cmpint(timers_timeout_ns(), ==, -1); /* waits for a step */
    timers_step_to(1000);                         /* what is due runs, late, at the time it is */
    g_assert_cmpstr(trace->str, ==, "b@100 c@100 a@300 a@1000 ");
    timer_free(a);
    timer_free(b);
    timer_free(c);
    timer_free(NULL);
}

static void test_mod_and_del(void)
{
    int64_t now = clock_ns();
    Timer *a = timer_new(note, (void *)(uintptr_t) "a");

    g_string_truncate(trace, 0);
    timer_mod(a, now + 10);
    timer_mod(a, now + 20);
    timers_step_to(now + 15);
    g_assert_cmpstr(trace->str, ==, "");
    timer_del(a);
    timer_del(a);
    g_assert_false(timer_pending(a));
    timers_step_to(now + 50);
    g_assert_cmpstr(trace->str, ==, "");
    timer_mod(a, -5); /* in the past */
    g_assert_cmpint(timer_expiry(a), ==, 0);
    timer_free(a); /* pending */
    g_assert_cmpint(timers_next_expiry(), ==, -1);
}

typedef struct Periodic {
    Timer *timer;
    int64_t period, next;
    unsigned left, runs;
} Periodic;

static void tick(void *opaque)
{
    Periodic *p = opaque;

    p->runs++;
    if (--p->left) {
        p->next += p->period;
        timer_mod(p->timer, p->next);
    }
}

static void test_periodic(void)
{
    int64_t now = clock_ns();
    Periodic p = { .period = 100, .next = now + 100, .left = 1000 };

    p.timer = timer_new(tick, &p);
    timer_mod(p.timer, p.next);
    timers_step_to(now + 1050);
    g_assert_cmpuint(p.runs, ==, 10);
    p.period = -1; /* sets itself in the past: still ends */
    p.left = 20;
    timers_step_to(now + 1100);
    g_assert_cmpuint(p.runs, ==, 30);
    timer_free(p.timer);
}

static void free_other(void *opaque)
{
    Timer **other = opaque;

    timer_free(*other);
    *other = NULL;
}

static void test_free_in_callback(void)
{
    int64_t now = clock_ns();
    Timer *victim = timer_new(note, (void *)(uintptr_t) "victim");
    Timer *killer = timer_new(free_other, &victim);
    Timer *suicide = NULL;

    g_string_truncate(trace, 0);
    suicide = timer_new(free_other, &suicide);
    timer_mod(killer, now + 1);
    timer_mod(victim, now + 1);
    timer_mod(suicide, now + 2);
    timers_step_to(now + 5);
    g_assert_null(victim);
    g_assert_null(suicide);
    g_assert_cmpstr(trace->str, ==, "");
    timer_free(killer);
}

int main(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    clock_set_stepped();
    trace = g_string_new(NULL);
    g_test_add_func("/clock/step", test_step);
    g_test_add_func("/clock/mod-and-del", test_mod_and_del);
    g_test_add_func("/clock/periodic", test_periodic);
    g_test_add_func("/clock/free-in-callback", test_free_in_callback);
    status = g_test_run();
    g_string_free(trace, TRUE);
    return status;
}
