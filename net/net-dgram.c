/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -netdev dgram: each packet is a datagram, on a UDP or a unix socket, or to a group of machines
 * (multicast), each of which gets what the others send.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/netdev.h"
#include "net/packet-fd.h"
#include "chardev/socket-address.h"
#include "util/error.h"
#include "util/made-files.h"

typedef struct Place {
    struct sockaddr_storage addr;
    socklen_t len; /* 0: there is none */
} Place;

typedef struct NetDgram {
    NetBackend parent;
    PacketFd packets;
    int fd;       /* -1: none */
    int out_fd;   /* a group's: what we send from; else -1 */
    Place remote; /* where packets go; without it, to whom the socket is connected, if to any */
    Place own;    /* a group's: what we send comes from here, and back to us */
    bool connected;
    char *path; /* of our unix socket, removed at the end; or NULL */
    char *text; /* for people */
} NetDgram;
OBJECT_CAST_DEFINE(NetDgram, NET_DGRAM, "netdev-dgram")

/* ---- packets ---- */

/* Port and address: the rest is padding. */
static bool is_same(const Place *a, const struct sockaddr_storage *b)
{
    const struct sockaddr_in *x = (const void *)&a->addr, *y = (const void *)b;
    const struct sockaddr_in6 *x6 = (const void *)&a->addr, *y6 = (const void *)b;

    if (!a->len || a->addr.ss_family != b->ss_family) {
        return false;
    }
    return a->addr.ss_family == AF_INET
               ? x->sin_port == y->sin_port && x->sin_addr.s_addr == y->sin_addr.s_addr
               : x6->sin6_port == y6->sin6_port &&
                     memcmp(&x6->sin6_addr, &y6->sin6_addr, sizeof(x6->sin6_addr)) == 0;
}

static ssize_t dgram_get(PacketFd *pfd, NetOffload *o, uint8_t *buf, size_t size)
{
    const NetDgram *s = NET_DGRAM(pfd->client->opaque);
    struct sockaddr_storage from = { .ss_family = AF_UNSPEC };
    socklen_t len = sizeof(from);
    ssize_t got = recvfrom(pfd->in, buf, size, MSG_DONTWAIT | MSG_TRUNC, (void *)&from, &len);

    /* What is longer than any packet is none; nor is what we have sent. */
    return got > (ssize_t)size || is_same(&s->own, &from) ? 0 : got;
}

static ssize_t dgram_put(PacketFd *pfd, const NetOffload *o, const uint8_t *packet, size_t size)
{
    const NetDgram *s = NET_DGRAM(pfd->client->opaque);

    if (!s->remote.len && !s->connected) {
        return 0; /* to nobody */
    }
    return sendto(pfd->out, packet, size, MSG_DONTWAIT | MSG_NOSIGNAL,
                  s->remote.len ? (const void *)&s->remote.addr : NULL, s->remote.len);
}

static const PacketFdOps packet_ops = { .get = dgram_get, .put = dgram_put };

static bool dgram_receive(NetClient *nc, const NetOffload *o, const uint8_t *packet, size_t size)
{
    return packet_fd_receive(&NET_DGRAM(nc->opaque)->packets, o, packet, size);
}

static void dgram_can_send_again(NetClient *nc)
{
    packet_fd_can_send_again(&NET_DGRAM(nc->opaque)->packets);
}

/* ---- addresses ---- */

static bool look_up(const SocketPlace *place, int family, Place *found, GError **errp)
{
    int ipv4 = family == AF_INET6 ? OFF : place->ipv4, ipv6 = family == AF_INET ? OFF : place->ipv6;
    struct addrinfo *list =
        socket_place_lookup(place->host, place->port, SOCK_DGRAM, ipv4, ipv6,
                            AI_PASSIVE | (place->numeric ? AI_NUMERICHOST : 0), errp);

    if (!list) {
        return false;
    }
    memcpy(&found->addr, list->ai_addr, list->ai_addrlen);
    found->len = list->ai_addrlen;
    freeaddrinfo(list);
    return true;
}

/* "127.0.0.1:1234"; g_free. */
static char *place_text(const Place *place)
{
    char host[NI_MAXHOST], port[NI_MAXSERV];

    return getnameinfo((const void *)&place->addr, place->len, host, sizeof(host), port,
                       sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV) == 0
               ? g_strdup_printf("%s:%s", host, port)
               : g_strdup("");
}

