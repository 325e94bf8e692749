/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of hw/pci share with each other and with their unit tests.
 */
#ifndef HW_PCI_PCI_INTERNAL_H
#define HW_PCI_PCI_INTERNAL_H

#include "hw/pci/pci.h"

#define PCI_FIRST_CAPABILITY 0x40 /* behind the header */

static inline const PciFunctionClass *pci_function_class(const PciDevice *dev)
{
    return object_ops(&dev->parent.parent);
}

/* How many slots @bus has. pci-bus.c */
unsigned pci_bus_slots(const PciBus *bus);

/* One access to the configuration space of @dev (NULL: there is none). pci.c */
uint32_t pci_device_read(PciDevice *dev, unsigned offset, unsigned size);
void pci_device_write(PciDevice *dev, unsigned offset, uint32_t value, unsigned size);

/* @region, whose size is a power of two from 2 KiB, becomes the expansion ROM. As pci_add_bar().
 * pci.c */
void pci_add_rom_bar(PciDevice *dev, MemoryRegion *region);

/* Take away the capabilities from @first on, which were added last. pci-cap.c */
void pci_drop_capabilities(PciDevice *dev, uint8_t first);

/* Bring what is on the bus in line with what the device raises and COMMAND allows. pci-bus.c */
void pci_update_irq(PciDevice *dev);

/* The guest wrote [offset, offset + size): send what was pending and is not masked any more.
 * pci-cap.c */
void pci_msi_written(PciDevice *dev, unsigned offset, unsigned size);
/* Apply lines whose offsets count from the capability at @at. pci-cap.c */
void pci_set_capability_registers(PciDevice *dev, uint8_t at, const PciRegister *regs,
                                  unsigned count);
/* The guest wrote [offset, offset + size): does it ask for a reset of the function (PCI Express
 * Base 3.0 section 6.6.2)? pci-cap.c */
bool pci_express_asks_reset(const PciDevice *dev, unsigned offset, unsigned size);
/* The root bus above it, if the function may make accesses to memory; else NULL. pci-cap.c */
PciBus *pci_way_to_memory(const PciDevice *dev);

/* The same of MSI-X, of the function and of those behind it; also without a write; after a reset;
 * before the state is saved; and undo pci_add_msix(). Harmless without MSI-X. pci-msix.c */
void pci_msix_written(PciDevice *dev, unsigned offset, unsigned size);
void pci_msix_update(PciDevice *dev);
void pci_msix_reset(PciDevice *dev);
void pci_msix_save(PciDevice *dev);
void pci_drop_msix(PciDevice *dev);

#endif
