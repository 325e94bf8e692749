/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chardev udp: what is written goes out as datagrams, their contents come in one after another. No
 * side can be gone: whether somebody listens there may change at any time.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "chardev/char-backend.h"
#include "chardev/socket-place.h"
#include "util/error.h"

#define DATAGRAM_MAX 65535
/* Ours are at most this, which every IPv4 and IPv6 host takes. */
#define PAYLOAD_MAX 65507

typedef struct CharUdp {
    Chardev parent;
    char *host, *port, *localaddr, *localport;
    int ipv4, ipv6; /* OnOffAuto */
    bool numeric;
    int fd;
    size_t taken; /* of the datagram that is first in the socket's queue */
} CharUdp;
OBJECT_CAST_DEFINE(CharUdp, CHAR_UDP, "chardev-udp")

/* The front end may have room for less than a datagram, which stays in the queue until all of it
 * was taken. */
static ssize_t udp_read(Chardev *chr, void *buf, size_t len)
{
    CharUdp *udp = CHAR_UDP(chr);
    uint8_t datagram[DATAGRAM_MAX];
    ssize_t size = recv(udp->fd, datagram, sizeof(datagram), MSG_PEEK);

    if (size < 0) {
        if (errno != ENOMEM && errno != ENOBUFS) {
            errno = EAGAIN; /* what the other host says about our datagrams is no end */
        }
        return -1;
    }
    len = MIN(len, (size_t)size - MIN(udp->taken, (size_t)size));
    memcpy(buf, datagram + udp->taken, len);
    udp->taken += len;
    if (udp->taken >= (size_t)size) {
        (void)!recv(udp->fd, datagram, 0, 0);
        udp->taken = 0;
    }
    if (!len) {
        errno = EAGAIN;
        return -1;
    }
    return (ssize_t)len;
}

static void udp_write(Chardev *chr, const uint8_t *buf, size_t len)
{
    while (len) {
        size_t part = MIN(len, PAYLOAD_MAX);

        /* As on the network, what cannot be sent is lost. */
        (void)!send(CHAR_UDP(chr)->fd, buf, part, MSG_DONTWAIT | MSG_NOSIGNAL);
        buf += part;
        len -= part;
    }
}

/* ---- opening ---- */

static bool udp_bind(const CharUdp *udp, int fd, int family, GError **errp)
{
    struct addrinfo *list;
    int rc;

    if (!udp->localaddr && !udp->localport) {
        return true;
    }
    list = socket_place_lookup(udp->localaddr, udp->localport ? udp->localport : "0", SOCK_DGRAM,
                               family == AF_INET ? ON : OFF, family == AF_INET ? OFF : ON,
                               AI_PASSIVE | (udp->numeric ? AI_NUMERICHOST : 0), errp);
    if (!list) {
        g_prefix_error(errp, "local address: ");
        return false;
    }
    rc = bind(fd, list->ai_addr, list->ai_addrlen);
    freeaddrinfo(list);
    if (rc < 0) {
        error_set_errno(errp, errno, "cannot use local address %s:%s",
                        udp->localaddr ? udp->localaddr : "",
                        udp->localport ? udp->localport : "0");
    }
    return rc == 0;
}

static bool udp_open(CharUdp *udp, const struct addrinfo *remote, GError **errp)
{
    udp->fd = socket(remote->ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (udp->fd < 0) {
        error_set_errno(errp, errno, "cannot make a socket");
        return false;
    }
    if (!udp_bind(udp, udp->fd, remote->ai_family, errp)) {
        return false;
    }
    if (connect(udp->fd, remote->ai_addr, remote->ai_addrlen) < 0) {
        error_set_errno(errp, errno, "cannot send to %s:%s", udp->host ? udp->host : "", udp->port);
        return false;
    }
    return true;
}

static bool udp_complete(Object *obj, GError **errp)
{
    CharUdp *udp = CHAR_UDP(obj);
    struct addrinfo *remote;
    bool ok;

    if (udp->ipv4 == OFF && udp->ipv6 == OFF) {
        error_set(errp, "ipv4=off and ipv6=off leave nothing; leave one of them out");
        return false;
    }
    if (!udp->port) {
        error_set(errp, "backend udp needs port=PORT, and host=HOST if that is not this host");
        return false;
    }
    remote = socket_place_lookup(udp->host, udp->port, SOCK_DGRAM, udp->ipv4, udp->ipv6,
                                 udp->numeric ? AI_NUMERICHOST : 0, errp);
    ok = remote && udp_open(udp, remote, errp);
    if (remote) {
        freeaddrinfo(remote);
    }
    if (ok) {
        chardev_connected(CHARDEV(udp), udp->fd, udp->fd);
    }
    return ok;
}

/* ---- the type ---- */

static void udp_init(Object *obj)
{
    CHAR_UDP(obj)->fd = -1;
}

static void udp_finalize(Object *obj)
{
    CharUdp *udp = CHAR_UDP(obj);

    if (udp->fd >= 0) {
        close(udp->fd);
    }
}

#define STRING(n, text)                                                                      \
    {                                                                                        \
        .name = #n, .kind = PROP_STRING, .offset = offsetof(CharUdp, n), .description = text \
    }
#define ON_OFF_AUTO(n, text)                                                       \
    {                                                                              \
        .name = #n, .kind = PROP_ENUM, .offset = offsetof(CharUdp, n),             \
        .enum_names = on_off_auto_names, .has_default = true, .default_int = AUTO, \
        .description = text                                                        \
    }

static const Property udp_properties[] = {
    STRING(host, "where datagrams go: name or address (default: this host)"),
    STRING(port, "where datagrams go: port number"),
    STRING(localaddr, "where they come from, and answers arrive: name or address"),
    STRING(localport, "where they come from, and answers arrive: port number"),
    ON_OFF_AUTO(ipv4, "use IPv4"),
    ON_OFF_AUTO(ipv6, "use IPv6"),
    { .name = "numeric",
      .kind = PROP_BOOL,
      .offset = offsetof(CharUdp, numeric),
      .has_default = true,
      .description = "hosts are addresses, do not look up names" },
    { NULL },
};

static const ChardevOps udp_ops = {
    .read = udp_read,
    .write = udp_write,
};

static const ObjectType udp_type = {
    .name = "chardev-udp",
    .parent = TYPE_CHARDEV,
    .description = "datagrams to and from another host",
    .instance_size = sizeof(CharUdp),
    .properties = udp_properties,
    .ops = &udp_ops,
    .init = udp_init,
    .finalize = udp_finalize,
    .complete = udp_complete,
};
OBJECT_TYPE_REGISTER(udp_type)
