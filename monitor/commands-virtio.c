/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands that show what virtio devices do (qapi/virtio.json). */
#include <inttypes.h>

#include "hw/core/runstate.h"
#include "hw/virtio/vhost-log.h"
#include "hw/virtio/virtio-pci.h"
#include "hw/virtio/virtqueue-look.h"
#include "monitor/virtio-names.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"

#define LEGACY_ALIGN 4096 /* section 2.7.2 */

/* ---- which ---- */

static char *name_of(const VirtioDevice *vdev)
{
    const char *name = virtio_name_of_id(virtio_device_class(vdev)->id);

    return g_strdup(name ? name : object_typename(&vdev->parent.parent));
}

GPtrArray *qmp_x_query_virtio(GError **errp)
{
    g_autoptr(GPtrArray) found = object_list_type(TYPE_VIRTIO_DEVICE);
    GPtrArray *list = VirtioInfo_list_new();

    for (guint i = 0; i < found->len; i++) {
        const VirtioDevice *vdev = VIRTIO_DEVICE(found->pdata[i]);
        char *path = vdev->parent.realized ? object_path(&vdev->parent.parent) : NULL;

        if (path) {
            VirtioInfo *info = g_new0(VirtioInfo, 1);

            info->path = path;
            info->name = name_of(vdev);
            g_ptr_array_add(list, info);
        }
    }
    return list;
}

static VirtioDevice *find_device(const char *path, GError **errp)
{
    Object *obj = object_resolve(path, NULL);

    if (!obj || !object_is_a(obj, TYPE_VIRTIO_DEVICE) || !VIRTIO_DEVICE(obj)->parent.realized) {
        error_set(errp, "there is no virtio device at '%s'; x-query-virtio lists those there are",
                  path);
        return NULL;
    }
    return VIRTIO_DEVICE(obj);
}

static VirtioDevice *find_queue(const char *path, uint16_t queue, GError **errp)
{
    VirtioDevice *vdev = find_device(path, errp);

    if (vdev && (queue >= vdev->queue_count || !virtio_queue(vdev, queue)->max_size)) {
        error_set(errp, "the device '%s' has no queue %u; it has %u, from 0 on", path, queue,
                  vdev->queue_count);
        return NULL;
    }
    return vdev;
}

/* ---- devices ---- */

static VirtioDeviceFeatures *features_of(const VirtioDevice *vdev, uint64_t bits)
{
    VirtioDeviceFeatures *features = g_new0(VirtioDeviceFeatures, 1);

    features->transports = virtio_names_of_transport(&bits);
    features->dev_features = virtio_names_of_features(virtio_device_class(vdev)->id, &bits);
    features->has_unknown_dev_features = bits;
    features->unknown_dev_features = bits;
    return features;
}

/* Does the back-end have rings now? */
static bool is_started(const Vhost *vhost)
{
    return vhost && vhost->running;
}

static VhostStatus *vhost_status(const VirtioDevice *vdev)
{
    const Vhost *vhost = vdev->vhost;
    uint64_t protocol = vhost->kernel ? 0 : vhost->user.protocol;
    VhostStatus *status = g_new0(VhostStatus, 1);

    status->n_mem_sections = vhost->memory.sent ? vhost->memory.sent->len : 0;
    status->nvqs = vhost->ring_count;
    status->features = features_of(vdev, vhost->backend->features);
    status->acked_features = features_of(vdev, vdev->features & vhost->backend->features);
    status->backend_features = features_of(vdev, 0);
    status->protocol_features = g_new0(VhostDeviceProtocols, 1);
    status->protocol_features->protocols = virtio_names_of_protocol(&protocol);
    status->protocol_features->has_unknown_protocols = protocol;
    status->protocol_features->unknown_protocols = protocol;
    status->max_queues = vhost->backend->rings;
    status->log_size = vhost_log_size(vhost);
    status->log_enabled = status->log_size;
    return status;
}

/* The only transport that there is. */
static void add_transport(VirtioStatus *status, const VirtioDevice *vdev)
{
    Object *owner = OBJECT(vdev->parent.bus)->parent;

    if (owner && object_is_a(owner, TYPE_VIRTIO_PCI)) {
        status->isr = VIRTIO_PCI(owner)->isr;
        status->queue_sel = VIRTIO_PCI(owner)->queue_select;
    }
}

VirtioStatus *qmp_x_query_virtio_status(const char *path, GError **errp)
{
    const VirtioDevice *vdev = find_device(path, errp);
    VirtioStatus *status;
    uint8_t bits;

    if (!vdev) {
        return NULL;
    }
    bits = vdev->status;
    status = g_new0(VirtioStatus, 1);
    status->name = name_of(vdev);
    status->device_id = virtio_device_class(vdev)->id;
    status->vhost_started = is_started(vdev->vhost);
    status->device_endian = g_strdup("little");
    status->guest_features = features_of(vdev, vdev->features);
    status->host_features = features_of(vdev, vdev->offered);
    status->backend_features = features_of(vdev, vdev->vhost ? vdev->vhost->backend->features : 0);
    status->num_vqs = vdev->queue_count;
    status->status = g_new0(VirtioDeviceStatus, 1);
    status->status->statuses = virtio_names_of_status(&bits);
    status->status->has_unknown_statuses = bits;
    status->status->unknown_statuses = bits;
    status->vm_running = runstate_is_running();
    status->broken = vdev->status & VIRTIO_STATUS_NEEDS_RESET;
    status->use_started = true;
    status->started = vdev->status & VIRTIO_STATUS_DRIVER_OK;
    status->bus_name = g_strdup(OBJECT(vdev->parent.bus)->name);
    status->use_guest_notifier_mask = true;
    status->vhost_dev = vdev->vhost ? vhost_status(vdev) : NULL;
    add_transport(status, vdev);
    return status;
}

