/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What each connection of a migration with multifd begins with, before the stream: which migration
 * it belongs to, and which of its connections it is.
 */
#ifndef MIGRATION_HELLO_H
#define MIGRATION_HELLO_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define HELLO_MAGIC "DIMCHANL"
#define HELLO_ID    16

/* Little endian, as on the host. */
typedef struct Hello {
    char magic[8];
    uint8_t id[HELLO_ID]; /* random, the same on all connections of a migration */
    uint32_t index;       /* 0: the one that all but memory goes over; else 1 to count */
    uint32_t count;       /* connections for memory */
    uint32_t sum;         /* CRC-32 of what is before */
} Hello;

void hello_make_id(uint8_t id[HELLO_ID]);
/* Over the socket @fd, which may or may not wait. */
bool hello_send(int fd, const uint8_t id[HELLO_ID], unsigned index, unsigned count, GError **errp);
/* From the socket @fd, within @wait_ms milliseconds, and no byte more than that. The members say
 * nothing wrong in themselves then. *@silent: it failed as the other end said nothing, or not all,
 * or went. */
bool hello_receive(int fd, Hello *hello, int wait_ms, bool *silent, GError **errp);

#endif
