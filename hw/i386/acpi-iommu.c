/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an operating system has to know of an IOMMU: DMAR of VT-d (Architecture Specification 3.3,
 * chapter 8), IVRS of AMD's (48882, chapter 5), VIOT of virtio-iommu (ACPI 6.5, section 5.2.34). */
#include "hw/i386/acpi-build.h"

#include "hw/iommu/amdvi.h"
#include "hw/iommu/vtd.h"
#include "hw/virtio/virtio-iommu.h"

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
    acpi_u8(dmar, vtd->root_bus->bypass_iommu ? 0 : DMAR_ALL);
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

enum {
    IVRS_ADDRESSES = 40 << 8 | 64 << 15, /* bits of physical and of virtual ones */
    IVHD = 0x10,
    IVHD_SIZE = 24,
    IVHD_HAS_IOTLB = 1 << 4,
    IVHD_COHERENT = 1 << 5,
    IVHD_PREFETCHES = 1 << 6,
    IVHD_INVALIDATES_ALL = 1 << 5,
    IVHD_WIDE_INTERRUPTS = 1 << 6,
    IVHD_SIX_LEVELS = 2u << 30,
    ENTRY_SELECT = 2,
    ENTRY_ALL = 1,
    ENTRY_SPECIAL = 0x48,
    SPECIAL_IOAPIC = 1,
    CAPABILITY = 0x40,
};

/* The unit, all functions, and which of them the I/O APIC is taken for. */
AcpiBlob *acpi_build_ivrs(AcpiTables *tables)
{
    const Amdvi *amdvi = amdvi_find();
    AcpiBlob *ivrs;

    if (!amdvi) {
        return NULL;
    }
    bool all = !amdvi->root_bus->bypass_iommu;

    ivrs = acpi_table_begin(tables, "IVRS", NULL, 1);
    acpi_u32(ivrs, IVRS_ADDRESSES);
    acpi_zeros(ivrs, 8);

    acpi_u8(ivrs, IVHD);
    acpi_u8(ivrs, IVHD_COHERENT | IVHD_PREFETCHES | (amdvi->device_iotlb ? IVHD_HAS_IOTLB : 0));
    acpi_u16(ivrs, (uint16_t)(IVHD_SIZE + 4 + (amdvi->remaps ? 8 : 0)));
    acpi_u16(ivrs, amdvi->function->devfn);
    acpi_u16(ivrs, CAPABILITY);
    acpi_u64(ivrs, AMDVI_BASE);
    acpi_u16(ivrs, 0); /* segment */
    acpi_u16(ivrs, 0); /* the number of its message */
    acpi_u32(ivrs, IVHD_SIX_LEVELS | IVHD_WIDE_INTERRUPTS | IVHD_INVALIDATES_ALL);

    acpi_u8(ivrs, all ? ENTRY_ALL : ENTRY_SELECT);
    acpi_u16(ivrs, all ? 0 : amdvi->function->devfn);
    acpi_u8(ivrs, 0);
    if (amdvi->remaps) {
        acpi_u8(ivrs, ENTRY_SPECIAL);
        acpi_u16(ivrs, 0);
        acpi_u8(ivrs, 0);
        acpi_u8(ivrs, 0); /* its ID in the MADT */
        acpi_u16(ivrs, AMDVI_IOAPIC_ID);
        acpi_u8(ivrs, SPECIAL_IOAPIC);
    }
    acpi_table_end(tables, ivrs);
    return ivrs;
}

enum {
    VIOT_PCI_RANGE = 1,
    VIOT_VIRTIO_PCI = 3,
    VIOT_NODES = 2,
    VIOT_FIRST = 48, /* offset of the first node */
    RANGE_SIZE = 24,
    VIRTIO_PCI_SIZE = 16,
    LAST_ENDPOINT = 0xffff,
};

/* The IOMMU, and that every function is below it. */
AcpiBlob *acpi_build_viot(AcpiTables *tables)
{
    const PciDevice *iommu = virtio_iommu_find();
    AcpiBlob *viot;

    if (!iommu || pci_bus_of(iommu)->bypass_iommu) {
        return NULL; /* nothing is below it */
    }
    viot = acpi_table_begin(tables, "VIOT", NULL, 0);
    acpi_u16(viot, VIOT_NODES);
    acpi_u16(viot, VIOT_FIRST);
    acpi_zeros(viot, 8);

    acpi_u8(viot, VIOT_VIRTIO_PCI);
    acpi_u8(viot, 0);
    acpi_u16(viot, VIRTIO_PCI_SIZE);
    acpi_u16(viot, 0); /* segment */
    acpi_u16(viot, iommu->devfn);
    acpi_zeros(viot, 8);

    acpi_u8(viot, VIOT_PCI_RANGE);
    acpi_u8(viot, 0);
    acpi_u16(viot, RANGE_SIZE);
    acpi_u32(viot, 0); /* the first one's endpoint ID */
    acpi_u16(viot, 0); /* segments, from and to */
    acpi_u16(viot, 0);
    acpi_u16(viot, 0); /* functions, from and to */
    acpi_u16(viot, LAST_ENDPOINT);
    acpi_u16(viot, VIOT_FIRST); /* the node above them */
    acpi_zeros(viot, 6);
    acpi_table_end(tables, viot);
    return viot;
}
