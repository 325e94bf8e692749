/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The south bridge as PCI sees it: PIIX3's ISA bridge (00:01.0) and PIIX4's power management
 * function (00:01.3). The PM registers themselves are hw/acpi/pm.h, at the fixed port
 * PIIX4_PM_BASE.
 */
#ifndef HW_PCI_PIIX_H
#define HW_PCI_PIIX_H

#include "hw/pci/pci.h"

#define TYPE_PIIX3    "PIIX3"
#define TYPE_PIIX4_PM "PIIX4_PM"

#define PIIX4_PM_BASE  0x600
#define PIIX4_SMB_BASE 0x700
#define PIIX4_SCI_IRQ  9

/* The functions on @bus; power management only if @pm. */
void piix_create(PciBus *bus, bool pm);

#endif
