/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-9p: a folder of the host for the guest (Virtio 1.2, device ID 9; 9P2000.L in its one
 * queue). The queue runs on a thread of its own, and the files of the host are worked with while
 * that thread has nothing locked. Who must not have it at work any more waits until the message
 * that is under way has ended.
 */
#include <string.h>

#include "fsdev/fsdev.h"
#include "fsdev/p9-server.h"
#include "hw/core/save-check.h"
#include "hw/virtio/virtio-pci.h"
#include "util/error.h"

#define TYPE_VIRTIO_9P "virtio-9p-device"
#define QUEUE_SIZE     128
#define MAX_TAG        31 /* characters */

enum { VIRTIO_9P_F_MOUNT_TAG = 0 };

typedef struct Config {
    uint16_t tag_len;
    char tag[MAX_TAG + 1]; /* no NUL needed */
} Config;

typedef struct Virtio9p {
    VirtioDevice parent;
    /* configuration */
    char *fsdev;     /* the id of one */
    char *mount_tag; /* what the guest calls it */
    /* wiring */
    FsDev *dev; /* of that id */
    Loop *loop;
    P9Server *server; /* the loop's, while it is busy or may become so; else main thread's */
    bool busy;        /* with a message. Device's lock */
    GCond idle;       /* it is not. Device's lock */
} Virtio9p;
OBJECT_CAST_DEFINE(Virtio9p, VIRTIO_9P, TYPE_VIRTIO_9P)

/* ---- messages: the loop ---- */

static bool is_wanted(const VirtioDevice *vdev, const VirtQueue *vq)
{
    return vdev->live && !((const VirtioQueue *)vq)->resetting;
}

static void to_iov(const DmaHold *holds, unsigned count, struct iovec *iov)
{
    for (unsigned i = 0; i < count; i++) {
        iov[i] = (struct iovec){ holds[i].host, holds[i].size };
    }
}

/* Its memory is held, so it can be used without the lock. */
static size_t carry_out(Virtio9p *s, const VirtqElement *element)
{
    g_autofree struct iovec *iov = g_new(struct iovec, element->out_num + element->in_num);
    size_t used;

    to_iov(element->out, element->out_num, iov);
    to_iov(element->in, element->in_num, iov + element->out_num);
    s->busy = true;
    virtio_leave(&s->parent);
    used =
        p9_server_handle(s->server, iov, element->out_num, iov + element->out_num, element->in_num);
    virtio_enter(&s->parent);
    s->busy = false;
    g_cond_broadcast(&s->idle);
    return used;
}

static void serve(Virtio9p *s, VirtQueue *vq, VirtqElement *element)
{
    size_t used;

    if (element->out_size < P9_HEADER_BYTES || element->in_size < P9_ERROR_BYTES) {
        virtq_drop(vq, element);
        virtq_break(vq, "a buffer is too small for a message of 9P, or for its answer");
        return;
    }
    used = carry_out(s, element);
    if (((VirtioQueue *)vq)->resetting) {
        virtq_drop(vq, element);
    } else {
        virtq_push(vq, element, (uint32_t)used);
        virtio_notify(&s->parent, vq);
    }
}

static void handle_messages(VirtioDevice *vdev, VirtQueue *vq)
{
    Virtio9p *s = VIRTIO_9P(vdev);
    VirtqElement *element;

    do {
        virtq_set_notification(vq, false);
        while (is_wanted(vdev, vq) && (element = virtq_pop(vq))) {
            serve(s, vq, element);
        }
    } while (is_wanted(vdev, vq) && virtq_set_notification(vq, true));
}

/* ---- the main thread ---- */

static void wait_idle(VirtioDevice *vdev)
{
    Virtio9p *s = VIRTIO_9P(vdev);

    virtio_enter(vdev);
    while (s->busy) {
        g_cond_wait(&s->idle, &vdev->lock);
    }
    virtio_leave(vdev);
}

static void p9_queue_reset(VirtioDevice *vdev, VirtQueue *vq)
{
    wait_idle(vdev);
}

static void p9_reset(VirtioDevice *vdev)
{
    p9_server_reset(VIRTIO_9P(vdev)->server);
}

