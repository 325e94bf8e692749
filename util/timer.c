/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/timer.h"

#include <glib.h>

#include "util/clock.h"

struct Timer {
    void (*fn)(void *opaque);
    void *opaque;
    int64_t expiry;
    uint64_t order;      /* of timers with one expiry, the first set runs first */
    uint64_t pass;       /* in which it was set, see run_pass() */
    GSequenceIter *iter; /* in `pending`, or NULL */
};

static GSequence *pending; /* Timer, by expiry */
static uint64_t next_order;
static uint64_t current_pass;

static int compare(const void *a, const void *b, void *unused)
{
    const Timer *x = a, *y = b;

    if (x->expiry != y->expiry) {
        return x->expiry < y->expiry ? -1 : 1;
    }
    return x->order < y->order ? -1 : x->order > y->order;
}

static Timer *first_timer(void)
{
    return pending && !g_sequence_is_empty(pending)
               ? g_sequence_get(g_sequence_get_begin_iter(pending))
               : NULL;
}

Timer *timer_new(void (*fn)(void *opaque), void *opaque)
{
    Timer *timer = g_new0(Timer, 1);

    timer->fn = fn;
    timer->opaque = opaque;
    return timer;
}

void timer_free(Timer *timer)
{
    if (timer) {
        timer_del(timer);
        g_free(timer);
    }
}

void timer_mod(Timer *timer, int64_t expire_ns)
{
    timer_del(timer);
    if (!pending) {
        pending = g_sequence_new(NULL);
    }
    timer->expiry = MAX(expire_ns, 0);
    timer->order = next_order++;
    timer->pass = current_pass;
    timer->iter = g_sequence_insert_sorted(pending, timer, compare, NULL);
    if (first_timer() == timer && clock_runs()) {
        clock_timeout_changed();
    }
}

void timer_del(Timer *timer)
{
    if (timer->iter) {
        g_sequence_remove(timer->iter);
        timer->iter = NULL;
    }
}

bool timer_pending(const Timer *timer)
{
    return timer->iter != NULL;
}

int64_t timer_expiry(const Timer *timer)
{
    return timer->iter ? timer->expiry : -1;
}

int64_t timers_next_expiry(void)
{
    const Timer *timer = first_timer();

    return timer ? timer->expiry : -1;
}

int64_t timers_timeout_ns(void)
{
    const Timer *timer = first_timer();
    int64_t left;

    if (!timer || clock_is_stepped()) {
        return -1;
    }
    left = timer->expiry - clock_ns();
    return left <= 0 ? 0 : clock_runs() ? left : -1;
}

/* Run what is due at @now. A timer that was set during the pass waits for the next, so that one
 * that sets itself again in the past cannot hold up the loop. */
static void run_pass(int64_t now)
{
    Timer *timer;

    current_pass++;
    while ((timer = first_timer()) && timer->expiry <= now && timer->pass != current_pass) {
        timer_del(timer);
        timer->fn(timer->opaque);
    }
}

void timers_run(void)
{
    run_pass(clock_ns());
}

void timers_step_to(int64_t ns)
{
    const Timer *timer;

    while ((timer = first_timer()) && timer->expiry <= ns) {
        clock_step(timer->expiry);
        run_pass(clock_ns());
    }
    clock_step(ns);
}
