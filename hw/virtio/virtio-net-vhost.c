/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The card whose packets another program, or the host's kernel, sends and receives: its pairs of
 * queues are that one's, what the control queue says, and the link, stay ours. */
#include "hw/virtio/vhost.h"
#include "hw/virtio/virtio-net.h"
#include "net/net-tap.h"
#include "net/net-vhost-user.h"
#include "util/error.h"

/* What the program does with packets. */
#define FEATURES                                                                         \
    (VHOST_RING_FEATURES | 1ull << VIRTIO_NET_F_CSUM | 1ull << VIRTIO_NET_F_GUEST_CSUM | \
     1ull << VIRTIO_NET_F_CTRL_GUEST_OFFLOADS | 1ull << VIRTIO_NET_F_MTU |               \
     1ull << VIRTIO_NET_F_GSO | 1ull << VIRTIO_NET_F_GUEST_TSO4 |                        \
     1ull << VIRTIO_NET_F_GUEST_TSO6 | 1ull << VIRTIO_NET_F_GUEST_ECN |                  \
     1ull << VIRTIO_NET_F_GUEST_UFO | 1ull << VIRTIO_NET_F_HOST_TSO4 |                   \
     1ull << VIRTIO_NET_F_HOST_TSO6 | 1ull << VIRTIO_NET_F_HOST_ECN |                    \
     1ull << VIRTIO_NET_F_HOST_UFO | 1ull << VIRTIO_NET_F_MRG_RXBUF | 1ull << VIRTIO_NET_F_MQ)

static void tell_mtu(VirtioNet *s)
{
    VhostUser *user = &s->vhost->user;
    g_autoptr(GError) err = NULL;

    if (s->host_mtu && vhost_user_has(user, VHOST_USER_PROTOCOL_F_NET_MTU) &&
        !vhost_user_send_u64(user, VHOST_USER_NET_SET_MTU, s->host_mtu, &err)) {
        error_report("%s: its MTU: %s", s->parent.name, err->message);
    }
}

static void came(VirtioDevice *vdev)
{
    tell_mtu(VIRTIO_NET(vdev));
    virtio_config_changed(vdev); /* the link is up */
}

static void gone(VirtioDevice *vdev)
{
    virtio_config_changed(vdev);
}

static const VhostClass vhost_class = {
    .protocol = 1ull << VHOST_USER_PROTOCOL_F_NET_MTU,
    .features = FEATURES,
    .rings_per_queue = 2,
    .came = came,
    .gone = gone,
};

/* ---- the kernel ---- */

/* What is done by a tap whose packets have headers, and else by nobody. */
#define HEADER_FEATURES                                                    \
    (1ull << VIRTIO_NET_F_CSUM | 1ull << VIRTIO_NET_F_GUEST_CSUM |         \
     1ull << VIRTIO_NET_F_CTRL_GUEST_OFFLOADS | 1ull << VIRTIO_NET_F_GSO | \
     1ull << VIRTIO_NET_F_GUEST_TSO4 | 1ull << VIRTIO_NET_F_GUEST_TSO6 |   \
     1ull << VIRTIO_NET_F_GUEST_ECN | 1ull << VIRTIO_NET_F_GUEST_UFO |     \
     1ull << VIRTIO_NET_F_HOST_TSO4 | 1ull << VIRTIO_NET_F_HOST_TSO6 |     \
     1ull << VIRTIO_NET_F_HOST_ECN | 1ull << VIRTIO_NET_F_HOST_UFO)

static const VhostClass kernel_class = {
    .features = (VHOST_RING_FEATURES & ~(1ull << VIRTIO_F_ANY_LAYOUT)) |
                1ull << VIRTIO_NET_F_MRG_RXBUF | HEADER_FEATURES,
    .rings_per_queue = 2,
};

/* Section 5.1.6. */
static int header_size(const VirtioDevice *vdev)
{
    return virtio_has(vdev, VIRTIO_F_VERSION_1) || virtio_has(vdev, VIRTIO_NET_F_MRG_RXBUF) ? 12
                                                                                            : 10;
}

/* The kernel joins a ring with the tap, or parts them. */
static bool enable(void *opaque, unsigned ring, bool on, GError **errp)
{
    VirtioNet *s = opaque;
    NetClient *tap = nic_client(&s->nic, ring / 2)->peer;

    if (on && !net_tap_set_header(tap, header_size(&s->parent), errp)) {
        return false;
    }
    return vhost_kernel_set_tap(s->vhost->kernel, ring, on ? net_tap_fd(tap) : -1, errp);
}

static bool meet_kernel(VirtioNet *s, GError **errp)
{
    g_autofree int *fds = g_new(int, s->nic.queues);
    const bool headers = net_tap_has_header(s->nic.client.peer);
    VhostKernel *kernel;

    for (unsigned i = 0; i < s->nic.queues; i++) {
        fds[i] = net_tap_vhost_fd(nic_client(&s->nic, i)->peer);
    }
    kernel = vhost_kernel_new(fds, s->nic.queues, 2, errp);
    if (!kernel) {
        return false;
    }
    kernel->enable = enable;
    kernel->opaque = s;
    kernel->always = headers ? 0 : 1ull << VHOST_KERNEL_NET_F_HEADER;
    kernel->base.features |= headers ? HEADER_FEATURES : 0;
    s->vhost = vhost_new_kernel(&s->parent, &kernel_class, kernel, errp);
    for (unsigned i = 0; s->vhost && i < s->nic.queues; i++) {
        net_tap_give(nic_client(&s->nic, i)->peer, true);
    }
    return s->vhost;
}

/* ---- life ---- */

static CharFrontend *chardev_of(const VirtioNet *s)
{
    return s->nic.client.peer ? net_vhost_user_chardev(s->nic.client.peer) : NULL;
}

bool virtio_net_vhost_meet(VirtioNet *s, GError **errp)
{
    CharFrontend *chardev = chardev_of(s);

    if (!chardev) {
        return !s->nic.client.peer || net_tap_vhost_fd(s->nic.client.peer) < 0 ||
               meet_kernel(s, errp);
    }
    s->vhost = vhost_new(&s->parent, &vhost_class, chardev, errp);
    if (!s->vhost) {
        return false;
    }
    if (s->nic.queues > s->vhost->backend->rings / 2) {
        error_set(errp, "queues=%u of its netdev, and the back-end has %u pairs", s->nic.queues,
                  s->vhost->backend->rings / 2);
        return false;
    }
    tell_mtu(s);
    return true;
}

bool virtio_net_vhost_begin(VirtioNet *s, GError **errp)
{
    if (!s->vhost) {
        return true;
    }
    if (!vhost_add_rings(s->vhost, 2 * s->nic.queues, errp)) {
        return false;
    }
    virtio_net_settle(s);
    return true;
}

void virtio_net_vhost_peer_changed(NetClient *nc)
{
    VirtioNet *s = nc->opaque;

    if (s->vhost && !nc->peer && !nc->queue && s->vhost->rings) {
        vhost_lose(s->vhost);
        s->vhost->user.chardev = NULL;
    }
}
