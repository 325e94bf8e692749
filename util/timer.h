/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Timers of the virtual clock (util/clock.h).
 */
#ifndef UTIL_TIMER_H
#define UTIL_TIMER_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Timer Timer;

/* Callbacks run in the main thread with the machine lock held. All timer calls need the lock. */
Timer *timer_new(void (*fn)(void *opaque), void *opaque);
void timer_free(Timer *timer); /* NULL is fine; deletes it if pending */
void timer_mod(Timer *timer, int64_t expire_ns);
void timer_del(Timer *timer);
bool timer_pending(const Timer *timer);
int64_t timer_expiry(const Timer *timer); /* -1 if not pending */

/* Expiry of the earliest timer, or -1 if none is pending. Machine lock. */
int64_t timers_next_expiry(void);
/* Under qtest: move the clock to @ns, never back; every timer that comes due on the way runs, in
 * order, each at its own time. Machine lock. */
void timers_step_to(int64_t ns);

/* ---- for the main loop only; machine lock ---- */

/* Host nanoseconds until a timer comes due; 0 if one is, -1 if time alone will not bring one. */
int64_t timers_timeout_ns(void);
/* Run the timers that are due, each at most once. */
void timers_run(void);

#endif
