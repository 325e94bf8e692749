/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Loops: who waits for what. A source of events belongs to one loop, whose thread calls it; of
 * something that belongs to a loop, a comment says so, and only the loop's thread touches it.
 *
 * The main loop is one of them: its thread holds the machine lock. The others have threads of their
 * own, without it.
 */
#ifndef UTIL_LOOP_H
#define UTIL_LOOP_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct Loop Loop;

/* The main loop (util/main-loop.h); never freed. */
Loop *loop_main(void);
/* For main_loop_init(). */
void loop_main_init(void);

/* A loop with a thread of its own, called @name, which runs when this returns. */
Loop *loop_new(const char *name, GError **errp);
/* End it after what it does now, and wait for its thread; its sources are dropped. Not for the main
 * loop, nor from the loop itself. NULL is fine. */
void loop_free(Loop *loop);

/* Is this the thread that runs it? */
bool loop_is_mine(const Loop *loop);
/* Of a loop with a thread of its own: the number of that, as the host's kernel counts. */
int loop_thread_id(const Loop *loop);

/* @loop calls @source, from now on or soon, and takes a reference of its own. Any thread, but for
 * the main loop with the machine lock. */
void loop_attach(Loop *loop, GSource *source);
/* Call @fn(@opaque) once from the loop; in order. Any thread. */
void loop_call(Loop *loop, void (*fn)(void *opaque), void *opaque);
/* The same, and wait until it has been called: then everything that was asked of the loop before is
 * done, too. At once in the loop itself. @loop has a thread of its own, which does not wait for the
 * caller. */
void loop_run(Loop *loop, void (*fn)(void *opaque), void *opaque);
/* loop_call() in two steps, for whoever holds a lock that @fn takes, so that the loop does not wake
 * only to wait for it: loop_wake() has to follow at once, without the lock. loop_free() waits for
 * it. NULL is fine. */
void loop_post(Loop *loop, void (*fn)(void *opaque), void *opaque);
void loop_wake(Loop *loop);

/* How long a loop with a thread of its own looks for events again and again before it sleeps: not
 * at all, until a sleep was shorter than @max_ns; then longer and longer, up to that, by the factor
 * @grow (0: 2), until one was longer; then shorter by the divisor @shrink (0: not at all again).
 * @max_ns 0: never. None is negative. Any thread. */
void loop_set_polling(Loop *loop, int64_t max_ns, int64_t grow, int64_t shrink);

#endif
