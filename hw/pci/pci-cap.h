/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Capabilities of PCI functions: the list, MSI (PCI Local Bus 3.0 section 6.8) and PCI Express (PCI
 * Express Base 3.0 section 7.8). The functions that add one are for a type's init or realize.
 * Machine lock.
 */
#ifndef HW_PCI_PCI_CAP_H
#define HW_PCI_PCI_CAP_H

#include "hw/pci/pci.h"

/* Put a capability @id of @size bytes (ID and pointer included) at the head of the list. Its
 * offset; the bytes after the first two are 0. */
uint8_t pci_add_capability(PciDevice *dev, uint8_t id, uint8_t size);

/* The same of extended configuration space, after pci_add_express(): a capability @id with @version
 * and @size bytes, its header of 4 bytes included, at the end of the list. */
unsigned pci_add_extended(PciDevice *dev, uint16_t id, uint8_t version, unsigned size);

/* MSI with 64-bit addresses, per-vector masks and @vectors (a power of two, at most 32). */
void pci_add_msi(PciDevice *dev, unsigned vectors);
/* The same without masks. */
void pci_add_msi_unmasked(PciDevice *dev, unsigned vectors);
/* MSI of a function whose configuration space has the capability at @at already, of whatever kind:
 * it is off, and the guest's to use. */
void pci_adopt_msi(PciDevice *dev, unsigned at);
/* How many vectors the guest has enabled. */
unsigned pci_msi_enabled_vectors(const PciDevice *dev);
/* Whether the guest enabled MSI: then INTx is not to be used. */
bool pci_msi_enabled(const PciDevice *dev);
/* Send the message of @vector, or keep it pending while it is masked. A vector beyond those enabled
 * is sent as the last enabled. Dropped if MSI is off or a bus-master bit on the way is. */
void pci_msi_notify(PciDevice *dev, unsigned vector);

/* Device/port types of the PCI Express capability. */
typedef enum PcieType {
    PCIE_ENDPOINT = 0,
    PCIE_ROOT_PORT = 4,
    PCIE_UPSTREAM_PORT = 5,   /* of a switch */
    PCIE_DOWNSTREAM_PORT = 6, /* of a switch */
    PCIE_PCI_BRIDGE = 7,      /* to a conventional bus */
    PCIE_INTEGRATED_ENDPOINT = 9,
} PcieType;

/* The PCI Express capability, version 2. @port is the port number of a port, else 0. An integrated
 * endpoint has no link; root and downstream ports have a slot (hw/pci/pcie-slot.h). */
void pci_add_express(PciDevice *dev, PcieType type, uint8_t port);
/* The capability Address Translation Services (PCI Express Base 4.0 section 10.5.1), after
 * pci_add_express(). As nobody translates addresses, the guest's settings have no effect. */
void pci_add_ats(PciDevice *dev);
/* The type that it says; only for functions that have one. */
PcieType pci_express_type(const PciDevice *dev);

#endif
