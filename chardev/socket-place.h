/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a stream socket is: a unix path or abstract name, a TCP (or MPTCP) host and port, a vsock
 * CID and port, or a descriptor that was inherited. Nothing here touches objects or the main loop,
 * so that a thread may connect with a copy of its own.
 */
#ifndef CHARDEV_SOCKET_PLACE_H
#define CHARDEV_SOCKET_PLACE_H

#include <glib.h>
#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum OnOffAuto { AUTO, ON, OFF } OnOffAuto;
extern const char *const on_off_auto_names[]; /* for PROP_ENUM */

typedef struct SocketPlace {
    char *path, *host, *port, *cid, *fd; /* text of the user, or NULL */
    bool server;                         /* listen there, instead of connecting */
    bool client_only;                    /* users cannot say that */
    bool abstract, tight;                /* path is a name; it is not padded with zeros */
    bool numeric;                        /* host is an address */
    bool keep_alive, mptcp, nodelay;
    int ipv4, ipv6; /* OnOffAuto */
    uint16_t to;    /* server: last port to try; 0: only @port */
    int cancel_fd;  /* client: an eventfd that breaks off the connecting; 0: none */
} SocketPlace;

/* False with an error if the members do not go together. Opens nothing. */
bool socket_place_check(const SocketPlace *place, GError **errp);
/* A socket that is connected, or for a server listening, with CLOEXEC; the caller's, but for fd=,
 * which is that descriptor. *@bound: the port that a TCP server got (g_free), may be NULL. -1 with
 * an error that says what to do. Blocks while it looks up names and connects, until a signal asks
 * the program to end, or `cancel_fd` can be read; a server on this host that accepts nobody is
 * given up after half a minute. */
int socket_place_open(const SocketPlace *place, char **bound, GError **errp);
/* A client of @listen_fd, with CLOEXEC; the caller's. -1: there is none; or, if *@wait, there is
 * one, and what it needs (descriptors, memory) ran out: it would be found again and again, so the
 * caller looks after a while. @kind '@name', who listens, says so once: *@said is false at first.
 */
int socket_place_accept(int listen_fd, const char *kind, const char *name, bool *said, bool *wait);
/* The options that a connection to @place, or a client there, is to have. */
void socket_place_set_options(const SocketPlace *place, int fd);
/* "unix:PATH", "fd:N", "vsock:CID:PORT", or PROTOCOL:HOST:PORT; g_free. @protocol: "tcp", ... */
char *socket_place_describe(const SocketPlace *place, const char *protocol);

/* " <-> HOST:PORT" of the other end of @fd, if that is a TCP client, or ""; g_free. */
char *socket_place_describe_peer(int fd);

SocketPlace *socket_place_copy(const SocketPlace *place);
void socket_place_free(SocketPlace *place);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SocketPlace, socket_place_free)

/* The addresses of @host (NULL or "": every one of ours, or this host without AI_PASSIVE in @flags)
 * and @port for sockets of @type; freeaddrinfo. NULL with an error, also for a @port that is no
 * number. */
struct addrinfo *socket_place_lookup(const char *host, const char *port, int type, int ipv4,
                                     int ipv6, int flags, GError **errp);

#endif
