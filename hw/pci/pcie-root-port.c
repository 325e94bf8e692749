/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pcie-root-port: a root port of a PCI Express host with a slot for one device, which comes and
 * goes by the slot's registers (hw/pci/pcie-slot.h) unless the machine has another way.
 *
 * Registers: type 1 header (hw/pci/pci-bridge.h), MSI with one vector, PCI Express capability.
 */
#include "hw/pci/pci-bridge.h"
#include "hw/pci/pci-cap.h"
#include "hw/pci/pcie-slot.h"
#include "util/error.h"

#define TYPE_PCIE_ROOT_PORT "pcie-root-port"
#define SLOT_MAX            0x1fff /* 13 bits of the slot capabilities register */

typedef struct PcieRootPort {
    PciBridge parent;
    PcieSlot registers;
    /* configuration */
    bool hotplug;
    uint8_t port, chassis;
    uint16_t slot;
} PcieRootPort;
OBJECT_CAST_DEFINE(PcieRootPort, ROOT_PORT, TYPE_PCIE_ROOT_PORT)

/* Two slots of a machine with the same numbers cannot be told apart. */
static bool check_slot_number(const PcieRootPort *s, GError **errp)
{
    const PciBus *bus = pci_bus_of(&s->parent.parent);

    for (unsigned i = 0; i < PCI_DEVFN_MAX; i++) {
        PciDevice *dev = bus->devices[i];
        const PcieRootPort *other =
            dev && object_is_a(OBJECT(dev), TYPE_PCIE_ROOT_PORT) ? ROOT_PORT(dev) : NULL;

        if (other && other != s && other->chassis == s->chassis && other->slot == s->slot) {
            error_set(errp,
                      "chassis %u, slot %u is the root port at addr %02x.%x already: give each "
                      "root port a chassis or slot number of its own",
                      s->chassis, s->slot, PCI_SLOT(i), PCI_FUNC(i));
            return false;
        }
    }
    return true;
}

static bool root_port_realize(PciDevice *dev, GError **errp)
{
    PcieRootPort *s = ROOT_PORT(dev);

    if (s->slot > SLOT_MAX) {
        error_set(errp, "'slot' is %u: it must be from 0 to %u", s->slot, SLOT_MAX);
        return false;
    }
    if (!check_slot_number(s, errp) ||
        !pci_bridge_realize(&s->parent, TYPE_PCIE_BUS, s->hotplug, errp)) {
        return false;
    }
    pci_add_msi(dev, 1);
    pci_add_express(dev, PCIE_ROOT_PORT, s->port);
    pcie_slot_add(&s->registers, dev, s->slot, s->hotplug);
    return true;
}

static void root_port_reset(PciDevice *dev)
{
    pci_bridge_reset(dev);
    pcie_slot_reset(&ROOT_PORT(dev)->registers);
}

static void root_port_reading(PciDevice *dev, unsigned offset, unsigned size)
{
    pcie_slot_reading(&ROOT_PORT(dev)->registers);
}

static void root_port_written(PciDevice *dev, unsigned offset, unsigned size)
{
    pci_bridge_config_written(dev, offset, size);
    pcie_slot_written(&ROOT_PORT(dev)->registers, offset, size);
}

static const StateField root_port_fields[] = {
    STATE_STRUCT(PcieRootPort, parent, &pci_bridge_state),
    STATE_STRUCT(PcieRootPort, registers, &pcie_slot_state),
    {},
};
static const StateTable root_port_state = { .name = "pcie-root-port",
                                            .version = 1,
                                            .fields = root_port_fields };

static const PciFunctionClass root_port_ops = {
    .device = { PCI_DEVICE_CLASS_CORE, .category = "bridge", .flags = DEVICE_USER_CREATABLE,
                .state = &root_port_state },
    .express = true,
    .root_only = true,
    .realize = root_port_realize,
    .unrealize = pci_bridge_unrealize,
    .reset = root_port_reset,
    .loaded = pci_bridge_reset,
    .config_reading = root_port_reading,
    .config_written = root_port_written,
};

static const PciRegister root_port_registers[] = {
    { PCI_VENDOR_ID, 2, 0x1b36 },
    { PCI_DEVICE_ID, 2, 0x000c },
    { PCI_INTERRUPT_PIN, 1, 1 },
};

static void root_port_init(Object *obj)
{
    pci_set_registers(PCI_DEVICE(obj), root_port_registers, G_N_ELEMENTS(root_port_registers));
}

static const Property root_port_properties[] = {
    { .name = "port",
      .kind = PROP_UINT8,
      .offset = offsetof(PcieRootPort, port),
      .description = "port number, shown in the link capabilities",
      .has_default = true },
    { .name = "chassis",
      .kind = PROP_UINT8,
      .offset = offsetof(PcieRootPort, chassis),
      .description = "number of the chassis that the slot is in",
      .has_default = true },
    { .name = "slot",
      .kind = PROP_UINT16,
      .offset = offsetof(PcieRootPort, slot),
      .description = "physical slot number; with chassis, it must be unique",
      .has_default = true },
    { .name = "hotplug",
      .kind = PROP_BOOL,
      .offset = offsetof(PcieRootPort, hotplug),
      .description = "the device in the slot can come and go while the machine runs",
      .has_default = true,
      .default_int = true },
    { 0 },
};

static const ObjectType root_port_type = {
    .name = TYPE_PCIE_ROOT_PORT,
    .parent = TYPE_PCI_BRIDGE_BASE,
    .description = "PCI Express Root Port",
    .instance_size = sizeof(PcieRootPort),
    .properties = root_port_properties,
    .ops = &root_port_ops,
    .init = root_port_init,
};
OBJECT_TYPE_REGISTER(root_port_type)
