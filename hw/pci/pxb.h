/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Expander bridges: each gives the machine one more PCI root bus, with a number of its own, which
 * may be near a NUMA node. It shares configuration space, addresses and interrupt lines with the
 * root bus that the expander is on: there is no bridge between them, and operating systems learn of
 * it from ACPI only (hw/i386/acpi-pci-roots.c). Machine lock.
 */
#ifndef HW_PCI_PXB_H
#define HW_PCI_PXB_H

#include "hw/pci/pci.h"

#define PXB_NO_NODE 128 /* property numa_node: near none */

/* The NUMA node of @root, a bus that an expander gives; PXB_NO_NODE: none. */
uint16_t pxb_node(const PciBus *root);

#endif
