/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The devices of the machine that cannot be found otherwise. */
#include "hw/i386/acpi-build.h"
#include "hw/i386/acpi-pci.h"

#include "hw/acpi/pm.h"
#include "hw/char/isa-parallel.h"
#include "hw/char/isa-serial.h"
#include "hw/floppy/fdc.h"
#include "hw/i386/fw-cfg.h"
#include "hw/i386/vmgenid.h"
#include "hw/i386/x86.h"
#include "hw/ipmi/ipmi.h"
#include "hw/misc/pvpanic.h"

static Aml *dsdt_hid(const char *id)
{
    return aml_name("_HID", aml_eisaid(id));
}

static Aml *dsdt_serial(unsigned n)
{
    g_autofree char *name = g_strdup_printf("COM%u", n + 1);

    return aml_device(
        name, dsdt_hid("PNP0501"), aml_name("_UID", aml_int(n + 1)),
        aml_name("_CRS", aml_resources(aml_io(isa_serial_port(n), 8), aml_irq(isa_serial_irq(n)))));
}

static void dsdt_parallels(Aml *isa)
{
    unsigned port, irq;

    for (unsigned i = 0; i < ISA_PARALLELS; i++) {
        if (isa_parallel_find(i, &port, &irq)) {
            g_autofree char *name = g_strdup_printf("LPT%u", i + 1);

            aml_add(isa, aml_device(name, dsdt_hid("PNP0400"), aml_name("_UID", aml_int(i + 1)),
                                    aml_name("_CRS", aml_resources(aml_io(port, ISA_PARALLEL_PORTS),
                                                                   aml_irq(irq)))));
        }
    }
}

/* ---- floppies (ACPI 6.4, section 9.9) ---- */

/* _FDI: as the BIOS tells of a drive. */
static Aml *dsdt_floppy(unsigned unit, FloppyType type)
{
    static const struct {
        uint8_t kind, cylinders, sectors, gap, format_gap;
    } drives[] = {
        [FLOPPY_144] = { 4, 79, 18, 0x1b, 0x6c },
        [FLOPPY_288] = { 6, 79, 36, 0x1b, 0x50 },
        [FLOPPY_120] = { 2, 79, 15, 0x1b, 0x54 },
    };
    enum { HEADS = 1, TIMES_1 = 0xaf, TIMES_2 = 0x02, MOTOR_OFF = 0x25, BYTES = 2, FILL = 0xf6 };
    enum { SETTLE = 0x0f, MOTOR_ON = 0x08, ANY_LENGTH = 0xff };
    g_autofree char *name = g_strdup_printf("FLP%c", 'A' + unit);
    const uint8_t facts[] = { (uint8_t)unit,
                              drives[type].kind,
                              drives[type].cylinders,
                              drives[type].sectors,
                              HEADS,
                              TIMES_1,
                              TIMES_2,
                              MOTOR_OFF,
                              BYTES,
                              drives[type].sectors,
                              drives[type].gap,
                              ANY_LENGTH,
                              drives[type].format_gap,
                              FILL,
                              SETTLE,
                              MOTOR_ON };
    Aml *package = aml_package();

    for (unsigned i = 0; i < G_N_ELEMENTS(facts); i++) {
        aml_add(package, aml_int(facts[i]));
    }
    return aml_device(name, aml_name("_ADR", aml_int(unit)), aml_name("_FDI", package));
}

