/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI Express ports with a slot for one device: root ports, and downstream ports of switches. The
 * device comes and goes by the slot's registers (hw/pci/pcie-slot.h) unless the machine has another
 * way.
 *
 * Registers: type 1 header (hw/pci/pci-bridge.h), MSI with one vector, PCI Express capability.
 */
#ifndef HW_PCI_PCIE_PORT_H
#define HW_PCI_PCIE_PORT_H

#include "hw/pci/pci-bridge.h"
#include "hw/pci/pci-cap.h"
#include "hw/pci/pcie-slot.h"

#define TYPE_PCIE_PORT "pcie-slot-port"

typedef struct PciePort {
    PciBridge parent;
    PcieSlot registers;
    /* configuration */
    uint8_t port, chassis;
    PcieSlotConfig slot;
} PciePort;
OBJECT_CAST_DEFINE(PciePort, PCIE_PORT, TYPE_PCIE_PORT)

extern const StateTable pcie_port_state;

/* For types' PciFunctionClass. */
#define PCIE_PORT_CLASS(port_realize)                                                        \
    .device = { PCI_DEVICE_CLASS_CORE, .category = "bridge", .flags = DEVICE_USER_CREATABLE, \
                .state = &pcie_port_state, .wake = pci_device_wake },                        \
    .express = true, .realize = (port_realize), .unrealize = pci_bridge_unrealize,           \
    .reset = pcie_port_reset, .wake = pcie_port_wake, .loaded = pci_bridge_reset,            \
    .config_reading = pcie_port_reading, .config_written = pcie_port_written
/* For types' realize: @type is PCIE_ROOT_PORT or PCIE_DOWNSTREAM_PORT. */
bool pcie_port_realize(PciDevice *dev, PcieType type, GError **errp);
/* The same with a bus of @bus_type, a subtype of TYPE_PCIE_BUS. */
bool pcie_port_realize_on(PciDevice *dev, PcieType type, const char *bus_type, GError **errp);
void pcie_port_reset(PciDevice *dev);
void pcie_port_wake(PciDevice *dev);
void pcie_port_reading(PciDevice *dev, unsigned offset, unsigned size);
void pcie_port_written(PciDevice *dev, unsigned offset, unsigned size);

#endif
