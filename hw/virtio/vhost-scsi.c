/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhost-scsi: a SCSI controller (Virtio 1.2, section 5.6) whose units the host's kernel has: those
 * of a target of its own that is called by a WWPN. All queues are the kernel's; the configuration
 * is ours.
 */
#include <unistd.h>

#include "hw/virtio/vhost-scsi-conf.h"
#include "hw/virtio/virtio-pci.h"
#include "util/error.h"

#define TYPE_VHOST_SCSI "vhost-scsi"
#define PCI_CLASS_SCSI  0x0100
#define DEVICE_FILE     "/dev/vhost-scsi"

typedef struct VhostScsi {
    VirtioDevice parent;
    /* configuration */
    char *wwpn, *vhostfd;
    VhostScsiConf conf;
    /* wiring */
    Vhost *vhost;
    int fd; /* of the kernel's module; owned; -1: none */
    bool given[VHOST_SCSI_QUEUES_MAX + VIRTIO_SCSI_REQUESTS]; /* rings that are enabled */
    bool runs;                                                /* the kernel works on them */
} VhostScsi;
OBJECT_CAST_DEFINE(VhostScsi, VHOST_SCSI, TYPE_VHOST_SCSI)

static void scsi_config_read(VirtioDevice *vdev, uint8_t *bytes)
{
    vhost_scsi_conf_read(&VHOST_SCSI(vdev)->conf, bytes);
}

/* ---- the kernel ---- */

/* All rings that the driver has set up: it need not use all queues of requests. */
static bool all_are_given(VhostScsi *s)
{
    for (unsigned i = 0; i < vhost_scsi_conf_rings(&s->conf); i++) {
        if (virtq_works(virtio_queue(&s->parent, i)) && !s->given[i]) {
            return false;
        }
    }
    return true;
}

/* It works on all of them, or none: they are set up before it starts. */
static bool enable(void *opaque, unsigned ring, bool on, GError **errp)
{
    VhostScsi *s = opaque;

    s->given[ring] = on;
    const bool runs = on && all_are_given(s);
    if (runs != s->runs && !vhost_kernel_run_scsi(s->fd, s->wwpn, runs, errp)) {
        return false;
    }
    s->runs = runs;
    return true;
}

/* What the target's commands have come to is known to the kernel alone. */
static bool check_migrate(const Device *dev, GError **errp)
{
    g_autofree char *name = device_describe(dev);

    error_set(errp,
              "%s has disks of this host's kernel, which cannot go along: unplug it before "
              "(device_del)",
              name);
    return false;
}

/* ---- life ---- */

static const VhostClass vhost_class = {
    .features = VHOST_RING_FEATURES | 1ull << VIRTIO_SCSI_F_HOTPLUG,
};

static bool check_properties(VhostScsi *s, GError **errp)
{
    if (!s->wwpn || !*s->wwpn) {
        error_set(errp, "'wwpn' is missing: the name of the target of the host's kernel, such as "
                        "naa.5001405bc1c0ffee, which is below /sys/kernel/config/target/vhost");
        return false;
    }
    return vhost_scsi_conf_check(&s->conf, errp);
}

static bool begin(VhostScsi *s, GError **errp)
{
    VhostKernel *kernel;

    if ((s->fd = vhost_kernel_open(DEVICE_FILE, "vhost_scsi", s->vhostfd, errp)) < 0 ||
        !vhost_kernel_own_scsi(s->fd, s->wwpn, errp) ||
        !(kernel = vhost_kernel_new(&s->fd, 1, vhost_scsi_conf_rings(&s->conf), errp))) {
        return false;
    }
    kernel->enable = enable;
    kernel->opaque = s;
    s->vhost = vhost_new_kernel(&s->parent, &vhost_class, kernel, errp);
    if (!s->vhost) {
        return false;
    }
    virtio_offer(&s->parent, VIRTIO_SCSI_F_HOTPLUG);
    return vhost_scsi_conf_enter(&s->conf, &s->parent, s->vhost, errp);
}

static void scsi_unrealize(VirtioDevice *vdev)
{
    VhostScsi *s = VHOST_SCSI(vdev);

    vhost_scsi_conf_leave(vdev);
    g_clear_pointer(&s->vhost, vhost_free);
    if (s->fd >= 0) {
        close(s->fd);
        s->fd = -1;
    }
}

static bool scsi_realize(VirtioDevice *vdev, GError **errp)
{
    VhostScsi *s = VHOST_SCSI(vdev);

    s->fd = -1;
    if (!check_properties(s, errp)) {
        return false;
    }
    if (!begin(s, errp)) {
        scsi_unrealize(vdev);
        return false;
    }
    return true;
}

/* ---- the type ---- */

static const Property scsi_properties[] = {
    { .name = "wwpn",
      .kind = PROP_STRING,
      .offset = offsetof(VhostScsi, wwpn),
      .description = "name of the target of the host's kernel, such as naa.5001405bc1c0ffee" },
    { .name = "vhostfd",
      .kind = PROP_STRING,
      .offset = offsetof(VhostScsi, vhostfd),
      .description = DEVICE_FILE " that is open" },
    VHOST_SCSI_CONF_PROPERTIES(VhostScsi, conf),
    { 0 },
};

static const VirtioDeviceClass scsi_ops = {
    .device = { VIRTIO_DEVICE_CLASS_BASE, .check_migrate = check_migrate },
    .id = VIRTIO_ID_SCSI,
    .config_size = sizeof(VirtioScsiConfig),
    .realize = scsi_realize,
    .unrealize = scsi_unrealize,
    .config_read = scsi_config_read,
};

static const ObjectType scsi_type = {
    .name = TYPE_VHOST_SCSI,
    .parent = TYPE_VIRTIO_DEVICE,
    .description = "a SCSI controller with disks of the host's kernel",
    .instance_size = sizeof(VhostScsi),
    .properties = scsi_properties,
    .ops = &scsi_ops,
};
OBJECT_TYPE_REGISTER(scsi_type)

static const VirtioPciClass scsi_pci = VIRTIO_PCI_CLASS("storage", PCI_CLASS_SCSI, 0);
VIRTIO_PCI_TYPES(vhs, "vhost-scsi", TYPE_VHOST_SCSI, &scsi_pci,
                 "a SCSI controller with disks of the host's kernel")
