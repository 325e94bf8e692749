/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/pci/pcie-port.h"

#include "util/error.h"

#define SLOT_MAX 0x1fff /* 13 bits of the slot capabilities register */

static const PciePort *same_numbers_on(const PciBus *bus, const PciePort *s)
{
    for (unsigned i = 0; i < PCI_DEVFN_MAX; i++) {
        PciDevice *dev = bus->devices[i];
        const PciePort *other =
            dev && object_is_a(OBJECT(dev), TYPE_PCIE_PORT) ? PCIE_PORT(dev) : NULL;

        if (other && other != s && other->chassis == s->chassis &&
            other->slot.number == s->slot.number) {
            return other;
        }
    }
    return NULL;
}

/* Two slots of a machine with the same numbers cannot be told apart. */
static bool check_slot_number(const PciePort *s, GError **errp)
{
    for (unsigned i = 0; i < buses()->len; i++) {
        Bus *bus = buses()->pdata[i];
        const PciePort *other =
            object_is_a(&bus->parent, TYPE_PCIE_BUS) ? same_numbers_on(PCI_BUS(bus), s) : NULL;

        if (other) {
            uint8_t devfn = other->parent.parent.devfn;

            error_set(errp,
                      "chassis %u, slot %u is the port at addr %02x.%x of bus '%s' already: give "
                      "each port a chassis or slot number of its own",
                      s->chassis, s->slot.number, PCI_SLOT(devfn), PCI_FUNC(devfn),
                      bus->parent.name);
            return false;
        }
    }
    return true;
}

bool pcie_port_realize(PciDevice *dev, PcieType type, GError **errp)
{
    return pcie_port_realize_on(dev, type, TYPE_PCIE_BUS, errp);
}

bool pcie_port_realize_on(PciDevice *dev, PcieType type, const char *bus_type, GError **errp)
{
    PciePort *s = PCIE_PORT(dev);

    if (s->slot.number > SLOT_MAX) {
        error_set(errp, "'slot' is %u: it must be from 0 to %u", s->slot.number, SLOT_MAX);
        return false;
    }
    if (!check_slot_number(s, errp)) {
        return false;
    }
    pci_add_msi(dev, 1);
    pci_add_express(dev, type, s->port);
    if (!pci_bridge_realize(&s->parent, bus_type, s->slot.hotplug, errp)) {
        return false;
    }
    pcie_slot_add(&s->registers, dev, &s->slot);
    return true;
}

void pcie_port_reset(PciDevice *dev)
{
    pci_bridge_reset(dev);
    pcie_slot_reset(&PCIE_PORT(dev)->registers);
}

void pcie_port_wake(PciDevice *dev)
{
    pci_bridge_reset(dev);
    pcie_slot_wake(&PCIE_PORT(dev)->registers);
}

void pcie_port_reading(PciDevice *dev, unsigned offset, unsigned size)
{
    pcie_slot_reading(&PCIE_PORT(dev)->registers);
}

void pcie_port_written(PciDevice *dev, unsigned offset, unsigned size)
{
    pci_bridge_config_written(dev, offset, size);
    pcie_slot_written(&PCIE_PORT(dev)->registers, offset, size);
}

static const StateField port_fields[] = {
    STATE_STRUCT(PciePort, parent, &pci_bridge_state),
    STATE_STRUCT(PciePort, registers, &pcie_slot_state),
    {},
};
const StateTable pcie_port_state = { .name = "pcie-root-port",
                                     .version = 1,
                                     .fields = port_fields };

static const PciRegister port_registers[] = {
    { PCI_INTERRUPT_PIN, 1, 1 },
};

static void port_init(Object *obj)
{
    pci_set_registers(PCI_DEVICE(obj), port_registers, G_N_ELEMENTS(port_registers));
}

static const Property port_properties[] = {
    { .name = "port",
      .kind = PROP_UINT8,
      .offset = offsetof(PciePort, port),
      .description = "port number, shown in the link capabilities",
      .has_default = true },
    { .name = "chassis",
      .kind = PROP_UINT8,
      .offset = offsetof(PciePort, chassis),
      .description = "number of the chassis that the slot is in",
      .has_default = true },
    { .name = "slot",
      .kind = PROP_UINT16,
      .offset = offsetof(PciePort, slot.number),
      .description = "physical slot number; with chassis, it must be unique",
      .has_default = true },
    { .name = "hotplug",
      .kind = PROP_BOOL,
      .offset = offsetof(PciePort, slot.hotplug),
      .description = "the device in the slot can come and go while the machine runs",
      .has_default = true,
      .default_int = true },
    { .name = "power_controller_present",
      .kind = PROP_BOOL,
      .offset = offsetof(PciePort, slot.power),
      .description = "the guest can turn the slot's power off",
      .has_default = true,
      .default_int = true },
    { 0 },
};

static const ObjectType port_type = {
    .name = TYPE_PCIE_PORT,
    .parent = TYPE_PCI_BRIDGE_BASE,
    .description = "A PCI Express port with a slot",
    .instance_size = sizeof(PciePort),
    .abstract = true,
    .properties = port_properties,
    .init = port_init,
};
OBJECT_TYPE_REGISTER(port_type)
