/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/pci/piix.h"

#include <inttypes.h>

#include "hw/core/smi.h"
#include "hw/i2c/smbus-host.h"
#include "memory/smm.h"
#include "util/error.h"

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

enum {
    SMBBA = 0x90,
    SMBBA_ADDRESS = 0xfff0,
    SMBHSTCFG = 0xd2,
    SMBHSTCFG_ENABLE = 1 << 0,
    SMBHSTCFG_INTERRUPT = 7 << 1,
    SMBHSTCFG_IRQ9 = 4 << 1, /* of these; 0: an SMI, which it does not give */
};

/* PIIX4 data sheet (82371AB), chapter 7. The base of power management is fixed: its ports do not
 * move. */
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
    { 0x80, 1, 0x01 }, /* PMREGMISC: PM ports enabled */
    { SMBBA, 4, 1, SMBBA_ADDRESS },
    { SMBHSTCFG, 1, SMBHSTCFG_ENABLE | SMBHSTCFG_IRQ9, SMBHSTCFG_ENABLE | SMBHSTCFG_INTERRUPT },
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
    bool smm;          /* property */
    uint32_t smb_base; /* property "smb_io_base": SMBBA after a reset */
    /* state */
    SmbusHost smbus;
    /* wiring */
    Irq irq9; /* of the SMBus */
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

/* ---- the SMBus of the power management function ---- */

static void piix4_smbus_irq(void *opaque, int n, int level)
{
    Piix4Pm *pm = opaque;
    bool irq9 = (pm->parent.config[SMBHSTCFG] & SMBHSTCFG_INTERRUPT) == SMBHSTCFG_IRQ9;

    irq_set(&pm->irq9, level && irq9);
}

static void piix4_pm_update(PciDevice *dev)
{
    Piix4Pm *pm = PIIX4_PM(dev);

    memory_transaction_begin();
    memory_region_set_address(&pm->smbus.region, pci_get_word(dev, SMBBA) & SMBBA_ADDRESS);
    memory_region_set_enabled(&pm->smbus.region, dev->config[SMBHSTCFG] & SMBHSTCFG_ENABLE);
    memory_transaction_commit();
}

static void piix4_pm_reset(PciDevice *dev)
{
    smbus_host_reset(&PIIX4_PM(dev)->smbus);
    piix4_pm_update(dev);
}

static void piix4_pm_config_written(PciDevice *dev, unsigned offset, unsigned size)
{
    if (pci_touches(offset, size, SMBBA, 4) || pci_touches(offset, size, SMBHSTCFG, 1)) {
        piix4_pm_update(dev);
    }
}

static bool piix4_pm_realize(PciDevice *dev, GError **errp)
{
    Piix4Pm *pm = PIIX4_PM(dev);
    const PciRegister devactb = { DEVACTB, 4, 0, DEVACTB_APMC_EN };

    if (!smbus_host_realize(&pm->smbus, &smbus_host_piix4, &dev->parent.parent, errp)) {
        return false;
    }
    pm->smbus.irq = (Irq){ piix4_smbus_irq, pm, 0 };
    if (memory_smram() && pm->smm) {
        pci_set_registers(dev, &devactb, 1);
    }
    pci_set_long(dev, SMBBA, (pm->smb_base & SMBBA_ADDRESS) | 1);
    memory_region_set_enabled(&pm->smbus.region, false);
    device_map(&dev->parent, &pci_bus_of(dev)->io, 0, &pm->smbus.region, 0);
    return true;
}

static void piix4_pm_unrealize(PciDevice *dev)
{
    smbus_host_unrealize(&PIIX4_PM(dev)->smbus);
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

static bool check_smb_base(Object *obj, const Property *prop, struct json_object *value,
                           GError **errp)
{
    uint64_t base = json_object_get_uint64(value);

    if (base & ~(uint64_t)SMBBA_ADDRESS) {
        error_set(errp, "smb_io_base=0x%" PRIx64 ": it is a multiple of 16 up to 0x%x", base,
                  SMBBA_ADDRESS);
        return false;
    }
    return true;
}

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
    { .name = "smb_io_base",
      .kind = PROP_UINT32,
      .offset = offsetof(Piix4Pm, smb_base),
      .has_default = true,
      .default_int = PIIX4_SMB_BASE,
      .check = check_smb_base,
      .description = "port of the SMBus controller, until the guest moves it" },
    { 0 },
};

static const StateField piix4_pm_fields[] = {
    STATE_STRUCT(Piix4Pm, smbus, &smbus_host_state),
    STATE_STRUCT(Piix4Pm, parent, &pci_device_state),
    {},
};
static const StateTable piix4_pm_state = { .name = "piix4-pm",
                                           .version = 1,
                                           .fields = piix4_pm_fields };

static const PciFunctionClass piix4_pm_ops = {
    .device = { PCI_DEVICE_CLASS_CORE, .category = "bridge", .state = &piix4_pm_state },
    .realize = piix4_pm_realize,
    .unrealize = piix4_pm_unrealize,
    .reset = piix4_pm_reset,
    .loaded = piix4_pm_update,
    .config_written = piix4_pm_config_written,
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

const AcpiPciHotplugConfig *piix_create(PciBus *bus, AcpiPm *pm, const Irq irqs[ISA_IRQS],
                                        Irq smbus_irq, I2cBus **smbus)
{
    Piix3 *piix3 = PIIX3(pci_create(bus, PIIX3_DEVFN, TYPE_PIIX3));
    const PciInterrupts interrupts = { piix3_map, piix3_set_pirq, piix3 };
    static const AcpiPciHotplugConfig none;

    for (unsigned i = 0; i < ISA_IRQS; i++) {
        piix3->pirqs.irqs[i] = irqs[i];
    }
    pci_bus_set_interrupts(bus, &interrupts);
    *smbus = NULL;
    if (!pm) {
        return &none;
    }
    Piix4Pm *function = PIIX4_PM(pci_create(bus, PCI_DEVFN(1, 3), TYPE_PIIX4_PM));
    pm->sleep = &function->sleep;
    pm->commanded = piix4_pm_commanded;
    pm->chip_opaque = &function->parent;
    function->irq9 = smbus_irq;
    *smbus = function->smbus.bus;
    return &function->hotplug;
}

void piix_set_up(PciBus *bus)
{
    pci_config_write(bus, 0, PIIX3_DEVFN, PIRQ_A, 0x0b0b0a0a, 4);
}
