/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhost-user-scsi: a SCSI controller (Virtio 1.2, section 5.6) whose units another program has. All
 * queues are its; the configuration is ours.
 */
#include <string.h>

#include "hw/core/boot-order.h"
#include "hw/core/machine.h"
#include "hw/virtio/vhost.h"
#include "hw/virtio/virtio-pci.h"
#include "hw/virtio/virtio-scsi-regs.h"
#include "util/error.h"

#define TYPE_VHOST_USER_SCSI "vhost-user-scsi"
#define PCI_CLASS_SCSI       0x0100
#define QUEUES_AUTO          UINT32_MAX

enum { QUEUE_SIZE_MIN = 4, QUEUE_SIZE_MAX = 1024, SEGMENTS_LESS = 2 };
enum { MAX_TARGET = 255, MAX_LUN = 16383, QUEUES_MAX = 126 };

typedef struct VhostUserScsi {
    VirtioDevice parent;
    /* configuration */
    char *chardev;
    uint32_t boot_tpgt, num_queues, queue_size, max_sectors, cmd_per_lun;
    bool hotplug, param_change, t10_pi;
    int32_t boot_index;
    /* wiring */
    CharFrontend fe;
    Vhost *vhost;
} VhostUserScsi;
OBJECT_CAST_DEFINE(VhostUserScsi, VHOST_USER_SCSI, TYPE_VHOST_USER_SCSI)

static unsigned ring_count(const VhostUserScsi *s)
{
    return VIRTIO_SCSI_REQUESTS + s->num_queues;
}

