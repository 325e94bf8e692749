/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For tests of character devices and monitors: a client at the other end of a socket chardev, in
 * the same process.
 */
#ifndef TESTS_UNIT_CLIENT_H
#define TESTS_UNIT_CLIENT_H

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chardev/char.h"
#include "chardev/chardev.h"
#include "util/main-loop.h"

typedef struct Client {
    int fd;
    GString *got; /* what was read and not yet taken by client_expect() */
    bool closed;  /* by the other side */
} Client;

/* A chardev socket @id, with more options in @options (",mux=on" or ""), and its client. */
static inline Client client_new(const char *id, const char *options)
{
    g_autofree char *text = NULL;
    GError *err = NULL;
    int fds[2];

    g_assert(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    text = g_strdup_printf("socket,id=%s,fd=%d%s", id, fds[1], options);
    chardev_new_from_opts(text, &err);
    g_assert_no_error(err);
    return (Client){ .fd = fds[0], .got = g_string_new(NULL) };
}

/* Let the main loop do all it has to do, and read what comes. */
static inline void client_settle(Client *client)
{
    char buf[4096];
    bool more = true;

    while (more) {
        ssize_t n;

        more = false;
        while (main_loop_iterate(false)) {
            more = true;
        }
        while (client->fd >= 0 && (n = read(client->fd, buf, sizeof(buf))) >= 0) {
            if (n == 0) {
                client->closed = true;
                break;
            }
            g_string_append_len(client->got, buf, n);
            more = true;
        }
    }
}

static inline void client_send_len(Client *client, const void *buf, size_t len)
{
    const char *p = buf;

    while (len) {
        ssize_t n = write(client->fd, p, len);

        if (n < 0) {
            g_assert_cmpint(errno, ==, EAGAIN);
            client_settle(client);
            continue;
        }
        p += n;
        len -= n;
    }
    client_settle(client);
}

static inline void client_send(Client *client, const char *text)
{
    client_send_len(client, text, strlen(text));
}

/* What came since the last call is exactly @text. */
static inline void client_expect(Client *client, const char *text)
{
    client_settle(client);
    g_assert_cmpstr(client->got->str, ==, text);
    g_string_set_size(client->got, 0);
}

static inline void client_free(Client *client)
{
    if (client->fd >= 0) {
        close(client->fd);
    }
    g_string_free(client->got, TRUE);
}

/* Remove chardev @id, which nobody uses. */
static inline void client_remove_chardev(const char *id)
{
    object_unparent((Object *)chardev_find(id));
}

#endif
