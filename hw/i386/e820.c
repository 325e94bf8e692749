/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/i386/e820.h"

#include <stdbool.h>

#include "hw/i386/x86.h"
#include "hw/mem/pc-dimm.h"

/* What lies beside the entry before, and is of the same type, makes that one larger: tables of
 * boot protocols are short. */
static void e820_add(GArray *map, uint64_t addr, uint64_t end, E820Type type)
{
    E820Entry *last = map->len ? &g_array_index(map, E820Entry, map->len - 1) : NULL;

    if (end <= addr) {
        return;
    }
    if (last && last->type == type && last->addr + last->size == addr) {
        last->size += end - addr;
    } else {
        E820Entry entry = { addr, end - addr, type };
        g_array_append_val(map, entry);
    }
}

GArray *e820_build(uint64_t below_4g, hwaddr high_base, uint64_t above_4g)
{
    GArray *map = g_array_new(false, true, sizeof(E820Entry));
    uint64_t tables = below_4g - ACPI_AREA;

    e820_add(map, 0, LOW_RAM_END, E820_RAM);
    e820_add(map, LOW_RAM_END, 0xa0000, E820_RESERVED);
    e820_add(map, BIOS_BASE, HIGH_RAM, E820_RESERVED);
    e820_add(map, HIGH_RAM, tables, E820_RAM);
    e820_add(map, tables, tables + ACPI_NVS, E820_NVS);
    e820_add(map, tables + ACPI_NVS, below_4g, E820_ACPI);
    e820_add(map, high_base, high_base + above_4g, E820_RAM);
    return map;
}

/* What overlaps nothing, in its place. */
static void e820_insert(GArray *map, E820Entry entry)
{
    unsigned at = 0;

    while (at < map->len && g_array_index(map, E820Entry, at).addr < entry.addr) {
        at++;
    }
    g_array_insert_val(map, at, entry);
}

/* Memory-mapped configuration space, if it is between RAM and 4 GiB. Operating systems use it only
 * if it is reserved. */
static void e820_insert_ecam(GArray *map, const X86Machine *x86)
{
    const X86MachineOps *ops = x86_machine_ops(&x86->parent);
    E820Entry entry = { .type = E820_RESERVED };
    unsigned buses;

    if (!ops->ecam || !ops->ecam(x86, &entry.addr, &buses)) {
        return;
    }
    entry.size = (uint64_t)buses << 20;
    if (entry.addr < x86->below_4g || entry.addr + entry.size > FOUR_GIB) {
        return;
    }
    e820_insert(map, entry);
}

GArray *e820_of_machine(Machine *machine)
{
    const X86Machine *x86 = X86_MACHINE(machine);
    GArray *map = e820_build(x86->below_4g, x86->high_base, x86->above_4g);
    const GArray *devices = memory_devices(machine);

    for (unsigned i = 0; i < devices->len; i++) {
        const MemoryDevice *md = memory_device_at(devices, i);

        if (md->boot) {
            e820_add(map, md->addr, md->addr + md->size, E820_RAM);
        }
    }
    e820_insert_ecam(map, x86);
    if (x86->ht_reserved) {
        e820_insert(map, (E820Entry){ AMD_HT_START, AMD_HIGH_BASE - AMD_HT_START, E820_RESERVED });
    }
    return map;
}
