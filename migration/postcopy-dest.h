/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Postcopy, where the machine goes to: it runs, while its memory comes. Who touches what is not
 * there waits in the kernel; that may be the main thread, or one with the machine lock. So nothing
 * that brings memory takes that lock: two threads of this file, one that reads pages, and one that
 * hears of those who wait and asks for theirs.
 *
 * A connection that is lost stops nobody but those who wait: there is a new one when the other end
 * comes again to where the machine came from, or to where migrate-recover says.
 */
#ifndef MIGRATION_POSTCOPY_DEST_H
#define MIGRATION_POSTCOPY_DEST_H

#include "migration/channel.h"
#include "migration/stream.h"
#include "qapi/qapi-types.h"

/* ---- for the thread that reads the stream, no lock ---- */

/* RECORD_ADVICE: can it be done? Answers. */
bool postcopy_dest_advise(Stream *stream, const Record *record, GError **errp);
/* RECORD_LACKS. */
bool postcopy_dest_lacks(const Record *record, GError **errp);
/* The end of everything but pages, which are read from @stream by another thread from now on: takes
 * it, on success. */
bool postcopy_dest_begin(Stream *stream, GError **errp);

/* ---- machine lock ---- */

/* Where another connection is waited for (migration/channel.h), if it is a socket that listens;
 * @tls: how it shakes hands, NULL: it does not. */
void postcopy_dest_set_place(const char *uri, TlsSetup *tls);
/* The machine is whole but for its memory, and may run from now on: @over is called in the main
 * loop when all of it is there. Tells users the status (MIGRATION). */
void postcopy_dest_runs(void (*over)(void));
/* It came without postcopy, of which it was said that it may be. */
void postcopy_dest_forget(void);
/* It never will; the program ends. @unused: the stream, if _begin() did not take it; else NULL. Any
 * thread that reads it, or the main thread. */
void postcopy_dest_refuse(Stream *unused, const char *why);
/* Is memory missing, or not known to be there? */
bool postcopy_dest_active(void);
/* May vCPUs be waited for? An error if memory does not come, and somebody waits for some. */
bool postcopy_dest_check_stop(GError **errp);
/* Break the connection, wait for a new one; an error if there is none, resp. one. */
bool postcopy_dest_pause(GError **errp);
bool postcopy_dest_recover(const char *uri, ChannelTakeFd *take_fd, GError **errp);
/* What went wrong last; g_free, NULL: nothing. */
char *postcopy_dest_error(void);
/* The program ends. */
void postcopy_dest_finish(void);

#endif
