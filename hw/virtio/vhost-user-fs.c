/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vhost-user-fs: a folder of the host that another program shows the guest, such as virtiofsd
 * (Virtio 1.2, section 5.11). What the program knows of the guest's open files is its own: neither
 * another back-end nor another machine can go on with it.
 */
#include <string.h>

#include "hw/core/boot-order.h"
#include "hw/virtio/vhost.h"
#include "hw/virtio/virtio-pci.h"
#include "util/error.h"

#define TYPE_VHOST_USER_FS "vhost-user-fs-device"
#define TAG_SIZE           36
#define PCI_CLASS_OTHER    0x0180

enum { QUEUE_SIZE_MIN = 4, QUEUE_SIZE_MAX = 1024 };

typedef struct VhostUserFs {
    VirtioDevice parent;
    /* configuration */
    char *chardev, *tag;
    uint16_t num_request_queues, queue_size;
    int32_t boot_index;
    /* wiring */
    CharFrontend fe;
    Vhost *vhost;
} VhostUserFs;
OBJECT_CAST_DEFINE(VhostUserFs, VHOST_USER_FS, TYPE_VHOST_USER_FS)

/* What begins each request of FUSE, and each answer. */
typedef struct FuseRequest {
    uint32_t len, opcode;
    uint64_t unique;
} FuseRequest;
typedef struct FuseAnswer {
    uint32_t len;
    int32_t error;
    uint64_t unique;
} FuseAnswer;
#define FUSE_ENOTCONN (-107) /* Linux's number, whatever the guest is */

static void fs_config_read(VirtioDevice *vdev, uint8_t *config)
{
    const VhostUserFs *s = VHOST_USER_FS(vdev);
    const uint32_t queues = s->num_request_queues;

    memcpy(config, s->tag, strlen(s->tag));
    memcpy(config + TAG_SIZE, &queues, sizeof(queues));
}

static void fail(VirtioDevice *vdev, VirtQueue *vq)
{
    VirtqElement *element;

    for (unsigned n = 0; n < vq->size && (element = virtq_pop(vq)); n++) {
        FuseRequest request = { 0 };
        FuseAnswer answer = { sizeof(answer), FUSE_ENOTCONN, 0 };

        virtq_read(element, 0, &request, sizeof(request));
        answer.unique = request.unique;
        virtq_push(vq, element, (uint32_t)virtq_write(element, 0, &answer, sizeof(answer)));
    }
}

static const VhostClass vhost_class = { .features = UINT64_MAX, .fail = fail };

static bool check_properties(const VhostUserFs *s, GError **errp)
{
    if (!s->tag || !*s->tag || strlen(s->tag) > TAG_SIZE) {
        error_set(errp, "tag=%s: the name by which the guest mounts it has 1 to %d bytes",
                  s->tag ? s->tag : "", TAG_SIZE);
    } else if (!s->num_request_queues || s->num_request_queues >= VIRTIO_MAX_QUEUES) {
        error_set(errp, "num-request-queues=%u: there are 1 to %d", s->num_request_queues,
                  VIRTIO_MAX_QUEUES - 1);
    } else if (s->queue_size < QUEUE_SIZE_MIN || s->queue_size > QUEUE_SIZE_MAX ||
               s->queue_size & (s->queue_size - 1)) {
        error_set(errp, "queue-size=%u: it is a power of two from %d to %d", s->queue_size,
                  QUEUE_SIZE_MIN, QUEUE_SIZE_MAX);
    } else {
        return true;
    }
    return false;
}

static bool meet(VhostUserFs *s, GError **errp)
{
    const unsigned queues = s->num_request_queues + 1u; /* one for what is urgent */

    s->vhost = vhost_new(&s->parent, &vhost_class, &s->fe, errp);
    if (!s->vhost) {
        return false;
    }
    if (queues > s->vhost->backend->rings) {
        error_set(errp, "num-request-queues=%u, and the back-end has %u, and one that is urgent",
                  s->num_request_queues, s->vhost->backend->rings - 1);
        return false;
    }
    for (unsigned i = 0; i < queues; i++) {
        virtio_add_queue(&s->parent, s->queue_size, vhost_handle_queue);
    }
    return vhost_add_rings(s->vhost, queues, errp);
}

