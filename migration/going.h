/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The migration of this machine to elsewhere, for migration.c, whose it is, and going.c, which
 * tells how it goes.
 */
#ifndef MIGRATION_GOING_H
#define MIGRATION_GOING_H

#include "migration/channel.h"
#include "migration/devices.h"
#include "migration/multifd.h"
#include "migration/postcopy-source.h"
#include "migration/precopy.h"
#include "migration/run-record.h"

/* The migration that is under way, or the last one. */
typedef struct Going {
    char *uri;
    Channel channel;
    TlsSetup *tls;                /* NULL: none */
    MultifdConfig multifd_config; /* channels 0: no multifd */
    MultifdSend *multifd;         /* while the thread runs, as stream */
    uint64_t multifd_bytes;       /* when it had ended */
    GThread *thread;              /* NULL: none is under way */
    Stream *stream;  /* while the thread runs, and only its but for stream_cancel() and _bytes() */
    bool connecting; /* the thread does, and cannot be stopped */
    bool written;    /* all of it: it cannot be cancelled any more */
    bool cancelled;
    bool answer;     /* the other end is to say that it is there */
    bool resume;     /* the machine ran before */
    RunState before; /* else: what it did */

    /* made by begin(), for the thread */
    struct json_object *config;
    RamSource ram;
    Precopy precopy;
    XbzrleStats xbzrle;     /* when it had ended; size 0: without it */
    bool background;        /* the machine goes on, and what is written is what it was */
    PostcopySource *source; /* NULL: there will be no postcopy */
    bool releases;          /* in postcopy what went is given back to the host */

    bool waits; /* the machine stands, for migration_continue() */
    /* postcopy is wanted; begins when all was taken; the machine may run at the other end; it waits
     * for a new connection, and has one to try */
    bool wants_postcopy, postcopy, gone, paused, resumes;
    char *paused_why;

    /* made by freeze(), for the thread */
    bool frozen, ends; /* ends: the program does, nobody will freeze the machine */
    GCond frozen_cond; /* with the machine lock: one of them is set */
    SavedStates *states;
    struct json_object *limits; /* NULL: there are none */
    GPtrArray *bitmaps;
    GPtrArray *helpers;
    RunRecord run;
    GError *err; /* the thread's, and take_all()'s */

    int64_t started, running, stopped, ended; /* host ns; 0: not yet */
    uint64_t bytes, precopy_bytes;            /* when it had ended; when the machine was stopped */
    uint64_t requests;                        /* of postcopy, and when it ran there */
    int64_t runs_since;
    uint64_t earlier; /* of connections that were lost */
} Going;

extern Going going;
extern MigrationStatus
    going_status; /* machine lock, as everything of `going` that says nothing else */

#endif
