/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/virtio/virtio-mem-map.h"

#include "memory/ram-parts.h"
#include "util/units.h"

#define SLOT_SIZE_MIN (128 * MIB) /* what Linux adds at a time */

unsigned virtio_mem_map_slots(uint64_t size, uint64_t block_size, unsigned most,
                              uint64_t *slot_size)
{
    uint64_t bytes = MAX(SLOT_SIZE_MIN, block_size);

    while ((size - 1) / bytes >= MIN(most, VIRTIO_MEM_MAX_SLOTS)) {
        bytes *= 2;
    }
    if (slot_size) {
        *slot_size = bytes;
    }
    return (unsigned)((size - 1) / bytes + 1);
}

/* Let the guest have @slot, or not. */
static void show(const VirtioMemMap *map, MemoryRegion *slot, bool plugged)
{
    if (map->readable) {
        memory_region_set_readonly(slot, !plugged);
    } else {
        memory_region_set_enabled(slot, plugged);
    }
}

void virtio_mem_map_init(VirtioMemMap *map, MemoryRegion *all, RamBlock *ram, uint64_t block_size,
                         unsigned most, bool readable)
{
    map->ram = ram;
    map->readable = readable;
    map->slot_count = virtio_mem_map_slots(ram->size, block_size, most, &map->slot_size);
    map->slots = g_new0(MemoryRegion, map->slot_count);
    memory_region_init_container(&map->region, "virtio-mem", ram->size);
    for (unsigned i = 0; i < map->slot_count; i++) {
        const uint64_t at = i * map->slot_size;

        memory_region_init_alias(&map->slots[i], "virtio-mem-slot", all, at,
                                 MIN(map->slot_size, ram->size - at));
        show(map, &map->slots[i], false);
        memory_region_add(&map->region, at, &map->slots[i]);
    }
}

void virtio_mem_map_destroy(VirtioMemMap *map)
{
    for (unsigned i = 0; i < map->slot_count; i++) {
        memory_region_remove(&map->slots[i]);
        memory_region_destroy(&map->slots[i]);
    }
    if (map->slot_count) {
        memory_region_destroy(&map->region);
    }
    g_free(map->slots);
    *map = (VirtioMemMap){ 0 };
}

void virtio_mem_map_update(VirtioMemMap *map, uint64_t offset, uint64_t size)
{
    if (!map->slot_count) {
        return;
    }
    memory_transaction_begin();
    for (uint64_t i = offset / map->slot_size; i <= (offset + size - 1) / map->slot_size; i++) {
        MemoryRegion *slot = &map->slots[i];
        const bool wanted = !ram_parts_all(map->ram, i * map->slot_size, slot->size, false);

        show(map, slot, wanted);
    }
    memory_transaction_commit();
}
