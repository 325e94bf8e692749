/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which processor and which memory is near which: SRAT and SLIT (ACPI 6.4 sections 5.2.16, 5.2.17).
 */
#include "hw/i386/acpi-build.h"

#include "hw/i386/e820.h"
#include "hw/i386/x86.h"
#include "hw/mem/nvdimm.h"

enum {
    SRAT_CPU = 0,
    SRAT_MEMORY = 1,
    SRAT_X2APIC = 2,

    SRAT_ENABLED = 1 << 0,
    SRAT_HOTPLUGGABLE = 1 << 1,
    SRAT_NON_VOLATILE = 1 << 2,
};

static void srat_cpu(AcpiBlob *srat, uint32_t apic_id, uint32_t node)
{
    size_t entry;

    if (apic_id >= ACPI_FIRST_X2APIC) {
        entry = acpi_entry_begin(srat, SRAT_X2APIC);
        acpi_u16(srat, 0);
        acpi_u32(srat, node);
        acpi_u32(srat, apic_id);
        acpi_u32(srat, SRAT_ENABLED);
        acpi_u32(srat, 0); /* clock domain */
        acpi_u32(srat, 0);
    } else {
        entry = acpi_entry_begin(srat, SRAT_CPU);
        acpi_u8(srat, node); /* bits 7:0 */
        acpi_u8(srat, apic_id);
        acpi_u32(srat, SRAT_ENABLED);
        acpi_u8(srat, 0); /* SAPIC EID */
        acpi_u8(srat, node >> 8);
        acpi_u8(srat, node >> 16);
        acpi_u8(srat, node >> 24);
        acpi_u32(srat, 0); /* clock domain */
    }
    acpi_entry_end(srat, entry);
}

/* ---- memory ---- */

typedef struct SratRange {
    uint32_t node, flags;
    uint64_t base, end;
} SratRange;

static void add_range(GArray *ranges, uint32_t node, uint64_t base, uint64_t end, uint32_t flags)
{
    SratRange range = { node, SRAT_ENABLED | flags, base, end };

    if (end > base) {
        g_array_append_val(ranges, range);
    }
}

/* Boot RAM is given to the nodes in their order; each gets what falls into the contiguous pieces of
 * the memory map. */
static void add_boot_memory(GArray *ranges, const X86Machine *x86)
{
    const struct {
        uint64_t base, size, ram; /* physical range, and its start as an offset in RAM */
    } pieces[] = {
        { 0, 0xa0000, 0 },
        { HIGH_RAM, x86->below_4g - HIGH_RAM, HIGH_RAM },
        { x86->high_base, x86->above_4g, x86->below_4g },
    };
    uint64_t start = 0;

    for (unsigned node = 0; node < x86->parent.numa.num_nodes; node++) {
        uint64_t end = start + x86->parent.numa.nodes[node].mem;

        for (unsigned i = 0; i < G_N_ELEMENTS(pieces); i++) {
            uint64_t first = MAX(start, pieces[i].ram);
            uint64_t last = MIN(end, pieces[i].ram + pieces[i].size);
            if (first < last) {
                add_range(ranges, node, pieces[i].base + (first - pieces[i].ram),
                          pieces[i].base + (last - pieces[i].ram), 0);
            }
        }
        start = end;
    }
}

/* Addresses that are named for a node which has no memory yet. */
#define NODE_PLACE MEMORY_DEVICE_ALIGN

/* A Linux guest refuses memory in a node of which SRAT says nothing at boot. So nodes that have no
 * memory each have a piece of the window, except for the last, which has the rest of it. */
static bool node_needs_place(Machine *machine, uint32_t node, const GArray *devices)
{
    if (node + 1 >= machine->numa.num_nodes || machine->numa.nodes[node].mem) {
        return false;
    }
    for (unsigned i = 0; i < devices->len; i++) {
        if (memory_device_at(devices, i)->node == node) {
            return false;
        }
    }
    return true;
}

/* The free range from @at to @end: the last node's, but for @places at its end. */
static void add_gap(GArray *ranges, const Machine *machine, uint64_t at, uint64_t end,
                    const GArray *places)
{
    uint64_t start = end - places->len * NODE_PLACE;

    add_range(ranges, machine->numa.num_nodes - 1, at, start, SRAT_HOTPLUGGABLE);
    for (unsigned i = 0; i < places->len; i++, start += NODE_PLACE) {
        add_range(ranges, g_array_index(places, uint32_t, i), start, start + NODE_PLACE,
                  SRAT_HOTPLUGGABLE);
    }
}

/* Of the window, without its end. */
typedef struct FreeRange {
    uint64_t start, end;
} FreeRange;

