/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Signals that ask the program to end (SIGINT, SIGTERM, SIGHUP). They only set a mark: the main
 * loop watches a descriptor for it, and what takes long outside of the loop asks for the mark and
 * gives up with an error, so that everything is tidied up on the way out.
 */
#ifndef UTIL_INTERRUPT_H
#define UTIL_INTERRUPT_H

#include <glib.h>
#include <stdbool.h>

/* Catch the signals from now on; once, before threads are made. A signal that is ignored (nohup)
 * stays ignored. */
bool interrupt_init(GError **errp);

/* There was such a signal. Any thread. */
bool interrupt_pending(void);

/* Readable from the first signal on; for poll(). -1, which poll() passes over, before
 * interrupt_init(). */
int interrupt_fd(void);

/* If there was one: true, with an error that says so. */
bool interrupt_check(GError **errp);

/* Do what a signal does; for tests. */
void interrupt_raise(void);
/* Forget the signals that there were; for tests. */
void interrupt_clear(void);

#endif
