/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What devices of the host reach of the guest's memory by themselves: a container's mappings follow
 * the memory map. Mapped memory is pinned. Machine lock.
 */
#ifndef HW_VFIO_VFIO_DMA_H
#define HW_VFIO_VFIO_DMA_H

#include "hw/mem/memory-device.h"
#include "memory/address-space.h"
#include "memory/ram-parts.h"

typedef struct VfioDma {
    int fd;         /* of the container; borrowed */
    GArray *mapped; /* of VfioRange, as the container has them */
    bool stale;     /* the map has changed since */
    bool in_use;    /* there are devices */
    MemoryListener listener;
    MemoryGuard guard;
    RamPartsListener parts;
} VfioDma;

/* Map all of the guest's memory in the container @fd, and follow it from now on. Leaves nothing
 * behind on failure. */
bool vfio_dma_begin(VfioDma *dma, int fd, GError **errp);
/* Take it all out again. */
void vfio_dma_end(VfioDma *dma);

#endif
