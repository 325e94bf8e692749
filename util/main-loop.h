/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The main loop (GLib's default main context) and the machine lock.
 *
 * The machine lock protects all device state, the object tree, the memory map (writers), timers,
 * run state and monitors. The main thread holds it always, except while it waits in poll(); a vCPU
 * thread takes it around device emulation. It is not recursive.
 *
 * A vCPU thread must not wait for the machine lock inside a memory read section (memory/reader.h).
 */
#ifndef UTIL_MAIN_LOOP_H
#define UTIL_MAIN_LOOP_H

#include <glib.h>
#include <stdbool.h>

/* Call once, first, from the main thread; takes the machine lock. */
void main_loop_init(void);

/* Run until main_loop_quit(); main thread, machine lock held. */
void main_loop_run(void);
void main_loop_quit(void);

/* One iteration (for tests); @may_block as g_main_context_iteration(). */
bool main_loop_iterate(bool may_block);

/* ---- work that takes long ---- */

/* Run @fn(@opaque), which may take long, and neither needs nor takes the machine lock. If the code
 * that runs now allows it, @fn has a thread of its own, and the main loop goes on meanwhile, inside
 * of this call: devices work, and commands that may overtake others are answered. What else the
 * caller has half made must be ready for that. Main thread, machine lock. */
void main_loop_run_long(void (*fn)(void *opaque), void *opaque);
/* Whether the code that runs now is ready for the main loop to go on inside of it; at first it is
 * not. Returns what it was. */
bool main_loop_allow_nesting(bool allow);
/* The main loop goes on inside of such a call: whoever takes commands holds them back, until
 * @ended() of main_loop_on_long_end(), which is called when that is over. */
bool main_loop_nested(void);
void main_loop_on_long_end(void (*ended)(void));

/* Run @fn(@opaque) once from the main loop, machine lock held, in order. Any thread. */
void main_loop_schedule(void (*fn)(void *opaque), void *opaque);

/* Let the main loop look at time-outs again; for what changes them. Any thread. */
void main_loop_wake(void);

/* A second machine_lock() by the same thread aborts. The main thread, when it waits, goes next. */
void machine_lock(void);
void machine_unlock(void);
bool machine_lock_held(void); /* by this thread */

/* Wait on @cond with the machine lock (which the caller holds) as its mutex. */
void machine_cond_wait(GCond *cond);

#endif
