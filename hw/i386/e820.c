/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/i386/e820.h"

#include <stdbool.h>

static void e820_add(GArray *map, uint64_t addr, uint64_t end, E820Type type)
{
    if (end > addr) {
        E820Entry entry = { addr, end - addr, type };
        g_array_append_val(map, entry);
    }
}

GArray *e820_build(uint64_t below_4g, uint64_t above_4g)
{
    GArray *map = g_array_new(false, true, sizeof(E820Entry));
    uint64_t tables = below_4g - ACPI_AREA;

    e820_add(map, 0, LOW_RAM_END, E820_RAM);
    e820_add(map, LOW_RAM_END, 0xa0000, E820_RESERVED);
    e820_add(map, BIOS_BASE, HIGH_RAM, E820_RESERVED);
    e820_add(map, HIGH_RAM, tables, E820_RAM);
    e820_add(map, tables, tables + ACPI_NVS, E820_NVS);
    e820_add(map, tables + ACPI_NVS, below_4g, E820_ACPI);
    e820_add(map, FOUR_GIB, FOUR_GIB + above_4g, E820_RAM);
    return map;
}
