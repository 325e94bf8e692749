/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -netdev stream: packets on a stream socket, to another machine or a program such as passt; before
 * each is its length, four bytes, the high one first.
 *
 * One peer at a time. While there is none, packets are lost; a server waits for the next one. What
 * the guest's card cannot take stays in the socket, and the other way round.
 */
#include <errno.h>
#include <netdb.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chardev/socket-attempt.h"
#include "net/netdev.h"
#include "net/packet-fd.h"
#include "chardev/socket-address.h"
#include "qapi/qapi-events.h"
#include "util/error.h"
#include "util/task.h"

#define HEADER_SIZE 4
#define FRAME_MAX   (HEADER_SIZE + NET_PACKET_MAX)

typedef struct NetStream {
    NetBackend parent;
    SocketPlace place;
    int listen_fd, fd; /* -1: none */
    GSource *listen_source, *read_source, *write_source;
    bool cannot_accept;     /* it was said */
    SocketAttempt *attempt; /* we are connecting */
    uint8_t *in;            /* FRAME_MAX bytes, of which in_len were read and not yet used */
    size_t in_len;
    uint8_t *out; /* FRAME_MAX bytes: a frame of which [out_at, out_len) is not written yet */
    size_t out_at, out_len;
} NetStream;
OBJECT_CAST_DEFINE(NetStream, NET_STREAM, "netdev-stream")

static void listen_again(NetStream *s);
static void read_again(NetStream *s);
static gboolean writable(gint fd, GIOCondition condition, gpointer opaque);

/* Is @err one that passes, with the peer still there? */
static bool is_stall(int err)
{
    return err == ENOMEM || err == ENOBUFS;
}

/* ---- the peer comes and goes ---- */

static void close_peer(NetStream *s)
{
    packet_unwatch(&s->read_source);
    packet_unwatch(&s->write_source);
    if (s->fd >= 0) {
        close(s->fd);
        s->fd = -1;
    }
    s->in_len = s->out_at = s->out_len = 0;
}

static void disconnect(NetStream *s)
{
    close_peer(s);
    qapi_event_send_netdev_stream_disconnected(s->parent.client.name);
    net_client_ready(&s->parent.client); /* what waits is lost */
    if (s->listen_fd >= 0) {
        listen_again(s);
    }
}

/* ---- from the peer ---- */

/* Hand on the packets that are there, as long as they are taken. False: what came makes no sense.
 */
static bool use_input(NetStream *s)
{
    size_t at = 0;

    while (s->in_len - at >= HEADER_SIZE && net_can_send(&s->parent.client)) {
        uint32_t size;

        memcpy(&size, s->in + at, HEADER_SIZE);
        size = GUINT32_FROM_BE(size);
        if (!size || size > NET_PACKET_MAX) {
            return false;
        }
        if (s->in_len - at < HEADER_SIZE + size) {
            break;
        }
        net_send(&s->parent.client, s->in + at + HEADER_SIZE, size);
        at += HEADER_SIZE + size;
    }
    memmove(s->in, s->in + at, s->in_len - at);
    s->in_len -= at;
    return true;
}

static gboolean read_later(gpointer opaque)
{
    NetStream *s = opaque;

    packet_unwatch(&s->read_source);
    read_again(s);
    return G_SOURCE_REMOVE;
}

static gboolean readable(gint fd, GIOCondition condition, gpointer opaque)
{
    NetStream *s = opaque;
    ssize_t got = read(s->fd, s->in + s->in_len, FRAME_MAX - s->in_len);

    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return G_SOURCE_CONTINUE;
    }
    if (got < 0 && is_stall(errno)) {
        packet_watch_later(&s->read_source, read_later, s);
        return G_SOURCE_REMOVE;
    }
    s->in_len += got > 0 ? (size_t)got : 0;
    if (got <= 0 || !use_input(s)) {
        disconnect(s);
        return G_SOURCE_REMOVE;
    }
    if (!net_can_send(&s->parent.client)) {
        packet_unwatch(&s->read_source);
        return G_SOURCE_REMOVE;
    }
    return G_SOURCE_CONTINUE;
}

static void read_again(NetStream *s)
{
    if (!use_input(s)) {
        disconnect(s);
    } else if (net_can_send(&s->parent.client)) {
        packet_watch(&s->read_source, s->fd, G_IO_IN, readable, s);
    }
}

static void stream_can_send_again(NetClient *nc)
{
    NetStream *s = NET_STREAM(nc->opaque);

    if (s->fd >= 0 && !s->read_source) {
        read_again(s);
    }
}

/* ---- to the peer ---- */

