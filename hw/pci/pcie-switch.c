/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A PCI Express switch, in its parts: x3130-upstream, whose end of a link is, and behind it a bus
 * with xio3130-downstream, each a port with a slot (hw/pci/pcie-port.h).
 *
 * Registers of the upstream port: type 1 header (hw/pci/pci-bridge.h), MSI with one vector, PCI
 * Express capability.
 */
#include "hw/pci/pcie-port.h"
#include "util/error.h"

#define TYPE_X3130_UPSTREAM     "x3130-upstream"
#define TYPE_XIO3130_DOWNSTREAM "xio3130-downstream"

typedef struct PcieUpstream {
    PciBridge parent;
    /* configuration */
    uint8_t port;
} PcieUpstream;
OBJECT_CAST_DEFINE(PcieUpstream, UPSTREAM, TYPE_X3130_UPSTREAM)

/* ---- x3130-upstream ---- */

static bool upstream_realize(PciDevice *dev, GError **errp)
{
    PcieUpstream *s = UPSTREAM(dev);

    pci_add_msi(dev, 1);
    pci_add_express(dev, PCIE_UPSTREAM_PORT, s->port);
    return pci_bridge_realize(&s->parent, TYPE_PCIE_BUS, true, errp);
}

static const PciFunctionClass upstream_ops = {
    .device = { PCI_DEVICE_CLASS_CORE, .category = "bridge", .flags = DEVICE_USER_CREATABLE,
                .state = &pci_bridge_state },
    .express = true,
    .realize = upstream_realize,
    .unrealize = pci_bridge_unrealize,
    .reset = pci_bridge_reset,
    .config_written = pci_bridge_config_written,
};

static void upstream_init(Object *obj)
{
    static const PciRegister registers[] = {
        { PCI_VENDOR_ID, 2, 0x104c },
        { PCI_DEVICE_ID, 2, 0x8232 },
        { PCI_REVISION_ID, 1, 0x02 },
    };

    pci_set_registers(PCI_DEVICE(obj), registers, G_N_ELEMENTS(registers));
}

static const Property upstream_properties[] = {
    { .name = "port",
      .kind = PROP_UINT8,
      .offset = offsetof(PcieUpstream, port),
      .description = "port number, shown in the link capabilities",
      .has_default = true },
    { 0 },
};

static const ObjectType upstream_type = {
    .name = TYPE_X3130_UPSTREAM,
    .parent = TYPE_PCI_BRIDGE_BASE,
    .description = "TI X3130 Upstream Port of PCI Express Switch",
    .instance_size = sizeof(PcieUpstream),
    .properties = upstream_properties,
    .ops = &upstream_ops,
    .init = upstream_init,
};
OBJECT_TYPE_REGISTER(upstream_type)

/* ---- xio3130-downstream ---- */

static bool downstream_realize(PciDevice *dev, GError **errp)
{
    const PciBus *bus = pci_bus_of(dev);

    if (!bus->bridge || pci_express_type(bus->bridge) != PCIE_UPSTREAM_PORT) {
        error_set(errp,
                  "bus '%s' is not that of a switch: a '%s' must be on the bus of an '%s', as "
                  "part of it",
                  bus->parent.parent.name, TYPE_XIO3130_DOWNSTREAM, TYPE_X3130_UPSTREAM);
        return false;
    }
    return pcie_port_realize(dev, PCIE_DOWNSTREAM_PORT, errp);
}

static const PciFunctionClass downstream_ops = { PCIE_PORT_CLASS(downstream_realize) };

static void downstream_init(Object *obj)
{
    static const PciRegister registers[] = {
        { PCI_VENDOR_ID, 2, 0x104c },
        { PCI_DEVICE_ID, 2, 0x8233 },
        { PCI_REVISION_ID, 1, 0x01 },
    };

    pci_set_registers(PCI_DEVICE(obj), registers, G_N_ELEMENTS(registers));
}

static const ObjectType downstream_type = {
    .name = TYPE_XIO3130_DOWNSTREAM,
    .parent = TYPE_PCIE_PORT,
    .description = "TI X3130 Downstream Port of PCI Express Switch",
    .ops = &downstream_ops,
    .init = downstream_init,
};
OBJECT_TYPE_REGISTER(downstream_type)