static uint64_t range_size(FreeRange range)
{
    return range.end - range.start;
}

/* The free range before the @i-th memory device, or after the last; it may be empty. */
static FreeRange free_range(const Machine *machine, const GArray *devices, unsigned i)
{
    const DeviceMemory *window = &machine->device_memory;
    const MemoryDevice *before = i > 0 ? memory_device_at(devices, i - 1) : NULL;
    const MemoryDevice *next = i < devices->len ? memory_device_at(devices, i) : NULL;

    return (FreeRange){ .start = before ? before->addr + before->size : window->base,
                        .end = next ? next->addr : window->base + window->size };
}

/* Memory devices in their nodes, and what is free. The places are in the last free range that they
 * fit into. With slots there is one: the window has 1 GiB a slot more than can be filled. */
static void add_device_memory(GArray *ranges, Machine *machine)
{
    g_autoptr(GArray) places = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    g_autoptr(GArray) none = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    const GArray *devices = memory_devices(machine);
    unsigned home = devices->len;

    if (machine->device_memory.size == 0) {
        return;
    }
    for (uint32_t node = 0; node < machine->numa.num_nodes; node++) {
        if (node_needs_place(machine, node, devices)) {
            g_array_append_val(places, node);
        }
    }
    while (home > 0 && range_size(free_range(machine, devices, home)) < places->len * NODE_PLACE) {
        home--;
    }
    if (range_size(free_range(machine, devices, home)) < places->len * NODE_PLACE) {
        g_array_set_size(places, 0);
    }
    for (unsigned i = 0; i <= devices->len; i++) {
        FreeRange range = free_range(machine, devices, i);

        add_gap(ranges, machine, range.start, range.end, i == home ? places : none);
        if (i < devices->len) {
            const MemoryDevice *md = memory_device_at(devices, i);
            bool lasts = object_is_a(OBJECT(md->dev), TYPE_NVDIMM);
            add_range(ranges, md->node, md->addr, md->addr + md->size,
                      SRAT_HOTPLUGGABLE | (lasts ? SRAT_NON_VOLATILE : 0));
        }
    }
}

bool acpi_srat_has_memory(const Machine *machine, unsigned node)
{
    return machine->numa.nodes[node].mem || machine->device_memory.size;
}

static int compare_ranges(const void *a, const void *b)
{
    const SratRange *x = a, *y = b;

    return x->node != y->node ? (x->node < y->node ? -1 : 1)
                              : (x->base < y->base ? -1 : x->base > y->base);
}

/* By node: a Linux guest numbers nodes as it finds them in SRAT, those with processors first. */
static void srat_memory(AcpiBlob *srat, Machine *machine)
{
    g_autoptr(GArray) ranges = g_array_new(FALSE, FALSE, sizeof(SratRange));

    add_boot_memory(ranges, X86_MACHINE(machine));
    add_device_memory(ranges, machine);
    g_array_sort(ranges, compare_ranges);
    for (unsigned i = 0; i < ranges->len; i++) {
        const SratRange *range = &g_array_index(ranges, SratRange, i);
        size_t entry = acpi_entry_begin(srat, SRAT_MEMORY);

        acpi_u32(srat, range->node);
        acpi_u16(srat, 0);
        acpi_u64(srat, range->base);
        acpi_u64(srat, range->end - range->base);
        acpi_u32(srat, 0);
        acpi_u32(srat, range->flags);
        acpi_u64(srat, 0);
        acpi_entry_end(srat, entry);
    }
}

AcpiBlob *acpi_build_srat(AcpiTables *tables, Machine *machine)
{
    AcpiBlob *srat = acpi_table_begin(tables, "SRAT", NULL, 3);

    acpi_u32(srat, 1); /* reserved, must be 1 */
    acpi_u64(srat, 0);
    for (unsigned i = 0; i < machine->cpu_slots.count; i++) { /* those that are to come, too */
        srat_cpu(srat, machine->cpu_slots.list[i].arch_id, MAX(machine->numa.cpu_node[i], 0));
    }
    srat_memory(srat, machine);
    acpi_table_end(tables, srat);
    return srat;
}

AcpiBlob *acpi_build_slit(AcpiTables *tables, Machine *machine)
{
    AcpiBlob *slit = acpi_table_begin(tables, "SLIT", NULL, 1);

    acpi_u64(slit, machine->numa.num_nodes);
    for (unsigned i = 0; i < machine->numa.num_nodes; i++) {
        acpi_bytes(slit, machine->numa.nodes[i].distance, machine->numa.num_nodes);
    }
    acpi_table_end(tables, slit);
    return slit;
}
