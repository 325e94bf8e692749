/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/pci/piix.h"

#include "hw/core/smi.h"
#include "memory/smm.h"

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
    { 0x4c, 1, 0x4d, 0x7f },     /* ISA recovery timers */
    { 0x4e, 2, 0x0003, 0x00ff }, /* X-bus chip selects */
    { PIRQ_A, 4, 0x80808080, 0x8f8f8f8f },
    { 0x69, 1, 0x02, 0xfe }, /* top of memory */
};

#define DEVACTB         0x58
#define DEVACTB_APMC_EN (1u << 25)

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
    /* Without system management mode SMIs by the command port are on already: to SeaBIOS this says
     * that it is set up. */
    { DEVACTB, 4, DEVACTB_APMC_EN },
    { 0x80, 1, 0x01 },               /* PMREGMISC: PM ports enabled */
    { 0x90, 4, PIIX4_SMB_BASE | 1 }, /* SMBBA */
};

typedef struct Piix3 {
    PciDevice parent;
    PirqRouter pirqs;
} Piix3;
OBJECT_CAST_DEFINE(Piix3, PIIX3, TYPE_PIIX3)

typedef struct Piix4Pm {
    PciDevice parent;
    /* configuration */
    AcpiPmSleep sleep;
    AcpiPciHotplugConfig hotplug;
    FixedSwitches fixed;
    bool smm; /* property */
} Piix4Pm;
OBJECT_CAST_DEFINE(Piix4Pm, PIIX4_PM, TYPE_PIIX4_PM)

static void piix3_init(Object *obj)
{
    pci_set_registers(PCI_DEVICE(obj), piix3_registers, G_N_ELEMENTS(piix3_registers));
}

static void piix4_pm_init(Object *obj)
{
    PciDevice *dev = PCI_DEVICE(obj);

    pci_set_registers(dev, piix4_pm_registers, G_N_ELEMENTS(piix4_pm_registers));
}

static bool piix4_pm_realize(PciDevice *dev, GError **errp)
{
    const PciRegister devactb = { DEVACTB, 4, 0, DEVACTB_APMC_EN };

    if (memory_smram() && PIIX4_PM(dev)->smm) {
        pci_set_registers(dev, &devactb, 1);
    }
    return true;
}

/* Its SMI# is the first processor's. */
static void piix4_pm_commanded(void *opaque)
{
    if (PIIX4_PM(opaque)->smm && pci_get_long(opaque, DEVACTB) & DEVACTB_APMC_EN) {
        smi_raise_first();
    }
}

/* ---- interrupts ---- */

unsigned piix_pirq(uint8_t slot, unsigned pin)
{
    return (slot + pin + PIIX3_PIRQS - 1) % PIIX3_PIRQS;
}

static unsigned piix3_map(void *opaque, uint8_t slot, unsigned pin)
{
    return piix_pirq(slot, pin);
}

static void piix3_set_pirq(void *opaque, unsigned pirq, int level)
{
    Piix3 *piix3 = opaque;

    pirq_set(&piix3->pirqs, &piix3->parent, pirq, level);
}

static void piix3_reset(PciDevice *dev)
{
    pirq_update(&PIIX3(dev)->pirqs, dev);
}

static void piix3_config_written(PciDevice *dev, unsigned offset, unsigned size)
{
    if (pci_touches(offset, size, PIRQ_A, PIIX3_PIRQS)) {
        pirq_update(&PIIX3(dev)->pirqs, dev);
    }
}

/* ---- the types ---- */

static const StateField piix3_fields[] = {
    STATE_STRUCT(Piix3, pirqs, &pirq_router_state),
    STATE_STRUCT(Piix3, parent, &pci_device_state),
    {},
};
static const StateTable piix3_state = { .name = "piix3", .version = 1, .fields = piix3_fields };

static const PciFunctionClass piix3_ops = {
    .device = { PCI_DEVICE_CLASS_CORE, .category = "bridge", .state = &piix3_state },
    .reset = piix3_reset,
    .config_written = piix3_config_written,
};

static const ObjectType piix3_type = {
    .name = TYPE_PIIX3,
    .parent = TYPE_PCI_DEVICE,
    .description = "ISA bridge",
    .instance_size = sizeof(Piix3),
    .ops = &piix3_ops,
    .init = piix3_init,
};
OBJECT_TYPE_REGISTER(piix3_type)

static const Property piix4_pm_properties[] = {
    ACPI_PM_SLEEP_PROPERTIES(offsetof(Piix4Pm, sleep)),
    { .name = "acpi-root-pci-hotplug",
      .kind = PROP_BOOL,
      .offset = offsetof(Piix4Pm, hotplug.root),
      .description = "devices of pci.0 can come and go while the machine runs",
      .has_default = true,
      .default_int = true },
    ACPI_PCI_HOTPLUG_BRIDGES(offsetof(Piix4Pm, hotplug)),
    PROPERTY_ALWAYS("memory-hotplug-support", Piix4Pm, fixed, ACPI_PM_MEMORY_HOTPLUG),
    { .name = "smm-enabled",
      .kind = PROP_BOOL,
      .offset = offsetof(Piix4Pm, smm),
      .has_default = true,
      .default_int = true,
      .description = "the command port can give SMIs, if the machine has them (smm=)" },
    { 0 },
};

static const PciFunctionClass piix4_pm_ops = {
    .device = { PCI_DEVICE_CLASS_BASE, .category = "bridge" },
    .realize = piix4_pm_realize,
};

static const ObjectType piix4_pm_type = {
    .name = TYPE_PIIX4_PM,
    .parent = TYPE_PCI_DEVICE,
    .description = "Power management function",
    .instance_size = sizeof(Piix4Pm),
    .properties = piix4_pm_properties,
    .ops = &piix4_pm_ops,
    .init = piix4_pm_init,
};
OBJECT_TYPE_REGISTER(piix4_pm_type)

const AcpiPciHotplugConfig *piix_create(PciBus *bus, AcpiPm *pm, const Irq irqs[ISA_IRQS])
{
    Piix3 *piix3 = PIIX3(pci_create(bus, PIIX3_DEVFN, TYPE_PIIX3));
    const PciInterrupts interrupts = { piix3_map, piix3_set_pirq, piix3 };
    static const AcpiPciHotplugConfig none;

    for (unsigned i = 0; i < ISA_IRQS; i++) {
        piix3->pirqs.irqs[i] = irqs[i];
    }
    pci_bus_set_interrupts(bus, &interrupts);
    if (!pm) {
        return &none;
    }
    Piix4Pm *function = PIIX4_PM(pci_create(bus, PCI_DEVFN(1, 3), TYPE_PIIX4_PM));
    pm->sleep = &function->sleep;
    pm->commanded = piix4_pm_commanded;
    pm->commanded_opaque = &function->parent;
    return &function->hotplug;
}

void piix_set_up(PciBus *bus)
{
    pci_config_write(bus, 0, PIIX3_DEVFN, PIRQ_A, 0x0b0b0a0a, 4);
}
