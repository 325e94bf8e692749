/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The client's side of the protocol of ivshmem servers: messages of 8 bytes over a unix socket,
 * each with or without a descriptor. Nothing is sent to the server. Machine lock.
 */
#ifndef HW_MISC_IVSHMEM_SERVER_H
#define HW_MISC_IVSHMEM_SERVER_H

#include "chardev/char.h"

#define IVSHMEM_MAX_PEERS 65536

typedef struct IvshmemServer {
    CharFrontend *fe; /* raw; borrowed */
    uint8_t bytes[8]; /* of the message that comes */
    unsigned received;
    int fd; /* that came with it; -1: none */
} IvshmemServer;

typedef enum IvshmemAnswer {
    IVSHMEM_NOTHING, /* not now */
    IVSHMEM_MESSAGE,
    IVSHMEM_ERROR,
} IvshmemAnswer;

void ivshmem_server_init(IvshmemServer *server, CharFrontend *fe);
/* What is half there is forgotten. */
void ivshmem_server_end(IvshmemServer *server);
/* The next message, if it is there: its number, and its descriptor, which is the caller's, or -1.
 */
IvshmemAnswer ivshmem_server_next(IvshmemServer *server, int64_t *number, int *fd, GError **errp);
/* The first of them, for which it waits some seconds: this client's number, and the memory. */
bool ivshmem_server_meet(IvshmemServer *server, unsigned *id, int *memory, GError **errp);

#endif
