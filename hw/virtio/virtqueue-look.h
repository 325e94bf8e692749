/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is in a virtqueue, for people who look for a fault: the device does not notice, and a ring
 * that makes no sense is told of, and not broken. The machine lock, and what the queue's own
 * functions need (virtio_enter()).
 */
#ifndef HW_VIRTIO_VIRTQUEUE_LOOK_H
#define HW_VIRTIO_VIRTQUEUE_LOOK_H

#include "hw/virtio/virtqueue.h"

#define VIRTQ_LOOK_MAX 1024 /* descriptors of a buffer that are shown */

typedef struct VirtqLookDesc {
    uint64_t addr;
    uint32_t len;
    uint16_t flags;
} VirtqLookDesc;

/* Bits of these flags. */
enum { VIRTQ_LOOK_NEXT = 1 << 0, VIRTQ_LOOK_WRITE = 1 << 1, VIRTQ_LOOK_INDIRECT = 1 << 2 };

typedef struct VirtqLook {
    uint16_t avail_flags, avail_idx; /* of what the driver writes */
    uint16_t used_flags, used_idx;   /* of what the device writes */
    uint16_t head;                   /* number of the buffer's first descriptor */
    GArray *descs;                   /* of VirtqLookDesc; virtq_look_clear() */
} VirtqLook;

/* The buffer in entry @index (modulo the ring's size) of what the driver has given, in a split
 * ring. Errors: the queue is not set up, packed, or its ring is not in RAM. */
bool virtq_look(const VirtQueue *vq, uint16_t index, VirtqLook *look, GError **errp);
void virtq_look_clear(VirtqLook *look);

#endif
