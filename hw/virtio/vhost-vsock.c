/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhost-vsock: sockets between programs of the host and of the guest (Virtio 1.2, section 5.10),
 * which the host's kernel joins. What is sent and received is its; the queue of events is ours: a
 * machine that was loaded has lost its connections, and hears of it there.
 */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "hw/virtio/vhost.h"
#include "hw/virtio/virtio-pci.h"
#include "hw/virtio/vsock.h"
#include "util/error.h"

#define TYPE_VHOST_VSOCK "vhost-vsock-device"
#define PCI_CLASS_OTHER  0x0780 /* another controller of communication */
#define DEVICE_FILE      "/dev/vhost-vsock"

enum { QUEUE_RX, QUEUE_TX, QUEUE_EVENT, QUEUE_SIZE = 128 };
enum { RINGS = QUEUE_EVENT }; /* that are the kernel's */
/* 0 to 2 are the hypervisor, the machine itself and the host; all bits are any. */
enum { CID_MIN = 3 };
#define CID_MAX (UINT32_MAX - 1)

typedef struct VhostVsock {
    VirtioDevice parent;
    /* configuration */
    uint64_t guest_cid;
    char *vhostfd;
    int seqpacket;
    /* wiring */
    Vhost *vhost;
    int fd;         /* of the kernel's module; owned; -1: none */
    unsigned given; /* rings that are enabled; a bit for each */
    bool runs;      /* the kernel works on them */
    bool reset_due; /* connections were lost: the driver is to be told */
} VhostVsock;
OBJECT_CAST_DEFINE(VhostVsock, VHOST_VSOCK, TYPE_VHOST_VSOCK)

static void vsock_config_read(VirtioDevice *vdev, uint8_t *config)
{
    memcpy(config, &VHOST_VSOCK(vdev)->guest_cid, sizeof(uint64_t));
}

/* ---- the kernel ---- */

/* It works on both rings, or none. */
static bool enable(void *opaque, unsigned ring, bool on, GError **errp)
{
    VhostVsock *s = opaque;
    const unsigned given = on ? s->given | 1u << ring : s->given & ~(1u << ring);
    const bool runs = given == (1u << RINGS) - 1;

    s->given = given;
    if (runs != s->runs && !vhost_kernel_run_vsock(s->fd, runs, errp)) {
        return false;
    }
    s->runs = runs;
    return true;
}

/* ---- events ---- */

static void handle_event(VirtioDevice *vdev, VirtQueue *vq)
{
    vsock_tell_reset(vdev, vq, &VHOST_VSOCK(vdev)->reset_due);
}

static void vsock_reset(VirtioDevice *vdev)
{
    VHOST_VSOCK(vdev)->reset_due = false;
}

static bool vsock_post_load(void *opaque, GError **errp)
{
    VhostVsock *s = opaque;

    s->reset_due = true;
    return true;
}

/* ---- life ---- */

static const VhostClass vhost_class = {
    .features = VHOST_RING_FEATURES | 1ull << VIRTIO_VSOCK_F_SEQPACKET,
};

static bool check_cid(const VhostVsock *s, GError **errp)
{
    if (s->guest_cid < CID_MIN || s->guest_cid > CID_MAX) {
        error_set(errp, "guest-cid=%" PRIu64 ": a guest's address is a number from %d to %" PRIu32,
                  s->guest_cid, CID_MIN, CID_MAX);
        return false;
    }
    return true;
}

static bool choose_seqpacket(VhostVsock *s, GError **errp)
{
    const bool possible = s->vhost->backend->features >> VIRTIO_VSOCK_F_SEQPACKET & 1;

    if (s->seqpacket == SEQPACKET_ON && !possible) {
        error_set(errp, "seqpacket=on, and the host's kernel does not have it");
        return false;
    }
    if (s->seqpacket != SEQPACKET_OFF) {
        virtio_offer(&s->parent, VIRTIO_VSOCK_F_SEQPACKET);
    }
    return true;
}