static void scsi_config_read(VirtioDevice *vdev, uint8_t *bytes)
{
    const VhostUserScsi *s = VHOST_USER_SCSI(vdev);
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

/* ---- life ---- */

static const VhostClass vhost_class = { .features = UINT64_MAX };

static bool check_properties(VhostUserScsi *s, GError **errp)
{
    if (s->num_queues == QUEUES_AUTO) {
        s->num_queues = MIN(machine_current()->smp.cpus, QUEUES_MAX);
    }
    if (!s->num_queues || s->num_queues > QUEUES_MAX) {
        error_set(errp, "num_queues=%u: it must be 1 to %d, or 4294967295: one a CPU",
                  s->num_queues, QUEUES_MAX);
    } else if (s->queue_size < QUEUE_SIZE_MIN || s->queue_size > QUEUE_SIZE_MAX ||
               s->queue_size & (s->queue_size - 1)) {
        error_set(errp, "virtqueue_size=%u: it must be a power of 2 from %d to %d", s->queue_size,
                  QUEUE_SIZE_MIN, QUEUE_SIZE_MAX);
    } else if (s->boot_tpgt > MAX_TARGET) {
        error_set(errp, "boot_tpgt=%u: it must be 0 to %d", s->boot_tpgt, MAX_TARGET);
    } else {
        return true;
    }
    return false;
}

/* What is offered if the back-end has it, too. */
static void offer(VhostUserScsi *s)
{
    const struct {
        bool on;
        unsigned bit;
    } features[] = { { s->hotplug, VIRTIO_SCSI_F_HOTPLUG },
                     { s->param_change, VIRTIO_SCSI_F_CHANGE },
                     { s->t10_pi, VIRTIO_SCSI_F_T10_PI } };

    for (unsigned i = 0; i < G_N_ELEMENTS(features); i++) {
        if (features[i].on) {
            virtio_offer(&s->parent, features[i].bit);
        }
    }
}

static bool meet(VhostUserScsi *s, GError **errp)
{
    Device *card = DEVICE(s->parent.parent.bus->parent.parent);
    g_autofree char *below = g_strdup_printf("/channel@0/disk@%x,0", s->boot_tpgt);

    s->vhost = vhost_new(&s->parent, &vhost_class, &s->fe, errp);
    if (!s->vhost) {
        return false;
    }
    if (ring_count(s) > s->vhost->backend->rings) {
        error_set(errp, "num_queues=%u, and the back-end has %u queues, with %d for other things",
                  s->num_queues, s->vhost->backend->rings, VIRTIO_SCSI_REQUESTS);
        return false;
    }
    offer(s);
    for (unsigned i = 0; i < ring_count(s); i++) {
        virtio_add_queue(&s->parent, (uint16_t)s->queue_size, vhost_handle_queue);
    }
    return vhost_add_rings(s->vhost, ring_count(s), errp) &&
           boot_order_add(card, s->boot_index, card, "scsi", below, errp);
}

static void leave(VhostUserScsi *s)
{
    g_clear_pointer(&s->vhost, vhost_free);
    char_detach(&s->fe);
}

static bool scsi_realize(VirtioDevice *vdev, GError **errp)
{
    VhostUserScsi *s = VHOST_USER_SCSI(vdev);

    if (!check_properties(s, errp) || !vhost_attach(&s->fe, s->chardev, errp)) {
        return false;
    }
    if (!meet(s, errp)) {
        leave(s);
        return false;
    }
    return true;
}

static void scsi_unrealize(VirtioDevice *vdev)
{
    boot_order_remove(DEVICE(vdev->parent.bus->parent.parent));
    leave(VHOST_USER_SCSI(vdev));
}

static const StateField scsi_fields[] = {
    STATE_STRUCT(VhostUserScsi, parent, &virtio_device_state),
    {},
};
static const StateTable scsi_state = { .name = TYPE_VHOST_USER_SCSI,
                                       .version = 1,
                                       .fields = scsi_fields };

/* ---- the type ---- */

#define PROP(NAME, KIND, member, initial, text)                                    \
    {                                                                              \
        .name = (NAME), .kind = (KIND), .offset = offsetof(VhostUserScsi, member), \
        .has_default = true, .default_int = (initial), .description = (text)       \
    }

static const Property scsi_properties[] = {
    { .name = "chardev",
      .kind = PROP_STRING,
      .offset = offsetof(VhostUserScsi, chardev),
      .description = "a socket, at whose other end the back-end is" },
    PROP("boot_tpgt", PROP_UINT32, boot_tpgt, 0, "the target that bootindex is of"),
    PROP("num_queues", PROP_UINT32, num_queues, QUEUES_AUTO,
         "queues of requests; 4294967295: one a CPU"),
    PROP("virtqueue_size", PROP_UINT32, queue_size, 128, "entries of each queue"),
    PROP("max_sectors", PROP_UINT32, max_sectors, 65535,
         "sectors of 512 bytes that the driver should move at once"),
    PROP("cmd_per_lun", PROP_UINT32, cmd_per_lun, 128,
         "commands that the driver should give a unit at once"),
    PROP("hotplug", PROP_BOOL, hotplug, true, "units may come and go, if the back-end says so"),
    PROP("param_change", PROP_BOOL, param_change, true,
         "units may change, if the back-end says so"),
    PROP("t10_pi", PROP_BOOL, t10_pi, false, "protection of data, if the back-end has it"),
    PROP("bootindex", PROP_INT32, boot_index, -1, "firmware boots from the lowest one first"),
    { 0 },
};

static const VirtioDeviceClass scsi_ops = {
    .device = { VIRTIO_DEVICE_CLASS_BASE, .state = &scsi_state, VHOST_DEVICE_CLASS },
    .id = VIRTIO_ID_SCSI,
    .config_size = sizeof(VirtioScsiConfig),
    .realize = scsi_realize,
    .unrealize = scsi_unrealize,
    .config_read = scsi_config_read,
};

static const ObjectType scsi_type = {
    .name = TYPE_VHOST_USER_SCSI,
    .parent = TYPE_VIRTIO_DEVICE,
    .description = "a SCSI controller with disks of another program",
    .instance_size = sizeof(VhostUserScsi),
    .properties = scsi_properties,
    .ops = &scsi_ops,
};
OBJECT_TYPE_REGISTER(scsi_type)

static const VirtioPciClass scsi_pci = VIRTIO_PCI_CLASS("storage", PCI_CLASS_SCSI, 0);
VIRTIO_PCI_TYPES(vus, "vhost-user-scsi", TYPE_VHOST_USER_SCSI, &scsi_pci,
                 "a SCSI controller with disks of another program")
