/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a stream goes to and comes from: the URIs of `migrate` and `-incoming`.
 *
 *     exec:COMMAND            a shell command's standard input, resp. output
 *     fd:NAME, fd:NUMBER      a descriptor that getfd passed, resp. that was inherited
 *     unix:PATH               a socket: connected to, resp. listened on
 *     tcp:HOST:PORT           the same
 *     file:PATH[,offset=SIZE] a file, from that byte on
 */
#ifndef MIGRATION_CHANNEL_H
#define MIGRATION_CHANNEL_H

#include "crypto/tls-relay.h"

typedef struct Channel {
    int fd;        /* owned until it is taken */
    int listener;  /* -1, or a socket on which the other end connects, owned */
    GPid child;    /* 0, or the command's process */
    char *unlink;  /* NULL, or the socket's path, removed when the listener is closed */
    TlsRelay *tls; /* of fd, which it has given; or of the handshake; NULL: none */
} Channel;

/* Find the descriptor of the name that getfd gave it, and take it; -1 with @errp. */
typedef int ChannelTakeFd(const char *name, GError **errp);

/* Open @uri for writing. Connecting may take as long as the host takes. Any thread. */
bool channel_open_out(Channel *channel, const char *uri, ChannelTakeFd *take_fd, GError **errp);
/* Open @uri for reading. Sockets listen then: channel_accept(). */
bool channel_open_in(Channel *channel, const char *uri, ChannelTakeFd *take_fd, GError **errp);
/* Shake hands with the other end at @channel's fd, which is what it says in TLS then. Blocks for a
 * limited time, or until channel_stop(). The machine lock is not held. */
bool channel_secure(Channel *channel, TlsSetup *setup, GError **errp);
/* If @err, which is set, came from TLS, it says why instead. Before channel_stop(). */
void channel_explain(const Channel *channel, GError **err);
/* Is @uri one of a socket that is connected to, or listened on? Then there may be several
 * connections. */
bool channel_is_socket(const char *uri);
/* With the capability multifd @uri has to be such a one. */
bool channel_check_multifd(const char *uri, GError **errp);
/* The name that the other end's certificate must have, if nothing else is said: the host of tcp:,
 * g_free; NULL: @uri has none. */
char *channel_hostname(const char *uri);
/* There is nobody more to come. The machine lock is not held. */
void channel_close_listener(Channel *channel);
/* May postcopy go on over what @uri says? False: nobody could answer, whatever is there (fd: is to
 * be seen). With TLS if it began so. */
bool channel_may_resume(const char *uri, GError **errp);
/* The other end's connection becomes @channel's fd; blocks until it is there. The
 * machine lock is not held. */
bool channel_accept(Channel *channel, GError **errp);
/* Wait for the command of exec: to end, and for TLS to have given all to the other end, which
 * channel_close() would do, too. Any thread. */
void channel_wait(const Channel *channel);
/* No more comes or goes: end the command with what it has started, and a channel_accept() of
 * another thread. Before channel_close(); one that is read with the machine lock held, or in the
 * thread that accepts. */
void channel_stop(const Channel *channel);
/* Take the descriptor out. */
int channel_take_fd(Channel *channel);
/* Close what is left, and wait for the command and TLS: false with their failure. */
bool channel_close(Channel *channel, GError **errp);

#endif
