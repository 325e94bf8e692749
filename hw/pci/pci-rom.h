/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The expansion ROM of a function (PCI Local Bus 3.0 sections 6.2.5.2 and 6.3): code for firmware,
 * such as a driver to boot by. Its contents are the file that the property "romfile" names;
 * firmware finds them by a base address register of their own. Machine lock.
 */
#ifndef HW_PCI_PCI_ROM_H
#define HW_PCI_PCI_ROM_H

#include "hw/pci/pci.h"

/* Of realize, when @dev has its place on its bus: read the file, if there is one, and add the
 * register. Errors: the file cannot be read, or is no ROM; "romsize" does not fit. */
bool pci_rom_add(PciDevice *dev, GError **errp);
/* And when the IDs of @dev are settled: firmware runs only the code that names them. A ROM for
 * another device of the same vendor becomes one for this: virtio devices have two IDs. */
void pci_rom_set_id(PciDevice *dev);
/* Undo pci_rom_add(), when the register is out of use. Harmless without a ROM. */
void pci_rom_drop(PciDevice *dev);

#endif
