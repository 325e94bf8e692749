/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The NBD server: a socket at which clients find the exports (block/export.h). It has a thread of
 * its own, so that the machine never waits for a client. Main thread with the machine lock, but for
 * what says otherwise.
 */
#ifndef BLOCK_NBD_SERVER_H
#define BLOCK_NBD_SERVER_H

#include "crypto/tls-setup.h"
#include "util/loop.h"

#define NBD_DEFAULT_CONNECTIONS 100

/* A server for the clients of @fd, which listens, and becomes the server's; it is closed on
 * failure. They wait until nbd_server_accept(), so that there may be exports before. At most @max
 * at once (0: NBD_DEFAULT_CONNECTIONS); others wait. @path: a socket's name to remove at the end;
 * NULL: none. @tls: they have to use TLS; a reference, which it takes; NULL: there is none. Errors:
 * there is one already. */
bool nbd_server_start(int fd, unsigned max, const char *path, TlsSetup *tls, GError **errp);
/* Serve them from now on; once. */
void nbd_server_accept(void);
/* Disconnect all clients and remove all exports. Errors: there is no server. */
bool nbd_server_stop(GError **errp);
/* Its loop; NULL: there is no server. */
Loop *nbd_server_loop(void);
/* How many connections there may be. Any thread, while there is one. */
unsigned nbd_server_max(void);
/* How many there are; 0 without a server. */
unsigned nbd_server_connections(void);
/* Serve a client that is there already: @fd becomes the server's. */
void nbd_server_take(int fd);
/* @fn is called, from any thread, when a connection has ended, which had an export or not. Before
 * there is a server. */
void nbd_server_on_disconnect(void (*fn)(bool used));

#endif
