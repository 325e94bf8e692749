/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The virtual clock. Its timers are in util/timer.h.
 *
 * The virtual clock counts nanoseconds, runs only while the machine runs (clock_start/clock_stop)
 * and stands still under qtest unless stepped. The guest's TSC is this clock: 1 GHz, so one TSC
 * tick is one nanosecond.
 */
#ifndef UTIL_CLOCK_H
#define UTIL_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define NS_PER_SEC 1000000000LL
#define NS_PER_MS  1000000LL
#define NS_PER_US  1000LL

/* Virtual nanoseconds since the machine was made. Any thread, no lock. */
int64_t clock_ns(void);

/* Host monotonic nanoseconds; for time-outs and measuring, never for device state. */
int64_t clock_host_ns(void);

/* Start and stop the virtual clock; machine lock. Both may be called twice. */
void clock_start(void);
void clock_stop(void);

/* The clock stands at @ns (from 0 on) now: a machine is loaded. Stopped, machine lock. */
void clock_set_ns(int64_t ns);

/* Does it run? Any thread. */
bool clock_runs(void);

/* Under qtest: from now on the clock moves only by timers_step_to(). Machine lock. */
void clock_set_stepped(void);
bool clock_is_stepped(void);
/* For timers_step_to(): it stands at @ns now, or where it is if that is later. Machine lock. */
void clock_step(int64_t ns);

/* What to call when the host time until the next timer has become less; any thread. NULL: nothing.
 */
void clock_on_timeout_change(void (*fn)(void));
/* It has: the clock started, or there is an earlier timer. Machine lock. */
void clock_timeout_changed(void);

#endif
