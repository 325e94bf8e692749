/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio devices that are another program's altogether: all of their rings, and their configuration
 * if they have one. What they are is a table of their class.
 *
 * vhost-user-rng (Virtio 1.2, section 5.4), vhost-user-input (5.8), vhost-user-vsock (5.10),
 * vhost-user-i2c (5.16), vhost-user-gpio (5.18). Of vsock the queue of events is ours: a machine
 * that was loaded has lost its connections, and hears of it there.
 */
#include <string.h>

#include "hw/virtio/vhost.h"
#include "hw/virtio/virtio-pci.h"
#include "hw/virtio/vsock.h"
#include "util/error.h"

#define TYPE_VHOST_USER_PART "vhost-user-part"
#define CONFIG_MAX           136 /* of virtio-input */

#define NEEDS_CONFIG                                                  \
    .vhost = { .protocol = 1ull << VHOST_USER_PROTOCOL_F_CONFIG |     \
                           1ull << VHOST_USER_PROTOCOL_F_BACKEND_REQ, \
               .needed = 1ull << VHOST_USER_PROTOCOL_F_CONFIG,        \
               .features = UINT64_MAX,                                \
               .came = part_came,                                     \
               .config_changed = part_config_changed }
#define NO_CONFIG .vhost = { .features = UINT64_MAX }

enum { VIRTIO_I2C_F_ZERO_LENGTH_REQUEST = 0, VIRTIO_GPIO_F_IRQ = 0 };

typedef struct VhostUserPart {
    VirtioDevice parent;
    /* configuration */
    char *chardev;
    int seqpacket; /* of vsock: SEQPACKET_*; 0 for the others */
    /* wiring */
    CharFrontend fe;
    Vhost *vhost;
    uint8_t config[CONFIG_MAX]; /* the back-end's, as it was fetched last */
    bool reset_due;             /* connections were lost: the driver is to be told */
} VhostUserPart;
OBJECT_CAST_DEFINE(VhostUserPart, VHOST_USER_PART, TYPE_VHOST_USER_PART)

typedef struct VhostUserPartClass {
    VirtioDeviceClass virtio;
    VhostClass vhost;
    uint16_t queue_size;
    uint8_t rings;        /* the back-end's; the first queues */
    VirtioQueueFn *event; /* of one queue more, which is ours; NULL: there is none */
    uint64_t offered;     /* features that it has if the back-end does */
} VhostUserPartClass;

static const VhostUserPartClass *part_class(const VirtioDevice *vdev)
{
    return object_ops(&vdev->parent.parent);
}

/* ---- configuration ---- */

static bool fetch_config(VhostUserPart *s, GError **errp)
{
    unsigned size = part_class(&s->parent)->virtio.config_size;

    return !size || vhost_user_get_config(&s->vhost->user, s->config, size, errp);
}

static void part_config_changed(VirtioDevice *vdev)
{
    g_autoptr(GError) err = NULL;

    if (!fetch_config(VHOST_USER_PART(vdev), &err)) {
        error_report("%s: its configuration: %s", vdev->name, err->message);
        return;
    }
    virtio_config_changed(vdev);
}

/* Another program may have another one. */
static void part_came(VirtioDevice *vdev)
{
    VhostUserPart *s = VHOST_USER_PART(vdev);
    uint8_t before[CONFIG_MAX];
    g_autoptr(GError) err = NULL;

    memcpy(before, s->config, CONFIG_MAX);
    if (!fetch_config(s, &err)) {
        error_report("%s: its configuration: %s", vdev->name, err->message);
    } else if (memcmp(before, s->config, CONFIG_MAX) != 0) {
        virtio_config_changed(vdev);
    }
}

static void part_config_read(VirtioDevice *vdev, uint8_t *config)
{
    memcpy(config, VHOST_USER_PART(vdev)->config, part_class(vdev)->virtio.config_size);
}

