/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Postcopy, where the machine goes from: it runs at the other end, and its memory follows, what is
 * waited for there before the rest. The migration's thread for everything that does not say more.
 */
#ifndef MIGRATION_POSTCOPY_SOURCE_H
#define MIGRATION_POSTCOPY_SOURCE_H

#include "migration/ram.h"

typedef struct PostcopySource PostcopySource;

/* @ram: borrowed. @release: what is known to be at the other end, where the machine runs, is given
 * back to the host (migration/postcopy-release.h). */
PostcopySource *postcopy_source_new(RamSource *ram, bool release);
void postcopy_source_free(PostcopySource *source); /* NULL is fine */

/* Tell the other end, before all memory, that there may be postcopy; an error says why it cannot.
 */
bool postcopy_source_advise(PostcopySource *source, Stream *stream, GError **errp);
/* The machine stands, and its other end goes on without what the tracker gives: say what that is.
 */
bool postcopy_source_begin(PostcopySource *source, Stream *stream, GError **errp);

typedef enum PostcopyResult {
    POSTCOPY_DONE,    /* the other end has all of it */
    POSTCOPY_REFUSED, /* the machine does not run there, and never did: the error says why */
    POSTCOPY_LOST,    /* nobody knows; the error says what happened */
} PostcopyResult;

/* Write what is left, with an ear for requests, and wait for the answer. @first: after the end of
 * everything but pages, from which on the machine may run at the other end. */
PostcopyResult postcopy_source_run(PostcopySource *source, Stream *stream, bool first,
                                   GError **errp);
/* A new connection after POSTCOPY_LOST: the other end says what it lacks. Then _run() again. */
bool postcopy_source_resume(PostcopySource *source, Stream *stream, GError **errp);

/* Any thread: how many requests there were, and when the machine began to run at the other end, as
 * far as is known here (host ns; 0: it does not). */
uint64_t postcopy_source_requests(const PostcopySource *source);
int64_t postcopy_source_runs_since(const PostcopySource *source);

#endif