static gboolean write_later(gpointer opaque)
{
    NetStream *s = opaque;

    packet_unwatch(&s->write_source);
    packet_watch(&s->write_source, s->fd, G_IO_OUT, writable, s);
    return G_SOURCE_REMOVE;
}

/* Write what there is, and see to it that the rest follows. False: the peer has gone. */
static bool write_output(NetStream *s)
{
    while (s->out_at < s->out_len) {
        ssize_t sent =
            send(s->fd, s->out + s->out_at, s->out_len - s->out_at, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (sent < 0 && errno == EAGAIN) {
            packet_watch(&s->write_source, s->fd, G_IO_OUT, writable, s);
            return true;
        }
        if (sent < 0 && is_stall(errno)) {
            packet_watch_later(&s->write_source, write_later, s);
            return true;
        }
        if (sent < 0 && errno != EINTR) {
            return false;
        }
        s->out_at += sent > 0 ? (size_t)sent : 0;
    }
    packet_unwatch(&s->write_source);
    return true;
}

static gboolean writable(gint fd, GIOCondition condition, gpointer opaque)
{
    NetStream *s = opaque;

    if (!write_output(s)) {
        disconnect(s);
        return G_SOURCE_REMOVE;
    }
    if (s->out_at == s->out_len) {
        net_client_ready(&s->parent.client);
    }
    return G_SOURCE_CONTINUE; /* if it is still there */
}

static bool stream_receive(NetClient *nc, const NetOffload *o, const uint8_t *packet, size_t size)
{
    NetStream *s = NET_STREAM(nc->opaque);
    uint32_t header = GUINT32_TO_BE((uint32_t)size);

    if (s->fd < 0) {
        return true;
    }
    if (s->out_at < s->out_len) {
        return false;
    }
    memcpy(s->out, &header, HEADER_SIZE);
    memcpy(s->out + HEADER_SIZE, packet, size);
    s->out_at = 0;
    s->out_len = HEADER_SIZE + size;
    if (!write_output(s)) {
        /* Nothing may follow half a frame: reading tells that this is the end. */
        shutdown(s->fd, SHUT_RDWR);
        s->out_at = s->out_len;
    }
    return true;
}

/* ---- connecting ---- */

/* Who is there: for a TCP socket the other end, for others the place. */
static SocketAddress *address_of(const NetStream *s)
{
    SocketAddress *address = g_new0(SocketAddress, 1);
    struct sockaddr_storage peer;
    socklen_t len = sizeof(peer);
    char host[NI_MAXHOST], port[NI_MAXSERV];

    if (s->place.host && getpeername(s->fd, (struct sockaddr *)&peer, &len) == 0 &&
        getnameinfo((struct sockaddr *)&peer, len, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0) {
        address->type = SOCKET_ADDRESS_TYPE_INET;
        address->u.inet = g_new0(InetSocketAddress, 1);
        address->u.inet->host = g_strdup(host);
        address->u.inet->port = g_strdup(port);
        address->u.inet->has_ipv4 = address->u.inet->ipv4 = peer.ss_family == AF_INET;
        address->u.inet->has_ipv6 = address->u.inet->ipv6 = peer.ss_family == AF_INET6;
    } else if (s->place.fd) {
        address->type = SOCKET_ADDRESS_TYPE_FD;
        address->u.fd = g_new0(String, 1);
        address->u.fd->str = g_strdup(s->place.fd);
    } else if (s->place.cid) {
        address->type = SOCKET_ADDRESS_TYPE_VSOCK;
        address->u.vsock = g_new0(VsockSocketAddress, 1);
        address->u.vsock->cid = g_strdup(s->place.cid);
        address->u.vsock->port = g_strdup(s->place.port);
    } else {
        address->type = SOCKET_ADDRESS_TYPE_UNIX;
        address->u.q_unix = g_new0(UnixSocketAddress, 1);
        address->u.q_unix->path = g_strdup(s->place.path ? s->place.path : "");
        address->u.q_unix->has_abstract = address->u.q_unix->has_tight = s->place.abstract;
        address->u.q_unix->abstract = s->place.abstract;
        address->u.q_unix->tight = s->place.tight;
    }
    return address;
}

static void connected(NetStream *s, int fd)
{
    g_autoptr(SocketAddress) address = NULL;

    s->fd = fd;
    g_unix_set_fd_nonblocking(fd, TRUE, NULL);
    socket_place_set_options(&s->place, fd);
    address = address_of(s);
    qapi_event_send_netdev_stream_connected(s->parent.client.name, address);
    packet_watch(&s->read_source, fd, G_IO_IN, readable, s);
}

static gboolean listen_later(gpointer opaque)
{
    NetStream *s = opaque;

    packet_unwatch(&s->listen_source);
    listen_again(s);
    return G_SOURCE_REMOVE;
}

static gboolean acceptable(gint fd, GIOCondition condition, gpointer opaque)
{
    NetStream *s = opaque;
    bool wait;
    int peer = socket_place_accept(s->listen_fd, "netdev", s->parent.client.name, &s->cannot_accept,
                                   &wait);

    if (peer < 0) {
        if (wait) {
            packet_watch_later(&s->listen_source, listen_later, s);
        }
        return G_SOURCE_CONTINUE;
    }
    packet_unwatch(&s->listen_source);
    connected(s, peer);
    return G_SOURCE_REMOVE;
}

static void listen_again(NetStream *s)
{
    packet_watch(&s->listen_source, s->listen_fd, G_IO_IN, acceptable, s);
}

static void attempt_done(void *opaque, int fd, const GError *err)
{
    NetStream *s = opaque;

    s->attempt = NULL;
    if (fd < 0) {
        error_report("netdev '%s': %s", s->parent.client.name, err->message);
    } else {
        connected(s, fd);
    }
}

static void stream_start(NetBackend *netdev)
{
    NetStream *s = NET_STREAM(netdev);

    if (s->listen_fd >= 0) {
        listen_again(s);
    } else if (s->fd >= 0) {
        connected(s, s->fd);
    } else {
        s->attempt = socket_attempt_start(&s->place, attempt_done, s);
    }
}

/* ---- life ---- */

typedef struct Opening {
    const SocketPlace *place;
    int fd;
    GError *err;
} Opening;

static void open_place(void *opaque)
{
    Opening *o = opaque;

    o->fd = socket_place_open(o->place, NULL, &o->err);
}

/* A server's queue may be full. */
static int open_in_task(const SocketPlace *place, GError **errp)
{
    Opening o = { place, -1, NULL };

    task_wait(open_place, &o);
    if (o.err) {
        g_propagate_error(errp, o.err);
    }
    return o.fd;
}

static bool stream_open(NetBackend *netdev, const Netdev *options, GError **errp)
{
    NetStream *s = NET_STREAM(netdev);
    int fd;

    if (!socket_place_set(&s->place, options->u.stream->addr, errp)) {
        return false;
    }
    s->place.nodelay = true;
    s->place.server = options->u.stream->server;
    if (!socket_place_check(&s->place, errp)) {
        return false;
    }
    if (!s->place.server && (s->place.host || s->place.cid)) {
        return true; /* a thread connects, as that may take its time */
    }
    fd = open_in_task(&s->place, errp);
    if (s->place.server) {
        s->listen_fd = fd;
    } else {
        s->fd = fd;
    }
    return fd >= 0;
}

static char *stream_describe(NetClient *nc)
{
    const NetStream *s = NET_STREAM(nc->opaque);
    g_autoptr(SocketAddress) peer = s->fd >= 0 ? address_of(s) : NULL;

    if (!peer) {
        return g_strdup(s->place.server ? "stream," : "stream,connection error");
    }
    if (peer->type == SOCKET_ADDRESS_TYPE_INET) {
        return g_strdup_printf("stream,tcp:%s:%s", peer->u.inet->host, peer->u.inet->port);
    }
    if (peer->type == SOCKET_ADDRESS_TYPE_UNIX) {
        return g_strdup_printf("stream,unix:%s", peer->u.q_unix->path);
    }
    g_autofree char *place = socket_place_describe(&s->place, "tcp");
    return g_strdup_printf("stream,%s", place);
}

static void stream_init(Object *obj)
{
    NetStream *s = NET_STREAM(obj);

    s->listen_fd = s->fd = -1;
    s->in = g_malloc(FRAME_MAX);
    s->out = g_malloc(FRAME_MAX);
}

static void stream_finalize(Object *obj)
{
    NetStream *s = NET_STREAM(obj);

    if (s->attempt) {
        socket_attempt_cancel(s->attempt);
    }
    close_peer(s);
    packet_unwatch(&s->listen_source);
    if (s->listen_fd >= 0) {
        close(s->listen_fd);
    }
    g_free(s->in);
    g_free(s->out);
    socket_place_clear(&s->place);
}

static const NetdevClass stream_ops = {
    .client = { .receive = stream_receive,
                .can_send_again = stream_can_send_again,
                .describe = stream_describe },
    .open = stream_open,
    .start = stream_start,
};

static const ObjectType stream_type = {
    .name = "netdev-stream",
    .parent = TYPE_NETDEV,
    .description = "packets on a stream socket",
    .instance_size = sizeof(NetStream),
    .ops = &stream_ops,
    .init = stream_init,
    .finalize = stream_finalize,
};
OBJECT_TYPE_REGISTER(stream_type)
