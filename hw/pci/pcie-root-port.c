/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Root ports of a PCI Express host (hw/pci/pcie-port.h): pcie-root-port, which tells firmware what
 * to keep free behind it (hw/pci/pci-reserve.h), and ioh3420, that of Intel's 5520 chipset.
 */
#include "hw/pci/pci-reserve.h"
#include "hw/pci/pcie-port.h"

#define TYPE_PCIE_ROOT_PORT "pcie-root-port"
#define TYPE_IOH3420        "ioh3420"

typedef struct PcieRootPort {
    PciePort parent;
    /* configuration */
    PciReserve reserve;
} PcieRootPort;
OBJECT_CAST_DEFINE(PcieRootPort, ROOT_PORT, TYPE_PCIE_ROOT_PORT)

/* ---- pcie-root-port ---- */

static bool root_port_realize(PciDevice *dev, GError **errp)
{
    const PciReserve *reserve = &ROOT_PORT(dev)->reserve;

    if (!pci_reserve_check(reserve, errp) || !pcie_port_realize(dev, PCIE_ROOT_PORT, errp)) {
        return false;
    }
    pci_reserve_add(dev, reserve);
    return true;
}

static const PciFunctionClass root_port_ops = { PCIE_PORT_CLASS(root_port_realize),
                                                .root_only = true };

static void root_port_init(Object *obj)
{
    static const PciRegister registers[] = {
        { PCI_VENDOR_ID, 2, 0x1b36 },
        { PCI_DEVICE_ID, 2, 0x000c },
    };

    pci_set_registers(PCI_DEVICE(obj), registers, G_N_ELEMENTS(registers));
}

static const Property root_port_properties[] = {
    PCI_RESERVE_PROPERTIES(offsetof(PcieRootPort, reserve)),
    { 0 },
};

static const ObjectType root_port_type = {
    .name = TYPE_PCIE_ROOT_PORT,
    .parent = TYPE_PCIE_PORT,
    .description = "PCI Express Root Port",
    .instance_size = sizeof(PcieRootPort),
    .properties = root_port_properties,
    .ops = &root_port_ops,
    .init = root_port_init,
};
OBJECT_TYPE_REGISTER(root_port_type)

/* ---- ioh3420 ---- */

static bool ioh3420_realize(PciDevice *dev, GError **errp)
{
    return pcie_port_realize(dev, PCIE_ROOT_PORT, errp);
}

static const PciFunctionClass ioh3420_ops = { PCIE_PORT_CLASS(ioh3420_realize), .root_only = true };

static void ioh3420_init(Object *obj)
{
    static const PciRegister registers[] = {
        { PCI_VENDOR_ID, 2, 0x8086 },
        { PCI_DEVICE_ID, 2, 0x3420 },
        { PCI_REVISION_ID, 1, 0x02 },
    };

    pci_set_registers(PCI_DEVICE(obj), registers, G_N_ELEMENTS(registers));
}

static const ObjectType ioh3420_type = {
    .name = TYPE_IOH3420,
    .parent = TYPE_PCIE_PORT,
    .description = "Intel IOH device id 3420 PCIE Root Port",
    .ops = &ioh3420_ops,
    .init = ioh3420_init,
};
OBJECT_TYPE_REGISTER(ioh3420_type)
