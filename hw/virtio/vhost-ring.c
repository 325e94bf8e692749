/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/virtio/vhost-ring.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "hw/virtio/vhost-log.h"
#include "util/error.h"
#include "util/loop.h"
#include "util/shared-event.h"

/* Of what a split ring's driver reads (Virtio 1.2, section 2.7.8). */
#define USED_INDEX 2

/* ---- where rings are ---- */

static bool is_packed(const Vhost *vhost)
{
    return virtio_has(vhost->vdev, VIRTIO_F_RING_PACKED);
}

/* Our addresses of the parts of ring @n; false: one of them is nowhere. */
static bool find_ring(Vhost *vhost, unsigned n, VhostRingAddr *addr)
{
    const VirtQueue *vq = virtio_queue(vhost->vdev, n);
    const bool packed = is_packed(vhost);
    const DmaSpace *space = &vhost->vdev->dma;
    const uint64_t size = vq->size;
    const void *desc = dma_host(space, vq->desc, 16 * size, packed);
    const void *driver = dma_host(space, vq->driver, packed ? 4 : 6 + 2 * size, false);
    const void *device = dma_host(space, vq->device, packed ? 4 : 6 + 8 * size, true);

    *addr = (VhostRingAddr){
        .index = n, .desc = (uintptr_t)desc, .avail = (uintptr_t)driver, .used = (uintptr_t)device
    };
    if (vhost->log) {
        addr->flags = VHOST_RING_LOGGED;
        addr->log = vq->device;
    }
    return desc && driver && device;
}

bool vhost_ring_is_mapped(Vhost *vhost, unsigned n)
{
    const VhostRing *ring = &vhost->rings[n];
    VhostRingAddr addr;

    return find_ring(vhost, n, &addr) && addr.desc == ring->addr.desc &&
           addr.avail == ring->addr.avail && addr.used == ring->addr.used;
}

/* How far it is, as the protocol has it. */
static uint32_t base_of(const Vhost *vhost, const VirtQueue *vq)
{
    return is_packed(vhost) ? (uint32_t)(vq->avail | vq->avail_wrap << 15) |
                                  (uint32_t)(vq->used | vq->used_wrap << 15) << 16
                            : vq->avail;
}

static bool read_used(Vhost *vhost, const VirtQueue *vq, uint16_t *index)
{
    return dma_read_ram(&vhost->vdev->dma, vq->device + USED_INDEX, index, sizeof(*index));
}

static void set_base(Vhost *vhost, VirtQueue *vq, uint32_t base)
{
    if (is_packed(vhost)) {
        vq->avail = base & 0x7fff;
        vq->avail_wrap = base >> 15 & 1;
        vq->used = base >> 16 & 0x7fff;
        vq->used_wrap = base >> 31;
        if (vq->avail >= vq->size || vq->used >= vq->size) {
            virtq_break(vq, "the back-end says that it is beyond the end of the ring");
        }
    } else {
        vq->avail = (uint16_t)base;
        if (!read_used(vhost, vq, &vq->used)) {
            virtq_break(vq, "the ring is no memory any more");
        }
    }
}

static void told_base(VhostStop *stop, uint32_t base)
{
    VhostRing *ring = (VhostRing *)((char *)stop - offsetof(VhostRing, stop));

    if (ring->stopping) {
        ring->stopping = false;
        set_base(ring->vhost, virtio_queue(ring->vhost->vdev, ring->number), base);
    }
}

/* ---- interrupts ---- */

static const VirtioBus *bus_of(const Vhost *vhost)
{
    return VIRTIO_BUS(vhost->vdev->parent.bus);
}

static void take_call(VhostRing *ring)
{
    const VirtioBus *bus = bus_of(ring->vhost);

    if (shared_event_take(ring->own_call) && ring->vhost->vdev->status & VIRTIO_STATUS_DRIVER_OK) {
        bus->transport->queue_interrupt(bus->opaque, ring->number);
    }
}

static gboolean called(gint fd, GIOCondition condition, gpointer opaque)
{
    take_call(opaque);
    return G_SOURCE_CONTINUE;
}

static GSource *watch(int fd, GUnixFDSourceFunc fn, void *opaque)
{
    GSource *source = g_unix_fd_source_new(fd, G_IO_IN);

    g_source_set_callback(source, G_SOURCE_FUNC(fn), opaque, NULL);
    loop_attach(loop_main(), source);
    return source;
}

static void drop_source(GSource **source)
{
    if (*source) {
        g_source_destroy(*source);
        g_clear_pointer(source, g_source_unref);
    }
}

