/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which addresses the functions of a bus decode, as their registers say now: what firmware gave
 * them, for the tables that tell an operating system. Machine lock.
 */
#ifndef HW_PCI_PCI_RANGES_H
#define HW_PCI_PCI_RANGES_H

#include "hw/pci/pci.h"

typedef struct PciRange {
    uint64_t first, last;
} PciRange;

/* Those of BARs that are enabled, and of windows of bridges, on @bus: of I/O space if @io, else of
 * memory; by first address, and where they touch, as one. Array of PciRange; g_array_unref. */
GArray *pci_bus_ranges(const PciBus *bus, bool io);

#endif
