/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest RAM over several connections at once, each with a thread: at one end they look for pages of
 * zeros, copy, pack and write; at the other they read and unpack. What is written in one round
 * (migration/precopy.h) may come in any order, as no page is twice in it; before the next one all
 * wait for each other (RECORD_SYNC), so that the last contents of a page win.
 */
#ifndef MIGRATION_MULTIFD_H
#define MIGRATION_MULTIFD_H

#include "migration/arrivals.h"
#include "migration/ram.h"
#include "qapi/qapi-types.h"

#define MULTIFD_JOB_PAGES 256u /* that one thread gets at once: 1 MiB */

/* ---- going ---- */

typedef struct MultifdSend MultifdSend;

typedef struct MultifdConfig {
    const char *uri;
    TlsSetup *tls; /* NULL: none */
    unsigned channels;
    MultiFDCompression method;
    int level;
} MultifdConfig;

/* Nothing is connected yet. @main: the stream that everything else goes over. */
MultifdSend *multifd_send_new(const MultifdConfig *config, Stream *main);
/* Connect all, the first words of @main's connection, the socket @fd, included. The machine lock is
 * not held. */
bool multifd_send_connect(MultifdSend *send, int fd, GError **errp);
/* What ram_source_write() does, over all of them; all is with the kernel then. The thread that
 * calls the tracker, no lock. */
bool multifd_send_round(MultifdSend *send, RamSource *source, GError **errp);
/* There are no more rounds, and the other end is told so. */
bool multifd_send_end(MultifdSend *send, GError **errp);
/* As stream_set_limit(), of all together. Any thread. */
void multifd_send_set_limit(MultifdSend *send, uint64_t bytes);
/* Calls that wait, and those to come, fail. Any thread, machine lock. */
void multifd_send_cancel(MultifdSend *send);
/* Bytes that went over them. Any thread. */
uint64_t multifd_send_bytes(MultifdSend *send);
/* Wait for the threads, which multifd_send_end() or _cancel() has ended, and for all to have gone.
 * False with an error: not all did, or why it failed. The machine lock is not held. */
bool multifd_send_join(MultifdSend *send, GError **errp);
void multifd_send_free(MultifdSend *send); /* after that; NULL is fine */

/* ---- coming ---- */

typedef struct MultifdReceive MultifdReceive;

/* Take the connections 1 to @channels out of @arrivals; @main: the stream that everything else
 * comes over. Their threads wait for the first sync. */
MultifdReceive *multifd_receive_new(Arrivals *arrivals, unsigned channels, Stream *main,
                                    GError **errp);
/* @record, a RECORD_SYNC, came over @main: wait until the same has come over all others. */
bool multifd_receive_sync(MultifdReceive *receive, const Record *record, GError **errp);
/* Calls that wait, and those to come, fail. Any thread. */
void multifd_receive_cancel(MultifdReceive *receive);
/* @main has come to its end, or (@ok false) failed with *@errp: wait for the threads, whose other
 * ends may be silent: multifd_receive_cancel() ends that, too. False with the error of who failed
 * first. */
bool multifd_receive_finish(MultifdReceive *receive, bool ok, GError **errp);
void multifd_receive_free(MultifdReceive *receive); /* after that; NULL is fine */

/* ---- packing: RECORD_PACKED ---- */

typedef struct MultifdPacker MultifdPacker;

MultifdPacker *multifd_packer_new(MultiFDCompression method, int level);
void multifd_packer_free(MultifdPacker *packer); /* NULL is fine */
/* @size bytes of the contents of a RECORD_RAM as those of a RECORD_PACKED: borrowed until the next
 * call, *@packed bytes. NULL: they do not become less. */
const uint8_t *multifd_pack(MultifdPacker *packer, const void *data, size_t size, size_t *packed);
/* The other way: @record becomes the RECORD_RAM that it was, borrowed until the next call. Says
 * nothing about what is in it. */
bool multifd_unpack(MultifdPacker *packer, Record *record, GError **errp);

#endif
