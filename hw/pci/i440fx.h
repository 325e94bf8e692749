/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The i440FX host bridge: configuration mechanism #1 at ports 0xcf8 and 0xcfc, the reset control
 * register at 0xcf9 (byte accesses; PIIX3 data sheet section 2.5.6), and function 00:00.0.
 */
#ifndef HW_PCI_I440FX_H
#define HW_PCI_I440FX_H

#include "hw/pci/pci.h"
#include "memory/memory.h"

#define TYPE_I440FX_HOST "i440FX-pcihost"
#define TYPE_I440FX      "i440FX"

/* Make both, with their ports in @io. The bus lives as long as the machine. */
PciBus *i440fx_create(MemoryRegion *io);

#endif
