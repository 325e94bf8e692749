/* SPDX-License-Identifier: GPL-2.0-or-later */
/* MCFG, HPET and WAET. */
#include "hw/i386/acpi-pci.h"

AcpiBlob *acpi_build_mcfg(AcpiTables *tables, const X86Machine *x86)
{
    const X86MachineOps *ops = x86_machine_ops(&x86->parent);
    AcpiBlob *mcfg;
    unsigned buses;
    hwaddr base;

    if (!ops->ecam || !ops->ecam(x86, &base, &buses)) {
        return NULL;
    }
    mcfg = acpi_table_begin(tables, "MCFG", NULL, 1);
    acpi_zeros(mcfg, 8);
    acpi_u64(mcfg, base);
    acpi_u16(mcfg, 0); /* segment group */
    acpi_u8(mcfg, 0);  /* first bus */
    acpi_u8(mcfg, buses - 1);
    acpi_zeros(mcfg, 4);
    acpi_table_end(tables, mcfg);
    return mcfg;
}

AcpiBlob *acpi_build_hpet(AcpiTables *tables, const X86Machine *x86)
{
    AcpiBlob *hpet;

    if (!x86->hpet) {
        return NULL;
    }
    hpet = acpi_table_begin(tables, "HPET", NULL, 1);
    acpi_u32(hpet, HPET_BLOCK_ID);
    acpi_generic_address(hpet, ACPI_GAS_MEMORY, 64, HPET_BASE);
    acpi_u8(hpet, 0);  /* its number */
    acpi_u16(hpet, 0); /* least period: any */
    acpi_u8(hpet, 0);  /* page protection: none is promised */
    acpi_table_end(tables, hpet);
    return hpet;
}

AcpiBlob *acpi_build_waet(AcpiTables *tables)
{
    enum { PM_TIMER_GOOD = 1 << 1 }; /* one read of the PM timer is enough */
    AcpiBlob *waet = acpi_table_begin(tables, "WAET", NULL, 1);

    acpi_u32(waet, PM_TIMER_GOOD);
    acpi_table_end(tables, waet);
    return waet;
}
