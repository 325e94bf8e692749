/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhost-user-blk: a disk that another program has (Virtio 1.2, section 5.2). Its configuration is
 * the back-end's, which may change it.
 */
#include <string.h>

#include "hw/core/boot-order.h"
#include "hw/virtio/vhost-log.h"
#include "hw/virtio/virtio-blk-regs.h"
#include "hw/virtio/virtio-pci.h"
#include "util/error.h"

#define TYPE_VHOST_USER_BLK "vhost-user-blk"
#define PCI_CLASS_SCSI      0x0100 /* what disks are to PCI */
#define QUEUES_AUTO         UINT16_MAX
#define CONFIG_SIZE         sizeof(VirtioBlkConfig)

enum { QUEUE_SIZE_MIN = 4, QUEUE_SIZE_MAX = 1024 };

typedef struct VhostUserBlk {
    VirtioDevice parent;
    /* configuration */
    char *chardev;
    uint16_t num_queues, queue_size;
    bool config_wce;
    int32_t boot_index;
    /* wiring */
    CharFrontend fe;
    Vhost *vhost;
    uint16_t queues; /* that it has */
    uint8_t config[CONFIG_SIZE];
    bool fetching, stale; /* it is asked for the configuration, and has another since */
} VhostUserBlk;
OBJECT_CAST_DEFINE(VhostUserBlk, VHOST_USER_BLK, TYPE_VHOST_USER_BLK)

/* ---- configuration ---- */

static void set_config(VhostUserBlk *s, const uint8_t *config)
{
    memcpy(s->config, config, CONFIG_SIZE);
    ((VirtioBlkConfig *)s->config)->num_queues = s->queues;
}

static bool fetch_first(VhostUserBlk *s, GError **errp)
{
    uint8_t config[CONFIG_SIZE];

    if (!vhost_user_get_config(&s->vhost->user, config, CONFIG_SIZE, errp)) {
        return false;
    }
    set_config(s, config);
    return true;
}

static bool fetched(void *opaque, const void *payload, int fd, GError **errp);

/* One that has another again and again is asked once for all that it has not answered. */
static void fetch(VirtioDevice *vdev)
{
    VhostUserBlk *s = VHOST_USER_BLK(vdev);
    g_autoptr(GError) err = NULL;

    s->stale = s->fetching;
    s->fetching = true;
    if (!s->stale && !vhost_user_get_config_later(&s->vhost->user, CONFIG_SIZE, fetched, s, &err)) {
        s->fetching = false;
        error_report("%s: its configuration: %s", vdev->name, err->message);
    }
}

static bool fetched(void *opaque, const void *payload, int fd, GError **errp)
{
    VhostUserBlk *s = opaque;
    const VhostUserConfig *message = payload;
    uint8_t before[CONFIG_SIZE];

    memcpy(before, s->config, CONFIG_SIZE);
    set_config(s, message->bytes);
    s->fetching = false;
    if (memcmp(before, s->config, CONFIG_SIZE) != 0) {
        virtio_config_changed(&s->parent);
    }
    if (s->stale) {
        fetch(&s->parent);
    }
    return true;
}

static void gone(VirtioDevice *vdev)
{
    VHOST_USER_BLK(vdev)->fetching = false;
}

static void blk_config_read(VirtioDevice *vdev, uint8_t *config)
{
    memcpy(config, VHOST_USER_BLK(vdev)->config, CONFIG_SIZE);
}

/* The write cache is all that a driver may change. */
static void blk_config_written(VirtioDevice *vdev, const uint8_t *config, unsigned offset,
                               unsigned size)
{
    VhostUserBlk *s = VHOST_USER_BLK(vdev);
    const unsigned at = offsetof(VirtioBlkConfig, writeback);
    g_autoptr(GError) err = NULL;

    if (!s->config_wce || offset > at || at >= offset + size || !vhost_is_up(s->vhost)) {
        return;
    }
    if (!vhost_user_set_config(&s->vhost->user, at, config + at, 1, &err)) {
        error_report("%s: its write cache: %s", vdev->name, err->message);
        return;
    }
    s->config[at] = config[at];
}

/* ---- without a back-end ---- */

static void fail(VirtioDevice *vdev, VirtQueue *vq)
{
    const uint8_t status = VIRTIO_BLK_S_IOERR;
    VirtqElement *element;

    for (unsigned n = 0; n < vq->size && (element = virtq_pop(vq)); n++) {
        const uint64_t size = element->in_size;

        virtq_push(vq, element, size ? (uint32_t)virtq_write(element, size - 1, &status, 1) : 0);
    }
}

/* ---- life ---- */

static const VhostClass vhost_class = {
    .protocol = 1ull << VHOST_USER_PROTOCOL_F_CONFIG | 1ull << VHOST_USER_PROTOCOL_F_BACKEND_REQ,
    .needed = 1ull << VHOST_USER_PROTOCOL_F_CONFIG,
    .features = UINT64_MAX,
    .came = fetch, /* another program may have another size of the disk */
    .gone = gone,
    .config_changed = fetch,
    .fail = fail,
};

