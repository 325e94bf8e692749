/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine as a stream of bytes: a header, then records, each with its kind, a name, its length
 * and a checksum. docs/state.md has the format. Streams work on file descriptors, and wait in
 * poll(), so that another thread can end them at any time.
 *
 * A stream belongs to one thread, or to one that reads and one that writes; stream_cancel() may be
 * called by others.
 */
#ifndef MIGRATION_STREAM_H
#define MIGRATION_STREAM_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* The values are part of the format. */
typedef enum RecordKind {
    RECORD_CONFIG = 1, /* what both ends must agree on, as JSON */
    RECORD_RAM = 2,    /* pages of the RAM block that the name says */
    RECORD_DEVICE = 3, /* the state of the object at the path that the name says */
    RECORD_RUN = 4,    /* the clock, and whether the machine ran */
    RECORD_END = 5,    /* how many records came before; by the name "answer" it asks for that */
    RECORD_ANSWER = 6, /* the other way: the machine is there */
    RECORD_LIMITS = 7, /* limits of disks that commands have changed, as JSON; there may be none */
    RECORD_BITMAP = 8, /* a dirty bitmap, or a part of one */
    RECORD_HELPER = 9, /* the state of another program */

    /* of postcopy (migration/postcopy.h) */
    RECORD_ADVICE = 20,  /* there may be postcopy: can the other end do that? */
    RECORD_LACKS = 21,   /* which pages of the RAM block that the name says are not there yet */
    RECORD_REQUEST = 22, /* the other way: somebody waits for this page */
    RECORD_RUNS = 23,    /* the other way: the machine may run there from now on */
    RECORD_REFUSAL = 24, /* the other way: it never will; why */
    RECORD_RESUME = 25,  /* both ways: go on with the one of this id */
    RECORD_HAS = 26,     /* the other way: so many pages have come over this connection, 8 bytes */

    /* of multifd */
    RECORD_SYNC = 30,   /* all connections have come to this place; a number, 8 bytes */
    RECORD_PACKED = 31, /* a RECORD_RAM that was made smaller */
} RecordKind;

#define RECORD_MAX_SIZE (64u << 20) /* bytes of a record's contents */

#define STREAM_ASKS     "answer"   /* the name of a RECORD_END that asks for one */
#define STREAM_POSTCOPY "postcopy" /* of one that only pages follow, and then another one */

typedef struct Stream Stream;

/* Takes @fd, which becomes non-blocking. */
Stream *stream_new(int fd);
void stream_free(Stream *stream); /* closes it; NULL is fine */
/* Calls that wait, and those to come, fail. Any thread. */
void stream_cancel(Stream *stream);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Stream, stream_free)

/* Bytes that went over it until now. Any thread. */
uint64_t stream_bytes(const Stream *stream);
/* Wait for @ms milliseconds, or until it is cancelled: then an error. */
bool stream_pause(Stream *stream, unsigned ms, GError **errp);
/* Wait for something to read, or the end, for at most @ms milliseconds: then an error, as when it
 * is cancelled. */
bool stream_wait_input(Stream *stream, unsigned ms, GError **errp);
/* Write no more than @bytes a second, averaged over 100 ms; 0: no limit. Any thread. */
void stream_set_limit(Stream *stream, uint64_t bytes);

/* What goes over @stream from now on counts for @total, too, which lives as long. */
void stream_set_total(Stream *stream, Stream *total);

/* ---- writing ---- */

bool stream_put_header(Stream *stream, GError **errp);
/* @size: at most RECORD_MAX_SIZE; @name: at most 255 bytes. */
bool stream_put_record(Stream *stream, RecordKind kind, const char *name, const void *data,
                       size_t size, GError **errp);
/* RECORD_END; everything is with the kernel when it returns. @ask: for an answer. */
bool stream_put_end(Stream *stream, bool ask, GError **errp);
/* The same by the name STREAM_POSTCOPY. */
bool stream_put_postcopy(Stream *stream, GError **errp);

/* ---- answers, by the other end of a stream that was read or written ---- */

/* Can the other end of @fd answer? It is a socket. */
bool stream_fd_answers(int fd);
/* That the machine is there: to the one that wrote it. */
bool stream_put_answer(Stream *stream, GError **errp);
/* Wait until the one that reads the machine says so. */
bool stream_get_answer(Stream *stream, GError **errp);

/* ---- reading ---- */

typedef struct Record {
    RecordKind kind;
    char name[256];
    const uint8_t *data; /* of the stream, until the next call */
    size_t size;
} Record;

bool stream_get_header(Stream *stream, GError **errp);
/* The next record, checked: its sum, and RECORD_END for its count. An error says where in the
 * stream it is. */
bool stream_get_record(Stream *stream, Record *record, GError **errp);

#endif
