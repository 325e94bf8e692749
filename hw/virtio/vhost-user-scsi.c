/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhost-user-scsi: a SCSI controller (Virtio 1.2, section 5.6) whose units another program has. All
 * queues are its; the configuration is ours.
 */
#include "hw/virtio/vhost-scsi-conf.h"
#include "hw/virtio/virtio-pci.h"
#include "util/error.h"

#define TYPE_VHOST_USER_SCSI "vhost-user-scsi"
#define PCI_CLASS_SCSI       0x0100

typedef struct VhostUserScsi {
    VirtioDevice parent;
    /* configuration */
    char *chardev;
    VhostScsiConf conf;
    bool hotplug, param_change, t10_pi;
    /* wiring */
    CharFrontend fe;
    Vhost *vhost;
} VhostUserScsi;
OBJECT_CAST_DEFINE(VhostUserScsi, VHOST_USER_SCSI, TYPE_VHOST_USER_SCSI)

static void scsi_config_read(VirtioDevice *vdev, uint8_t *bytes)
{
    vhost_scsi_conf_read(&VHOST_USER_SCSI(vdev)->conf, bytes);
}

/* ---- life ---- */

static const VhostClass vhost_class = { .features = UINT64_MAX };

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
    s->vhost = vhost_new(&s->parent, &vhost_class, &s->fe, errp);
    if (!s->vhost) {
        return false;
    }
    if (vhost_scsi_conf_rings(&s->conf) > s->vhost->backend->rings) {
        error_set(errp, "num_queues=%u, and the back-end has %u queues, with %d for other things",
                  s->conf.num_queues, s->vhost->backend->rings, VIRTIO_SCSI_REQUESTS);
        return false;
    }
    offer(s);
    return vhost_scsi_conf_enter(&s->conf, &s->parent, s->vhost, errp);
}

static void leave(VhostUserScsi *s)
{
    g_clear_pointer(&s->vhost, vhost_free);
    char_detach(&s->fe);
}

static bool scsi_realize(VirtioDevice *vdev, GError **errp)
{
    VhostUserScsi *s = VHOST_USER_SCSI(vdev);

    if (!vhost_scsi_conf_check(&s->conf, errp) || !vhost_attach(&s->fe, s->chardev, errp)) {
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
    vhost_scsi_conf_leave(vdev);
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
    VHOST_SCSI_CONF_PROPERTIES(VhostUserScsi, conf),
    PROP("hotplug", PROP_BOOL, hotplug, true, "units may come and go, if the back-end says so"),
    PROP("param_change", PROP_BOOL, param_change, true,
         "units may change, if the back-end says so"),
    PROP("t10_pi", PROP_BOOL, t10_pi, false, "protection of data, if the back-end has it"),
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
