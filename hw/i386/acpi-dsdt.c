/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The devices of the machine that cannot be found otherwise. */
#include "hw/i386/acpi-build.h"

#include "hw/acpi/pm.h"
#include "hw/char/serial.h"
#include "hw/i386/x86.h"

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

static Aml *dsdt_isa(const Machine *machine)
{
    Aml *isa = aml_device(
        "ISA", aml_name("_ADR", aml_int(0x00010000)), /* device 1, function 0 */
        aml_device("RTC", dsdt_hid("PNP0B00"),
                   aml_name("_CRS", aml_resources(aml_io(0x70, 2), aml_irq(8)))),
        aml_device("KBD", dsdt_hid("PNP0303"),
                   aml_name("_CRS", aml_resources(aml_io(0x60, 1), aml_io(0x64, 1), aml_irq(1)))));

    for (unsigned i = 0; i < MAX_SERIAL; i++) {
        if (machine->serial[i]) {
            aml_add(isa, dsdt_serial(i));
        }
    }
    return isa;
}

/* There is no _PRT: no function has an interrupt pin. */
static Aml *dsdt_pci_root(const Machine *machine)
{
    uint32_t hole = X86_MACHINE(machine)->below_4g;

    return aml_device(
        "PCI0", dsdt_hid("PNP0A03"), aml_name("_UID", aml_int(0)), aml_name("_BBN", aml_int(0)),
        aml_name("_CRS",
                 aml_resources(aml_word_range(AML_RANGE_BUS, 0, 0xff), aml_io(0xcf8, 8),
                               aml_word_range(AML_RANGE_IO, 0, 0xcf7),
                               aml_word_range(AML_RANGE_IO, 0xd00, 0xffff),
                               aml_dword_range(AML_RANGE_MEMORY, true, 0xa0000, 0xbffff),
                               aml_dword_range(AML_RANGE_MEMORY, false, hole, PCI_HOLE_LAST))),
        dsdt_isa(machine));
}

/* Ports that belong to the board and to no device. */
static Aml *dsdt_board_resources(const X86MachineOps *ops)
{
    return aml_device(
        "MBRD", dsdt_hid("PNP0C02"), aml_name("_UID", aml_int(0)),
        aml_name("_CRS", aml_resources(aml_io(ACPI_PM_BASE, ops->pm->size),
                                       aml_io(ops->pm->gpe0_port, ops->pm->gpe0_len),
                                       aml_io(ACPI_SMI_CMD_PORT, 2), aml_io(0x92, 1))));
}

static void dsdt_processors(Aml *scope, const Machine *machine)
{
    for (unsigned i = 0; i < machine->num_cpus; i++) {
        g_autofree char *name = g_strdup_printf("C%03X", i);

        aml_add(scope, aml_device(name, aml_name("_HID", aml_string("ACPI0007")),
                                  aml_name("_UID", aml_int(machine->cpus[i]->index)),
                                  aml_name("_PXM", aml_int(MAX(machine->cpu_node[i], 0)))));
    }
}

AcpiBlob *acpi_build_dsdt(AcpiTables *tables, Machine *machine)
{
    /* Revision 2: integers have 64 bits. */
    AcpiBlob *dsdt = acpi_table_begin(tables, "DSDT", NULL, 2);
    Aml *root = aml_list();
    Aml *sb =
        aml_scope("\\_SB", dsdt_pci_root(machine), dsdt_board_resources(x86_machine_ops(machine)),
                  aml_device("PWRB", dsdt_hid("PNP0C0C")));
    g_autoptr(GByteArray) code = NULL;

    dsdt_processors(sb, machine);
    aml_add(root, sb);
    aml_add(root, aml_name("\\_S5", aml_package(aml_int(ACPI_SLP_TYP_S5), aml_int(ACPI_SLP_TYP_S5),
                                                aml_int(0), aml_int(0))));
    if (machine->ram_slots) {
        acpi_build_memory_hotplug(root, machine->ram_slots);
    }
    code = aml_finish(root);
    acpi_bytes(dsdt, code->data, code->len);
    acpi_table_end(tables, dsdt);
    return dsdt;
}
