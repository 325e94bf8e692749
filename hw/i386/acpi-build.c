/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/i386/acpi-build.h"
#include "hw/i386/acpi-pci.h"

#include "hw/acpi/pm.h"
#include "hw/i386/e820.h"
#include "hw/i386/x86.h"
#include "hw/intc/apic.h"

/* FADT flags (ACPI 6.4 table 5.10). */
enum {
    FADT_WBINVD = 1 << 0,
    FADT_PROC_C1 = 1 << 2,
    FADT_SLP_BUTTON = 1 << 5, /* there is no fixed sleep button */
    FADT_TMR_VAL_EXT = 1 << 8,
    FADT_RESET_REG_SUP = 1 << 10,
};

/* IA-PC boot architecture flags (table 5.11). */
enum {
    BOOT_ARCH_LEGACY_DEVICES = 1 << 0,
    BOOT_ARCH_8042 = 1 << 1,
    BOOT_ARCH_NO_VGA = 1 << 2,
};

#define RESET_PORT    0xcf9
#define RESET_VALUE   0x0f
#define CMOS_CENTURY  0x32
#define NO_C_STATE    0xfff /* a latency that says: not there */
#define FADT_REVISION 6
#define FADT_MINOR    4

static void fadt_register(AcpiBlob *fadt, unsigned bytes, uint64_t port)
{
    acpi_generic_address(fadt, ACPI_GAS_IO, bytes * 8, port);
}

/* Section 5.2.9. */
static AcpiBlob *build_fadt(AcpiTables *tables, const X86MachineOps *ops, const AcpiBlob *facs,
                            const AcpiBlob *dsdt)
{
    AcpiBlob *fadt = acpi_table_begin(tables, "FACP", NULL, FADT_REVISION);

    acpi_pointer(tables, fadt, facs, 4);
    acpi_pointer(tables, fadt, dsdt, 4);
    acpi_u8(fadt, 0); /* reserved */
    acpi_u8(fadt, 0); /* preferred PM profile: unspecified */
    acpi_u16(fadt, ACPI_SCI_IRQ);
    acpi_u32(fadt, ACPI_SMI_CMD_PORT);
    acpi_u8(fadt, ACPI_ENABLE_CMD);
    acpi_u8(fadt, ACPI_DISABLE_CMD);
    acpi_u8(fadt, 0); /* S4BIOS_REQ */
    acpi_u8(fadt, 0); /* PSTATE_CNT */
    acpi_u32(fadt, ACPI_PM1_EVT_PORT);
    acpi_u32(fadt, 0); /* PM1b_EVT_BLK */
    acpi_u32(fadt, ACPI_PM1_CNT_PORT);
    acpi_u32(fadt, 0); /* PM1b_CNT_BLK */
    acpi_u32(fadt, 0); /* PM2_CNT_BLK */
    acpi_u32(fadt, ACPI_PM_TMR_PORT);
    acpi_u32(fadt, ops->pm->gpe0_port);
    acpi_u32(fadt, 0); /* GPE1_BLK */
    acpi_u8(fadt, ACPI_PM1_EVT_LEN);
    acpi_u8(fadt, ACPI_PM1_CNT_LEN);
    acpi_u8(fadt, 0); /* PM2_CNT_LEN */
    acpi_u8(fadt, ACPI_PM_TMR_LEN);
    acpi_u8(fadt, ops->pm->gpe0_len);
    acpi_u8(fadt, 0); /* GPE1_BLK_LEN */
    acpi_u8(fadt, 0); /* GPE1_BASE */
    acpi_u8(fadt, 0); /* CST_CNT */
    acpi_u16(fadt, NO_C_STATE);
    acpi_u16(fadt, NO_C_STATE);
    acpi_u16(fadt, 0); /* FLUSH_SIZE: WBINVD works */
    acpi_u16(fadt, 0); /* FLUSH_STRIDE */
    acpi_u8(fadt, 0);  /* DUTY_OFFSET */
    acpi_u8(fadt, 0);  /* DUTY_WIDTH */
    acpi_u8(fadt, 0);  /* DAY_ALRM */
    acpi_u8(fadt, 0);  /* MON_ALRM */
    acpi_u8(fadt, CMOS_CENTURY);
    acpi_u16(fadt, BOOT_ARCH_LEGACY_DEVICES | BOOT_ARCH_8042 | BOOT_ARCH_NO_VGA);
    acpi_u8(fadt, 0); /* reserved */
    acpi_u32(fadt,
             FADT_WBINVD | FADT_PROC_C1 | FADT_SLP_BUTTON | FADT_TMR_VAL_EXT | FADT_RESET_REG_SUP);
    fadt_register(fadt, 1, RESET_PORT);
    acpi_u8(fadt, RESET_VALUE);
    acpi_u16(fadt, 0); /* ARM_BOOT_ARCH */
    acpi_u8(fadt, FADT_MINOR);
    acpi_u64(fadt, 0); /* X_FIRMWARE_CTRL: not beside FIRMWARE_CTRL */
    acpi_pointer(tables, fadt, dsdt, 8);
    fadt_register(fadt, ACPI_PM1_EVT_LEN, ACPI_PM1_EVT_PORT);
    fadt_register(fadt, 0, 0); /* PM1b_EVT */
    fadt_register(fadt, ACPI_PM1_CNT_LEN, ACPI_PM1_CNT_PORT);
    fadt_register(fadt, 0, 0); /* PM1b_CNT */
    fadt_register(fadt, 0, 0); /* PM2_CNT */
    fadt_register(fadt, ACPI_PM_TMR_LEN, ACPI_PM_TMR_PORT);
    fadt_register(fadt, ops->pm->gpe0_len, ops->pm->gpe0_port);
    fadt_register(fadt, 0, 0);         /* GPE1 */
    fadt_register(fadt, 0, 0);         /* sleep control */
    fadt_register(fadt, 0, 0);         /* sleep status */
    acpi_text(fadt, "DIMMABLE", 8, 0); /* hypervisor vendor */
    acpi_table_end(tables, fadt);
    return fadt;
}

