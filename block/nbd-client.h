/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A connection to an NBD server, by libnbd, for driver "nbd". A thread of its own has it: it
 * connects, and connects again when the connection is lost; other threads give it commands, as many
 * at once as they like, and wait.
 */
#ifndef BLOCK_NBD_CLIENT_H
#define BLOCK_NBD_CLIENT_H

#include "block/status.h"
#include "crypto/tls-creds.h"
#include "chardev/socket-place.h"

typedef struct NbdClient NbdClient;

/* What a client is to do. */
typedef struct NbdTarget {
    SocketPlace *place;
    char *export;         /* its name, perhaps empty */
    char *context;        /* whose extents the status is made of; NULL: base:allocation */
    char *label;          /* how users call it, for messages */
    TlsClientConfig *tls; /* NULL: none */
    bool by_name;         /* libnbd itself connects, by TCP, so that it knows the server's name */
    bool read_only;       /* it is never written to; NBD_AUTO_READ_ONLY below */
    bool auto_read_only;  /* what cannot be written is only read */
    unsigned delay;       /* commands wait so many seconds for a connection that is lost */
    unsigned first_delay; /* the first connection is tried for so many seconds */
    bool may_wait;        /* that may be waited for in a task */
} NbdTarget;

/* What the server said of its export. */
typedef struct NbdExport {
    uint64_t size;
    uint64_t align;       /* offsets and lengths are multiples of it, a power of 2 */
    uint64_t max_payload; /* of reads and writes */
    bool read_only, can_flush, can_fua, can_trim, can_zero, can_fast_zero, can_status;
} NbdExport;

typedef enum NbdOp {
    NBD_OP_READ,
    NBD_OP_WRITE,
    NBD_OP_ZERO,
    NBD_OP_TRIM,
    NBD_OP_FLUSH,
    NBD_OP_STATUS,
} NbdOp;

typedef struct NbdCommand {
    NbdOp op;
    uint64_t offset, bytes;
    void *buf;           /* READ, WRITE */
    bool unmap;          /* ZERO: it may become a hole */
    bool fast;           /* ZERO: ENOTSUP if it takes as long as a write; can_fast_zero */
    bool fua;            /* WRITE, ZERO, TRIM: it is done when it is on the server's disk */
    BlockStatus *status; /* STATUS: `bytes`, `data` and `zero` are filled in */
    /* block/nbd-client.c's */
    bool done;
    int error;
} NbdCommand;

/* Connect; takes @target. NULL with an error that names it. Waits, but not for a server that is
 * silent: that is an error after a while. Main thread. */
NbdClient *nbd_client_new(NbdTarget *target, GError **errp);
/* There are no commands. NULL is fine. */
void nbd_client_free(NbdClient *client);
const NbdExport *nbd_client_export(const NbdClient *client);

/* Carry out @command, which fits the export. 0 or a positive errno value; EIO: there is no
 * connection. Any thread; waits. */
int nbd_client_run(NbdClient *client, NbdCommand *command);

void nbd_target_free(NbdTarget *target);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(NbdTarget, nbd_target_free)

#endif
