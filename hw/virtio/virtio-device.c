/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/virtio/virtio-device.h"

#include <inttypes.h>
#include <string.h>

#include "hw/core/runstate.h"
#include "hw/virtio/vhost.h"
#include "hw/virtio/virtio-loop.h"
#include "util/error.h"
#include "util/log.h"
#include "util/loop.h"
#include "util/trace.h"

static const VirtioBus *bus_of(const VirtioDevice *vdev)
{
    return VIRTIO_BUS(vdev->parent.bus);
}

/* ---- for devices ---- */

void virtio_offer(VirtioDevice *vdev, unsigned bit)
{
    vdev->offered |= 1ull << bit;
}

VirtQueue *virtio_add_queue(VirtioDevice *vdev, uint16_t size, VirtioQueueFn *handle)
{
    VirtioQueue *queue;

    g_assert(vdev->queue_count < VIRTIO_MAX_QUEUES);
    vdev->queues = g_renew(VirtioQueue, vdev->queues, vdev->queue_count + 1);
    queue = &vdev->queues[vdev->queue_count++];
    *queue =
        (VirtioQueue){ .vector = VIRTIO_NO_VECTOR, .handle = handle, .kick_fd = -1, .call_fd = -1 };
    virtq_init(&queue->ring, size, &vdev->dma, vdev->name);
    return &queue->ring;
}

unsigned virtio_queue_number(const VirtioDevice *vdev, const VirtQueue *vq)
{
    return (unsigned)((const VirtioQueue *)vq - vdev->queues);
}

bool virtio_device_runs(const VirtioDevice *vdev)
{
    const VirtioBus *bus = bus_of(vdev);

    return vdev->status & VIRTIO_STATUS_DRIVER_OK && !(vdev->status & VIRTIO_STATUS_NEEDS_RESET) &&
           runstate_is_running() && bus->transport->can_dma(bus->opaque);
}

/* Whoever runs the queues in place of the main loop does so from now on if the device runs, else
 * not; or does not, whatever its state. */
static void update_queues(VirtioDevice *vdev)
{
    virtio_loop_update(vdev);
    vhost_update(vdev->vhost);
}

static void pause_queues(VirtioDevice *vdev)
{
    virtio_loop_pause(vdev);
    vhost_pause(vdev->vhost);
}

void virtio_needs_reset(VirtioDevice *vdev, const char *why)
{
    const VirtioBus *bus = bus_of(vdev);

    if (vdev->status & VIRTIO_STATUS_NEEDS_RESET) {
        return;
    }
    if (log_enabled(LOG_GUEST_ERROR)) {
        log_printf("%s needs a reset: %s\n", vdev->name, why);
    }
    vdev->status |= VIRTIO_STATUS_NEEDS_RESET;
    pause_queues(vdev);
    if (vdev->status & VIRTIO_STATUS_DRIVER_OK) { /* section 2.1.2 */
        bus->transport->config_interrupt(bus->opaque);
    }
}

/* False: it is broken, and the driver knows. */
static bool check_queue(VirtioDevice *vdev, const VirtQueue *vq)
{
    const char *error;

    virtio_enter(vdev);
    error = virtq_error(vq);
    virtio_leave(vdev);
    if (error) {
        g_autofree char *why =
            g_strdup_printf("virtqueue %u: %s", virtio_queue_number(vdev, vq), error);
        virtio_needs_reset(vdev, why);
        return false;
    }
    return true;
}

void virtio_notify(VirtioDevice *vdev, VirtQueue *vq)
{
    const VirtioBus *bus = bus_of(vdev);
    bool notify;

    if (virtio_loop_notify(vdev, (VirtioQueue *)vq)) {
        return;
    }
    notify = virtq_should_notify(vq);
    if (check_queue(vdev, vq) && notify) {
        bus->transport->queue_interrupt(bus->opaque, virtio_queue_number(vdev, vq));
    }
}

void virtio_config_changed(VirtioDevice *vdev)
{
    const VirtioBus *bus = bus_of(vdev);

    vdev->generation++;
    if (vdev->status & VIRTIO_STATUS_DRIVER_OK) {
        bus->transport->config_interrupt(bus->opaque);
    }
}

/* ---- queues ---- */

static void run_queue(VirtioDevice *vdev, unsigned n)
{
    VirtioQueue *queue = &vdev->queues[n];

    if (virtio_device_runs(vdev) && queue->ring.enabled && check_queue(vdev, &queue->ring) &&
        !virtio_loop_kick(queue)) {
        queue->handle(vdev, &queue->ring);
        check_queue(vdev, &queue->ring);
    }
}