/* Section 5.2.10: has no standard header and no checksum. */
static AcpiBlob *build_facs(AcpiTables *tables)
{
    AcpiBlob *facs = acpi_blob_new(tables, "facs", 64, ACPI_ZONE_NVS);

    acpi_text(facs, "FACS", 4, ' ');
    acpi_u32(facs, 64); /* length */
    acpi_u32(facs, 0);  /* hardware signature */
    acpi_u32(facs, 0);  /* waking vector */
    acpi_u32(facs, 0);  /* global lock */
    acpi_u32(facs, 0);  /* flags */
    acpi_u64(facs, 0);  /* 64-bit waking vector */
    acpi_u8(facs, 2);   /* version */
    acpi_zeros(facs, 31);
    return facs;
}

/* MADT entry types, and flags (section 5.2.12). */
enum {
    MADT_IOAPIC = 1,
    MADT_OVERRIDE = 2,
    MADT_LAPIC_NMI = 4,
    MADT_X2APIC_NMI = 10,

    MADT_PCAT_COMPAT = 1,
    MADT_ACTIVE_HIGH_LEVEL = 0xd,
};

/* ISA interrupt @irq arrives at the I/O APIC's pin @gsi. */
static void madt_override(AcpiBlob *madt, uint8_t irq, uint32_t gsi, uint16_t flags)
{
    size_t entry = acpi_entry_begin(madt, MADT_OVERRIDE);

    acpi_u8(madt, 0); /* bus: ISA */
    acpi_u8(madt, irq);
    acpi_u32(madt, gsi);
    acpi_u16(madt, flags);
    acpi_entry_end(madt, entry);
}

static AcpiBlob *build_madt(AcpiTables *tables, const Machine *machine)
{
    AcpiBlob *madt = acpi_table_begin(tables, "APIC", NULL, 5);
    bool x2apic = false;
    size_t entry;

    acpi_u32(madt, APIC_BASE);
    acpi_u32(madt, MADT_PCAT_COMPAT);
    acpi_madt_processors(madt, machine);
    for (unsigned i = 0; i < machine->cpu_slots.count; i++) {
        x2apic |= machine->cpu_slots.list[i].arch_id >= ACPI_FIRST_X2APIC;
    }

    entry = acpi_entry_begin(madt, MADT_IOAPIC);
    acpi_u8(madt, 0); /* its ID */
    acpi_u8(madt, 0);
    acpi_u32(madt, IOAPIC_BASE);
    acpi_u32(madt, 0); /* its first GSI */
    acpi_entry_end(madt, entry);

    madt_override(madt, 0, 2, 0); /* flags 0: as usual on the bus */
    madt_override(madt, ACPI_SCI_IRQ, ACPI_SCI_IRQ, MADT_ACTIVE_HIGH_LEVEL);

    entry = acpi_entry_begin(madt, MADT_LAPIC_NMI);
    acpi_u8(madt, 0xff); /* all processors */
    acpi_u16(madt, 0);
    acpi_u8(madt, 1); /* LINT1 */
    acpi_entry_end(madt, entry);
    if (x2apic) {
        entry = acpi_entry_begin(madt, MADT_X2APIC_NMI);
        acpi_u16(madt, 0);
        acpi_u32(madt, UINT32_MAX);
        acpi_u8(madt, 1);
        acpi_zeros(madt, 3);
        acpi_entry_end(madt, entry);
    }
    acpi_table_end(tables, madt);
    return madt;
}

