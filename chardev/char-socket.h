/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The chardev "socket", for its files: char-socket.c is its life, char-socket-open.c what may take
 * long at the beginning. Machine lock.
 */
#ifndef CHARDEV_CHAR_SOCKET_H
#define CHARDEV_CHAR_SOCKET_H

#include "chardev/char-backend.h"
#include "chardev/socket-attempt.h"
#include "chardev/telnet.h"
#include "chardev/websocket.h"
#include "crypto/tls-relay.h"

#define CHAR_SOCKET_AGAIN 200 /* ms to wait where descriptors or memory ran out */

typedef struct CharSocket {
    Chardev parent;
    /* properties */
    SocketPlace place;
    char *tls_creds, *tls_authz;
    bool wait, telnet, tn3270, websocket;
    uint32_t reconnect; /* seconds; 0: never */

    int listen_fd, client_fd;
    int yank_fd;   /* eventfd that ends the wait for the first client, or for the server; -1 when
                      there is none */
    int passed_fd; /* the client sent it and nobody took it yet; or -1 */
    GSource *listen_source; /* for the next client, or for the time to look for it again */
    bool cannot_accept;     /* it was said, once */
    char *bound_path;       /* to remove at the end, if it is this file still: */
    dev_t bound_dev;
    ino_t bound_ino;

    TlsSetup *secure; /* with tls-creds */
    TlsRelay *tls;    /* of the client, from the handshake on; client_fd is then its */

    SocketAttempt *attempt;    /* we are connecting */
    GSource *reconnect_source; /* we are waiting before that */
    bool complained;           /* since we were connected last */

    Telnet telnet_state;       /* with telnet or tn3270 */
    WebSocket websocket_state; /* with websocket */
    GByteArray *request;       /* the client's, before it is connected */
    GSource *request_source, *request_timeout;
} CharSocket;
OBJECT_CAST_DEFINE(CharSocket, CHAR_SOCKET, "chardev-socket")

/* ---- char-socket.c ---- */

/* The socket at @fd is the client; with @tls it has agreed already, and that gave the descriptor.
 */
void char_socket_use(CharSocket *sock, int fd, TlsRelay *tls);
/* Look for the next client, or for the server. */
void char_socket_listen(CharSocket *sock);
void char_socket_reconnect(CharSocket *sock);

/* ---- char-socket-open.c: a task waits, and other code may run meanwhile ---- */

/* How users see where it is; g_free. */
char *char_socket_describe(const CharSocket *sock);
/* As socket_place_accept(). */
int char_socket_accept(CharSocket *sock, bool *wait);
/* Open the place: a connection is in use then, a socket that listens in listen_fd. */
bool char_socket_open(CharSocket *sock, GError **errp);
/* Wait for the first client, and use it. */
bool char_socket_wait_client(CharSocket *sock, GError **errp);
/* See ChardevOps. */
bool char_socket_wait_connected(Chardev *chr, GError **errp);

#endif
