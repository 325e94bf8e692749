/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/virtio/virtio-loop.h"

#include <errno.h>
#include <glib-unix.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "memory/reader.h"
#include "util/error.h"
#include "util/machine-lock.h"

static void signal_fd(int fd)
{
    const uint64_t one = 1;

    if (write(fd, &one, sizeof(one)) < 0) {
        /* Its counter is full: it is signalled as it is. */
    }
}

static void clear_fd(int fd)
{
    uint64_t count;

    if (read(fd, &count, sizeof(count)) < 0) {
        /* It was not signalled: somebody else took it. */
    }
}

/* ---- the device's lock ---- */

void virtio_use_loop(VirtioDevice *vdev, Loop *loop)
{
    vdev->loop = loop;
}

/* The section begins when nothing is waited for any more. */
void virtio_enter(VirtioDevice *vdev)
{
    if (vdev->loop) {
        g_mutex_lock(&vdev->lock);
        if (!machine_lock_held()) {
            memory_read_begin();
        }
    }
}

void virtio_leave(VirtioDevice *vdev)
{
    if (vdev->loop) {
        if (!machine_lock_held()) {
            memory_read_end();
        }
        g_mutex_unlock(&vdev->lock);
    }
}

/* ---- from the driver ---- */

static gboolean kicked(gint fd, GIOCondition condition, gpointer opaque)
{
    VirtioQueue *queue = opaque;
    VirtioDevice *vdev = queue->vdev;

    clear_fd(fd);
    virtio_enter(vdev);
    if (vdev->live && !queue->resetting && virtq_works(&queue->ring)) {
        queue->handle(vdev, &queue->ring);
        if (virtq_error(&queue->ring)) {
            signal_fd(vdev->attention_fd);
        }
    }
    virtio_leave(vdev);
    return G_SOURCE_CONTINUE;
}

bool virtio_loop_kick(VirtioQueue *queue)
{
    if (queue->kick_fd < 0) {
        return false;
    }
    signal_fd(queue->kick_fd);
    return true;
}

void virtio_loop_update(VirtioDevice *vdev)
{
    const VirtioBus *bus = VIRTIO_BUS(vdev->parent.bus);
    bool runs, ran;

    if (!vdev->loop) {
        return;
    }
    runs = virtio_device_runs(vdev);
    virtio_enter(vdev);
    ran = vdev->live;
    vdev->live = runs;
    for (unsigned n = 0; n < vdev->queue_count; n++) {
        vdev->queues[n].call_fd = runs ? bus->transport->queue_eventfd(bus->opaque, n) : -1;
    }
    virtio_leave(vdev);
    for (unsigned n = 0; runs && !ran && n < vdev->queue_count; n++) {
        virtio_loop_kick(&vdev->queues[n]);
    }
}

void virtio_loop_pause(VirtioDevice *vdev)
{
    virtio_enter(vdev);
    vdev->live = false;
    virtio_leave(vdev);
}

void virtio_loop_pause_queue(VirtioDevice *vdev, VirtioQueue *queue, bool pause)
{
    virtio_enter(vdev);
    queue->resetting = pause;
    virtio_leave(vdev);
}

/* ---- to the driver ---- */

bool virtio_loop_notify(VirtioDevice *vdev, VirtioQueue *queue)
{
    bool notify;

    if (!vdev->loop) {
        return false;
    }
    notify = virtq_should_notify(&queue->ring);
    if (notify && queue->call_fd >= 0) {
        signal_fd(queue->call_fd);
    } else if (notify) {
        queue->call = true;
        signal_fd(vdev->attention_fd);
    }
    if (virtq_error(&queue->ring)) {
        signal_fd(vdev->attention_fd);
    }
    return true;
}

/* In the main loop: what the loop could not do itself. */
static void attend(VirtioDevice *vdev)
{
    const VirtioBus *bus = VIRTIO_BUS(vdev->parent.bus);

    for (unsigned n = 0; n < vdev->queue_count; n++) {
        VirtioQueue *queue = &vdev->queues[n];
        const char *error;
        bool call;

        virtio_enter(vdev);
        call = queue->call;
        queue->call = false;
        error = virtq_error(&queue->ring);
        virtio_leave(vdev);
        if (call) {
            bus->transport->queue_interrupt(bus->opaque, n);
        }
        if (error) {
            g_autofree char *why = g_strdup_printf("virtqueue %u: %s", n, error);

            virtio_needs_reset(vdev, why);
        }
    }
}

static gboolean attention(gint fd, GIOCondition condition, gpointer opaque)
{
    clear_fd(fd);
    attend(opaque);
    return G_SOURCE_CONTINUE;
}

void virtio_loop_flush(VirtioDevice *vdev)
{
    const VirtioBus *bus = VIRTIO_BUS(vdev->parent.bus);

    if (vdev->loop) {
        attend(vdev);
        bus->transport->flush_interrupts(bus->opaque);
    }
}

/* ---- life ---- */

/* In the loop. */
static void unwatch(void *opaque)
{
    VirtioDevice *vdev = opaque;

    for (unsigned n = 0; n < vdev->queue_count; n++) {
        if (vdev->queues[n].watch) {
            g_source_destroy(vdev->queues[n].watch);
            g_clear_pointer(&vdev->queues[n].watch, g_source_unref);
        }
    }
}

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

void virtio_loop_end(VirtioDevice *vdev)
{
    if (!vdev->loop) {
        return;
    }
    loop_run(vdev->loop, unwatch, vdev);
    for (unsigned n = 0; n < vdev->queue_count; n++) {
        close_fd(&vdev->queues[n].kick_fd);
    }
    if (vdev->attention) {
        g_source_destroy(vdev->attention);
        g_clear_pointer(&vdev->attention, g_source_unref);
    }
    close_fd(&vdev->attention_fd);
    g_mutex_clear(&vdev->lock);
    vdev->loop = NULL; /* what is left of the device's life has the machine lock only */
}

/* NULL: no more files can be opened. */
static GSource *watch_new(int *fd, GUnixFDSourceFunc fn, void *opaque, Loop *loop)
{
    GSource *source;

    *fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (*fd < 0) {
        return NULL;
    }
    source = g_unix_fd_source_new(*fd, G_IO_IN);
    g_source_set_callback(source, G_SOURCE_FUNC(fn), opaque, NULL);
    loop_attach(loop, source);
    return source;
}

bool virtio_loop_start(VirtioDevice *vdev, GError **errp)
{
    bool ok;

    if (!vdev->loop) {
        return true;
    }
    g_mutex_init(&vdev->lock);
    vdev->live = false;
    vdev->attention = watch_new(&vdev->attention_fd, attention, vdev, loop_main());
    ok = vdev->attention;
    for (unsigned n = 0; ok && n < vdev->queue_count; n++) {
        VirtioQueue *queue = &vdev->queues[n];

        queue->vdev = vdev;
        queue->watch = watch_new(&queue->kick_fd, kicked, queue, vdev->loop);
        ok = queue->watch;
    }
    if (!ok) {
        error_set_errno(errp, errno, "there is no eventfd for each of its %u queues on an iothread",
                        vdev->queue_count);
        virtio_loop_end(vdev);
    }
    return ok;
}
