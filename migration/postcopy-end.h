/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The program is to end while memory is missing, of which some may never come: its vCPUs, its main
 * thread and the kernel on behalf of its disks may wait for that. None of them may be let go on
 * with memory that is not the guest's, as what they would write to disks is not the guest's either.
 * So a thread of its own waits for the signals, and for the end, and if somebody who waits gets
 * nothing any more it ends the program at once: for the guest that is a power failure.
 */
#ifndef MIGRATION_POSTCOPY_END_H
#define MIGRATION_POSTCOPY_END_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Does somebody wait for memory? *@left: pages that are missing. Any thread, no lock. */
typedef bool PostcopyWaits(uint64_t *left);

/* From now on the program ends if it is asked to. Any thread. */
bool postcopy_end_watch(PostcopyWaits *waits, GError **errp);
/* @fn tells whether a user asks for the end in a way that the main thread cannot hear, as it waits
 * for memory itself; called in another thread, without the lock. Before the main loop runs. */
void postcopy_end_set_asked(bool (*fn)(void));
/* All memory is there. Main thread. */
void postcopy_end_over(void);

#endif
