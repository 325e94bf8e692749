/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A server of 9P2000.L for one client, which is not trusted: each size, number and name of a
 * message is checked, and what the client holds is bounded. Messages are carried out one after the
 * other, by one thread at a time, without the machine lock; so whatever a Tflush names is done
 * when its turn comes.
 */
#ifndef FSDEV_P9_SERVER_H
#define FSDEV_P9_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "fsdev/fsdev.h"
#include "fsdev/p9-message.h"

#define P9_MAX_FIDS  (1u << 20)
#define P9_MIN_MSIZE 4096u
#define P9_MAX_MSIZE (1u << 20)

typedef struct P9Server P9Server;

/* For the files of @dev, which lives as long. NULL with an error. */
P9Server *p9_server_new(const FsDev *dev, GError **errp);
void p9_server_free(P9Server *s); /* NULL is fine */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(P9Server, p9_server_free)
/* As new: the client is gone, and everything that it had open is closed. */
void p9_server_reset(P9Server *s);
/* Has it anything open? Any thread. */
bool p9_server_mounted(const P9Server *s);
/* Descriptors that it keeps open at most, for files that are not open; for tests, before the first
 * message. */
void p9_server_set_budget(P9Server *s, unsigned descriptors);

/* Carry out the request in @out, P9_HEADER_BYTES or more, and write the answer to @in,
 * P9_ERROR_BYTES or more: how many bytes that are. */
size_t p9_server_handle(P9Server *s, const struct iovec *out, unsigned out_count,
                        const struct iovec *in, unsigned in_count);

#endif
