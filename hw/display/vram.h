/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Video memory of display devices, whose written pages are known. Machine lock for everything. */
#ifndef HW_DISPLAY_VRAM_H
#define HW_DISPLAY_VRAM_H

#include "hw/pci/pci.h"
#include "memory/dirty.h"
#include "memory/memory.h"

typedef struct Vram {
    RamBlock *block;
    uint64_t size; /* of what pictures are in; the block may have more behind that */
    MemoryRegion region;
    DirtyTracker *tracker; /* NULL: nobody has looked yet */
    uint8_t *dirty;        /* a byte a page: written since vram_clean() */
} Vram;

/* A block for the function @dev, which has its place on its bus; @name tells it from others of the
 * same. */
RamBlock *vram_block(const PciDevice *dev, const char *name, uint64_t size, GError **errp);
/* @size bytes, for a function that has its place on its bus, of a block of @whole. */
bool vram_init(Vram *vram, const PciDevice *dev, uint64_t size, uint64_t whole, GError **errp);
void vram_destroy(Vram *vram);
static inline uint64_t vram_size(const Vram *vram)
{
    return vram->size;
}
/* Find out what was written. True: something, or nobody has looked before. */
bool vram_collect(Vram *vram);
/* Was something of [@offset, @offset + @size) written, as far as it is there? */
bool vram_is_dirty(const Vram *vram, uint64_t offset, uint64_t size);
/* What was written is drawn. */
void vram_clean(Vram *vram);
/* The device itself writes there. */
static inline void vram_mark(Vram *vram, uint64_t offset, uint64_t size)
{
    dirty_mark(vram->block, offset, size);
}

#endif