/* What the driver of an input device selects: the rest of the configuration is then another. */
static void input_config_written(VirtioDevice *vdev, const uint8_t *config, unsigned offset,
                                 unsigned size)
{
    enum { SELECT_BYTES = 2 };
    VhostUserPart *s = VHOST_USER_PART(vdev);
    g_autoptr(GError) err = NULL;

    if (offset >= SELECT_BYTES || !vhost_is_up(s->vhost)) {
        return;
    }
    size = MIN(size, SELECT_BYTES - offset);
    if (!vhost_user_set_config(&s->vhost->user, offset, config + offset, size, &err) ||
        !fetch_config(s, &err)) {
        error_report("%s: what the guest looks at: %s", vdev->name, err->message);
    }
}

/* ---- the events of vsock ---- */

static void vsock_event(VirtioDevice *vdev, VirtQueue *vq)
{
    vsock_tell_reset(vdev, vq, &VHOST_USER_PART(vdev)->reset_due);
}

static void vsock_reset(VirtioDevice *vdev)
{
    VHOST_USER_PART(vdev)->reset_due = false;
}

static bool vsock_post_load(void *opaque, GError **errp)
{
    VhostUserPart *s = opaque;

    s->reset_due = true;
    return true;
}

/* ---- life ---- */

static bool check_seqpacket(const VhostUserPart *s, GError **errp)
{
    if (s->seqpacket == SEQPACKET_ON &&
        !(s->vhost->backend->features >> VIRTIO_VSOCK_F_SEQPACKET & 1)) {
        error_set(errp, "seqpacket=on, and the back-end does not have it");
        return false;
    }
    return true;
}

static bool meet(VhostUserPart *s, GError **errp)
{
    VirtioDevice *vdev = &s->parent;
    const VhostUserPartClass *class = part_class(vdev);
    uint64_t offered = class->offered;

    s->vhost = vhost_new(vdev, &class->vhost, &s->fe, errp);
    if (!s->vhost || !check_seqpacket(s, errp) || !fetch_config(s, errp)) {
        return false;
    }
    if (s->vhost->backend->rings < class->rings) {
        error_set(errp, "the back-end has %u queues, and %u are needed", s->vhost->backend->rings,
                  class->rings);
        return false;
    }
    if (class->event && s->seqpacket == SEQPACKET_OFF) {
        offered &= ~(1ull << VIRTIO_VSOCK_F_SEQPACKET);
    }
    for (unsigned bit = 0; bit < 64; bit++) {
        if (offered >> bit & 1) {
            virtio_offer(vdev, bit);
        }
    }
    for (unsigned i = 0; i < class->rings; i++) {
        virtio_add_queue(vdev, class->queue_size, vhost_handle_queue);
    }
    if (class->event) {
        virtio_add_queue(vdev, class->queue_size, class->event);
    }
    return vhost_add_rings(s->vhost, class->rings, errp);
}

static void leave(VhostUserPart *s)
{
    g_clear_pointer(&s->vhost, vhost_free);
    char_detach(&s->fe);
}

static bool part_realize(VirtioDevice *vdev, GError **errp)
{
    VhostUserPart *s = VHOST_USER_PART(vdev);

    if (!vhost_attach(&s->fe, s->chardev, errp)) {
        return false;
    }
    if (!meet(s, errp)) {
        leave(s);
        return false;
    }
    return true;
}

static void part_unrealize(VirtioDevice *vdev)
{
    leave(VHOST_USER_PART(vdev));
}

static const StateField part_fields[] = {
    STATE_STRUCT(VhostUserPart, parent, &virtio_device_state),
    {},
};
static const StateTable part_state = { .name = TYPE_VHOST_USER_PART,
                                       .version = 1,
                                       .fields = part_fields };
static const StateTable vsock_state = {
    .name = "vhost-user-vsock", .version = 1, .fields = part_fields, .post_load = vsock_post_load
};

/* ---- the types ---- */

static const Property part_properties[] = {
    { .name = "chardev",
      .kind = PROP_STRING,
      .offset = offsetof(VhostUserPart, chardev),
      .description = "a socket, at whose other end the back-end is" },
    { 0 },
};

static const ObjectType part_type = {
    .name = TYPE_VHOST_USER_PART,
    .parent = TYPE_VIRTIO_DEVICE,
    .description = "a device of another program",
    .instance_size = sizeof(VhostUserPart),
    .abstract = true,
    .properties = part_properties,
};
OBJECT_TYPE_REGISTER(part_type)

