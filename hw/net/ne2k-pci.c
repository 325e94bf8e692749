/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ne2k_pci: an NE2000 as a PCI function, Realtek's RTL8029. */
#include "hw/net/ne2k.h"
#include "hw/pci/pci.h"

#define TYPE_NE2K_PCI "ne2k_pci"

typedef struct Ne2kPci {
    PciDevice parent;
    Ne2k chip;
} Ne2kPci;
OBJECT_CAST_DEFINE(Ne2kPci, NE2K_PCI, TYPE_NE2K_PCI)

enum { BAR_SIZE = 0x100 };

static void set_irq(Ne2k *chip, int level)
{
    Ne2kPci *s = (void *)((char *)chip - offsetof(Ne2kPci, chip));

    pci_set_irq(&s->parent, level);
}

static bool realize(PciDevice *dev, GError **errp)
{
    Ne2kPci *s = NE2K_PCI(dev);

    if (!ne2k_realize(&s->chip, &dev->parent, TYPE_NE2K_PCI, set_irq, BAR_SIZE, errp)) {
        return false;
    }
    pci_add_bar(dev, 0, PCI_BAR_IO, &s->chip.ports);
    return true;
}

static void unrealize(PciDevice *dev)
{
    ne2k_unrealize(&NE2K_PCI(dev)->chip, &dev->parent);
}

static void reset(PciDevice *dev)
{
    ne2k_reset(&NE2K_PCI(dev)->chip);
}

/* The level of the interrupt line is the function's state. */
static void loaded(PciDevice *dev)
{
}

static const StateField ne2k_pci_fields[] = {
    STATE_STRUCT(Ne2kPci, parent, &pci_device_state),
    STATE_STRUCT(Ne2kPci, chip, &ne2k_state),
    {},
};
static const StateTable ne2k_pci_state = { .name = TYPE_NE2K_PCI,
                                           .version = 1,
                                           .fields = ne2k_pci_fields };

static const PciRegister pci_registers[] = {
    { PCI_VENDOR_ID, 2, 0x10ec },
    { PCI_DEVICE_ID, 2, 0x8029 },
    { PCI_COMMAND, 2, 0, PCI_COMMAND_IO | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE },
    { PCI_STATUS, 2, 0, 0, PCI_STATUS_ERRORS },
    { PCI_CLASS_DEVICE, 2, 0x0200 }, /* Ethernet */
    { PCI_SUBSYSTEM_VENDOR_ID, 2, PCI_SUBSYSTEM_VENDOR_BOARD },
    { PCI_SUBSYSTEM_ID, 2, PCI_SUBSYSTEM_BOARD },
    { PCI_INTERRUPT_LINE, 1, 0, 0xff },
    { PCI_INTERRUPT_PIN, 1, 1 },
};

static void ne2k_pci_init(Object *obj)
{
    pci_set_registers(PCI_DEVICE(obj), pci_registers, G_N_ELEMENTS(pci_registers));
}

static const PciFunctionClass ne2k_pci_class = {
    .device = { PCI_DEVICE_CLASS_CORE, .category = "network",
                .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG, .state = &ne2k_pci_state },
    .realize = realize,
    .unrealize = unrealize,
    .reset = reset,
    .loaded = loaded,
};

static const Property ne2k_pci_properties[] = { NIC_CARD_PROPERTIES(Ne2kPci, chip.card), { 0 } };

static const ObjectType ne2k_pci_type = {
    .name = TYPE_NE2K_PCI,
    .parent = TYPE_PCI_DEVICE,
    .description = "NE2000, Realtek card RTL8029",
    .instance_size = sizeof(Ne2kPci),
    .properties = ne2k_pci_properties,
    .ops = &ne2k_pci_class,
    .init = ne2k_pci_init,
};
OBJECT_TYPE_REGISTER(ne2k_pci_type)
