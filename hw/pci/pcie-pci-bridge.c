/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bridges from the machine q35 to a conventional PCI bus with 32 slots: pcie-pci-bridge, which is a
 * PCI Express function itself, and i82801b11-bridge, that of Intel's south bridges, which is not
 * and decodes subtractively. Their devices come and go by ACPI, where the machine has that for
 * bridges.
 *
 * Registers: type 1 header (hw/pci/pci-bridge.h); pcie-pci-bridge: MSI with one vector, PCI Express
 * capability; i82801b11-bridge: subsystem IDs (PCI-to-PCI Bridge 1.2, section 13.4), all zero.
 */
#include "hw/pci/pci-bridge.h"
#include "hw/pci/pci-cap.h"

#define TYPE_PCIE_PCI_BRIDGE  "pcie-pci-bridge"
#define TYPE_I82801B11_BRIDGE "i82801b11-bridge"
#define SSVID_SIZE            8

#define BRIDGE_DEVICE_CLASS                                                                  \
    .device = { PCI_DEVICE_CLASS_CORE, .category = "bridge", .flags = DEVICE_USER_CREATABLE, \
                .state = &pci_bridge_state },                                                \
    .unrealize = pci_bridge_unrealize, .reset = pci_bridge_reset,                            \
    .config_written = pci_bridge_config_written

/* ---- pcie-pci-bridge ---- */

static bool express_realize(PciDevice *dev, GError **errp)
{
    pci_add_msi(dev, 1);
    pci_add_express(dev, PCIE_PCI_BRIDGE, 0);
    return pci_bridge_realize(PCI_BRIDGE(dev), TYPE_PCI_BUS, true, errp);
}

static const PciFunctionClass express_ops = { BRIDGE_DEVICE_CLASS, .express = true,
                                              .realize = express_realize };

static void express_init(Object *obj)
{
    static const PciRegister registers[] = {
        { PCI_VENDOR_ID, 2, 0x1b36 },
        { PCI_DEVICE_ID, 2, 0x000e },
        { PCI_INTERRUPT_PIN, 1, 1 },
    };

    pci_set_registers(PCI_DEVICE(obj), registers, G_N_ELEMENTS(registers));
}

static const ObjectType express_type = {
    .name = TYPE_PCIE_PCI_BRIDGE,
    .parent = TYPE_PCI_BRIDGE_BASE,
    .description = "PCI Express to PCI bridge",
    .ops = &express_ops,
    .init = express_init,
};
OBJECT_TYPE_REGISTER(express_type)

/* ---- i82801b11-bridge ---- */

static bool i82801b11_realize(PciDevice *dev, GError **errp)
{
    if (!pci_bridge_realize(PCI_BRIDGE(dev), TYPE_PCI_BUS, true, errp)) {
        return false;
    }
    pci_add_capability(dev, PCI_CAP_ID_SSVID, SSVID_SIZE);
    return true;
}

static const PciFunctionClass i82801b11_ops = { BRIDGE_DEVICE_CLASS, .realize = i82801b11_realize };

static void i82801b11_init(Object *obj)
{
    static const PciRegister registers[] = {
        { PCI_VENDOR_ID, 2, 0x8086 },
        { PCI_DEVICE_ID, 2, 0x244e },
        { PCI_REVISION_ID, 1, 0x92 },
        { PCI_CLASS_PROG, 1, PCI_BRIDGE_SUBTRACTIVE },
    };

    pci_set_registers(PCI_DEVICE(obj), registers, G_N_ELEMENTS(registers));
}

static const ObjectType i82801b11_type = {
    .name = TYPE_I82801B11_BRIDGE,
    .parent = TYPE_PCI_BRIDGE_BASE,
    .description = "DMI-to-PCI bridge of Intel's south bridges",
    .ops = &i82801b11_ops,
    .init = i82801b11_init,
};
OBJECT_TYPE_REGISTER(i82801b11_type)