static void config_read(VirtioDevice *vdev, uint8_t *bytes)
{
    const Virtio9p *s = VIRTIO_9P(vdev);
    Config config = { .tag_len = (uint16_t)strlen(s->mount_tag) };

    memcpy(config.tag, s->mount_tag, config.tag_len);
    memcpy(bytes, &config, sizeof(config));
}

/* What the guest has open are files of this host. */
static bool check_save(void *opaque, GError **errp)
{
    const Virtio9p *s = opaque;

    if (!p9_server_mounted(s->server)) {
        return true;
    }
    error_set(errp,
              "the guest has mounted '%s', the folder %s of this host: unmount it there first",
              s->mount_tag, s->dev->path);
    return false;
}

/* ---- life ---- */

static bool check_properties(Virtio9p *s, GError **errp)
{
    s->dev = s->fsdev ? fsdev_find(s->fsdev) : NULL;
    if (!s->dev) {
        error_set(errp, "fsdev=%s: it must be the id of an -fsdev", s->fsdev ? s->fsdev : "");
        return false;
    }
    if (!s->mount_tag || !*s->mount_tag || strlen(s->mount_tag) > MAX_TAG) {
        error_set(errp, "mount_tag=%s: it must have 1 to %d characters",
                  s->mount_tag ? s->mount_tag : "", MAX_TAG);
        return false;
    }
    return true;
}

static bool p9_realize(VirtioDevice *vdev, GError **errp)
{
    Virtio9p *s = VIRTIO_9P(vdev);

    if (!check_properties(s, errp)) {
        return false;
    }
    s->server = p9_server_new(s->dev, errp);
    s->loop = s->server ? loop_new("9p", errp) : NULL;
    if (!s->loop) {
        g_clear_pointer(&s->server, p9_server_free);
        return false;
    }
    g_cond_init(&s->idle);
    save_check_add(check_save, s);
    virtio_use_loop(vdev, s->loop);
    virtio_offer(vdev, VIRTIO_9P_F_MOUNT_TAG);
    virtio_add_queue(vdev, QUEUE_SIZE, handle_messages);
    return true;
}

static void p9_unrealize(VirtioDevice *vdev)
{
    Virtio9p *s = VIRTIO_9P(vdev);

    g_clear_pointer(&s->loop, loop_free);
    g_clear_pointer(&s->server, p9_server_free);
    g_cond_clear(&s->idle);
    save_check_remove(check_save, s);
}

static const StateField p9_fields[] = {
    STATE_STRUCT(Virtio9p, parent, &virtio_device_state),
    {},
};
static const StateTable p9_state = { .name = "virtio-9p", .version = 1, .fields = p9_fields };

static const Property p9_properties[] = {
    { .name = "fsdev",
      .kind = PROP_STRING,
      .offset = offsetof(Virtio9p, fsdev),
      .description = "the folder: the id of an -fsdev" },
    { .name = "mount_tag",
      .kind = PROP_STRING,
      .offset = offsetof(Virtio9p, mount_tag),
      .description = "what the guest calls it, up to 31 characters" },
    { 0 },
};

static const VirtioDeviceClass p9_class = {
    .device = { VIRTIO_DEVICE_CLASS_BASE, .state = &p9_state },
    .id = VIRTIO_ID_9P,
    .config_size = sizeof(Config),
    .realize = p9_realize,
    .unrealize = p9_unrealize,
    .queue_reset = p9_queue_reset,
    .reset = p9_reset,
    .stopped = wait_idle,
    .config_read = config_read,
};

static const ObjectType p9_type = {
    .name = TYPE_VIRTIO_9P,
    .parent = TYPE_VIRTIO_DEVICE,
    .description = "a folder of the host for the guest",
    .instance_size = sizeof(Virtio9p),
    .properties = p9_properties,
    .ops = &p9_class,
};
OBJECT_TYPE_REGISTER(p9_type)

static const VirtioPciClass p9_pci = VIRTIO_PCI_CLASS("storage", 0x0002, 2);
VIRTIO_PCI_TYPES(p9, "virtio-9p", TYPE_VIRTIO_9P, &p9_pci, "a folder of the host for the guest")
