/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine as it is at one moment is written while it goes on (capability background-snapshot).
 * It stands only for as long as it takes to note the states of its devices, and to protect its
 * memory: then who writes to a page that was not written to the stream yet waits until there is a
 * copy of it. Pages, and copies, go over the stream by the migration's thread; a thread of this
 * file makes the copies. Neither takes the machine lock, as who waits may have it.
 */
#ifndef MIGRATION_BACKGROUND_H
#define MIGRATION_BACKGROUND_H

#include "migration/ram.h"

/* All behind the stream's header, of @ram and of the rest of the machine. The migration's thread,
 * no lock; the main loop runs. */
bool background_write(RamSource *ram, Stream *stream, GError **errp);
/* The program ends, and the main loop has ended. Machine lock. */
void background_end(void);

#endif
