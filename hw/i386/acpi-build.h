/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ACPI tables of a PC. Pure functions of object state (DESIGN decision 2): they
 * keep nothing and change nothing, so the tables can be built at any time. Machine lock.
 */
#ifndef HW_I386_ACPI_BUILD_H
#define HW_I386_ACPI_BUILD_H

#include "hw/acpi/aml.h"
#include "hw/acpi/tables.h"
#include "hw/core/machine.h"
#include "hw/i386/x86.h"

/* All tables, not linked: "rsdp", "xsdt", "facp", "facs", "dsdt", "apic", "srat", with more than
 * one NUMA node "slit", with hmat=on "hmat", with a VM generation ID "ssdt". acpi_tables_free(). */
AcpiTables *acpi_build(Machine *machine);

/* Link @tables for a boot without firmware: RSDP in the BIOS area, the rest at the end of @below_4g
 * bytes of RAM, in the places that e820_build() keeps for them. */
bool acpi_link_direct(AcpiTables *tables, uint64_t below_4g, GError **errp);
/* Where that puts the FACS. */
uint64_t acpi_facs_address(uint64_t below_4g);

/* ---- one table each; used by acpi_build() ---- */

AcpiBlob *acpi_build_dsdt(AcpiTables *tables, Machine *machine);
AcpiBlob *acpi_build_srat(AcpiTables *tables, Machine *machine);
AcpiBlob *acpi_build_slit(AcpiTables *tables, Machine *machine);
AcpiBlob *acpi_build_hmat(AcpiTables *tables, Machine *machine);

/* The most bytes that an HMAT may have: there is room in ACPI_AREA for it and for the largest of
 * each other table, which have some 100 KiB together (256 slots, 288 processors, 128 nodes). */
#define ACPI_HMAT_MOST (128u << 10)

/* For the start of a machine, when nodes are known: an error if its HMAT is larger. */
bool acpi_check_hmat(Machine *machine, GError **errp);

/* Has SRAT a range of memory for @node? Without a window for memory devices, a node may have none.
 */
bool acpi_srat_has_memory(const Machine *machine, unsigned node);

/* NULL: there is no NVDIMM. */
AcpiBlob *acpi_build_nfit(AcpiTables *tables, const X86Machine *x86);

/* An SSDT; NULL: there is no VM generation ID. With firmware, the page that holds it is a file that
 * the firmware places. */
AcpiBlob *acpi_build_vmgenid(AcpiTables *tables, const X86Machine *x86);

/* TPM2, or TCPA of a TPM 1.2; NULL: there is no TPM. With firmware it says where the event log is.
 */
AcpiBlob *acpi_build_tpm(AcpiTables *tables, const X86Machine *x86);
#define TPM_LOG_FILE "etc/tpm/log" /* in fw_cfg: that log, TPM_LOG_SIZE bytes */
/* The TPM as a device; NULL: there is none. */
Aml *acpi_tpm_device(void);

/* NULL: there is no intel-iommu. */
AcpiBlob *acpi_build_dmar(AcpiTables *tables);
/* NULL: there is no amd-iommu. */
AcpiBlob *acpi_build_ivrs(AcpiTables *tables);
/* NULL: there is no virtio-iommu, or nothing below it. */
AcpiBlob *acpi_build_viot(AcpiTables *tables);
/* NULL: there is no acpi-erst, or nothing has placed it. */
AcpiBlob *acpi_build_erst(AcpiTables *tables);

/* The DSDT's part for NVDIMMs: device \_SB.NVDR with one device a slot, and the handler of its
 * general-purpose event. */
void acpi_build_nvdimms(Aml *dsdt, unsigned slots);

/* The DSDT's part for memory hot-plug: device \_SB.MHPC with one device a slot, and the handler of
 * its general-purpose event. @slots: 1 to MAX_RAM_SLOTS. */
void acpi_build_memory_hotplug(Aml *dsdt, unsigned slots);

/* The DSDT's processors, and their coming and going: the registers are \_SB.PCI0.PRES, the
 * processors \_SB.CPUS.C000 and on, one a place, and there is the handler of their
 * general-purpose event. */
void acpi_build_processors(Aml *dsdt, const Machine *machine);
/* The MADT's entries for all processors, those that are to come too (ACPI 6.4 section 5.2.12). */
void acpi_madt_processors(AcpiBlob *madt, const Machine *machine);
/* An APIC ID from which on tables have to use the x2APIC form: it, and what is above, does not fit
 * the 8-bit form, whose 255 is all of them. */
#define ACPI_FIRST_X2APIC 255u

/* The name of the device of slot @slot, of those whose names begin with the letter @kind. */
void acpi_slot_name(char name[5], char kind, unsigned slot);
/* Method @name (slot, value): notify the device of one of @slots slots (> 0) with the value, by a
 * tree of comparisons. */
Aml *acpi_build_notify_method(const char *name, char kind, unsigned slots);

#endif