/* Of a mask of what a disk may be. */
static void offer(VhostUserBlk *s)
{
    static const unsigned features[] = {
        VIRTIO_BLK_F_SIZE_MAX, VIRTIO_BLK_F_SEG_MAX,  VIRTIO_BLK_F_GEOMETRY,
        VIRTIO_BLK_F_RO,       VIRTIO_BLK_F_BLK_SIZE, VIRTIO_BLK_F_FLUSH,
        VIRTIO_BLK_F_TOPOLOGY, VIRTIO_BLK_F_DISCARD,  VIRTIO_BLK_F_WRITE_ZEROES,
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(features); i++) {
        virtio_offer(&s->parent, features[i]);
    }
    if (s->config_wce) {
        virtio_offer(&s->parent, VIRTIO_BLK_F_CONFIG_WCE);
    }
    if (s->queues > 1) {
        virtio_offer(&s->parent, VIRTIO_BLK_F_MQ);
    }
}

static bool check_properties(const VhostUserBlk *s, GError **errp)
{
    if (!s->num_queues || (s->num_queues > VIRTIO_MAX_QUEUES && s->num_queues != QUEUES_AUTO)) {
        error_set(errp, "num-queues=%u: there are 1 to %d", s->num_queues, VIRTIO_MAX_QUEUES);
    } else if (s->queue_size < QUEUE_SIZE_MIN || s->queue_size > QUEUE_SIZE_MAX ||
               s->queue_size & (s->queue_size - 1)) {
        error_set(errp, "queue-size=%u: it is a power of two from %d to %d", s->queue_size,
                  QUEUE_SIZE_MIN, QUEUE_SIZE_MAX);
    } else {
        return true;
    }
    return false;
}

static bool choose_queues(VhostUserBlk *s, GError **errp)
{
    const unsigned most = MIN(s->vhost->backend->rings, VIRTIO_MAX_QUEUES);

    if (s->num_queues != QUEUES_AUTO && s->num_queues > most) {
        error_set(errp, "num-queues=%u, and the back-end has %u", s->num_queues, most);
        return false;
    }
    s->queues = s->num_queues != QUEUES_AUTO ? s->num_queues
                                             : (uint16_t)MIN(most, machine_current()->smp.cpus);
    return true;
}

static bool meet(VhostUserBlk *s, GError **errp)
{
    VirtioDevice *vdev = &s->parent;

    s->vhost = vhost_new(vdev, &vhost_class, &s->fe, errp);
    if (!s->vhost || !choose_queues(s, errp) || !fetch_first(s, errp)) {
        return false;
    }
    offer(s);
    for (unsigned i = 0; i < s->queues; i++) {
        virtio_add_queue(vdev, s->queue_size, vhost_handle_queue);
    }
    return vhost_add_rings(s->vhost, s->queues, errp);
}

static void leave(VhostUserBlk *s)
{
    g_clear_pointer(&s->vhost, vhost_free);
    char_detach(&s->fe);
}

static bool blk_realize(VirtioDevice *vdev, GError **errp)
{
    VhostUserBlk *s = VHOST_USER_BLK(vdev);
    Device *card = DEVICE(vdev->parent.bus->parent.parent);

    if (!check_properties(s, errp) || !vhost_attach(&s->fe, s->chardev, errp)) {
        return false;
    }
    if (!meet(s, errp) || !boot_order_add(card, s->boot_index, card, "scsi", "/disk@0,0", errp)) {
        leave(s);
        return false;
    }
    return true;
}

static void blk_unrealize(VirtioDevice *vdev)
{
    boot_order_remove(DEVICE(vdev->parent.bus->parent.parent));
    leave(VHOST_USER_BLK(vdev));
}

static const StateField blk_fields[] = {
    STATE_STRUCT(VhostUserBlk, parent, &virtio_device_state),
    {},
};
static const StateTable blk_state = { .name = "vhost-user-blk",
                                      .version = 1,
                                      .fields = blk_fields };

/* ---- the type ---- */

#define PROP(NAME, KIND, member, initial, text)                                   \
    {                                                                             \
        .name = (NAME), .kind = (KIND), .offset = offsetof(VhostUserBlk, member), \
        .has_default = true, .default_int = (initial), .description = (text)      \
    }

static const Property blk_properties[] = {
    { .name = "chardev",
      .kind = PROP_STRING,
      .offset = offsetof(VhostUserBlk, chardev),
      .description = "a socket, at whose other end the back-end is" },
    PROP("num-queues", PROP_UINT16, num_queues, QUEUES_AUTO,
         "queues; 65535: one a CPU, as far as the back-end has them"),
    PROP("queue-size", PROP_UINT16, queue_size, 128, "entries of each"),
    PROP("config-wce", PROP_BOOL, config_wce, true, "the guest may switch its write cache"),
    PROP("bootindex", PROP_INT32, boot_index, -1, "firmware boots from the lowest one first"),
    { 0 },
};

static const VirtioDeviceClass blk_ops = {
    .device = { VIRTIO_DEVICE_CLASS_BASE, .state = &blk_state, VHOST_DEVICE_CLASS },
    .id = VIRTIO_ID_BLOCK,
    .config_size = CONFIG_SIZE,
    .realize = blk_realize,
    .unrealize = blk_unrealize,
    .config_read = blk_config_read,
    .config_written = blk_config_written,
};

static const ObjectType blk_type = {
    .name = TYPE_VHOST_USER_BLK,
    .parent = TYPE_VIRTIO_DEVICE,
    .description = "a disk of another program",
    .instance_size = sizeof(VhostUserBlk),
    .properties = blk_properties,
    .ops = &blk_ops,
};
OBJECT_TYPE_REGISTER(blk_type)

static const VirtioPciClass blk_pci = VIRTIO_PCI_CLASS("storage", PCI_CLASS_SCSI, 0);
VIRTIO_PCI_TYPES(vub, "vhost-user-blk", TYPE_VHOST_USER_BLK, &blk_pci, "a disk of another program")
