/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -netdev tap: a network card of the host whose other end we are (Linux, networking/tuntap). It is
 * made here, which needs rights, or was passed as a descriptor, or comes from a helper program.
 */
#include "net/net-tap.h"

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
#include "chardev/socket-address.h"
#include "net/tap-host.h"
#include "net/tap-vhost.h"
#include "util/error.h"

#define QUEUES_MAX 256 /* the kernel's */
/* Bytes of the header before a packet, at most; its beginning is a NetOffload. */
#define HEADER_MAX 64

/* A pair of queues. */
typedef struct TapQueue {
    PacketFd packets;
    int fd;
    int header;    /* bytes before each packet; 0: none */
    bool detached; /* the kernel has no part in it */
    bool given;    /* its packets do not come through us */
} TapQueue;

typedef struct NetTap {
    NetBackend parent;
    TapQueue *queues; /* parent.queues of them; owned */
    char *ifname;     /* of the host's card */
    char *downscript; /* called at the end; or NULL */
    int *vhost_fds;   /* of vhost=on, one for each queue; owned; else NULL */
} NetTap;
OBJECT_CAST_DEFINE(NetTap, NET_TAP, "netdev-tap")

static TapQueue *queue_of(const NetClient *nc)
{
    return &NET_TAP(nc->opaque)->queues[nc->queue];
}

/* ---- packets ---- */

static ssize_t tap_get(PacketFd *pfd, NetOffload *o, uint8_t *buf, size_t size)
{
    size_t header_len = (size_t)queue_of(pfd->client)->header;
    uint8_t header[HEADER_MAX];
    struct iovec parts[] = { { header, header_len }, { buf, size } };
    ssize_t got = readv(pfd->in, parts, G_N_ELEMENTS(parts));

    if (got < 0) {
        return -1;
    }
    if (header_len && got > (ssize_t)header_len) {
        memcpy(o, header, sizeof(*o));
    }
    return MAX(got - (ssize_t)header_len, 0);
}

static ssize_t tap_put(PacketFd *pfd, const NetOffload *o, const uint8_t *packet, size_t size)
{
    size_t header_len = (size_t)queue_of(pfd->client)->header;
    uint8_t header[HEADER_MAX] = { 0 };
    struct iovec parts[] = { { header, header_len }, { (void *)(uintptr_t)packet, size } };

    if (header_len) {
        memcpy(header, o, sizeof(*o));
        header[offsetof(NetOffload, flags)] &= NET_OFFLOAD_CSUM; /* the kernel takes no other */
    }
    return writev(pfd->out, parts, G_N_ELEMENTS(parts));
}

static const PacketFdOps packet_ops = { .get = tap_get, .put = tap_put };

static bool tap_receive(NetClient *nc, const NetOffload *o, const uint8_t *packet, size_t size)
{
    return packet_fd_receive(&queue_of(nc)->packets, o, packet, size);
}

static void tap_can_send_again(NetClient *nc)
{
    packet_fd_can_send_again(&queue_of(nc)->packets);
}

/* ---- what the peer wants ---- */

/* What the kernel may leave to us: what the peer takes. */
static void set_offloads(int fd, unsigned takes)
{
    static const struct {
        unsigned takes, flag;
    } all[] = {
        { NET_TAKES_CSUM, TUN_F_CSUM }, { NET_TAKES_TCP4, TUN_F_TSO4 },
        { NET_TAKES_TCP6, TUN_F_TSO6 }, { NET_TAKES_ECN, TUN_F_TSO_ECN },
        { NET_TAKES_UDP, TUN_F_UFO },
    };
    unsigned flags = 0;

    /* Segments without their sums are all that it knows. */
    for (size_t i = 0; takes & NET_TAKES_CSUM && i < G_N_ELEMENTS(all); i++) {
        flags |= takes & all[i].takes ? all[i].flag : 0;
    }
    if (ioctl(fd, TUNSETOFFLOAD, flags) < 0) {
        ioctl(fd, TUNSETOFFLOAD, flags & ~(unsigned)TUN_F_UFO); /* which a kernel may not know */
    }
}

/* The kernel gives packets to the queues that are attached. A detached one cannot be read. */
static void set_detached(TapQueue *queue, bool detached)
{
    struct ifreq ifr = { .ifr_flags = detached ? IFF_DETACH_QUEUE : IFF_ATTACH_QUEUE };

    if (queue->detached == detached) {
        return;
    }
    if (detached) {
        packet_fd_pause(&queue->packets, true);
    }
    if (ioctl(queue->fd, TUNSETQUEUE, &ifr) == 0) {
        queue->detached = detached;
    }
    if (!queue->detached) {
        packet_fd_pause(&queue->packets, queue->given);
    }
}

/* The first queue is always there, to take what the others would. */
static void tap_peer_changed(NetClient *nc)
{
    TapQueue *queue = queue_of(nc);

    if (!nc->peer && queue->given) {
        net_tap_give(nc, false);
    }
    if (nc->queue) {
        set_detached(queue, !nc->peer || nc->peer->unused);
    } else {
        set_offloads(queue->fd, queue->header && nc->peer ? nc->peer->takes : 0);
    }
}

