/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which processor and which memory is near which: SRAT and SLIT (ACPI 6.4 sections 5.2.16, 5.2.17).
 */
#include "hw/i386/acpi-build.h"

#include "hw/i386/e820.h"
#include "hw/i386/x86.h"
#include "hw/mem/pc-dimm.h"

enum {
    SRAT_CPU = 0,
    SRAT_MEMORY = 1,
    SRAT_X2APIC = 2,

    SRAT_ENABLED = 1 << 0,
    SRAT_HOTPLUGGABLE = 1 << 1,
};

static void srat_cpu(AcpiBlob *srat, const X86Cpu *cpu, uint32_t node)
{
    size_t entry;

    if (cpu->apic_id >= 255) {
        entry = acpi_entry_begin(srat, SRAT_X2APIC);
        acpi_u16(srat, 0);
        acpi_u32(srat, node);
        acpi_u32(srat, cpu->apic_id);
        acpi_u32(srat, SRAT_ENABLED);
        acpi_u32(srat, 0); /* clock domain */
        acpi_u32(srat, 0);
    } else {
        entry = acpi_entry_begin(srat, SRAT_CPU);
        acpi_u8(srat, node); /* bits 7:0 */
        acpi_u8(srat, cpu->apic_id);
        acpi_u32(srat, SRAT_ENABLED);
        acpi_u8(srat, 0); /* SAPIC EID */
        acpi_u8(srat, node >> 8);
        acpi_u8(srat, node >> 16);
        acpi_u8(srat, node >> 24);
        acpi_u32(srat, 0); /* clock domain */
    }
    acpi_entry_end(srat, entry);
}

static void srat_memory(AcpiBlob *srat, uint32_t node, uint64_t base, uint64_t end, uint32_t flags)
{
    size_t entry;

    if (end <= base) {
        return;
    }
    entry = acpi_entry_begin(srat, SRAT_MEMORY);
    acpi_u32(srat, node);
    acpi_u16(srat, 0);
    acpi_u64(srat, base);
    acpi_u64(srat, end - base);
    acpi_u32(srat, 0);
    acpi_u32(srat, SRAT_ENABLED | flags);
    acpi_u64(srat, 0);
    acpi_entry_end(srat, entry);
}

/* Boot RAM is given to the nodes in their order; each gets what falls into the contiguous pieces of
 * the memory map. */
static void srat_boot_memory(AcpiBlob *srat, const X86Machine *x86)
{
    const struct {
        uint64_t base, size, ram; /* physical range, and its start as an offset in RAM */
    } pieces[] = {
        { 0, 0xa0000, 0 },
        { HIGH_RAM, x86->below_4g - HIGH_RAM, HIGH_RAM },
        { FOUR_GIB, x86->above_4g, x86->below_4g },
    };
    uint64_t start = 0;

    for (unsigned node = 0; node < x86->parent.num_nodes; node++) {
        uint64_t end = start + x86->parent.nodes[node].mem;

        for (unsigned i = 0; i < G_N_ELEMENTS(pieces); i++) {
            uint64_t first = MAX(start, pieces[i].ram);
            uint64_t last = MIN(end, pieces[i].ram + pieces[i].size);
            if (first < last) {
                srat_memory(srat, node, pieces[i].base + (first - pieces[i].ram),
                            pieces[i].base + (last - pieces[i].ram), 0);
            }
        }
        start = end;
    }
}

/* The window for memory devices: plugged DIMMs in their nodes, the rest in the last node. */
static void srat_device_memory(AcpiBlob *srat, Machine *machine)
{
    uint64_t at = machine->device_memory.base;
    uint64_t end = at + machine->device_memory.size;
    uint32_t last_node = MAX(machine->num_nodes, 1) - 1;
    g_autoptr(GPtrArray) dimms = NULL;

    if (machine->device_memory.size == 0) {
        return;
    }
    dimms = pc_dimm_list(machine);
    for (unsigned i = 0; i < dimms->len; i++) {
        const PcDimm *dimm = dimms->pdata[i];
        uint64_t dimm_end = dimm->addr + pc_dimm_size(dimm);

        srat_memory(srat, last_node, at, dimm->addr, SRAT_HOTPLUGGABLE);
        srat_memory(srat, dimm->node, dimm->addr, dimm_end, SRAT_HOTPLUGGABLE);
        at = dimm_end;
    }
    srat_memory(srat, last_node, at, end, SRAT_HOTPLUGGABLE);
}

AcpiBlob *acpi_build_srat(AcpiTables *tables, Machine *machine)
{
    AcpiBlob *srat = acpi_table_begin(tables, "SRAT", NULL, 3);

    acpi_u32(srat, 1); /* reserved, must be 1 */
    acpi_u64(srat, 0);
    for (unsigned i = 0; i < machine->num_cpus; i++) {
        srat_cpu(srat, machine->cpus[i], MAX(machine->cpu_node[i], 0));
    }
    srat_boot_memory(srat, X86_MACHINE(machine));
    srat_device_memory(srat, machine);
    acpi_table_end(tables, srat);
    return srat;
}

AcpiBlob *acpi_build_slit(AcpiTables *tables, Machine *machine)
{
    AcpiBlob *slit = acpi_table_begin(tables, "SLIT", NULL, 1);

    acpi_u64(slit, machine->num_nodes);
    for (unsigned i = 0; i < machine->num_nodes; i++) {
        acpi_bytes(slit, machine->nodes[i].distance, machine->num_nodes);
    }
    acpi_table_end(tables, slit);
    return slit;
}
