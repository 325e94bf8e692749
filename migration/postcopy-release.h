/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The capability release-ram, where the machine goes from in postcopy: what is known to be at the
 * other end is given back to the host when the machine runs there, little by little: that takes
 * time, and who waits there for a page is not to wait for it, too. A page that was written
 * may be lost with the connection, and is asked for again then: so only what the other end says
 * that it has is given back.
 *
 * All functions but the last: any thread, no lock.
 */
#ifndef MIGRATION_POSTCOPY_RELEASE_H
#define MIGRATION_POSTCOPY_RELEASE_H

#include "migration/postcopy.h"

typedef struct PostcopyRelease PostcopyRelease;

/* @blocks: of RamBlock *; references are taken. Shared memory of files that have names stays: what
 * is in them is also the host's. */
PostcopyRelease *postcopy_release_new(const GPtrArray *blocks);
void postcopy_release_free(PostcopyRelease *release); /* NULL is fine */

/* @range, whole pages of block @n, is at the other end. */
void postcopy_release_has(PostcopyRelease *release, unsigned n, const PageRange *range);
/* The same is about to be written. */
void postcopy_release_sent(PostcopyRelease *release, unsigned n, const PageRange *range);
/* The other end has the first @pages, of RAM_PAGE, of all that was written over this connection:
 * an error if there are not so many, or it had more already. */
bool postcopy_release_arrived(PostcopyRelease *release, uint64_t pages, GError **errp);
/* All that was written is there. */
void postcopy_release_all(PostcopyRelease *release);
/* The connection is lost, and nobody knows of what was written. */
void postcopy_release_lost(PostcopyRelease *release);
/* The machine runs there, and never again here. */
void postcopy_release_runs(PostcopyRelease *release);
/* Give a part of what is there back, if the machine runs there; false: nothing is left for now. One
 * thread at a time. */
bool postcopy_release_step(PostcopyRelease *release);

#endif
