/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI in the ACPI tables of a PC: the host bridge with its windows and interrupt routing, for the
 * DSDT, and the small tables of the chips around it. Pure functions of object state, as all of
 * hw/i386/acpi-build.h. Machine lock.
 */
#ifndef HW_I386_ACPI_PCI_H
#define HW_I386_ACPI_PCI_H

#include "hw/acpi/aml.h"
#include "hw/acpi/tables.h"
#include "hw/i386/x86.h"

/* Device PCI0, with @isa, the device of the ISA bridge, inside. */
Aml *acpi_build_pci_root(const X86Machine *x86, Aml *isa);
/* The devices of root buses that expanders give (hw/pci/pxb.h), into @sb, which is \_SB. */
void acpi_build_pci_extra_roots(Aml *sb, const X86Machine *x86);
/* The name of the device of such a bus. */
#define ACPI_PCI_ROOT_NAME 5
void acpi_pci_root_name(char name[ACPI_PCI_ROOT_NAME], const PciBus *root);
/* What routing needs outside of it: the link devices, and \_PIC where routes depend on it. */
void acpi_build_pci_routing(Aml *dsdt, const X86Machine *x86);

/* PCI hot-plug: slots for @pci, which is PCI0, and for @dsdt those of other roots, and the handler
 * of its event. Nothing if the machine has none by ACPI. */
void acpi_build_pci_hotplug(Aml *pci, Aml *dsdt, const X86Machine *x86);

/* For PciHost.holes: what _CRS of the machine's root bus has of memory, with configuration space in
 * it. */
void acpi_pci_holes(PciHoles *holes);
/* The end of what the machine's root bus has below 4 GiB. */
uint64_t acpi_pci_low_end(const X86Machine *x86);
/* _CRS of a root bus: the machine's, or one that an expander gives. */
Aml *acpi_pci_crs(const X86Machine *x86, const PciBus *root);
/* _OSC of a PCI Express root bus. @acpi_hotplug: hot-plug goes by ACPI. */
Aml *acpi_pci_osc(bool acpi_hotplug);
/* That of a CXL host bridge, which answers to PCI Express's UUID as well. acpi-cxl.c */
Aml *acpi_cxl_osc(void);
/* For \\_SB: the device that says that there is CXL; and the table that says where. NULL: there is
 * none. acpi-cxl.c */
Aml *acpi_build_cxl(const X86Machine *x86);
AcpiBlob *acpi_build_cedt(AcpiTables *tables, const X86Machine *x86);

/* Memory-mapped configuration space (PCI Firmware 3.0, section 4.1.2); NULL if the machine has none
 * or the guest switched it off. */
AcpiBlob *acpi_build_mcfg(AcpiTables *tables, const X86Machine *x86);
/* IA-PC HPET 1.0a, section 3.2.4; NULL if there is none. */
AcpiBlob *acpi_build_hpet(AcpiTables *tables, const X86Machine *x86);
/* "Windows ACPI Emulated devices Table": which work-arounds for real chips are not needed. */
AcpiBlob *acpi_build_waet(AcpiTables *tables);

#endif
