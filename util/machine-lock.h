/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine lock.
 *
 * It protects all device state, the object tree, the memory map (writers), timers, run state and
 * monitors. The main thread holds it always, except while it waits in poll(); a vCPU thread takes
 * it around device emulation. It is not recursive.
 *
 * A vCPU thread must not wait for the machine lock inside a memory read section (memory/reader.h).
 */
#ifndef UTIL_MACHINE_LOCK_H
#define UTIL_MACHINE_LOCK_H

#include <glib.h>
#include <stdbool.h>

/* This thread is the main thread (main_loop_init()). */
void machine_lock_init(void);
/* A second machine_lock() by the same thread aborts. The main thread, when it waits, goes next. */
void machine_lock(void);
/* Not for the main thread. False: someone has it, or the main thread waits for it. */
bool machine_trylock(void);
void machine_unlock(void);
bool machine_lock_held(void); /* by this thread */
/* For a thread that runs in place of the main thread, which does not want the lock meanwhile. */
void machine_lock_for_main(void);

/* Wait on @cond with the machine lock (which the caller holds) as its mutex. */
void machine_cond_wait(GCond *cond);

#endif
