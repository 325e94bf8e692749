/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an operating system has to know of an IOMMU: DMAR of VT-d (Architecture Specification 3.3,
 * chapter 8). */
#include "hw/i386/acpi-build.h"

#include "hw/iommu/vtd.h"

enum {
    DMAR_INTERRUPTS = 1 << 0,
    DMAR_UNIT = 0,
    DMAR_ATS = 2,
    DMAR_ALL = 1 << 0, /* functions of the segment; root ports */
    SCOPE_IOAPIC = 3,
    SCOPE_SIZE = 8,
    UNIT_SIZE = 16,
    ATS_SIZE = 8,
};

AcpiBlob *acpi_build_dmar(AcpiTables *tables)
{
    const Vtd *vtd = vtd_find();
    AcpiBlob *dmar;

    if (!vtd) {
        return NULL;
    }
    dmar = acpi_table_begin(tables, "DMAR", NULL, 1);
    acpi_u8(dmar, (uint8_t)(vtd->aw_bits - 1));
    acpi_u8(dmar, vtd->remaps ? DMAR_INTERRUPTS : 0);
    acpi_zeros(dmar, 10);

    acpi_u16(dmar, DMAR_UNIT);
    acpi_u16(dmar, UNIT_SIZE + SCOPE_SIZE);
    acpi_u8(dmar, DMAR_ALL);
    acpi_u8(dmar, 0);
    acpi_u16(dmar, 0); /* segment */
    acpi_u64(dmar, VTD_BASE);
    acpi_u8(dmar, SCOPE_IOAPIC);
    acpi_u8(dmar, SCOPE_SIZE);
    acpi_u16(dmar, 0);
    acpi_u8(dmar, 0); /* its ID in the MADT */
    acpi_u8(dmar, VTD_IOAPIC_SOURCE >> 8);
    acpi_u8(dmar, PCI_SLOT(VTD_IOAPIC_SOURCE & 0xff));
    acpi_u8(dmar, PCI_FUNC(VTD_IOAPIC_SOURCE & 0xff));

    if (vtd->device_iotlb) {
        acpi_u16(dmar, DMAR_ATS);
        acpi_u16(dmar, ATS_SIZE);
        acpi_u8(dmar, DMAR_ALL);
        acpi_u8(dmar, 0);
        acpi_u16(dmar, 0); /* segment */
    }
    acpi_table_end(tables, dmar);
    return dmar;
}
