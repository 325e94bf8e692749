/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A whole machine read from a stream: RAM goes where it belongs as it comes, everything else is
 * kept until all of it is there.
 */
#ifndef MIGRATION_READER_H
#define MIGRATION_READER_H

#include "migration/devices.h"
#include "migration/multifd.h"
#include "migration/run-record.h"

typedef struct ReadMachine {
    SavedStates *states;        /* owned */
    struct json_object *limits; /* a reference; NULL: there are none */
    GPtrArray *bitmaps;         /* of GBytes: what their records contained; NULL: there are none */
    GPtrArray *helpers;         /* the same of programs, given to them already */
    RunRecord run;
    bool has_config, has_run;
    MultifdReceive *multifd; /* NULL: there is none; borrowed */
    bool asks;               /* the other end waits for stream_put_answer() */
    bool may_postcopy;       /* set before: migration/postcopy-dest.h may be used */
    /* The stream was read up to the end of everything but pages: postcopy_dest_begin() is to be
     * called, and then read_machine_give(). */
    bool postcopy;
} ReadMachine;

/* Fill @machine, which is all zero, from the stream's first byte to its last record. An error says
 * where in the stream it is. The machine lock is taken for short, and must not be held: any thread
 * but one that holds it. */
bool read_machine(ReadMachine *machine, Stream *stream, GError **errp);
/* Other programs get what is theirs. As for read_machine(), which does it without postcopy. */
bool read_machine_give(const ReadMachine *machine, GError **errp);
/* The same without filling anything: the stream is whole, and of a machine such as this one. */
bool read_machine_check(Stream *stream, GError **errp);
/* Put what was read into this machine, which was reset and never ran. On failure it must not run.
 * Machine lock. */
bool read_machine_load(const ReadMachine *machine, GError **errp);
/* All zero again. */
void read_machine_clear(ReadMachine *machine);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ReadMachine, read_machine_clear)

#endif
