/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tasks: commands of monitors, which may take long.
 *
 * A task has a thread of its own, but takes turns with the main thread: while it runs, with the
 * machine lock, the main thread stands in task_run(), so that it may do all that the main thread
 * may. Only in task_wait() the main loop goes on without it. Outside of a task that call blocks.
 */
#ifndef UTIL_TASK_H
#define UTIL_TASK_H

#include <stdbool.h>

/* Run @fn(@opaque) as a task, and @then(@opaque) when it has ended, in the main thread. Returns
 * whether that was already; false: the task waits, and @then will be called from the main loop.
 * Main thread, machine lock. */
bool task_run(void (*fn)(void *opaque), void (*then)(void *opaque), void *opaque);

/* Run @work(@opaque), which may take long, and neither needs nor takes the machine lock. In a task
 * the lock is free meanwhile, and the main loop goes on: devices work, and commands that may
 * overtake others are answered. What else the caller has half made must be ready for that. */
void task_wait(void (*work)(void *opaque), void *opaque);

/* Is this thread a task's? */
bool task_is_current(void);

/* Are there tasks that have not ended? Machine lock. */
bool task_pending(void);

#endif
