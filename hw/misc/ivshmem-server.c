/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/misc/ivshmem-server.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/error.h"

#define VERSION    0  /* of the protocol */
#define MEMORY     -1 /* the message with the memory */
#define PATIENCE_S 10
#define FDS_MAX    8 /* that are looked at; a message has one */

void ivshmem_server_init(IvshmemServer *server, CharFrontend *fe)
{
    *server = (IvshmemServer){ .fe = fe, .fd = -1 };
}

static void set_fd(IvshmemServer *server, int fd)
{
    if (server->fd >= 0) {
        close(server->fd);
    }
    server->fd = fd;
}

void ivshmem_server_end(IvshmemServer *server)
{
    set_fd(server, -1);
    server->received = 0;
}

/* The last one counts. */
static void take_fds(IvshmemServer *server, struct msghdr *msg)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            for (size_t at = CMSG_LEN(0); at + sizeof(int) <= c->cmsg_len; at += sizeof(int)) {
                int fd;

                memcpy(&fd, (const uint8_t *)c + at, sizeof(fd));
                set_fd(server, fd);
            }
        }
    }
}

/* Some bytes of the message, and no more than it has: a descriptor belongs to one. */
static IvshmemAnswer receive_some(IvshmemServer *server, GError **errp)
{
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(FDS_MAX * sizeof(int))];
    } control;
    struct iovec iov = { server->bytes + server->received,
                         sizeof(server->bytes) - server->received };
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
    };
    ssize_t n = recvmsg(char_fd(server->fe), &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return IVSHMEM_NOTHING;
    }
    if (n <= 0) {
        error_set(errp, "the ivshmem server has gone%s%s", n ? ": " : "",
                  n ? g_strerror(errno) : "");
        return IVSHMEM_ERROR;
    }
    take_fds(server, &msg);
    if (msg.msg_flags & MSG_CTRUNC) {
        error_set(errp,
                  "a descriptor of the ivshmem server could not be taken: this program has as "
                  "many as it may have (ulimit -n)");
        return IVSHMEM_ERROR;
    }
    server->received += (unsigned)n;
    return IVSHMEM_MESSAGE;
}

IvshmemAnswer ivshmem_server_next(IvshmemServer *server, int64_t *number, int *fd, GError **errp)
{
    uint64_t value;

    while (server->received < sizeof(server->bytes)) {
        IvshmemAnswer answer = receive_some(server, errp);

        if (answer != IVSHMEM_MESSAGE) {
            return answer;
        }
    }
    memcpy(&value, server->bytes, sizeof(value));
    *number = (int64_t)GUINT64_FROM_LE(value);
    *fd = server->fd;
    server->fd = -1;
    server->received = 0;
    return IVSHMEM_MESSAGE;
}

static bool wait_for_next(IvshmemServer *server, int64_t *number, int *fd, gint64 deadline,
                          GError **errp)
{
    for (;;) {
        IvshmemAnswer answer = ivshmem_server_next(server, number, fd, errp);
        gint64 left = (deadline - g_get_monotonic_time()) / 1000;
        struct pollfd p = { .fd = char_fd(server->fe), .events = POLLIN };

        if (answer != IVSHMEM_NOTHING) {
            return answer == IVSHMEM_MESSAGE;
        }
        if (left <= 0) {
            error_set(errp, "the ivshmem server has said nothing for %d seconds", PATIENCE_S);
            return false;
        }
        poll(&p, 1, (int)left);
    }
}

/* A message of which only the number counts. */
static bool expect_number(IvshmemServer *server, int64_t *number, gint64 deadline, GError **errp)
{
    int fd;

    if (!wait_for_next(server, number, &fd, deadline, errp)) {
        return false;
    }
    if (fd >= 0) {
        close(fd);
    }
    return true;
}

bool ivshmem_server_meet(IvshmemServer *server, unsigned *id, int *memory, GError **errp)
{
    gint64 deadline = g_get_monotonic_time() + PATIENCE_S * G_USEC_PER_SEC;
    int64_t version, number, what;

    if (!expect_number(server, &version, deadline, errp)) {
        return false;
    }
    if (version != VERSION) {
        error_set(errp,
                  "the ivshmem server speaks version %" PRId64
                  " of the protocol; version %d is spoken here",
                  version, VERSION);
        return false;
    }
    if (!expect_number(server, &number, deadline, errp)) {
        return false;
    }
    if (number < 0 || number >= IVSHMEM_MAX_PEERS) {
        error_set(errp,
                  "the ivshmem server gives the number %" PRId64 ", which is not from 0 to %d",
                  number, IVSHMEM_MAX_PEERS - 1);
        return false;
    }
    if (!wait_for_next(server, &what, memory, deadline, errp)) {
        return false;
    }
    if (what != MEMORY || *memory < 0) {
        error_set(errp, "the ivshmem server sends no memory after the number");
        if (*memory >= 0) {
            close(*memory);
        }
        return false;
    }
    *id = (unsigned)number;
    return true;
}
