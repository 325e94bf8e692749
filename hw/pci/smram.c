/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/pci/smram.h"

#include "memory/smm.h"

#define OPEN_PRIORITY   2 /* over displays */
#define BEHIND_PRIORITY 0 /* over RAM, which was there before */

/* Where nothing answers: reads give all ones, writes are dropped. */
static const MemoryRegionOps hole_ops = { 0 };

static void add_window(MemoryRegion *window, const char *name, MemoryRegion *ram, hwaddr from,
                       MemoryRegion *to, hwaddr at)
{
    memory_region_init_alias(window, name, ram, from, SMRAM_LEGACY_SIZE);
    memory_region_set_enabled(window, false);
    memory_region_add_overlap(to, at, window, OPEN_PRIORITY);
}

static void add_hidden(MemoryRegion *hole, MemoryRegion *inside, const char *name,
                       MemoryRegion *memory, MemoryRegion *ram, hwaddr at, uint64_t size)
{
    memory_region_init_io(hole, &hole_ops, NULL, name, size);
    memory_region_set_enabled(hole, false);
    memory_region_add_overlap(memory, at, hole, OPEN_PRIORITY);
    memory_region_init_alias(inside, name, ram, at, size);
    memory_region_set_enabled(inside, false);
    memory_region_add(memory_smram(), at, inside);
}

void smram_init(Smram *smram, MemoryRegion *memory, MemoryRegion *ram)
{
    MemoryRegion *inside = memory_smram();

    if (!inside) {
        return;
    }
    smram->ram = ram;
    memory_transaction_begin();
    add_window(&smram->open_low, "smram-open", ram, SMRAM_LEGACY_BASE, memory, SMRAM_LEGACY_BASE);
    add_window(&smram->open_high, "smram-open", ram, SMRAM_LEGACY_BASE, memory, SMRAM_LEGACY_HIGH);
    add_window(&smram->low, "smram", ram, SMRAM_LEGACY_BASE, inside, SMRAM_LEGACY_BASE);
    add_window(&smram->high, "smram", ram, SMRAM_LEGACY_BASE, inside, SMRAM_LEGACY_HIGH);
    memory_region_init_io(&smram->legacy_hole, &hole_ops, NULL, "smram-hole", SMRAM_LEGACY_SIZE);
    memory_region_set_enabled(&smram->legacy_hole, false);
    memory_region_add_overlap(memory, SMRAM_LEGACY_BASE, &smram->legacy_hole, BEHIND_PRIORITY);
    add_hidden(&smram->tseg_hole, &smram->tseg, "tseg", memory, ram, 0, 1);
    add_hidden(&smram->smbase_hole, &smram->smbase, "smbase-smram", memory, ram, SMRAM_SMBASE_BASE,
               SMRAM_SMBASE_SIZE);
    memory_transaction_commit();
}

/* TSEG is the last @size bytes of RAM; it must leave the first MiB. @open: all see it. */
static void place_tseg(Smram *smram, uint64_t size, bool open)
{
    const uint64_t least = 1 << 20;
    bool on = size && smram->ram->size >= least && size <= smram->ram->size - least;

    memory_region_set_enabled(&smram->tseg_hole, false);
    memory_region_set_enabled(&smram->tseg, false);
    if (on) {
        hwaddr at = smram->ram->size - size;

        smram->tseg_hole.size = smram->tseg.size = size;
        smram->tseg.alias_offset = at;
        memory_region_set_address(&smram->tseg_hole, at);
        memory_region_set_address(&smram->tseg, at);
    }
    memory_region_set_enabled(&smram->tseg_hole, on && !open);
    memory_region_set_enabled(&smram->tseg, on);
}

void smram_update(Smram *smram, const SmramView *view)
{
    if (!smram_exists(smram)) {
        return;
    }
    bool low = view->legacy && !view->high, high = view->legacy && view->high;

    memory_transaction_begin();
    memory_region_set_enabled(&smram->low, low);
    memory_region_set_enabled(&smram->high, high);
    memory_region_set_enabled(&smram->open_low, low && view->open);
    memory_region_set_enabled(&smram->open_high, high && view->open);
    memory_region_set_enabled(&smram->legacy_hole, view->legacy);
    place_tseg(smram, view->tseg_size, view->open);
    memory_region_set_enabled(&smram->smbase_hole, view->smbase);
    memory_region_set_enabled(&smram->smbase, view->smbase);
    memory_transaction_commit();
}