/* ---- queues ---- */

/* Does the back-end have queue @n, so that only it knows how far it is? */
static bool is_given(const VirtioDevice *vdev, unsigned n)
{
    return is_started(vdev->vhost) && n < vdev->vhost->given && vdev->vhost->rings[n].started;
}

VirtQueueStatus *qmp_x_query_virtio_queue_status(const char *path, uint16_t queue, GError **errp)
{
    VirtioDevice *vdev = find_queue(path, queue, errp);
    VirtQueueStatus *status;
    VirtQueue vq;

    if (!vdev) {
        return NULL;
    }
    virtio_enter(vdev);
    vq = *virtio_queue(vdev, queue);
    virtio_leave(vdev);
    status = g_new0(VirtQueueStatus, 1);
    status->name = name_of(vdev);
    status->queue_index = queue;
    status->inuse = vq.in_flight;
    status->vring_num = vq.size;
    status->vring_num_default = vq.max_size;
    status->vring_align = LEGACY_ALIGN;
    status->vring_desc = vq.desc;
    status->vring_avail = vq.driver;
    status->vring_used = vq.device;
    status->has_last_avail_idx = status->has_shadow_avail_idx = !is_given(vdev, queue);
    status->last_avail_idx = status->shadow_avail_idx = vq.avail;
    status->used_idx = vq.used;
    status->signalled_used = (uint16_t)(vq.used - vq.unsaid);
    status->signalled_used_valid = vq.enabled;
    return status;
}

VirtVhostQueueStatus *qmp_x_query_virtio_vhost_queue_status(const char *path, uint16_t queue,
                                                            GError **errp)
{
    VirtioDevice *vdev = find_queue(path, queue, errp);
    VirtVhostQueueStatus *status;
    const VhostRing *ring;
    const VirtQueue *vq;

    if (!vdev) {
        return NULL;
    }
    if (!is_given(vdev, queue)) {
        error_set(errp, "no back-end works on queue %u of the device '%s' now", queue, path);
        return NULL;
    }
    ring = &vdev->vhost->rings[queue];
    vq = virtio_queue(vdev, queue);
    status = g_new0(VirtVhostQueueStatus, 1);
    status->name = name_of(vdev);
    status->kick = virtio_kick_fd(vdev, queue);
    status->call = ring->call_fd;
    status->desc = ring->addr.desc;
    status->avail = ring->addr.avail;
    status->used = ring->addr.used;
    status->num = vq->size;
    status->desc_phys = vq->desc;
    status->avail_phys = vq->driver;
    status->used_phys = vq->device;
    /* Section 2.7: split rings, without what follows for event indices. */
    status->desc_size = 16u * vq->size;
    status->avail_size = vq->features >> VIRTIO_F_RING_PACKED & 1 ? 4 : 4 + 2u * vq->size;
    status->used_size = vq->features >> VIRTIO_F_RING_PACKED & 1 ? 4 : 4 + 8u * vq->size;
    return status;
}

/* ---- buffers ---- */

static VirtioRingDesc *desc_of(const VirtqLookDesc *look)
{
    static const struct {
        uint16_t bit;
        const char *name;
    } names[] = {
        { VIRTQ_LOOK_NEXT, "next" },
        { VIRTQ_LOOK_WRITE, "write" },
        { VIRTQ_LOOK_INDIRECT, "indirect" },
    };
    VirtioRingDesc *desc = g_new0(VirtioRingDesc, 1);

    desc->addr = look->addr;
    desc->len = look->len;
    desc->flags = g_ptr_array_new_with_free_func(g_free);
    for (size_t i = 0; i < G_N_ELEMENTS(names); i++) {
        if (look->flags & names[i].bit) {
            g_ptr_array_add(desc->flags, g_strdup(names[i].name));
        }
    }
    return desc;
}

VirtioQueueElement *qmp_x_query_virtio_queue_element(const char *path, uint16_t queue,
                                                     bool has_index, uint16_t index, GError **errp)
{
    VirtioDevice *vdev = find_queue(path, queue, errp);
    VirtioQueueElement *element;
    VirtqLook look;
    bool ok;

    if (!vdev) {
        return NULL;
    }
    if (is_given(vdev, queue)) {
        error_set(errp, "a back-end works on queue %u of the device '%s': only it knows", queue,
                  path);
        return NULL;
    }
    virtio_enter(vdev);
    ok = virtq_look(virtio_queue(vdev, queue), has_index ? index : virtio_queue(vdev, queue)->avail,
                    &look, errp);
    virtio_leave(vdev);
    if (!ok) {
        return NULL;
    }
    element = g_new0(VirtioQueueElement, 1);
    element->name = name_of(vdev);
    element->index = look.head;
    element->descs = VirtioRingDesc_list_new();
    for (guint i = 0; i < look.descs->len; i++) {
        g_ptr_array_add(element->descs, desc_of(&g_array_index(look.descs, VirtqLookDesc, i)));
    }
    element->avail = g_new0(VirtioRingAvail, 1);
    element->avail->flags = look.avail_flags;
    element->avail->idx = look.avail_idx;
    element->avail->ring = look.head;
    element->used = g_new0(VirtioRingUsed, 1);
    element->used->flags = look.used_flags;
    element->used->idx = look.used_idx;
    virtq_look_clear(&look);
    return element;
}