/* ---- opening ---- */

/* How packets of @queue look. */
static bool settle_queue(NetTap *s, TapQueue *queue, const NetdevTapOptions *o, GError **errp)
{
    struct ifreq ifr = { 0 };
    int sndbuf = o->has_sndbuf && o->sndbuf ? (int)o->sndbuf : INT_MAX;

    if (ioctl(queue->fd, TUNGETIFF, &ifr) < 0 || !(ifr.ifr_flags & IFF_TAP)) {
        error_set(errp, "the descriptor is no tap");
        return false;
    }
    if (s->ifname && strcmp(s->ifname, ifr.ifr_name) != 0) {
        error_set(errp, "the descriptors are of several taps, '%s' and '%s'", s->ifname,
                  ifr.ifr_name);
        return false;
    }
    if (!s->ifname) {
        s->ifname = g_strdup(ifr.ifr_name);
    }
    if (ifr.ifr_flags & IFF_VNET_HDR &&
        (ioctl(queue->fd, TUNGETVNETHDRSZ, &queue->header) < 0 || queue->header > HEADER_MAX ||
         queue->header < (int)sizeof(NetOffload))) {
        error_set(errp, "the headers of this tap are not known");
        return false;
    }
    if (o->has_vnet_hdr && o->vnet_hdr != !!queue->header) {
        error_set(errp, "vnet_hdr=%s, and the tap was made %s headers", o->vnet_hdr ? "on" : "off",
                  queue->header ? "with" : "without");
        return false;
    }
    if (ioctl(queue->fd, TUNSETSNDBUF, &sndbuf) < 0 && o->has_sndbuf) {
        error_set_errno(errp, errno, "sndbuf=%" PRIu64 " is not possible", o->sndbuf);
        return false;
    }
    fcntl(queue->fd, F_SETFL, fcntl(queue->fd, F_GETFL) | O_NONBLOCK);
    return true;
}

static bool add_queue(NetTap *s, int fd, const NetdevTapOptions *o, GError **errp)
{
    TapQueue *queue;

    if (fd < 0) {
        return false;
    }
    s->queues = g_renew(TapQueue, s->queues, s->parent.queues + 1);
    queue = &s->queues[s->parent.queues++];
    *queue = (TapQueue){ .fd = fd };
    return settle_queue(s, queue, o, errp);
}

static bool add_passed(NetTap *s, const NetdevTapOptions *o, GError **errp)
{
    g_auto(GStrv) fds = g_strsplit(o->fd ? o->fd : o->fds, ":", o->fd ? 1 : -1);

    for (char **fd = fds; *fd; fd++) {
        if (!add_queue(s, socket_fd_of(*fd, errp), o, errp)) {
            return false;
        }
    }
    if (!s->parent.queues) {
        error_set(errp, "fd= and fds= name no descriptor");
        return false;
    }
    return true;
}

/* Headers are a gain, and every kernel has them. */
static bool add_made(NetTap *s, const NetdevTapOptions *o, GError **errp)
{
    unsigned count = o->has_queues ? o->queues : 1;
    bool vnet_hdr = !o->has_vnet_hdr || o->vnet_hdr;

    for (unsigned i = 0; i < count; i++) {
        if (!add_queue(s, tap_host_make(i ? s->ifname : o->ifname, vnet_hdr, count > 1, errp), o,
                       errp)) {
            return false;
        }
    }
    return true;
}

static unsigned count_passed(const NetdevTapOptions *o)
{
    unsigned count = 1;

    for (const char *at = o->fds; at && (at = strchr(at, ':')); at++) {
        count++;
    }
    return count;
}

static bool check_queues(const NetdevTapOptions *o, bool passed, bool helped, GError **errp)
{
    if (count_passed(o) > QUEUES_MAX || (o->has_queues && (!o->queues || o->queues > QUEUES_MAX))) {
        error_set(errp,
                  "a tap has 1 to %d pairs of queues: queues=, or as many descriptors in fds=",
                  QUEUES_MAX);
        return false;
    }
    if (o->has_queues && passed && o->queues != count_passed(o)) {
        error_set(errp, "queues=%u, and there are %u descriptors; leave queues= out", o->queues,
                  count_passed(o));
        return false;
    }
    if (o->has_queues && helped && o->queues != 1) {
        error_set(errp,
                  "a helper makes a tap with one pair of queues: queues=1; ifname= and fds= can "
                  "have more");
        return false;
    }
    return true;
}