void virtio_run_queues(VirtioDevice *vdev)
{
    update_queues(vdev);
    for (unsigned n = 0; n < vdev->queue_count; n++) {
        run_queue(vdev, n);
    }
}

void virtio_transport_changed(VirtioDevice *vdev)
{
    update_queues(vdev);
}

void virtio_driver_notified(VirtioDevice *vdev, unsigned n)
{
    run_queue(vdev, n);
}

static void stop_again(VirtioDevice *vdev)
{
    if (vdev->again) {
        g_source_destroy(vdev->again);
        g_clear_pointer(&vdev->again, g_source_unref);
    }
}

static gboolean run_again(gpointer opaque)
{
    VirtioDevice *vdev = opaque;
    size_t words = (vdev->queue_count + 63) / 64;
    g_autofree uint64_t *asked = g_memdup2(vdev->again_for, words * sizeof(uint64_t));

    stop_again(vdev);
    memset(vdev->again_for, 0, words * sizeof(uint64_t));
    for (unsigned n = 0; n < vdev->queue_count; n++) {
        if (asked[n / 64] >> n % 64 & 1) {
            run_queue(vdev, n);
        }
    }
    return G_SOURCE_REMOVE;
}

void virtio_queue_again(VirtioDevice *vdev, VirtQueue *vq)
{
    unsigned n = virtio_queue_number(vdev, vq);

    if (virtio_loop_kick(&vdev->queues[n])) {
        return;
    }
    vdev->again_for[n / 64] |= 1ull << n % 64;
    if (!vdev->again) {
        vdev->again = g_idle_source_new();
        g_source_set_priority(vdev->again, G_PRIORITY_DEFAULT);
        g_source_set_callback(vdev->again, run_again, vdev, NULL);
        loop_attach(loop_main(), vdev->again);
    }
}

/* ---- what the driver does ---- */

/* Only with a driver that knows of it does an IOMMU translate: others have physical addresses. */
static void update_dma(VirtioDevice *vdev)
{
    const DmaSpace *space = bus_of(vdev)->transport->dma(bus_of(vdev)->opaque);
    bool translated = vdev->iommu_platform && virtio_has(vdev, VIRTIO_F_ACCESS_PLATFORM);

    vdev->dma = (DmaSpace){ .as = space->as, .iommu = translated ? space->iommu : NULL };
}

void virtio_accept_features(VirtioDevice *vdev, uint64_t features)
{
    if (!(vdev->status & VIRTIO_STATUS_FEATURES_OK)) {
        virtio_enter(vdev);
        vdev->features = features;
        update_dma(vdev);
        virtio_leave(vdev);
    }
}

/* Legacy drivers know no FEATURES_OK, and take some of what is offered or nothing. */
static bool features_fit(const VirtioDevice *vdev)
{
    return !(vdev->features & ~virtio_modern_features(vdev)) && !(vdev->needed & ~vdev->features) &&
           virtio_has(vdev, VIRTIO_F_VERSION_1);
}

void virtio_write_status(VirtioDevice *vdev, uint8_t status)
{
    uint8_t before = vdev->status;

    trace(TRACE_VIRTIO_STATUS, "%s status 0x%02x", vdev->name, status);
    if (!status) {
        virtio_device_reset(&vdev->parent);
        return;
    }
    if (status & VIRTIO_STATUS_FEATURES_OK && !(before & VIRTIO_STATUS_FEATURES_OK) &&
        !features_fit(vdev)) {
        status &= ~VIRTIO_STATUS_FEATURES_OK; /* the driver reads it back: section 3.1.1 */
    }
    vdev->status = status | (before & VIRTIO_STATUS_NEEDS_RESET);
    if (virtio_device_class(vdev)->status_written) {
        virtio_device_class(vdev)->status_written(vdev, before);
    }
    if (!(before & VIRTIO_STATUS_DRIVER_OK)) {
        virtio_run_queues(vdev);
    } else {
        update_queues(vdev); /* it may have taken that back */
    }
}

void virtio_enable_queue(VirtioDevice *vdev, unsigned n)
{
    VirtQueue *vq = virtio_queue(vdev, n);

    if (!vq->enabled) {
        virtio_enter(vdev);
        virtq_enable(vq, vdev->features & vdev->offered);
        virtio_leave(vdev);
        check_queue(vdev, vq);
        vhost_update(vdev->vhost);
        run_queue(vdev, n);
    }
}