static bool unix_place(const SocketPlace *place, Place *found, GError **errp)
{
    struct sockaddr_un *addr = (void *)&found->addr;
    size_t size = strlen(place->path);

    if (!size || size >= sizeof(addr->sun_path) || place->abstract) {
        error_set(errp, "path '%s' is not right: expects a file of 1 to %zu bytes", place->path,
                  sizeof(addr->sun_path) - 1);
        return false;
    }
    addr->sun_family = AF_UNIX;
    strcpy(addr->sun_path, place->path);
    found->len = sizeof(*addr);
    return true;
}

static bool is_group(const Place *place)
{
    const struct sockaddr_in *addr = (const void *)&place->addr;

    return place->len && addr->sin_family == AF_INET && IN_MULTICAST(ntohl(addr->sin_addr.s_addr));
}

/* ---- opening ---- */

static int new_socket(int family, GError **errp)
{
    int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0) {
        error_set_errno(errp, errno, "cannot make a socket");
    }
    return fd;
}

static bool bind_to(NetDgram *s, const Place *place, GError **errp)
{
    s->fd = new_socket(place->addr.ss_family, errp);
    if (s->fd < 0) {
        return false;
    }
    if (bind(s->fd, (const void *)&place->addr, place->len) < 0) {
        error_set_errno(errp, errno, "cannot receive at the local address");
        return false;
    }
    return true;
}

static bool open_unix(NetDgram *s, const SocketPlace *local, const SocketPlace *remote,
                      GError **errp)
{
    Place place = { .len = 0 };
    struct stat st;

    if (!unix_place(local, &place, errp) ||
        (remote->path && !unix_place(remote, &s->remote, errp))) {
        return false;
    }
    /* A socket that an earlier run has left is in the way of bind(). */
    if (lstat(local->path, &st) == 0 && S_ISSOCK(st.st_mode)) {
        unlink(local->path);
    }
    if (!bind_to(s, &place, errp)) {
        return false;
    }
    made_files_note(local->path, MADE_DATA);
    s->path = g_strdup(local->path);
    s->text = g_strdup_printf("udp=%s:%s", local->path, remote->path ? remote->path : "");
    return true;
}

static bool open_inet(NetDgram *s, const SocketPlace *local, const SocketPlace *remote,
                      GError **errp)
{
    Place place = { .len = 0 };

    if (!look_up(local, AF_UNSPEC, &place, errp) ||
        (remote->port && !look_up(remote, place.addr.ss_family, &s->remote, errp))) {
        return false;
    }
    g_autofree char *here = place_text(&place);
    g_autofree char *there = remote->port ? place_text(&s->remote) : g_strdup("");

    s->text = g_strdup_printf("udp=%s/%s", here, there);
    return bind_to(s, &place, errp);
}

/* What we send comes from a socket of its own, so that it can be told from what others do. */
static bool open_sender(NetDgram *s, struct in_addr card, GError **errp)
{
    struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr = card };
    int one = 1;

    s->own.len = sizeof(s->own.addr);
    s->out_fd = new_socket(AF_INET, errp);
    if (s->out_fd < 0) {
        return false;
    }
    if (setsockopt(s->out_fd, IPPROTO_IP, IP_MULTICAST_IF, &card, sizeof(card)) < 0 ||
        setsockopt(s->out_fd, IPPROTO_IP, IP_MULTICAST_LOOP, &one, sizeof(one)) < 0 ||
        bind(s->out_fd, (const void *)&from, sizeof(from)) < 0 ||
        connect(s->out_fd, (const void *)&s->remote.addr, s->remote.len) < 0 ||
        getsockname(s->out_fd, (void *)&s->own.addr, &s->own.len) < 0) {
        error_set_errno(errp, errno, "cannot send to the group");
        return false;
    }
    return true;
}

