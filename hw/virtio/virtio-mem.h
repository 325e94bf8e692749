/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-mem: memory of which the guest has as many blocks as it is asked to have (Virtio 1.2,
 * section 5.15). The whole of its backend has a place in the window for memory devices
 * (hw/mem/memory-device.h); which blocks of it are plugged the RAM block knows
 * (memory/ram-parts.h). Blocks that are not are given back to the host. Machine lock.
 */
#ifndef HW_VIRTIO_VIRTIO_MEM_H
#define HW_VIRTIO_VIRTIO_MEM_H

#include "hw/virtio/virtio-device.h"
#include "hw/virtio/virtio-mem-map.h"

#define TYPE_VIRTIO_MEM "virtio-mem"

typedef struct VirtioMem {
    VirtioDevice parent;
    uint64_t requested_size; /* bytes that the guest is asked to have; whole blocks */
    uint64_t usable_size;    /* bytes from the beginning on of which it may plug blocks */
    GBytes *plugged;         /* a bit a block, the first is the lowest; only while it is saved or
                              * loaded, NULL else */
    /* configuration */
    Object *memdev;      /* link<memory-backend> */
    uint64_t addr;       /* guest-physical; 0 until chosen */
    uint64_t block_size; /* bytes, a power of 2; 0 until chosen */
    uint32_t node;
    bool prealloc;    /* a block that is plugged has its pages from the beginning */
    int inaccessible; /* INACCESSIBLE_ of virtio-mem.c */
    bool dynamic_memslots;
    /* derived */
    uint64_t size; /* bytes that are plugged */
    /* wiring */
    unsigned most_slots; /* of `map`; settled with its place, 0 before */
    VirtioMemMap map;    /* while it is realized */
    VirtqElement *acked; /* a request whose blocks somebody else has to take first; or NULL */
} VirtioMem;
OBJECT_CAST_DEFINE(VirtioMem, VIRTIO_MEM, TYPE_VIRTIO_MEM)

#endif