void virtio_reset_queue(VirtioDevice *vdev, unsigned n)
{
    VirtioQueue *queue = &vdev->queues[n];

    virtio_loop_pause_queue(vdev, queue, true);
    if (virtio_device_class(vdev)->queue_reset) {
        virtio_device_class(vdev)->queue_reset(vdev, &queue->ring);
    }
    virtio_enter(vdev);
    virtq_reset(&queue->ring);
    queue->call = queue->resetting = false;
    queue->call_fd = -1;
    virtio_leave(vdev);
    queue->vector = VIRTIO_NO_VECTOR;
}

uint32_t virtio_config_load(VirtioDevice *vdev, unsigned offset, unsigned size)
{
    const VirtioDeviceClass *class = virtio_device_class(vdev);
    uint8_t config[VIRTIO_MAX_CONFIG] = { 0 };
    uint32_t value = 0;

    if (offset + size > class->config_size) {
        return UINT32_MAX >> (32 - 8 * size);
    }
    if (class->config_read) {
        class->config_read(vdev, config);
    }
    memcpy(&value, config + offset, size);
    return value;
}

void virtio_config_store(VirtioDevice *vdev, unsigned offset, uint32_t value, unsigned size)
{
    const VirtioDeviceClass *class = virtio_device_class(vdev);
    uint8_t config[VIRTIO_MAX_CONFIG] = { 0 };

    if (offset + size > class->config_size || !class->config_written) {
        return;
    }
    class->config_read(vdev, config);
    memcpy(config + offset, &value, size);
    virtio_enter(vdev);
    class->config_written(vdev, config, offset, size);
    virtio_leave(vdev);
}

/* ---- the life of a device ---- */

void virtio_device_reset(Device *dev)
{
    VirtioDevice *vdev = VIRTIO_DEVICE(dev);
    const VirtioBus *bus = bus_of(vdev);

    stop_again(vdev);
    memset(vdev->again_for, 0, (vdev->queue_count + 63) / 64 * sizeof(uint64_t));
    pause_queues(vdev);
    for (unsigned n = 0; n < vdev->queue_count; n++) {
        virtio_reset_queue(vdev, n);
    }
    vdev->status = 0;
    virtio_enter(vdev);
    vdev->features = 0;
    update_dma(vdev);
    virtio_leave(vdev);
    vhost_reset(vdev->vhost);
    if (virtio_device_class(vdev)->reset) {
        virtio_device_class(vdev)->reset(vdev);
    }
    bus->transport->device_reset(bus->opaque);
}

static void run_all(void *opaque)
{
    virtio_run_queues(opaque);
}

static void stop_all(void *opaque)
{
    VirtioDevice *vdev = opaque;

    pause_queues(vdev);
    if (virtio_device_class(vdev)->stopped) {
        virtio_device_class(vdev)->stopped(vdev);
    }
    virtio_loop_flush(vdev);
    vhost_flush(vdev->vhost);
}

static void offer_common(VirtioDevice *vdev)
{
    const struct {
        bool on;
        unsigned bit;
    } features[] = {
        { true, VIRTIO_F_VERSION_1 },
        { vdev->event_idx, VIRTIO_RING_F_EVENT_IDX },
        { vdev->indirect_desc, VIRTIO_RING_F_INDIRECT_DESC },
        { vdev->packed, VIRTIO_F_RING_PACKED },
        { vdev->queue_reset, VIRTIO_F_RING_RESET },
        { vdev->any_layout, VIRTIO_F_ANY_LAYOUT },
        { vdev->iommu_platform, VIRTIO_F_ACCESS_PLATFORM },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(features); i++) {
        if (features[i].on) {
            virtio_offer(vdev, features[i].bit);
        }
    }
}

static void free_queues(VirtioDevice *vdev)
{
    g_clear_pointer(&vdev->queues, g_free);
    g_clear_pointer(&vdev->again_for, g_free);
    vdev->queue_count = 0;
    vdev->loop = NULL;
    vdev->offered = vdev->needed = 0;
    g_clear_pointer(&vdev->name, g_free);
}

bool virtio_check_iommu(const VirtioDevice *vdev, GError **errp)
{
    if (vdev->vhost && vdev->iommu_platform) {
        error_set(errp,
                  "%s is done by vhost, which is told of no IOMMU's translations: leave "
                  "iommu_platform=on out, or the IOMMU",
                  vdev->name);
        return false;
    }
    return true;
}

static bool check_iommu(Device *dev, void *errp)
{
    return !object_is_a(OBJECT(dev), TYPE_VIRTIO_DEVICE) ||
           virtio_check_iommu(VIRTIO_DEVICE(dev), errp);
}

bool virtio_check_iommu_all(GError **errp)
{
    return devices_foreach(check_iommu, errp);
}

