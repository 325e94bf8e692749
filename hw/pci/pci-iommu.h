/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An IOMMU above a root bus: it translates the addresses by which the functions below get at
 * memory, and the messages by which they interrupt. It knows them by their source IDs (requester
 * IDs in PCI Express): bus number and devfn. Without one nothing is looked at.
 */
#ifndef HW_PCI_PCI_IOMMU_H
#define HW_PCI_PCI_IOMMU_H

#include "hw/pci/pci.h"

typedef struct PciIommu {
    /* As DmaIommu has it, for the function @source. NULL: nothing is translated. */
    bool (*translate)(void *opaque, uint16_t source, hwaddr addr, bool write, hwaddr *to,
                      uint64_t *size);
    /* The message that is really sent; false: none, and if @tell that is noted as a fault. Machine
     * lock. NULL: messages are as they are. */
    bool (*remap)(void *opaque, uint16_t source, uint64_t *addr, uint32_t *data, bool tell);
    void *opaque;
} PciIommu;

/* Can one come above @root? */
bool pci_iommu_check(const PciBus *root, GError **errp);
/* @iommu, borrowed, is above @root from now on; NULL: none is. While the machine stands. */
void pci_iommu_set(PciBus *root, const PciIommu *iommu);
/* What it says of messages may have changed. */
void pci_iommu_remap_changed(PciBus *root);
/* Is there one above @dev? */
bool pci_has_iommu(const PciDevice *dev);

/* For hw/pci: @dev is on its bus; the message that it sends becomes the real one; send it. */
void pci_iommu_attach(PciDevice *dev);
bool pci_iommu_remap(const PciDevice *dev, uint64_t *addr, uint32_t *data, bool tell);
void pci_send_msi(const PciDevice *dev, uint64_t addr, uint32_t data);

#endif