/* An eventfd that interrupts the driver, as it wants it now: the transport's, or one of ours. */
static int call_fd_of(VhostRing *ring)
{
    const VirtioBus *bus = bus_of(ring->vhost);
    int fd = bus->transport->queue_eventfd(bus->opaque, ring->number);

    if (fd < 0 && ring->own_call < 0) {
        ring->own_call = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (ring->own_call >= 0) {
            ring->own_source = watch(ring->own_call, called, ring);
        }
    }
    return fd < 0 ? ring->own_call : fd;
}

void vhost_flush(Vhost *vhost)
{
    for (unsigned i = 0; vhost && i < vhost->ring_count; i++) {
        if (vhost->rings[i].own_call >= 0) {
            take_call(&vhost->rings[i]);
        }
    }
    if (vhost) {
        bus_of(vhost)->transport->flush_interrupts(bus_of(vhost)->opaque);
    }
}

void vhost_ring_free(VhostRing *ring)
{
    drop_source(&ring->own_source);
    drop_source(&ring->kick_source);
    if (ring->own_call >= 0) {
        close(ring->own_call);
        ring->own_call = -1;
    }
}

/* ---- to the back-end ---- */

bool vhost_send_features(Vhost *vhost, GError **errp)
{
    const uint64_t log = vhost->log ? 1ull << VHOST_F_LOG_ALL : 0;
    const uint64_t ours = (vhost->vdev->features & vhost->class->features) | log;

    return vhost->backend->ops->set_features(vhost->backend, ours & vhost->backend->features, errp);
}

bool vhost_ring_send_addr(Vhost *vhost, unsigned n, GError **errp)
{
    VhostRing *ring = &vhost->rings[n];

    if (!find_ring(vhost, n, &ring->addr)) {
        error_set(errp, "ring %u is not in memory", n);
        return false;
    }
    return vhost->backend->ops->set_ring_addr(vhost->backend, &ring->addr, errp);
}

static bool give(Vhost *vhost, unsigned n, GError **errp)
{
    const VirtioQueue *queue = &vhost->vdev->queues[n];
    VhostRing *ring = &vhost->rings[n];
    const int before = ring->call_fd;

    ring->started = true;
    ring->enabled = false;
    ring->call_fd = call_fd_of(ring);
    ring->call_changed = ring->call_changed || (before >= 0 && ring->call_fd != before);
    return vhost->backend->ops->give_ring(vhost->backend, &ring->addr, queue->ring.size,
                                          base_of(vhost, &queue->ring), queue->kick_fd,
                                          ring->call_fd, errp);
}

static bool enable(Vhost *vhost, unsigned n, bool on, GError **errp)
{
    vhost->rings[n].enabled = on;
    return vhost->backend->ops->enable_ring(vhost->backend, n, on, errp);
}

bool vhost_ring_update(Vhost *vhost, unsigned n, GError **errp)
{
    const VirtQueue *vq = virtio_queue(vhost->vdev, n);
    VhostRing *ring = &vhost->rings[n];
    int call_fd;

    if (!vhost->running) {
        return true; /* one before it has stopped all */
    }
    if (!ring->started) {
        if (n >= vhost->given || !virtq_works(vq)) {
            return true;
        }
        if (!find_ring(vhost, n, &ring->addr)) {
            virtio_needs_reset(vhost->vdev, "a ring is not in memory");
            return true;
        }
        if (!give(vhost, n, errp) || !enable(vhost, n, n < vhost->in_use, errp)) {
            return false;
        }
        ring->given = true;
        return true;
    }
    call_fd = call_fd_of(ring);
    if (call_fd != ring->call_fd) {
        ring->call_fd = call_fd;
        ring->call_changed = true;
        if (!vhost->backend->ops->set_ring_call(vhost->backend, n, call_fd, errp)) {
            return false;
        }
    }
    return ring->enabled == (n < vhost->in_use) || enable(vhost, n, n < vhost->in_use, errp);
}

bool vhost_ring_stop(Vhost *vhost, unsigned n, GError **errp)
{
    VhostRing *ring = &vhost->rings[n];

    if (ring->enabled && !enable(vhost, n, false, errp)) {
        return false;
    }
    ring->started = ring->enabled = false;
    ring->stopping = true;
    ring->stop = (VhostStop){ n, told_base };
    return vhost->backend->ops->stop_ring(vhost->backend, &ring->stop, errp);
}

void vhost_ring_settled(VhostRing *ring)
{
    /* The driver may have told the one before, or have been told that it need not. */
    if (ring->given && ring->started) {
        shared_event_signal(ring->vhost->vdev->queues[ring->number].kick_fd);
    }
    ring->given = false;
    if (ring->call_changed && ring->started) {
        shared_event_signal(ring->call_fd);
        ring->call_changed = false;
    }
}

