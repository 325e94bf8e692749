/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The virtual clock and its timers.
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

/* Under qtest: from now on the clock moves only by clock_step_to(), which runs every timer that
 * comes due on the way, in order, each at its own time. Machine lock. */
void clock_set_stepped(void);
void clock_step_to(int64_t ns);

/* Expiry of the earliest timer, or -1 if none is pending. Machine lock. */
int64_t clock_next_expiry(void);

typedef struct Timer Timer;

/* Callbacks run in the main thread with the machine lock held. All timer calls need the lock. */
Timer *timer_new(void (*fn)(void *opaque), void *opaque);
void timer_free(Timer *timer); /* NULL is fine; deletes it if pending */
void timer_mod(Timer *timer, int64_t expire_ns);
void timer_del(Timer *timer);
bool timer_pending(const Timer *timer);
int64_t timer_expiry(const Timer *timer); /* -1 if not pending */

/* ---- for the main loop only; machine lock ---- */

/* Host nanoseconds until a timer comes due; 0 if one is, -1 if time alone will not bring one. */
int64_t clock_timeout_ns(void);
/* What to call when that has become less; any thread. NULL: nothing. */
void clock_on_timeout_change(void (*fn)(void));
/* Run the timers that are due, each at most once. */
void clock_run_timers(void);

#endif