/* _FDE: which of four drives are there; 2: no tape drive is known of. */
static void dsdt_floppies(Aml *isa)
{
    enum { PORTS = 2, RATE_PORT = 7, TAPE = 4 };
    const IsaFdc *s = fdc_find();
    uint32_t present[5] = { [TAPE] = GUINT32_TO_LE(2) };
    Aml *fdc;

    if (!s) {
        return;
    }
    for (unsigned i = 0; i < FDC_DRIVES; i++) {
        present[i] = GUINT32_TO_LE(fdc_drive_type(i) != FLOPPY_NONE);
    }
    fdc = aml_device("FDC0", dsdt_hid("PNP0700"),
                     aml_name("_CRS", aml_resources(aml_io((uint16_t)(s->iobase + PORTS), 4),
                                                    aml_io((uint16_t)(s->iobase + RATE_PORT), 1),
                                                    aml_irq(s->irq_number), aml_dma(s->channel))),
                     aml_name("_FDE", aml_buffer(present, sizeof(present))));
    for (unsigned i = 0; i < FDC_DRIVES; i++) {
        if (fdc_drive_type(i) != FLOPPY_NONE) {
            aml_add(fdc, dsdt_floppy(i, fdc_drive_type(i)));
        }
    }
    aml_add(isa, fdc);
}

/* ---- the board ---- */

static Aml *dsdt_pvpanic(uint16_t port)
{
    return aml_device("PEVT", aml_name("_HID", aml_string("QEMU0001")),
                      aml_name("_CRS", aml_resources(aml_io(port, 1))));
}

/* Section 9.14 of ACPI 6.4, and appendix C3 of IPMI 2.0. */
static Aml *dsdt_ipmi(const IpmiIsa *ipmi)
{
    enum { VERSION = 0x0200 };

    return aml_device("MI00", aml_name("_HID", aml_string("IPI0001")), aml_name("_UID", aml_int(0)),
                      aml_name("_IFT", aml_int(ipmi->kind)), aml_name("_SRV", aml_int(VERSION)),
                      aml_name("_CRS", ipmi->irq ? aml_resources(aml_io(ipmi->port, ipmi->ports),
                                                                 aml_irq(ipmi->irq))
                                                 : aml_resources(aml_io(ipmi->port, ipmi->ports))));
}

static Aml *dsdt_isa(const Machine *machine)
{
    uint8_t devfn = x86_machine_ops(machine)->isa_bridge;
    uint16_t panic_port = pvpanic_isa_port();
    IpmiIsa ipmi;
    Aml *isa = aml_device(
        "ISA", aml_name("_ADR", aml_int(PCI_SLOT(devfn) << 16 | PCI_FUNC(devfn))),
        aml_device("RTC", dsdt_hid("PNP0B00"),
                   aml_name("_CRS", aml_resources(aml_io(0x70, 2), aml_irq(8)))),
        aml_device("KBD", dsdt_hid("PNP0303"),
                   aml_name("_CRS", aml_resources(aml_io(0x60, 1), aml_io(0x64, 1), aml_irq(1)))),
        aml_device("MOU", dsdt_hid("PNP0F13"), aml_name("_CRS", aml_resources(aml_irq(12)))));

    for (unsigned i = 0; i < MAX_SERIAL; i++) {
        if (machine->serial[i]) {
            aml_add(isa, dsdt_serial(i));
        }
    }
    dsdt_parallels(isa);
    dsdt_floppies(isa);
    if (panic_port) {
        aml_add(isa, dsdt_pvpanic(panic_port));
    }
    if (ipmi_isa_find(&ipmi)) {
        aml_add(isa, dsdt_ipmi(&ipmi));
    }
    return isa;
}

/* Ports and memory that belong to the board and to no device. Linux uses memory-mapped
 * configuration space only if it finds it here. */
static Aml *dsdt_board_resources(const X86Machine *x86)
{
    const X86MachineOps *ops = x86_machine_ops(&x86->parent);
    Aml *used = aml_list();
    unsigned buses;
    hwaddr ecam;

    aml_add(used, aml_io(ACPI_PM_BASE, ops->pm->size));
    if (!ops->pm->gpe0_inside) {
        aml_add(used, aml_io(ops->pm->gpe0_port, ops->pm->gpe0_len));
    }
    aml_add(used, aml_io(ACPI_SMI_CMD_PORT, 2));
    aml_add(used, aml_io(0x92, 1));
    if (x86->pci_hotplug) {
        aml_add(used, aml_io(ops->pci_hotplug_port, PCIHP_SIZE));
    }
    if (x86->nvdimms) {
        aml_add(used, aml_memory32_fixed(true, NVDIMM_MAILBOX_ADDR, NVDIMM_MAILBOX_SIZE));
    }
    if (vmgenid_present()) {
        aml_add(used, aml_memory32_fixed(true, VMGENID_ADDR, VMGENID_SIZE));
    }
    if (ops->ecam && ops->ecam(x86, &ecam, &buses)) {
        aml_add(used, aml_qword_memory(false, ecam, ecam + ((uint64_t)buses << 20) - 1));
    }
    return aml_device("MBRD", dsdt_hid("PNP0C02"), aml_name("_UID", aml_int(0)),
                      aml_name("_CRS", aml_resources(used)));
}

