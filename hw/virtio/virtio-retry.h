/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests that failed, and stop the machine: they are kept by their place in the ring only, and
 * are tried again when the machine goes on, here or elsewhere. For whoever has entered the device
 * (hw/virtio/virtio-device.h), or with the machine lock while it has no loop.
 */
#ifndef HW_VIRTIO_VIRTIO_RETRY_H
#define HW_VIRTIO_VIRTIO_RETRY_H

#include "hw/virtio/virtio-device.h"

typedef struct VirtioRetry {
    GBytes *kept; /* `places` as they are in memory, for the device's table of its state */
    /* derived */
    GArray *places;
} VirtioRetry;

void virtio_retry_init(VirtioRetry *retry);
void virtio_retry_clear(VirtioRetry *retry);

/* Keep @element of @vq, which is dropped. */
void virtio_retry_keep(VirtioRetry *retry, VirtioDevice *vdev, VirtQueue *vq,
                       VirtqElement *element);
/* Call @start for each that is kept, which is then not kept any more unless it fails again. */
void virtio_retry_start(VirtioRetry *retry, VirtioDevice *vdev,
                        void (*start)(VirtioDevice *vdev, VirtQueue *vq, VirtqElement *element));
/* Those of @queue are not. */
void virtio_retry_forget(VirtioRetry *retry, unsigned queue);

/* The row of a device's table for its member @member. */
#define STATE_RETRY(type, member)                            \
    {                                                        \
        .name = "kept", .kind = STATE_KIND_BLOB, .width = 1, \
        .offset = offsetof(type, member.kept), .count = 1    \
    }
/* For pre_save and post_load of a device whose table has that row. Error: no driver can have queued
 * these. */
void virtio_retry_save(VirtioRetry *retry);
bool virtio_retry_load(VirtioRetry *retry, const VirtioDevice *vdev, GError **errp);

#endif
