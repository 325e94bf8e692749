/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/display/vram.h"

#include <string.h>

RamBlock *vram_block(const PciDevice *dev, const char *name, uint64_t size, GError **errp)
{
    const Bus *bus = &pci_bus_of(dev)->parent;
    /* Which one it is among all, in a machine that is saved, its bus and place say. */
    g_autofree char *full = g_strdup_printf("%s/%02x.%x/%s", bus->parent.name, PCI_SLOT(dev->devfn),
                                            PCI_FUNC(dev->devfn), name);

    return ram_block_new(full, size, -1, false, true, 0, errp);
}

bool vram_init(Vram *vram, const PciDevice *dev, uint64_t size, uint64_t whole, GError **errp)
{
    vram->block = vram_block(dev, "vram", whole, errp);
    if (!vram->block) {
        return false;
    }
    vram->size = size;
    memory_region_init_ram(&vram->region, "vram", vram->block);
    vram->dirty = g_malloc0(whole / DIRTY_PAGE);
    return true;
}

void vram_destroy(Vram *vram)
{
    g_clear_pointer(&vram->tracker, dirty_tracker_free);
    g_clear_pointer(&vram->dirty, g_free);
    memory_region_destroy(&vram->region);
    g_clear_pointer(&vram->block, ram_block_unref);
}

bool vram_collect(Vram *vram)
{
    uint64_t page = 0, count;
    bool any = false;

    if (!vram->tracker) {
        vram->tracker = dirty_tracker_new_watch(vram->block); /* all of it counts as written */
    } else {
        dirty_tracker_sync(vram->tracker);
    }
    while (dirty_tracker_next(vram->tracker, 0, &page, UINT64_MAX, &count)) {
        memset(vram->dirty + page, 1, count);
        any = true;
        page += count;
    }
    return any;
}

bool vram_is_dirty(const Vram *vram, uint64_t offset, uint64_t size)
{
    uint64_t pages = vram_size(vram) / DIRTY_PAGE, first = offset / DIRTY_PAGE, last;

    if (!size || first >= pages) {
        return false;
    }
    last = MIN((offset + size - 1) / DIRTY_PAGE, pages - 1);
    return memchr(vram->dirty + first, 1, last - first + 1);
}

void vram_clean(Vram *vram)
{
    memset(vram->dirty, 0, vram->block->size / DIRTY_PAGE);
}
