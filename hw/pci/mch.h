/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory controller hub of the Q35 chipset (Intel 3 Series data sheet, 316966): a PCI Express
 * host and its function 00:00.0, which has the PAM registers, PCIEXBAR and SMRAM (hw/pci/smram.h),
 * whose registers do nothing where there is no system management mode. Machine lock.
 */
#ifndef HW_PCI_MCH_H
#define HW_PCI_MCH_H

#include "hw/pci/pci-host.h"

#define TYPE_Q35_HOST "q35-pcihost"
#define TYPE_MCH      "mch"

/* Where memory-mapped configuration lies unless firmware puts it elsewhere: 256 buses. */
#define MCH_ECAM_BASE 0xb0000000u

/* Make both, with the root bus "pcie.0" in @memory and @io, and the PAM segments over @ram (boot
 * RAM, which lies at address 0 of @memory; lives as long as the machine). Borrowed. */
PciHost *mch_create(MemoryRegion *memory, MemoryRegion *io, MemoryRegion *ram);

/* What the guest programmed into PCIEXBAR: the window's address and the number of buses in it.
 * False, and neither is set, while it is disabled. */
bool mch_ecam(const PciHost *host, hwaddr *base, unsigned *buses);

/* For a boot without firmware, after each reset: the window is at MCH_ECAM_BASE. */
void mch_enable_ecam(PciHost *host);

#endif
