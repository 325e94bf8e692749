/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The main loop (GLib's default main context). The main thread holds the machine lock
 * (util/machine-lock.h) always, except while the loop waits in poll().
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

#endif