bool virtio_device_realize(Device *dev, GError **errp)
{
    VirtioDevice *vdev = VIRTIO_DEVICE(dev);
    const Device *owner = DEVICE(dev->bus->parent.parent);

    vdev->name = device_describe(owner);
    update_dma(vdev);
    offer_common(vdev);
    if (!virtio_device_class(vdev)->realize(vdev, errp)) {
        free_queues(vdev);
        return false;
    }
    if (!virtio_loop_start(vdev, errp)) {
        if (virtio_device_class(vdev)->unrealize) {
            virtio_device_class(vdev)->unrealize(vdev);
        }
        free_queues(vdev);
        return false;
    }
    vdev->again_for = g_new0(uint64_t, (vdev->queue_count + 63) / 64);
    runstate_add_start(run_all, vdev);
    runstate_add_stop(stop_all, vdev);
    return true;
}

void virtio_device_unrealize(Device *dev)
{
    VirtioDevice *vdev = VIRTIO_DEVICE(dev);

    runstate_remove_start(run_all, vdev);
    runstate_remove_stop(stop_all, vdev);
    virtio_device_reset(dev);
    virtio_loop_end(vdev);
    if (virtio_device_class(vdev)->unrealize) {
        virtio_device_class(vdev)->unrealize(vdev);
    }
    free_queues(vdev);
}

/* ---- state ---- */

static const StateField queue_fields[] = {
    STATE_STRUCT(VirtioQueue, ring, &virtqueue_state),
    STATE_UINT(VirtioQueue, vector),
    {},
};
static const StateTable queue_state = { .name = "virtio-queue",
                                        .version = 1,
                                        .fields = queue_fields };

static bool device_loaded(void *obj, GError **errp)
{
    VirtioDevice *vdev = obj;
    uint64_t more = vdev->features & ~vdev->offered;

    if (more && vdev->status & (VIRTIO_STATUS_FEATURES_OK | VIRTIO_STATUS_DRIVER_OK)) {
        error_set(errp,
                  "the driver has accepted features 0x%" PRIx64 " that this device does not offer: "
                  "its properties must be the same",
                  more);
        return false;
    }
    update_dma(vdev);
    return true;
}

static const StateField device_fields[] = {
    STATE_UINT(VirtioDevice, status),
    STATE_UINT(VirtioDevice, features),
    STATE_UINT(VirtioDevice, generation),
    STATE_ARRAY(VirtioDevice, queues, queue_count, &queue_state),
    {},
};
const StateTable virtio_device_state = {
    .name = "virtio-device", .version = 1, .fields = device_fields, .post_load = device_loaded
};

/* ---- the types ---- */

#define FLAG(NAME, member, initial, text)                                            \
    {                                                                                \
        .name = (NAME), .kind = PROP_BOOL, .offset = offsetof(VirtioDevice, member), \
        .has_default = true, .default_int = (initial), .description = (text)         \
    }

static const Property device_properties[] = {
    FLAG("event_idx", event_idx, true, "offer notifications by index (VIRTIO_F_EVENT_IDX)"),
    FLAG("indirect_desc", indirect_desc, true, "offer tables of descriptors"),
    FLAG("packed", packed, false, "offer packed rings"),
    FLAG("queue_reset", queue_reset, true, "offer the reset of single queues"),
    FLAG("any_layout", any_layout, true, "tell legacy drivers that buffers may be parted anyhow"),
    FLAG("iommu_platform", iommu_platform, false,
         "the guest translates addresses as for other devices (VIRTIO_F_ACCESS_PLATFORM)"),
    { 0 },
};

static const ObjectType device_type = {
    .name = TYPE_VIRTIO_DEVICE,
    .parent = TYPE_DEVICE,
    .description = "a virtio device, without its transport",
    .instance_size = sizeof(VirtioDevice),
    .abstract = true,
    .properties = device_properties,
};
OBJECT_TYPE_REGISTER(device_type)

VirtioBus *virtio_bus_new(Object *owner, const VirtioTransport *transport, void *opaque)
{
    VirtioBus *bus = VIRTIO_BUS(bus_new(TYPE_VIRTIO_BUS, "virtio-bus", owner, NULL));

    bus->transport = transport;
    bus->opaque = opaque;
    return bus;
}

static const BusClass bus_class_table = { .internal = true };

static const ObjectType virtio_bus_type = {
    .name = TYPE_VIRTIO_BUS,
    .parent = TYPE_BUS,
    .description = "between a transport and its virtio device",
    .instance_size = sizeof(VirtioBus),
    .ops = &bus_class_table,
};
OBJECT_TYPE_REGISTER(virtio_bus_type)