void vhost_ring_recover(Vhost *vhost, unsigned n)
{
    VirtQueue *vq = virtio_queue(vhost->vdev, n);

    vhost->rings[n].started = vhost->rings[n].enabled = vhost->rings[n].stopping = false;
    vhost->rings[n].call_changed = true; /* it may have answered, and not said so */
    if (is_packed(vhost)) {
        virtq_break(vq, "its back-end has gone, and only that knew how far it was");
    } else if (read_used(vhost, vq, &vq->used)) {
        vq->avail = vq->used;
    } else {
        virtq_break(vq, "the ring is no memory any more");
    }
}

/* ---- what is in flight ---- */

static VhostUserInflight inflight_of(const Vhost *vhost)
{
    VhostUserInflight inflight = { .size = vhost->inflight_size,
                                   .offset = vhost->inflight_offset,
                                   .rings = (uint16_t)vhost->ring_count };

    for (unsigned i = 0; i < vhost->ring_count; i++) {
        inflight.entries = MAX(inflight.entries, virtio_queue(vhost->vdev, i)->size);
    }
    return inflight;
}

static bool took_inflight(void *opaque, const void *payload, int fd, GError **errp)
{
    Vhost *vhost = opaque;
    VhostUserInflight inflight;

    if (!vhost->inflight_asked) { /* that was before a reset */
        if (fd >= 0) {
            close(fd);
        }
        return true;
    }
    memcpy(&inflight, payload, sizeof(inflight));
    vhost->inflight_fd = fd;
    vhost->inflight_size = inflight.size;
    vhost->inflight_offset = inflight.offset;
    vhost->inflight_known = true;
    return true;
}

bool vhost_inflight_is_known(const Vhost *vhost)
{
    return vhost->inflight_known || vhost->kernel ||
           !vhost_user_has(&vhost->user, VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD);
}

bool vhost_inflight_ask(Vhost *vhost, GError **errp)
{
    VhostUserInflight asked;

    vhost_inflight_forget(vhost);
    asked = inflight_of(vhost);
    vhost->inflight_asked = true;
    return vhost_send_features(vhost, errp) &&
           vhost_user_ask_fd_later(&vhost->user, VHOST_USER_GET_INFLIGHT_FD, &asked, sizeof(asked),
                                   sizeof(asked), took_inflight, vhost, errp);
}

bool vhost_inflight_send(Vhost *vhost, GError **errp)
{
    const VhostUserInflight inflight = inflight_of(vhost);

    if (vhost->inflight_fd < 0 || !vhost->inflight_size ||
        !vhost_user_has(&vhost->user, VHOST_USER_PROTOCOL_F_INFLIGHT_SHMFD)) {
        return true; /* it keeps nothing */
    }
    return vhost_user_send(&vhost->user, VHOST_USER_SET_INFLIGHT_FD, &inflight, sizeof(inflight),
                           &vhost->inflight_fd, 1, errp);
}

void vhost_inflight_forget(Vhost *vhost)
{
    if (vhost->inflight_fd >= 0) {
        close(vhost->inflight_fd);
        vhost->inflight_fd = -1;
    }
    vhost->inflight_size = vhost->inflight_offset = 0;
    vhost->inflight_asked = vhost->inflight_known = false;
}

/* ---- rings that are ours ---- */

/* What is in one that no back-end will have is answered by errors. */
static void handle(VhostRing *ring)
{
    const Vhost *vhost = ring->vhost;
    VirtioDevice *vdev = vhost->vdev;
    VirtQueue *vq = virtio_queue(vdev, ring->number);
    VirtioQueueFn *fn =
        ring->number < vhost->given ? vhost->class->fail : vdev->queues[ring->number].handle;

    if (fn && virtio_device_runs(vdev) && virtq_works(vq)) {
        fn(vdev, vq);
        virtio_notify(vdev, vq);
    }
}

static gboolean notified(gint fd, GIOCondition condition, gpointer opaque)
{
    if (shared_event_take(fd)) {
        handle(opaque);
    }
    return G_SOURCE_CONTINUE;
}

void vhost_watch_ours(Vhost *vhost)
{
    for (unsigned i = 0; i < vhost->ring_count; i++) {
        VhostRing *ring = &vhost->rings[i];
        const bool ours = vhost->lost || i >= vhost->given;

        if (ours && !ring->kick_source) {
            ring->kick_source = watch(vhost->vdev->queues[i].kick_fd, notified, ring);
        } else if (!ours) {
            drop_source(&ring->kick_source);
        }
    }
}

void vhost_fail_all(Vhost *vhost)
{
    for (unsigned i = 0; i < vhost->given; i++) {
        handle(&vhost->rings[i]);
    }
}
