/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/pci/piix.h"

#include "hw/acpi/pm.h"

/* PIIX3 data sheet (82371SB), section 2.2. */
static const PciRegister piix3_registers[] = {
    { PCI_VENDOR_ID, 2, 0x8086 },
    { PCI_DEVICE_ID, 2, 0x7000 },
    { PCI_COMMAND, 2, 0x0007, 0x0108 },
    { PCI_STATUS, 2, 0x0200 },
    { PCI_CLASS_DEVICE, 2, 0x0601 },
    { PCI_HEADER_TYPE, 1, PCI_HEADER_MULTIFUNCTION },
    { PCI_SUBSYSTEM_VENDOR_ID, 2, PCI_SUBSYSTEM_VENDOR_BOARD },
    { PCI_SUBSYSTEM_ID, 2, PCI_SUBSYSTEM_BOARD },
    { 0x4c, 1, 0x4d, 0x7f },             /* ISA recovery timers */
    { 0x4e, 2, 0x0003, 0x00ff },         /* X-bus chip selects */
    { 0x60, 4, 0x80808080, 0x8f8f8f8f }, /* PIRQ A-D routing: none */
    { 0x69, 1, 0x02, 0xfe },             /* top of memory */
};

/* PIIX4 data sheet (82371AB), chapter 7. The bases are fixed: the ports do not move. */
static const PciRegister piix4_pm_registers[] = {
    { PCI_VENDOR_ID, 2, 0x8086 },
    { PCI_DEVICE_ID, 2, 0x7113 },
    { PCI_COMMAND, 2, 0x0001, 0x0001 },
    { PCI_STATUS, 2, 0x0280 },
    { PCI_REVISION_ID, 1, 0x03 },
    { PCI_CLASS_DEVICE, 2, 0x0680 },
    { PCI_SUBSYSTEM_VENDOR_ID, 2, PCI_SUBSYSTEM_VENDOR_BOARD },
    { PCI_SUBSYSTEM_ID, 2, PCI_SUBSYSTEM_BOARD },
    { PCI_INTERRUPT_LINE, 1, PIIX4_SCI_IRQ, 0xff },
    { PCI_INTERRUPT_PIN, 1, 1 },
    { 0x40, 4, PIIX4_PM_BASE | 1 }, /* PMBA */
    /* DEVACTB: SMIs by the command port are on already. There is no SMM: to SeaBIOS this says that
     * it is set up. */
    { 0x58, 4, 1u << 25 },
    { 0x80, 1, 0x01 },               /* PMREGMISC: PM ports enabled */
    { 0x90, 4, PIIX4_SMB_BASE | 1 }, /* SMBBA */
};

typedef struct Piix4Pm {
    PciDevice parent;
    /* configuration */
    AcpiPmSleep sleep;
} Piix4Pm;

static void piix3_init(Object *obj)
{
    pci_set_registers(PCI_DEVICE(obj), piix3_registers, G_N_ELEMENTS(piix3_registers));
}

static void piix4_pm_init(Object *obj)
{
    PciDevice *dev = PCI_DEVICE(obj);

    pci_set_registers(dev, piix4_pm_registers, G_N_ELEMENTS(piix4_pm_registers));
}

static const ObjectType piix3_type = {
    .name = TYPE_PIIX3,
    .parent = TYPE_PCI_DEVICE,
    .description = "ISA bridge",
    .init = piix3_init,
};
OBJECT_TYPE_REGISTER(piix3_type)

static const Property piix4_pm_properties[] = {
    ACPI_PM_SLEEP_PROPERTIES(offsetof(Piix4Pm, sleep)),
    { 0 },
};

static const ObjectType piix4_pm_type = {
    .name = TYPE_PIIX4_PM,
    .parent = TYPE_PCI_DEVICE,
    .description = "Power management function",
    .instance_size = sizeof(Piix4Pm),
    .properties = piix4_pm_properties,
    .init = piix4_pm_init,
};
OBJECT_TYPE_REGISTER(piix4_pm_type)

void piix_create(PciBus *bus, bool pm)
{
    pci_create(bus, PCI_DEVFN(1, 0), TYPE_PIIX3);
    if (pm) {
        pci_create(bus, PCI_DEVFN(1, 3), TYPE_PIIX4_PM);
    }
}