static bool open_group(NetDgram *s, const SocketPlace *local, GError **errp)
{
    const struct sockaddr_in *group = (const void *)&s->remote.addr;
    struct ip_mreq member = { .imr_multiaddr = group->sin_addr };
    int one = 1;

    if (local->host && inet_pton(AF_INET, local->host, &member.imr_interface) != 1) {
        error_set(errp, "'%s' is no IPv4 address of one of the host's cards", local->host);
        return false;
    }
    s->text = g_strdup_printf("mcast=%s:%u", inet_ntoa(group->sin_addr), ntohs(group->sin_port));
    s->fd = new_socket(AF_INET, errp);
    if (s->fd < 0) {
        return false;
    }
    if (setsockopt(s->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
        bind(s->fd, (const void *)group, sizeof(*group)) < 0 ||
        setsockopt(s->fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &member, sizeof(member)) < 0) {
        error_set_errno(errp, errno, "cannot join the group");
        return false;
    }
    return open_sender(s, member.imr_interface, errp);
}

static bool open_fd(NetDgram *s, const SocketPlace *local, GError **errp)
{
    struct sockaddr_storage peer;
    socklen_t len = sizeof(peer), type_len = sizeof(int);
    int type = 0;

    s->fd = atoi(local->fd);
    if (getsockopt(s->fd, SOL_SOCKET, SO_TYPE, &type, &type_len) < 0 || type != SOCK_DGRAM) {
        error_set(errp, "fd=%s is no socket of datagrams", local->fd);
        return false;
    }
    s->connected = getpeername(s->fd, (void *)&peer, &len) == 0;
    if (!s->connected && !s->remote.len) {
        error_set(errp, "fd=%s is not connected to anybody, and there is no remote=", local->fd);
        return false;
    }
    s->text = g_strdup_printf("fd=%s", local->fd);
    return true;
}

static bool open_places(NetDgram *s, const SocketPlace *local, const SocketPlace *remote,
                        GError **errp)
{
    if (local->cid || remote->cid || remote->fd) {
        error_set(errp, "local is inet, unix or fd, and remote is inet or unix");
        return false;
    }
    if (remote->port && (local->fd || !local->path)) {
        if (!look_up(remote, AF_UNSPEC, &s->remote, errp)) {
            return false;
        }
        if (!local->fd && is_group(&s->remote)) {
            return open_group(s, local, errp);
        }
    }
    if (local->fd) {
        return open_fd(s, local, errp);
    }
    if (!local->path && !local->port) {
        error_set(errp, "local= is needed: where datagrams come to; only a group (an address from "
                        "224.0.0.0 to 239.255.255.255) is remote= alone");
        return false;
    }
    if ((local->path && remote->port) || (local->port && remote->path)) {
        error_set(errp, "local and remote are not of one kind: both are unix, or both are inet");
        return false;
    }
    return local->path ? open_unix(s, local, remote, errp) : open_inet(s, local, remote, errp);
}

static bool dgram_open(NetBackend *netdev, const Netdev *options, GError **errp)
{
    const NetdevDgramOptions *o = options->u.dgram;
    SocketPlace local = { 0 }, remote = { 0 };
    NetDgram *s = NET_DGRAM(netdev);
    bool ok = (!o->local || socket_place_set(&local, o->local, errp)) &&
              (!o->remote || socket_place_set(&remote, o->remote, errp)) &&
              open_places(s, &local, &remote, errp);

    socket_place_clear(&local);
    socket_place_clear(&remote);
    return ok;
}

static void dgram_start(NetBackend *netdev)
{
    NetDgram *s = NET_DGRAM(netdev);

    s->packets = (PacketFd){ .ops = &packet_ops,
                             .client = &netdev->client,
                             .in = s->fd,
                             .out = s->out_fd >= 0 ? s->out_fd : s->fd };
    packet_fd_start(&s->packets);
}

static char *dgram_describe(NetClient *nc)
{
    return g_strdup_printf("dgram,%s", NET_DGRAM(nc->opaque)->text);
}

/* ---- life ---- */

static void dgram_init(Object *obj)
{
    NET_DGRAM(obj)->fd = NET_DGRAM(obj)->out_fd = -1;
}

static void dgram_finalize(Object *obj)
{
    NetDgram *s = NET_DGRAM(obj);

    packet_fd_stop(&s->packets);
    if (s->fd >= 0) {
        close(s->fd);
    }
    if (s->out_fd >= 0) {
        close(s->out_fd);
    }
    if (s->path) {
        unlink(s->path);
    }
    g_free(s->path);
    g_free(s->text);
}

static const NetdevClass dgram_ops = {
    .client = { .receive = dgram_receive,
                .can_send_again = dgram_can_send_again,
                .describe = dgram_describe },
    .open = dgram_open,
    .start = dgram_start,
};

static const ObjectType dgram_type = {
    .name = "netdev-dgram",
    .parent = TYPE_NETDEV,
    .description = "packets as datagrams",
    .instance_size = sizeof(NetDgram),
    .ops = &dgram_ops,
    .init = dgram_init,
    .finalize = dgram_finalize,
};
OBJECT_TYPE_REGISTER(dgram_type)
