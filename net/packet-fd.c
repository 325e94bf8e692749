/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/packet-fd.h"

#include <errno.h>

#include "util/error.h"
#include "util/loop.h"

/* Packets that are read before others have their turn. */
#define READ_AT_ONCE 16
/* Milliseconds until what has failed is tried again. */
#define LATER 50

void packet_watch(GSource **source, int fd, GIOCondition condition, GUnixFDSourceFunc fn,
                  void *opaque)
{
    if (!*source) {
        *source = g_unix_fd_source_new(fd, condition);
        g_source_set_callback(*source, G_SOURCE_FUNC(fn), opaque, NULL);
        loop_attach(loop_main(), *source);
    }
}

void packet_watch_later(GSource **source, GSourceFunc fn, void *opaque)
{
    packet_unwatch(source);
    *source = g_timeout_source_new(LATER);
    g_source_set_callback(*source, fn, opaque, NULL);
    loop_attach(loop_main(), *source);
}

void packet_unwatch(GSource **source)
{
    if (*source) {
        g_source_destroy(*source);
        g_clear_pointer(source, g_source_unref);
    }
}

/* Errors of what was sent before, which a socket tells once, at any call; or none at all. */
static bool is_past(int err)
{
    return err == EAGAIN || err == EINTR || err == ECONNREFUSED || err == EHOSTUNREACH ||
           err == ENETUNREACH || err == ENOENT;
}

static gboolean read_again(gpointer opaque)
{
    PacketFd *pfd = opaque;

    packet_unwatch(&pfd->read_source);
    packet_fd_can_send_again(pfd);
    return G_SOURCE_REMOVE;
}

static gboolean readable(gint fd, GIOCondition condition, gpointer opaque)
{
    PacketFd *pfd = opaque;
    int err = 0;

    for (unsigned n = 0; n < READ_AT_ONCE && !pfd->paused && net_can_send(pfd->client); n++) {
        NetOffload o = { 0 };
        ssize_t size = pfd->ops->get(pfd, &o, pfd->buf, NET_PACKET_MAX);

        if (size > 0) {
            net_send_offloaded(pfd->client, &o, pfd->buf, (size_t)size);
        } else if (size < 0) {
            err = errno;
            break;
        }
    }
    pfd->gone = err == EBADFD;
    if (pfd->gone) {
        error_warn("netdev '%s': the host's card has gone: nothing comes any more",
                   pfd->client->name);
    }
    if (pfd->gone || !net_can_send(pfd->client)) {
        packet_unwatch(&pfd->read_source);
        return G_SOURCE_REMOVE;
    }
    if (err && !is_past(err)) {
        packet_watch_later(&pfd->read_source, read_again, pfd);
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

static gboolean writable(gint fd, GIOCondition condition, gpointer opaque)
{
    PacketFd *pfd = opaque;

    packet_unwatch(&pfd->write_source);
    net_client_ready(pfd->client);
    return G_SOURCE_REMOVE;
}

bool packet_fd_receive(PacketFd *pfd, const NetOffload *o, const uint8_t *packet, size_t size)
{
    ssize_t put;

    if (pfd->write_source) {
        return false;
    }
    do {
        put = pfd->ops->put(pfd, o, packet, size);
    } while (put < 0 && errno == EINTR);
    if (put < 0 && errno == EAGAIN) {
        packet_watch(&pfd->write_source, pfd->out, G_IO_OUT, writable, pfd);
        return false;
    }
    /* Networks lose packets; but where the host forbids them, nothing will ever come through. */
    if (put < 0 && !pfd->said && (errno == EPERM || errno == EACCES)) {
        pfd->said = true;
        error_warn("netdev '%s': packets are lost: %s", pfd->client->name, g_strerror(errno));
    }
    return true;
}

void packet_fd_can_send_again(PacketFd *pfd)
{
    if (pfd->buf && !pfd->gone && !pfd->paused && net_can_send(pfd->client)) {
        packet_watch(&pfd->read_source, pfd->in, G_IO_IN, readable, pfd);
    }
}

void packet_fd_start(PacketFd *pfd)
{
    pfd->buf = g_malloc(NET_PACKET_MAX);
    if (!pfd->paused) {
        packet_watch(&pfd->read_source, pfd->in, G_IO_IN, readable, pfd);
    }
}

void packet_fd_pause(PacketFd *pfd, bool paused)
{
    pfd->paused = paused;
    if (paused) {
        packet_unwatch(&pfd->read_source);
    } else {
        packet_fd_can_send_again(pfd);
    }
}

void packet_fd_stop(PacketFd *pfd)
{
    packet_unwatch(&pfd->read_source);
    packet_unwatch(&pfd->write_source);
    g_clear_pointer(&pfd->buf, g_free);
}
