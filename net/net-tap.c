/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -netdev tap: a network card of the host whose other end we are (Linux, networking/tuntap). It is
 * made here, which needs rights, or was passed as a descriptor, or comes from a helper program.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "net/netdev.h"
#include "net/packet-fd.h"
#include "net/socket-address.h"
#include "net/tap-host.h"
#include "util/error.h"

typedef struct NetTap {
    NetBackend parent;
    PacketFd packets;
    int fd;           /* -1: none */
    int header;       /* bytes before each packet */
    char *ifname;     /* of the host's card */
    char *downscript; /* called at the end; or NULL */
} NetTap;
OBJECT_CAST_DEFINE(NetTap, NET_TAP, "netdev-tap")

/* Of a packet without offloads, all of the header is zero (virtio, section 5.1.6). */
#define HEADER_MAX 64

/* ---- packets ---- */

static ssize_t tap_get(PacketFd *pfd, uint8_t *buf, size_t size)
{
    int header = NET_TAP(pfd->client->opaque)->header;
    uint8_t ignored[HEADER_MAX];
    struct iovec parts[] = { { ignored, (size_t)header }, { buf, size } };
    ssize_t got = readv(pfd->in, parts, G_N_ELEMENTS(parts));

    return got < 0 ? -1 : MAX(got - header, 0);
}

static ssize_t tap_put(PacketFd *pfd, const uint8_t *packet, size_t size)
{
    static const uint8_t zeros[HEADER_MAX];
    struct iovec parts[] = {
        { (void *)(uintptr_t)zeros, (size_t)NET_TAP(pfd->client->opaque)->header },
        { (void *)(uintptr_t)packet, size },
    };

    return writev(pfd->out, parts, G_N_ELEMENTS(parts));
}

static const PacketFdOps packet_ops = { .get = tap_get, .put = tap_put };

static bool tap_receive(NetClient *nc, const uint8_t *packet, size_t size)
{
    return packet_fd_receive(&NET_TAP(nc->opaque)->packets, packet, size);
}

static void tap_can_send_again(NetClient *nc)
{
    packet_fd_can_send_again(&NET_TAP(nc->opaque)->packets);
}

/* ---- opening ---- */

/* How packets of @s look; what the kernel is to do for us: nothing. */
static bool settle(NetTap *s, const NetdevTapOptions *o, GError **errp)
{
    struct ifreq ifr = { 0 };
    int sndbuf = o->has_sndbuf && o->sndbuf ? (int)o->sndbuf : INT_MAX;

    if (ioctl(s->fd, TUNGETIFF, &ifr) < 0 || !(ifr.ifr_flags & IFF_TAP)) {
        error_set(errp, "the descriptor is no tap");
        return false;
    }
    s->ifname = g_strdup(ifr.ifr_name);
    if (ifr.ifr_flags & IFF_VNET_HDR &&
        (ioctl(s->fd, TUNGETVNETHDRSZ, &s->header) < 0 || s->header > HEADER_MAX)) {
        error_set(errp, "the headers of this tap are not known");
        return false;
    }
    if (o->has_vnet_hdr && o->vnet_hdr != !!s->header) {
        error_set(errp, "vnet_hdr=%s, and the tap was made %s headers", o->vnet_hdr ? "on" : "off",
                  s->header ? "with" : "without");
        return false;
    }
    ioctl(s->fd, TUNSETOFFLOAD, 0);
    if (ioctl(s->fd, TUNSETSNDBUF, &sndbuf) < 0 && o->has_sndbuf) {
        error_set_errno(errp, errno, "sndbuf=%" PRIu64 " is not possible", o->sndbuf);
        return false;
    }
    fcntl(s->fd, F_SETFL, fcntl(s->fd, F_GETFL) | O_NONBLOCK);
    return true;
}

static int open_one(const NetdevTapOptions *o, GError **errp)
{
    const char *fd = o->fd ? o->fd : o->fds;

    return fd                   ? socket_fd_of(fd, errp)
           : o->helper || o->br ? tap_host_from_helper(o->helper, o->br, errp)
                                : tap_host_make(o->ifname, o->vnet_hdr, errp);
}

static bool check(const NetdevTapOptions *o, GError **errp)
{
    bool passed = o->fd || o->fds, helped = o->helper || o->br;

    if (o->vhost || o->vhostforce || o->vhostfd || o->vhostfds) {
        error_set(errp, "vhost=on is not possible: packets go through this program; leave it out");
        return false;
    }
    if ((o->has_queues && o->queues != 1) || (o->fds && strchr(o->fds, ':'))) {
        error_set(errp, "a tap has one pair of queues: queues=1, and one descriptor");
        return false;
    }
    if (o->fd && o->fds) {
        error_set(errp, "only one of fd= and fds= can be given");
        return false;
    }
    if ((passed || helped) && (o->ifname || o->script || o->downscript || (passed && helped))) {
        error_set(errp, "%s says all of the tap: ifname=, script=, downscript=%s are for others",
                  passed ? "fd=" : "helper=", passed ? ", helper= and br=" : "");
        return false;
    }
    return true;
}

static bool tap_open(NetBackend *netdev, const Netdev *options, GError **errp)
{
    const NetdevTapOptions *o = options->u.tap;
    NetTap *s = NET_TAP(netdev);

    if (!check(o, errp)) {
        return false;
    }
    s->fd = open_one(o, errp);
    if (s->fd < 0 || !settle(s, o, errp)) {
        return false;
    }
    if (o->fd || o->fds || o->helper || o->br) {
        return true;
    }
    if (!tap_host_run(o->script, TAP_UP_SCRIPT, s->ifname, errp)) {
        return false;
    }
    s->downscript = g_strdup(o->downscript ? o->downscript : TAP_DOWN_SCRIPT);
    return true;
}

static void tap_start(NetBackend *netdev)
{
    NetTap *s = NET_TAP(netdev);

    s->packets =
        (PacketFd){ .ops = &packet_ops, .client = &netdev->client, .in = s->fd, .out = s->fd };
    packet_fd_start(&s->packets);
}

static char *tap_describe(NetClient *nc)
{
    return g_strdup_printf("tap ifname=%s", NET_TAP(nc->opaque)->ifname);
}

/* ---- life ---- */

static void tap_init(Object *obj)
{
    NET_TAP(obj)->fd = -1;
}

static void tap_finalize(Object *obj)
{
    NetTap *s = NET_TAP(obj);
    g_autoptr(GError) err = NULL;

    packet_fd_stop(&s->packets);
    if (s->downscript && !tap_host_run(s->downscript, TAP_DOWN_SCRIPT, s->ifname, &err)) {
        error_warn("%s", err->message);
    }
    if (s->fd >= 0) {
        close(s->fd);
    }
    g_free(s->ifname);
    g_free(s->downscript);
}

static const NetdevClass tap_ops = {
    .client = { .receive = tap_receive,
                .can_send_again = tap_can_send_again,
                .describe = tap_describe },
    .open = tap_open,
    .start = tap_start,
};

static const ObjectType tap_type = {
    .name = "netdev-tap",
    .parent = TYPE_NETDEV,
    .description = "a network card of the host",
    .instance_size = sizeof(NetTap),
    .ops = &tap_ops,
    .init = tap_init,
    .finalize = tap_finalize,
};
OBJECT_TYPE_REGISTER(tap_type)