static void leave(VhostUserFs *s)
{
    g_clear_pointer(&s->vhost, vhost_free);
    char_detach(&s->fe);
}

static bool fs_realize(VirtioDevice *vdev, GError **errp)
{
    VhostUserFs *s = VHOST_USER_FS(vdev);
    Device *card = DEVICE(vdev->parent.bus->parent.parent);

    if (!check_properties(s, errp) || !vhost_attach(&s->fe, s->chardev, errp)) {
        return false;
    }
    if (!meet(s, errp) ||
        !boot_order_add(card, s->boot_index, card, "pci1af4,105a", "/filesystem@0", errp)) {
        leave(s);
        return false;
    }
    return true;
}

static void fs_unrealize(VirtioDevice *vdev)
{
    boot_order_remove(DEVICE(vdev->parent.bus->parent.parent));
    leave(VHOST_USER_FS(vdev));
}

static const StateField fs_fields[] = {
    STATE_STRUCT(VhostUserFs, parent, &virtio_device_state),
    {},
};
static const StateTable fs_state = { .name = "vhost-user-fs", .version = 1, .fields = fs_fields };

#define PROP(NAME, KIND, member, text)                                           \
    {                                                                            \
        .name = (NAME), .kind = (KIND), .offset = offsetof(VhostUserFs, member), \
        .description = (text)                                                    \
    }
#define PROP_NUMBER(NAME, member, initial, text)                                      \
    {                                                                                 \
        .name = (NAME), .kind = PROP_UINT16, .offset = offsetof(VhostUserFs, member), \
        .has_default = true, .default_int = (initial), .description = (text)          \
    }

static const Property fs_properties[] = {
    PROP("chardev", PROP_STRING, chardev, "a socket, at whose other end the back-end is"),
    PROP("tag", PROP_STRING, tag, "the name by which the guest mounts it"),
    PROP_NUMBER("num-request-queues", num_request_queues, 1, "queues for requests"),
    PROP_NUMBER("queue-size", queue_size, 128, "entries of each"),
    { .name = "bootindex",
      .kind = PROP_INT32,
      .offset = offsetof(VhostUserFs, boot_index),
      .has_default = true,
      .default_int = -1,
      .description = "firmware boots from the lowest one first" },
    { 0 },
};

static bool fs_check_migrate(const Device *dev, GError **errp)
{
    error_set(errp,
              "what its back-end knows of the guest's open files cannot go along: unmount it, "
              "and take it away by device_del first");
    return false;
}

static const VirtioDeviceClass fs_ops = {
    .device = { VIRTIO_DEVICE_CLASS_BASE, .state = &fs_state, .check_migrate = fs_check_migrate },
    .id = VIRTIO_ID_FS,
    .config_size = TAG_SIZE + sizeof(uint32_t),
    .realize = fs_realize,
    .unrealize = fs_unrealize,
    .config_read = fs_config_read,
};

static const ObjectType fs_type = {
    .name = TYPE_VHOST_USER_FS,
    .parent = TYPE_VIRTIO_DEVICE,
    .description = "a folder that another program shows the guest",
    .instance_size = sizeof(VhostUserFs),
    .properties = fs_properties,
    .ops = &fs_ops,
};
OBJECT_TYPE_REGISTER(fs_type)

static const VirtioPciClass fs_pci = VIRTIO_PCI_CLASS("storage", PCI_CLASS_OTHER, 0);
VIRTIO_PCI_MODERN_TYPE(vuf, "vhost-user-fs", TYPE_VHOST_USER_FS, &fs_pci,
                       "a folder that another program shows the guest")