/* Section 5.2.5.3. */
static void build_rsdp(AcpiTables *tables, const AcpiBlob *xsdt)
{
    enum { CHECKSUM = 8, LENGTH_1 = 20, EXTENDED_CHECKSUM = 32, LENGTH = 36 };
    AcpiBlob *rsdp = acpi_blob_new(tables, "rsdp", 16, ACPI_ZONE_FSEG);

    acpi_text(rsdp, "RSD PTR ", 8, ' ');
    acpi_u8(rsdp, 0); /* checksum */
    acpi_text(rsdp, "DIMMBL", 6, ' ');
    acpi_u8(rsdp, 2);  /* revision */
    acpi_u32(rsdp, 0); /* RSDT: none */
    acpi_u32(rsdp, LENGTH);
    acpi_pointer(tables, rsdp, xsdt, 8);
    acpi_u8(rsdp, 0); /* extended checksum */
    acpi_zeros(rsdp, 3);
    acpi_checksum(tables, rsdp, CHECKSUM, 0, LENGTH_1);
    acpi_checksum(tables, rsdp, EXTENDED_CHECKSUM, 0, LENGTH);
}

AcpiTables *acpi_build(Machine *machine)
{
    AcpiTables *tables = acpi_tables_new();
    AcpiBlob *facs = build_facs(tables);
    AcpiBlob *dsdt = acpi_build_dsdt(tables, machine);
    const AcpiBlob *listed[] = {
        build_fadt(tables, x86_machine_ops(machine), facs, dsdt),
        build_madt(tables, machine),
        acpi_build_srat(tables, machine),
        machine->numa.num_nodes > 1 ? acpi_build_slit(tables, machine) : NULL,
        machine->numa.hmat ? acpi_build_hmat(tables, machine) : NULL,
        acpi_build_nfit(tables, X86_MACHINE(machine)),
        acpi_build_mcfg(tables, X86_MACHINE(machine)),
        acpi_build_cedt(tables, X86_MACHINE(machine)),
        acpi_build_hpet(tables, X86_MACHINE(machine)),
        acpi_build_waet(tables),
        acpi_build_vmgenid(tables, X86_MACHINE(machine)),
        acpi_build_tpm(tables, X86_MACHINE(machine)),
        acpi_build_dmar(tables),
        acpi_build_ivrs(tables),
        acpi_build_viot(tables),
        acpi_build_erst(tables),
    };
    AcpiBlob *xsdt = acpi_table_begin(tables, "XSDT", NULL, 1);

    for (unsigned i = 0; i < G_N_ELEMENTS(listed); i++) {
        if (listed[i]) {
            acpi_pointer(tables, xsdt, listed[i], 8);
        }
    }
    acpi_table_end(tables, xsdt);
    build_rsdp(tables, xsdt);
    return tables;
}

uint64_t acpi_facs_address(uint64_t below_4g)
{
    return below_4g - ACPI_AREA; /* the only one of ACPI_ZONE_NVS */
}

bool acpi_link_direct(AcpiTables *tables, uint64_t below_4g, GError **errp)
{
    uint64_t base = below_4g - ACPI_AREA;
    const AcpiArea areas[ACPI_ZONES] = {
        [ACPI_ZONE_FSEG] = { BIOS_BASE, HIGH_RAM - BIOS_BASE },
        [ACPI_ZONE_NVS] = { base, ACPI_NVS },
        [ACPI_ZONE_RECLAIM] = { base + ACPI_NVS, ACPI_AREA - ACPI_NVS },
    };

    return acpi_tables_link(tables, areas, errp);
}