static bool begin(VhostVsock *s, GError **errp)
{
    VhostKernel *kernel;

    if ((s->fd = vhost_kernel_open(DEVICE_FILE, "vhost_vsock", s->vhostfd, errp)) < 0 ||
        !vhost_kernel_own_vsock(s->fd, s->guest_cid, errp) ||
        !(kernel = vhost_kernel_new(&s->fd, 1, RINGS, errp))) {
        return false;
    }
    kernel->enable = enable;
    kernel->opaque = s;
    s->vhost = vhost_new_kernel(&s->parent, &vhost_class, kernel, errp);
    if (!s->vhost || !choose_seqpacket(s, errp)) {
        return false;
    }
    virtio_add_queue(&s->parent, QUEUE_SIZE, vhost_handle_queue);
    virtio_add_queue(&s->parent, QUEUE_SIZE, vhost_handle_queue);
    virtio_add_queue(&s->parent, QUEUE_SIZE, handle_event);
    return vhost_add_rings(s->vhost, RINGS, errp);
}

static void vsock_unrealize(VirtioDevice *vdev)
{
    VhostVsock *s = VHOST_VSOCK(vdev);

    g_clear_pointer(&s->vhost, vhost_free);
    if (s->fd >= 0) {
        close(s->fd);
        s->fd = -1;
    }
}

static bool vsock_realize(VirtioDevice *vdev, GError **errp)
{
    VhostVsock *s = VHOST_VSOCK(vdev);

    s->fd = -1;
    if (!check_cid(s, errp)) {
        return false;
    }
    if (!begin(s, errp)) {
        vsock_unrealize(vdev);
        return false;
    }
    return true;
}

static const StateField vsock_fields[] = {
    STATE_STRUCT(VhostVsock, parent, &virtio_device_state),
    {},
};
static const StateTable vsock_state = {
    .name = "vhost-vsock", .version = 1, .fields = vsock_fields, .post_load = vsock_post_load
};

/* ---- the type ---- */

static const Property vsock_properties[] = {
    { .name = "guest-cid",
      .kind = PROP_UINT64,
      .offset = offsetof(VhostVsock, guest_cid),
      .description = "the guest's address, from 3 on, which no other machine of the host has" },
    { .name = "vhostfd",
      .kind = PROP_STRING,
      .offset = offsetof(VhostVsock, vhostfd),
      .description = DEVICE_FILE " that is open" },
    { .name = "seqpacket",
      .kind = PROP_ENUM,
      .offset = offsetof(VhostVsock, seqpacket),
      .enum_names = vsock_seqpacket_names,
      .has_default = true,
      .default_int = SEQPACKET_AUTO,
      .description = "offer sockets that keep the bounds of messages; auto: if the kernel does" },
    { 0 },
};

static const VirtioDeviceClass vsock_ops = {
    .device = { VIRTIO_DEVICE_CLASS_BASE, .state = &vsock_state, VHOST_DEVICE_CLASS },
    .id = VIRTIO_ID_VSOCK,
    .config_size = sizeof(uint64_t),
    .realize = vsock_realize,
    .unrealize = vsock_unrealize,
    .reset = vsock_reset,
    .config_read = vsock_config_read,
};

static const ObjectType vsock_type = {
    .name = TYPE_VHOST_VSOCK,
    .parent = TYPE_VIRTIO_DEVICE,
    .description = "sockets between host and guest, by the host's kernel",
    .instance_size = sizeof(VhostVsock),
    .properties = vsock_properties,
    .ops = &vsock_ops,
};
OBJECT_TYPE_REGISTER(vsock_type)

static const VirtioPciClass vsock_pci = VIRTIO_PCI_CLASS("misc", PCI_CLASS_OTHER, 0);
VIRTIO_PCI_MODERN_TYPE(vvs, "vhost-vsock", TYPE_VHOST_VSOCK, &vsock_pci,
                       "sockets between host and guest, by the host's kernel")
VIRTIO_PCI_OBJECT(vvs_modern, "vhost-vsock", "-non-transitional", TYPE_VHOST_VSOCK, &vsock_pci,
                  "sockets between host and guest, by the host's kernel", virtio_pci_init_modern,
                  NULL);
