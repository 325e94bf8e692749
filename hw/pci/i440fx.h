/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The i440FX host bridge: a PCI host and its function 00:00.0, which has the PAM registers and
 * SMRAM (hw/pci/smram.h).
 */
#ifndef HW_PCI_I440FX_H
#define HW_PCI_I440FX_H

#include "hw/pci/pci-host.h"

#define TYPE_I440FX_HOST "i440FX-pcihost"
#define TYPE_I440FX      "i440FX"

/* Make both, with the root bus "pci.0" in @memory and @io, and the PAM segments over @ram (boot
 * RAM, which lies at address 0 of @memory; lives as long as the machine). Borrowed. */
PciHost *i440fx_create(MemoryRegion *memory, MemoryRegion *io, MemoryRegion *ram);

#endif
