/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "chardev/char-socket.h"
#include "util/error.h"
#include "util/interrupt.h"
#include "util/task.h"

int char_socket_accept(CharSocket *sock, bool *wait)
{
    return socket_place_accept(sock->listen_fd, "chardev", sock->parent.parent.name,
                               &sock->cannot_accept, wait);
}

char *char_socket_describe(const CharSocket *sock)
{
    return socket_place_describe(&sock->place, sock->telnet      ? "telnet"
                                               : sock->websocket ? "websocket"
                                                                 : "tcp");
}

/* A client that has come to listen_fd, or -1. */
static bool was_yanked(const CharSocket *sock)
{
    uint64_t count;

    return read(sock->yank_fd, &count, sizeof(count)) == sizeof(count);
}

static int wait_for_client(CharSocket *sock, GError **errp)
{
    g_autofree char *where = char_socket_describe(sock);
    bool pause = false;
    int client = -1;

    fprintf(stderr, "dimmable: chardev '%s' waits for a client on %s (wait=off does not)\n",
            sock->parent.parent.name, where);
    do {
        struct pollfd p[] = { { .fd = pause ? -1 : sock->listen_fd, .events = POLLIN },
                              { .fd = interrupt_fd(), .events = POLLIN },
                              { .fd = sock->yank_fd, .events = POLLIN } };

        if (poll(p, G_N_ELEMENTS(p), pause ? CHAR_SOCKET_AGAIN : -1) < 0 && errno != EINTR) {
            error_set_errno(errp, errno, "cannot wait for a client on %s", where);
            return -1;
        }
        if (interrupt_check(errp)) {
            g_prefix_error(errp, "waiting for a client on %s: ", where);
            return -1;
        }
        if (was_yanked(sock)) {
            error_set(errp, "waiting for a client on %s was broken off by 'yank'", where);
            return -1;
        }
        client = char_socket_accept(sock, &pause);
    } while (client < 0);
    return client;
}

/* What looks up names, connects and waits, and so may take long. */
typedef struct Opening {
    CharSocket *sock;
    GError *err;
    char *port;             /* that a TCP server got */
    SocketAttempt *attempt; /* that is under way, claimed; or NULL */
    TlsRelay *tls;          /* of fd, which it has given; or NULL */
    int fd;
} Opening;

/* Shake hands, if there is TLS. False: fd is closed, and err says why. */
static bool secure(Opening *o)
{
    if (!o->sock->secure) {
        return true;
    }
    socket_place_set_options(&o->sock->place, o->fd);
    o->tls = tls_relay_new(o->sock->secure, o->fd, TLS_RELAY_WAIT_MS, NULL, NULL, &o->err);
    o->fd = o->tls ? tls_relay_wait(o->tls, &o->err) : -1;
    if (o->fd < 0) {
        g_clear_pointer(&o->tls, tls_relay_unref);
    }
    return o->fd >= 0;
}

static void open_place(void *opaque)
{
    Opening *o = opaque;

    o->fd = socket_place_open(&o->sock->place, &o->port, &o->err);
    if (o->fd >= 0 && !o->sock->place.server) {
        secure(o);
    }
}

/* The first one that TLS lets in. */
static void accept_first(void *opaque)
{
    Opening *o = opaque;

    while ((o->fd = wait_for_client(o->sock, &o->err)) >= 0 && !secure(o)) {
        error_warn("chardev '%s': %s", o->sock->parent.parent.name, o->err->message);
        g_clear_error(&o->err);
    }
}

/* A descriptor from @fn, or -1. Holds @o's socket, since other code may run meanwhile. */
static int run_opening(void (*fn)(void *opaque), Opening *o, GError **errp)
{
    object_ref(OBJECT(o->sock));
    task_wait(fn, o);
    object_unref(OBJECT(o->sock));
    if (o->err) {
        g_propagate_error(errp, o->err);
    }
    return o->fd;
}

/* The same, and `yank` ends it. */
static int run_yankable(void (*fn)(void *opaque), Opening *o, GError **errp)
{
    int fd;

    o->sock->yank_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (o->sock->yank_fd < 0) {
        error_set_errno(errp, errno, "cannot make a descriptor to end the wait");
        return -1;
    }
    chardev_set_waiting(&o->sock->parent);
    o->sock->place.cancel_fd = o->sock->yank_fd;
    fd = run_opening(fn, o, errp);
    o->sock->place.cancel_fd = 0;
    chardev_set_waiting(NULL);
    close(o->sock->yank_fd);
    o->sock->yank_fd = -1;
    return fd;
}

/* Connect, again and again; or -1. Without TLS: raw front ends have none. */
static void connect_until(void *opaque)
{
    Opening *o = opaque;
    CharSocket *sock = o->sock;
    const guint ms = MIN(sock->reconnect, G_MAXINT / 1000) * 1000;

    if (o->attempt && (o->fd = socket_attempt_wait(o->attempt)) >= 0) {
        return;
    }
    while ((o->fd = socket_place_open(&sock->place, NULL, &o->err)) < 0) {
        struct pollfd p = { .fd = interrupt_fd(), .events = POLLIN };

        if (!sock->complained) {
            sock->complained = true;
            error_warn("chardev '%s': %s; trying again every %u s", sock->parent.parent.name,
                       o->err->message, sock->reconnect);
        }
        g_clear_error(&o->err);
        poll(&p, 1, (int)ms);
        if (interrupt_check(&o->err)) {
            return;
        }
    }
}

bool char_socket_wait_connected(Chardev *chr, GError **errp)
{
    CharSocket *sock = CHAR_SOCKET(chr);
    Opening opening = { .sock = sock, .fd = -1 };
    int fd;

    if (sock->listen_fd < 0 && !sock->reconnect) {
        error_set(errp,
                  "chardev '%s' has lost its connection, and without reconnect= gets no other",
                  chr->parent.name);
        return false;
    }
    if (sock->listen_fd >= 0) {
        chardev_source_end(&sock->listen_source);
        fd = run_yankable(accept_first, &opening, errp);
    } else {
        opening.attempt = sock->attempt ? socket_attempt_claim(sock->attempt) : NULL;
        sock->attempt = NULL;
        chardev_source_end(&sock->reconnect_source);
        fd = run_opening(connect_until, &opening, errp);
    }
    if (fd < 0) {
        char_socket_listen(sock);
        char_socket_reconnect(sock);
        return false;
    }
    char_socket_use(sock, fd, opening.tls);
    return true;
}

bool char_socket_wait_client(CharSocket *sock, GError **errp)
{
    Opening opening = { .sock = sock, .fd = -1 };
    int fd = run_yankable(accept_first, &opening, errp);

    if (fd >= 0) {
        char_socket_use(sock, fd, opening.tls);
    }
    return fd >= 0;
}

bool char_socket_open(CharSocket *sock, GError **errp)
{
    Opening opening = { .sock = sock, .fd = -1 };
    int fd = sock->place.server ? run_opening(open_place, &opening, errp)
                                : run_yankable(open_place, &opening, errp);

    if (fd < 0) {
        return false;
    }
    if (opening.port) {
        g_free(sock->place.port);
        sock->place.port = opening.port;
    }
    if (sock->place.server) {
        sock->listen_fd = fd;
        fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    } else {
        char_socket_use(sock, fd, opening.tls);
    }
    return true;
}