static bool check(const NetdevTapOptions *o, GError **errp)
{
    bool passed = o->fd || o->fds, helped = o->helper || o->br;

    if (o->fd && o->fds) {
        error_set(errp, "only one of fd= and fds= can be given");
        return false;
    }
    if ((passed || helped) && (o->ifname || o->script || o->downscript || (passed && helped))) {
        error_set(errp, "%s says all of the tap: ifname=, script=, downscript=%s are for others",
                  passed ? "fd=" : "helper=", passed ? ", helper= and br=" : "");
        return false;
    }
    return check_queues(o, passed, helped, errp) && tap_vhost_check(o,
                                                                    passed ? count_passed(o)
                                                                    : o->has_queues ? o->queues
                                                                                    : 1,
                                                                    errp);
}

static bool get_tap(NetTap *s, const NetdevTapOptions *o, GError **errp)
{
    if (o->fd || o->fds) {
        return add_passed(s, o, errp);
    }
    if (o->helper || o->br) {
        return add_queue(s, tap_host_from_helper(o->helper, o->br, errp), o, errp);
    }
    if (!add_made(s, o, errp) || !tap_host_run(o->script, TAP_UP_SCRIPT, s->ifname, errp)) {
        return false;
    }
    s->downscript = g_strdup(o->downscript ? o->downscript : TAP_DOWN_SCRIPT);
    return true;
}

static bool tap_open(NetBackend *netdev, const Netdev *options, GError **errp)
{
    const NetdevTapOptions *o = options->u.tap;
    NetTap *s = NET_TAP(netdev);
    g_autoptr(GError) err = NULL;

    if (!check(o, errp) || !get_tap(s, o, errp)) {
        return false;
    }
    s->vhost_fds = tap_vhost_open(o, s->parent.queues, &err);
    if (err) {
        g_propagate_error(errp, g_steal_pointer(&err));
        return false;
    }
    return true;
}

static void tap_start(NetBackend *netdev)
{
    for (NetClient *nc = &netdev->client; nc; nc = nc->next) {
        TapQueue *queue = queue_of(nc);

        queue->packets =
            (PacketFd){ .ops = &packet_ops, .client = nc, .in = queue->fd, .out = queue->fd };
        packet_fd_start(&queue->packets);
        if (queue->header) {
            net_client_set(nc,
                           NET_TAKES_CSUM | NET_TAKES_TCP4 | NET_TAKES_TCP6 | NET_TAKES_ECN |
                               NET_TAKES_UDP,
                           false);
        }
        tap_peer_changed(nc);
    }
}

static char *tap_describe(NetClient *nc)
{
    return g_strdup_printf("tap,ifname=%s%s", NET_TAP(nc->opaque)->ifname,
                           NET_TAP(nc->opaque)->vhost_fds ? ",vhost=on" : "");
}

/* ---- life ---- */

static void tap_finalize(Object *obj)
{
    NetTap *s = NET_TAP(obj);
    g_autoptr(GError) err = NULL;

    for (unsigned i = 0; i < s->parent.queues; i++) {
        packet_fd_stop(&s->queues[i].packets);
    }
    if (s->downscript && !tap_host_run(s->downscript, TAP_DOWN_SCRIPT, s->ifname, &err)) {
        error_warn("%s", err->message);
    }
    for (unsigned i = 0; i < s->parent.queues; i++) {
        close(s->queues[i].fd);
    }
    tap_vhost_close(s->vhost_fds, s->parent.queues);
    g_free(s->queues);
    g_free(s->ifname);
    g_free(s->downscript);
}

static const NetdevClass tap_ops = {
    .client = { .receive = tap_receive,
                .can_send_again = tap_can_send_again,
                .peer_changed = tap_peer_changed,
                .describe = tap_describe },
    .open = tap_open,
    .start = tap_start,
};

/* ---- vhost=on ---- */

int net_tap_vhost_fd(const NetClient *nc)
{
    const NetTap *s = nc->ops == &tap_ops.client ? NET_TAP(nc->opaque) : NULL;

    return s && s->vhost_fds ? s->vhost_fds[nc->queue] : -1;
}

int net_tap_fd(const NetClient *nc)
{
    return net_tap_vhost_fd(nc) < 0 ? -1 : queue_of(nc)->fd;
}

bool net_tap_has_header(const NetClient *nc)
{
    return queue_of(nc)->header;
}

void net_tap_give(NetClient *nc, bool given)
{
    TapQueue *queue = queue_of(nc);

    queue->given = given;
    packet_fd_pause(&queue->packets, given || queue->detached);
}

bool net_tap_set_header(NetClient *nc, int size, GError **errp)
{
    TapQueue *queue = queue_of(nc);

    if (queue->header && queue->header != size) {
        if (ioctl(queue->fd, TUNSETVNETHDRSZ, &size) < 0) {
            error_set_errno(errp, errno, "the tap does not take headers of %d bytes", size);
            return false;
        }
        queue->header = size;
    }
    return true;
}

static const ObjectType tap_type = {
    .name = "netdev-tap",
    .parent = TYPE_NETDEV,
    .description = "a network card of the host",
    .instance_size = sizeof(NetTap),
    .ops = &tap_ops,
    .finalize = tap_finalize,
};
OBJECT_TYPE_REGISTER(tap_type)