static const Property vsock_properties[] = {
    { .name = "seqpacket",
      .kind = PROP_ENUM,
      .offset = offsetof(VhostUserPart, seqpacket),
      .enum_names = vsock_seqpacket_names,
      .has_default = true,
      .default_int = SEQPACKET_AUTO,
      .description = "offer sockets that keep the bounds of messages; auto: if the back-end does" },
    { 0 },
};

#define PART(STATE)                                                               \
    .device = { VIRTIO_DEVICE_CLASS_BASE, .state = (STATE), VHOST_DEVICE_CLASS }, \
    .realize = part_realize, .unrealize = part_unrealize, .config_read = part_config_read

static const VhostUserPartClass rng_class = {
    .virtio = { PART(&part_state), .id = VIRTIO_ID_RNG },
    NO_CONFIG,
    .queue_size = 8,
    .rings = 1,
};
static const VhostUserPartClass input_class = {
    .virtio = { PART(&part_state), .id = VIRTIO_ID_INPUT, .config_size = CONFIG_MAX,
                .config_written = input_config_written },
    NEEDS_CONFIG,
    .queue_size = 64,
    .rings = 2,
};
static const VhostUserPartClass vsock_class = {
    .virtio = { PART(&vsock_state), .id = VIRTIO_ID_VSOCK, .config_size = sizeof(uint64_t),
                .reset = vsock_reset },
    NEEDS_CONFIG,
    .queue_size = 128,
    .rings = 2,
    .event = vsock_event,
    .offered = 1ull << VIRTIO_VSOCK_F_SEQPACKET,
};
static const VhostUserPartClass i2c_class = {
    .virtio = { PART(&part_state), .id = VIRTIO_ID_I2C },
    NO_CONFIG,
    .queue_size = 64,
    .rings = 1,
    .offered = 1ull << VIRTIO_I2C_F_ZERO_LENGTH_REQUEST,
};
static const VhostUserPartClass gpio_class = {
    .virtio = { PART(&part_state), .id = VIRTIO_ID_GPIO, .config_size = 8 },
    NEEDS_CONFIG,
    .queue_size = 256,
    .rings = 2,
    .offered = 1ull << VIRTIO_GPIO_F_IRQ,
};

/* @PART_NAME: the type of what is on the virtio bus. */
#define PART_TYPE(symbol, NAME, PART_NAME, CATEGORY, PCI_CLASS, PROPERTIES, VECTORS, text) \
    static const ObjectType symbol##_type = {                                              \
        .name = (PART_NAME),                                                               \
        .parent = TYPE_VHOST_USER_PART,                                                    \
        .description = (text),                                                             \
        .instance_size = sizeof(VhostUserPart),                                            \
        .properties = (PROPERTIES),                                                        \
        .ops = &symbol##_class,                                                            \
    };                                                                                     \
    OBJECT_TYPE_REGISTER(symbol##_type)                                                    \
    static const VirtioPciClass symbol##_pci =                                             \
        VIRTIO_PCI_CLASS((CATEGORY), (PCI_CLASS), (VECTORS));                              \
    VIRTIO_PCI_MODERN_TYPE(vu##symbol, NAME, PART_NAME, &symbol##_pci, text)

PART_TYPE(rng, "vhost-user-rng", "vhost-user-rng", "misc", 0x00ff, NULL, 0,
          "random bytes of another program")
PART_TYPE(input, "vhost-user-input", "vhost-user-input", "input", 0x0980, NULL, 2,
          "an input device of another program")
PART_TYPE(vsock, "vhost-user-vsock", "vhost-user-vsock-device", "misc", 0x0780, vsock_properties, 3,
          "sockets between host and guest, by another program")
VIRTIO_PCI_OBJECT(vuvsock_modern, "vhost-user-vsock", "-non-transitional",
                  "vhost-user-vsock-device", &vsock_pci,
                  "sockets between host and guest, by another program", virtio_pci_init_modern,
                  NULL);
PART_TYPE(i2c, "vhost-user-i2c", "vhost-user-i2c-device", "misc", 0x0880, NULL, 0,
          "an I2C bus of another program")
PART_TYPE(gpio, "vhost-user-gpio", "vhost-user-gpio-device", "misc", 0x0880, NULL, 0,
          "input and output lines of another program")