static Aml *dsdt_hpet(void)
{
    return aml_device(
        "HPET", dsdt_hid("PNP0103"), aml_name("_UID", aml_int(0)),
        aml_name("_CRS", aml_resources(aml_memory32_fixed(false, HPET_BASE, HPET_SIZE))));
}

/* By this Linux finds fw_cfg (/sys/firmware/qemu_fw_cfg). _STA: not for users to see. */
static Aml *dsdt_fw_cfg(void)
{
    enum { PORTS = FW_CFG_DMA_BASE + 8 - FW_CFG_IO_BASE };

    return aml_device("FWCF", aml_name("_HID", aml_string("QEMU0002")),
                      aml_name("_STA", aml_int(0xb)),
                      aml_name("_CRS", aml_resources(aml_io(FW_CFG_IO_BASE, PORTS))));
}

/* SLP_TYP for PM1a and PM1b, of which there is none (ACPI 6.4, 7.4.2). */
static void dsdt_sleep_state(Aml *root, const char *name, unsigned type)
{
    aml_add(root,
            aml_name(name, aml_package(aml_int(type), aml_int(type), aml_int(0), aml_int(0))));
}

static void dsdt_sleep_states(Aml *root, const AcpiPm *pm)
{
    if (acpi_pm_offers_s3(pm)) {
        dsdt_sleep_state(root, "\\_S3", ACPI_SLP_TYP_S3);
    }
    if (acpi_pm_offers_s4(pm)) {
        dsdt_sleep_state(root, "\\_S4", pm->sleep->s4_val);
    }
    dsdt_sleep_state(root, "\\_S5", ACPI_SLP_TYP_S5);
}

AcpiBlob *acpi_build_dsdt(AcpiTables *tables, Machine *machine)
{
    /* Revision 2: integers have 64 bits. */
    AcpiBlob *dsdt = acpi_table_begin(tables, "DSDT", NULL, 2);
    Aml *root = aml_list();
    const X86Machine *x86 = X86_MACHINE(machine);
    Aml *pci = acpi_build_pci_root(x86, dsdt_isa(machine)), *events = aml_list();
    Aml *sb, *tpm = acpi_tpm_device();
    g_autoptr(GByteArray) code = NULL;

    acpi_build_pci_hotplug(pci, events, x86);
    sb = aml_scope("\\_SB", pci, dsdt_board_resources(x86));
    acpi_build_pci_extra_roots(sb, x86);
    if (x86->cxl) {
        aml_add(sb, acpi_build_cxl(x86));
    }
    if (x86->hpet) {
        aml_add(sb, dsdt_hpet());
    }
    aml_add(sb, dsdt_fw_cfg());
    if (tpm) {
        aml_add(sb, tpm);
    }
    aml_add(sb, aml_device("PWRB", dsdt_hid("PNP0C0C")));
    aml_add(root, sb);
    acpi_build_processors(root, machine);
    aml_add(root, events);
    acpi_build_pci_routing(root, x86);
    dsdt_sleep_states(root, x86->pm);
    if (machine->ram.slots) {
        acpi_build_memory_hotplug(root, machine->ram.slots);
    }
    if (x86->nvdimms) {
        acpi_build_nvdimms(root, machine->ram.slots);
    }
    code = aml_finish(root);
    acpi_bytes(dsdt, code->data, code->len);
    acpi_table_end(tables, dsdt);
    return dsdt;
}
