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

/* Run until main_loop_quit(), and until nobody holds it; main thread, machine lock held. */
void main_loop_run(void);
void main_loop_quit(void);
/* From now on it does not end before the release; from the main thread, machine lock. */
void main_loop_hold(void);
void main_loop_release(void);

/* One iteration (for tests); @may_block as g_main_context_iteration(). */
bool main_loop_iterate(bool may_block);

/* Run @fn(@opaque) once from the main loop, machine lock held, in order. Any thread. */
void main_loop_schedule(void (*fn)(void *opaque), void *opaque);

/* A second machine_lock() by the same thread aborts. The main thread, when it waits, goes next. */
void machine_lock(void);
void machine_unlock(void);
bool machine_lock_held(void); /* by this thread */
/* For a thread that runs in place of the main thread, which does not want the lock meanwhile. */
void machine_lock_for_main(void);

/* Wait on @cond with the machine lock (which the caller holds) as its mutex. */
void machine_cond_wait(GCond *cond);

#endif
