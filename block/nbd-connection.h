/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One client of the NBD server, for the files of the server: nbd-server.c (sockets, bytes in and
 * out), nbd-options.c (the handshake) and nbd-requests.c (what follows). Clients may be hostile:
 * what they send is bounded in length and number, and when they do not read, nobody waits for them.
 *
 * A connection belongs to a loop, whose thread alone touches it, but for what says otherwise: the
 * server's during the handshake, then that of its export.
 */
#ifndef BLOCK_NBD_CONNECTION_H
#define BLOCK_NBD_CONNECTION_H

#include "block/export.h"
#include "crypto/tls-setup.h"
#include "util/loop.h"

#define NBD_MAX_OPTION   (64u << 10) /* bytes that come with an option */
#define NBD_MAX_REQUESTS 16          /* of a connection at once */

/* What a client can ask of a range: the contexts, as bits of a mask; ids on the wire are 1, 2...
 * The bitmaps of the export are the last. */
enum {
    NBD_CONTEXT_ALLOCATION,
    NBD_CONTEXT_DEPTH,
    NBD_CONTEXT_BITMAP,
    NBD_CONTEXT_MAX = NBD_CONTEXT_BITMAP + BLOCK_EXPORT_MAX_BITMAPS
};

typedef struct NbdConnection NbdConnection;
/* @in is whole: what is next? */
typedef void NbdStep(NbdConnection *c);

struct NbdConnection {
    gatomicrefcount refs; /* the server's, those of requests and calls */
    int fd;               /* -1: closed */
    Loop *loop;
    GSource *source;
    gpointer tag;
    GSource *deadline; /* of the handshake; NULL: it is over */
    /* What comes in: @want bytes at @in, of which @have are there; then `step`. */
    uint8_t *in;
    size_t want, have;
    NbdStep *step;
    uint8_t small[32]; /* for headers */
    uint8_t *option;   /* what comes with one */
    bool last;         /* close when everything is sent */
    /* TLS: what goes and comes is encrypted from `secure` on. */
    gnutls_session_t tls; /* NULL: it was not asked for */
    bool secure;          /* else, with a session, both sides still agree */
    /* What goes out: */
    GQueue out;             /* of NbdPiece */
    size_t out_bytes, sent; /* of all; of the first */
    /* Negotiated: */
    bool no_zeroes, structured;
    uint32_t contexts;        /* a mask */
    BlockExport *contexts_of; /* a reference; NULL: none */
    uint32_t option_id;       /* the one that is read */
    BlockExport *entered; /* the handshake is over, but the loop is still the server's; else NULL */
    /* After the handshake: */
    BlockExport *export;
    uint64_t size;               /* of it, as the client knows it */
    unsigned requests;           /* under way, until they are answered */
    uint64_t memory;             /* bytes of those */
    struct NbdRequest *incoming; /* whose data come */
    /* Requests that have ended; under the mutex, any thread. */
    GMutex mutex;
    GQueue ended; /* of NbdRequest */
    bool called;  /* the loop will look there */
};

/* Close it, from its loop: its requests end without an answer. Harmless if it is closed. */
void nbd_connection_close(NbdConnection *c);
/* The handshake is over: from now on it belongs to the loop of @export, whose reference it takes.
 */
void nbd_connection_enter(NbdConnection *c, BlockExport *export);
/* Any thread. */
NbdConnection *nbd_connection_ref(NbdConnection *c);
void nbd_connection_unref(NbdConnection *c);
/* Go on with what can be read and written. The connection may be closed then. */
void nbd_connection_go_on(NbdConnection *c);
/* Must a client ask for TLS first? */
bool nbd_connection_needs_tls(const NbdConnection *c);
/* After what is being sent TLS begins. False: there is no memory for it. */
bool nbd_connection_start_tls(NbdConnection *c);
/* The next @want bytes go to @in; then @step is called. */
void nbd_connection_expect(NbdConnection *c, void *in, size_t want, NbdStep *step);
/* Send @len bytes of @data, which is freed by g_free, or by @free_fn of @opaque. */
void nbd_connection_send(NbdConnection *c, void *data, size_t len);
void nbd_connection_send_shared(NbdConnection *c, const void *data, size_t len,
                                GDestroyNotify free_fn, void *opaque);

/* The handshake begins. */
void nbd_options_begin(NbdConnection *c);
/* It is over: from the loop of its export. */
void nbd_requests_begin(NbdConnection *c);
/* May more be read? */
bool nbd_requests_have_room(const NbdConnection *c);
/* Forget requests of @c, which is closed, that were not started. */
void nbd_requests_forget(NbdConnection *c);
#endif
