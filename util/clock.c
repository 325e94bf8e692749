/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/clock.h"

#include <glib.h>
#include <time.h>

struct Timer {
    void (*fn)(void *opaque);
    void *opaque;
    int64_t expiry;
    uint64_t order;      /* of timers with one expiry, the first set runs first */
    uint64_t pass;       /* in which it was set, see run_pass() */
    GSequenceIter *iter; /* in `pending`, or NULL */
};

/*
 * The whole clock in one word, so that readers need no lock: twice a number, plus 1 if it runs.
 * The number is the virtual time when it stands, virtual minus host time when it runs.
 */
static int64_t clock_word; /* atomic */
static bool stepped;
static GSequence *pending; /* Timer, by expiry */
static uint64_t next_order;
static uint64_t current_pass;

static void (*on_timeout_change)(void);

int64_t clock_host_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

int64_t clock_ns(void)
{
    int64_t word = __atomic_load_n(&clock_word, __ATOMIC_RELAXED);

    return word & 1 ? (word - 1) / 2 + clock_host_ns() : word / 2;
}

static bool runs(void)
{
    return __atomic_load_n(&clock_word, __ATOMIC_RELAXED) & 1;
}

static void set_word(int64_t number, bool running)
{
    __atomic_store_n(&clock_word, number * 2 + running, __ATOMIC_RELAXED);
}

void clock_on_timeout_change(void (*fn)(void))
{
    on_timeout_change = fn;
}

static void timeout_changed(void)
{
    if (on_timeout_change) {
        on_timeout_change();
    }
}

void clock_start(void)
{
    if (!stepped && !runs()) {
        set_word(clock_ns() - clock_host_ns(), true);
        timeout_changed();
    }
}

void clock_stop(void)
{
    if (runs()) {
        set_word(clock_ns(), false);
    }
}

void clock_set_ns(int64_t ns)
{
    set_word(ns, false);
}

void clock_set_stepped(void)
{
    clock_stop();
    stepped = true;
}

/* ---- timers ---- */

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
    if (first_timer() == timer && runs()) {
        timeout_changed();
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

int64_t clock_next_expiry(void)
{
    const Timer *timer = first_timer();

    return timer ? timer->expiry : -1;
}

int64_t clock_timeout_ns(void)
{
    const Timer *timer = first_timer();
    int64_t left;

    if (!timer || stepped) {
        return -1;
    }
    left = timer->expiry - clock_ns();
    return left <= 0 ? 0 : runs() ? left : -1;
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

void clock_run_timers(void)
{
    run_pass(clock_ns());
}

void clock_step_to(int64_t ns)
{
    const Timer *timer;

    while ((timer = first_timer()) && timer->expiry <= ns) {
        set_word(MAX(timer->expiry, clock_ns()), false);
        run_pass(clock_ns());
    }
    set_word(MAX(ns, clock_ns()), false);
}
