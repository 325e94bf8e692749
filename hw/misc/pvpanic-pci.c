/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pvpanic-pci: the register of pvpanic as the first byte of a memory BAR. */
#include "hw/misc/pvpanic.h"
#include "hw/pci/pci.h"

#define TYPE_PVPANIC_PCI "pvpanic-pci"

enum { BAR_SIZE = 16 }; /* the least that memory can have */

typedef struct PvPanicPci {
    PciDevice parent;
    /* configuration */
    PvPanic panic;
    /* wiring */
    MemoryRegion bar;
} PvPanicPci;
OBJECT_CAST_DEFINE(PvPanicPci, PVPANIC_PCI, TYPE_PVPANIC_PCI)

static bool pvpanic_pci_realize(PciDevice *dev, GError **errp)
{
    PvPanicPci *s = PVPANIC_PCI(dev);

    memory_region_init_io(&s->bar, &pvpanic_region_ops, &s->panic, TYPE_PVPANIC_PCI, BAR_SIZE);
    pci_add_bar(dev, 0, 0, &s->bar);
    return true;
}

static void pvpanic_pci_unrealize(PciDevice *dev)
{
    memory_region_destroy(&PVPANIC_PCI(dev)->bar);
}

static const PciFunctionClass pvpanic_pci_ops = {
    .device = { PCI_DEVICE_CLASS_BASE, .category = "misc",
                .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG },
    .realize = pvpanic_pci_realize,
    .unrealize = pvpanic_pci_unrealize,
};

static const PciRegister pvpanic_pci_registers[] = {
    { PCI_VENDOR_ID, 2, 0x1b36 },
    { PCI_DEVICE_ID, 2, 0x0011 },
    { PCI_COMMAND, 2, 0, PCI_COMMAND_MEMORY },
    { PCI_REVISION_ID, 1, 1 },
    { PCI_CLASS_DEVICE, 2, 0x0880 }, /* another device of the system */
    { PCI_SUBSYSTEM_VENDOR_ID, 2, PCI_SUBSYSTEM_VENDOR_BOARD },
    { PCI_SUBSYSTEM_ID, 2, PCI_SUBSYSTEM_BOARD },
};

static void pvpanic_pci_init(Object *obj)
{
    pci_set_registers(PCI_DEVICE(obj), pvpanic_pci_registers, G_N_ELEMENTS(pvpanic_pci_registers));
}

static const Property pvpanic_pci_properties[] = {
    PVPANIC_PROPERTY_EVENTS(PvPanicPci, panic),
    { 0 },
};

static const ObjectType pvpanic_pci_type = {
    .name = TYPE_PVPANIC_PCI,
    .parent = TYPE_PCI_DEVICE,
    .description = "Memory by which the guest reports a panic",
    .instance_size = sizeof(PvPanicPci),
    .properties = pvpanic_pci_properties,
    .ops = &pvpanic_pci_ops,
    .init = pvpanic_pci_init,
};
OBJECT_TYPE_REGISTER(pvpanic_pci_type)
