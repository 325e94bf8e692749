/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhost-scsi: a SCSI controller (Virtio 1.2, section 5.6) whose units the host's kernel has: those
 * of a target of its own that is called by a WWPN. All queues are the kernel's; the configuration
 * is ours.
 */
#include <string.h>
#include <unistd.h>

#include "hw/core/boot-order.h"
#include "hw/core/machine.h"
#include "hw/virtio/vhost.h"
#include "hw/virtio/virtio-pci.h"
#include "hw/virtio/virtio-scsi-regs.h"
#include "util/error.h"

#define TYPE_VHOST_SCSI "vhost-scsi"
#define PCI_CLASS_SCSI  0x0100
#define DEVICE_FILE     "/dev/vhost-scsi"
#define QUEUES_AUTO     UINT32_MAX

enum { QUEUE_SIZE_MIN = 4, QUEUE_SIZE_MAX = 1024, SEGMENTS_LESS = 2 };
enum { MAX_TARGET = 255, MAX_LUN = 16383, QUEUES_MAX = 126 };

typedef struct VhostScsi {
    VirtioDevice parent;
    /* configuration */
    char *wwpn, *vhostfd;
    uint32_t boot_tpgt, num_queues, queue_size, max_sectors, cmd_per_lun;
    int32_t boot_index;
    /* wiring */
    Vhost *vhost;
    int fd;                                        /* of the kernel's module; owned; -1: none */
    bool given[QUEUES_MAX + VIRTIO_SCSI_REQUESTS]; /* rings that are enabled */
    bool runs;                                     /* the kernel works on them */
} VhostScsi;
OBJECT_CAST_DEFINE(VhostScsi, VHOST_SCSI, TYPE_VHOST_SCSI)

static unsigned ring_count(const VhostScsi *s)
{
    return VIRTIO_SCSI_REQUESTS + s->num_queues;
}

static void scsi_config_read(VirtioDevice *vdev, uint8_t *bytes)
{
    const VhostScsi *s = VHOST_SCSI(vdev);
    const VirtioScsiConfig config = {
        .num_queues = s->num_queues,
        .seg_max = s->queue_size - SEGMENTS_LESS,
        .max_sectors = s->max_sectors,
        .cmd_per_lun = s->cmd_per_lun,
        .event_info_size = sizeof(VirtioScsiEvent),
        .sense_size = VIRTIO_SCSI_SENSE_SIZE,
        .cdb_size = VIRTIO_SCSI_CDB_SIZE,
        .max_target = MAX_TARGET,
        .max_lun = MAX_LUN,
    };

    memcpy(bytes, &config, sizeof(config));
}

/* ---- the kernel ---- */

/* All rings that the driver has set up: it need not use all queues of requests. */
static bool all_are_given(VhostScsi *s)
{
    for (unsigned i = 0; i < ring_count(s); i++) {
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
    if (s->num_queues == QUEUES_AUTO) {
        s->num_queues = MIN(machine_current()->smp.cpus, QUEUES_MAX);
    }
    if (!s->wwpn || !*s->wwpn) {
        error_set(errp, "'wwpn' is missing: the name of the target of the host's kernel, such as "
                        "naa.5001405bc1c0ffee, which is below /sys/kernel/config/target/vhost");
        return false;
    }
    if (!s->num_queues || s->num_queues > QUEUES_MAX) {
        error_set(errp, "num_queues=%u: it must be 1 to %d, or 4294967295: one a CPU",
                  s->num_queues, QUEUES_MAX);
        return false;
    }
    if (s->queue_size < QUEUE_SIZE_MIN || s->queue_size > QUEUE_SIZE_MAX ||
        s->queue_size & (s->queue_size - 1)) {
        error_set(errp, "virtqueue_size=%u: it must be a power of 2 from %d to %d", s->queue_size,
                  QUEUE_SIZE_MIN, QUEUE_SIZE_MAX);
        return false;
    }
    if (s->boot_tpgt > MAX_TARGET) {
        error_set(errp, "boot_tpgt=%u: it must be 0 to %d", s->boot_tpgt, MAX_TARGET);
        return false;
    }
    return true;
}

static bool begin(VhostScsi *s, GError **errp)
{
    Device *card = DEVICE(s->parent.parent.bus->parent.parent);
    g_autofree char *below = g_strdup_printf("/channel@0/disk@%x,0", s->boot_tpgt);
    VhostKernel *kernel;

    if ((s->fd = vhost_kernel_open(DEVICE_FILE, "vhost_scsi", s->vhostfd, errp)) < 0 ||
        !vhost_kernel_own_scsi(s->fd, s->wwpn, errp) ||
        !(kernel = vhost_kernel_new(&s->fd, 1, ring_count(s), errp))) {
        return false;
    }
    kernel->enable = enable;
    kernel->opaque = s;
    s->vhost = vhost_new_kernel(&s->parent, &vhost_class, kernel, errp);
    if (!s->vhost) {
        return false;
    }
    virtio_offer(&s->parent, VIRTIO_SCSI_F_HOTPLUG);
    for (unsigned i = 0; i < ring_count(s); i++) {
        virtio_add_queue(&s->parent, (uint16_t)s->queue_size, vhost_handle_queue);
    }
    return vhost_add_rings(s->vhost, ring_count(s), errp) &&
           boot_order_add(card, s->boot_index, card, "scsi", below, errp);
}

static void scsi_unrealize(VirtioDevice *vdev)
{
    VhostScsi *s = VHOST_SCSI(vdev);

    boot_order_remove(DEVICE(vdev->parent.bus->parent.parent));
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

#define PROP(NAME, KIND, member, initial, text)                                \
    {                                                                          \
        .name = (NAME), .kind = (KIND), .offset = offsetof(VhostScsi, member), \
        .has_default = true, .default_int = (initial), .description = (text)   \
    }

static const Property scsi_properties[] = {
    { .name = "wwpn",
      .kind = PROP_STRING,
      .offset = offsetof(VhostScsi, wwpn),
      .description = "name of the target of the host's kernel, such as naa.5001405bc1c0ffee" },
    { .name = "vhostfd",
      .kind = PROP_STRING,
      .offset = offsetof(VhostScsi, vhostfd),
      .description = DEVICE_FILE " that is open" },
    PROP("boot_tpgt", PROP_UINT32, boot_tpgt, 0, "the target portal group that bootindex is of"),
    PROP("num_queues", PROP_UINT32, num_queues, QUEUES_AUTO,
         "queues of requests; 4294967295: one a CPU"),
    PROP("virtqueue_size", PROP_UINT32, queue_size, 128, "entries of each queue"),
    PROP("max_sectors", PROP_UINT32, max_sectors, 65535,
         "sectors of 512 bytes that the driver should move at once"),
    PROP("cmd_per_lun", PROP_UINT32, cmd_per_lun, 128,
         "commands that the driver should give a unit at once"),
    PROP("bootindex", PROP_INT32, boot_index, -1, "firmware boots from the lowest one first"),
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
