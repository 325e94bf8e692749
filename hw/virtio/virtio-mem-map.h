/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest sees of a virtio-mem device: its region is cut into equal slots, and only those in
 * which blocks are plugged can be written to. The others are not in the memory map, or read as
 * zeros where the guest may do that: then its writes are dropped. Machine lock.
 */
#ifndef HW_VIRTIO_VIRTIO_MEM_MAP_H
#define HW_VIRTIO_VIRTIO_MEM_MAP_H

#include "memory/memory.h"

#define VIRTIO_MEM_MAX_SLOTS 256

typedef struct VirtioMemMap {
    MemoryRegion region; /* what is mapped */
    MemoryRegion *slots; /* slot_count of them, in `region`; owned */
    unsigned slot_count; /* 0: it is not in use */
    uint64_t slot_size;  /* bytes; the last one may be smaller */
    RamBlock *ram;       /* borrowed */
    bool readable;       /* what is not plugged */
} VirtioMemMap;

/* How many slots a region of @size bytes has: each is 128 MiB or more, a power of 2 and a multiple
 * of @block_size, also one; there are @most at most. *@slot_size: bytes of one; may be NULL. */
unsigned virtio_mem_map_slots(uint64_t size, uint64_t block_size, unsigned most,
                              uint64_t *slot_size);

/* @all: the region of @ram, which has parts (memory/ram-parts.h), none of them there yet; borrowed
 * until destroy. @most: slots at most. @readable: can what is not plugged be read? */
void virtio_mem_map_init(VirtioMemMap *map, MemoryRegion *all, RamBlock *ram, uint64_t block_size,
                         unsigned most, bool readable);
/* Out of every tree; nothing happens if it is not in use. */
void virtio_mem_map_destroy(VirtioMemMap *map);
/* Of [@offset, @offset + @size) other parts are there than before. Nothing happens if it is not in
 * use. */
void virtio_mem_map_update(VirtioMemMap *map, uint64_t offset, uint64_t size);

#endif
