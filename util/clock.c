/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/clock.h"

#include <glib.h>
#include <time.h>

/*
 * The whole clock in one word, so that readers need no lock: twice a number, plus 1 if it runs.
 * The number is the virtual time when it stands, virtual minus host time when it runs.
 */
static int64_t clock_word; /* atomic */
static bool stepped;

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

bool clock_runs(void)
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

void clock_timeout_changed(void)
{
    if (on_timeout_change) {
        on_timeout_change();
    }
}

void clock_start(void)
{
    if (!stepped && !clock_runs()) {
        set_word(clock_ns() - clock_host_ns(), true);
        clock_timeout_changed();
    }
}

void clock_stop(void)
{
    if (clock_runs()) {
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

bool clock_is_stepped(void)
{
    return stepped;
}

void clock_step(int64_t ns)
{
    set_word(MAX(ns, clock_ns()), false);
}
