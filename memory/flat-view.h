/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Flat views: what an address space shows, without overlaps.
 */
#ifndef MEMORY_FLAT_VIEW_H
#define MEMORY_FLAT_VIEW_H

#include "memory/memory.h"

typedef struct FlatRange {
    hwaddr addr;
    uint64_t size; /* bytes, > 0; addr + size may be 2^64 (then 0) */
    MemoryRegion *mr;
    hwaddr offset;        /* of addr within mr */
    uint8_t *host;        /* RAM: host address of addr; else NULL */
    bool readonly;        /* writes are dropped; of a REGION_ROM_DEVICE: go to the device */
    MemoryRegion *writer; /* writes go to this I/O region; NULL: as usual */
    hwaddr writer_offset; /* of addr within writer */
} FlatRange;

typedef struct FlatView {
    unsigned count;
    FlatRange ranges[]; /* sorted by addr */
} FlatView;

/* Binary search; NULL where nothing is. */
const FlatRange *flat_view_find(const FlatView *view, hwaddr addr);

#endif
