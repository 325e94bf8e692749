/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/i386/pc.h"

#include "hw/acpi/cpu-hotplug.h"
#include "hw/i386/fw-cfg-files.h"
#include "hw/i2c/spd.h"
#include "hw/i386/versions.h"
#include "hw/ide/piix3-ide.h"
#include "hw/pci/i440fx.h"
#include "hw/pci/piix.h"
#include "hw/usb/uhci.h"
#include "util/units.h"

static void pc_create_chipset(X86Machine *x86)
{
    Irq irqs[ISA_IRQS];
    I2cBus *smbus;

    for (unsigned i = 0; i < ISA_IRQS; i++) {
        irqs[i] = x86_gsi(x86, i, X86_IRQ_PCI);
    }
    x86->host = i440fx_create(memory_system(), memory_io(), &x86->ram_below);
    x86->host->bus->bypass_iommu = x86->bypass_iommu;
    x86_init_pci_hotplug(x86,
                         piix_create(x86->host->bus, x86->acpi == X86_ACPI_OFF ? NULL : x86->pm,
                                     irqs, x86_gsi(x86, PIIX4_SCI_IRQ, X86_IRQ_SMBUS), &smbus));
    pci_create(x86->host->bus, PIIX3_IDE_DEVFN, TYPE_PIIX3_IDE);
    if (x86->parent.usb) {
        pci_create(x86->host->bus, PIIX3_UHCI_DEVFN, TYPE_PIIX3_UHCI);
    }
    if (smbus && x86->smbus) {
        spd_create(smbus, x86->below_4g + x86->above_4g);
    }
}

static void pc_set_up_chipset(X86Machine *x86)
{
    piix_set_up(x86->host->bus);
    piix3_ide_set_up(x86->host->bus);
}

static const X86MachineOps pc_machine_ops = {
    .machine = {
        .name = "pc-i440fx",
        .alias = "pc",
        .description = "PC with an i440FX host bridge and a PIIX south bridge",
        .is_default = true,
        .max_cpus = 255,
        .default_cpu_type = "qemu64",
        .default_nic = "e1000",
        .ram_id = "pc.ram",
        .default_ram_size = 128 * MIB,
        .init = x86_machine_init,
        .reset = x86_machine_reset,
        .wake = x86_machine_wake,
        .can_suspend = x86_machine_can_suspend,
        .dump_tables = x86_machine_dump_tables,
        .set_boot_order = x86_machine_set_boot_order,
        .ide_buses = 2,
        .ide_units = 2,
        .floppy_drives = true,
        .parallel_port = true,
        .state = &x86_machine_state,
        .hotplug = x86_hotplug,
    },
    .low_ram_max = 3 * GIB,
    .low_ram_limit = 3 * GIB + GIB / 2,
    .pm = &acpi_pm_piix4,
    .isa_bridge = PIIX3_DEVFN,
    .pci_pirqs = PIIX3_PIRQS,
    .pci_pirq = piix_pirq,
    .fdc = true,
    .pci_hotplug_port = PCIHP_PORT_PC,
    .cpu_hotplug_port = CPUHP_PORT_PC,
    .host_type = TYPE_I440FX_HOST,
    .create_chipset = pc_create_chipset,
    .set_up_chipset = pc_set_up_chipset,
};

static const ObjectType pc_machine_type = {
    .name = TYPE_PC_MACHINE,
    .parent = TYPE_X86_MACHINE,
    .description = "a PC with an i440FX host bridge",
    .abstract = true,
    .ops = &pc_machine_ops,
};
OBJECT_TYPE_REGISTER(pc_machine_type)
X86_VERSIONS_REGISTER(pc_machine_type)
