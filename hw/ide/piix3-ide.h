/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef HW_IDE_PIIX3_IDE_H
#define HW_IDE_PIIX3_IDE_H

#include "hw/ide/ata-device.h"
#include "hw/pci/pci.h"

#define TYPE_PIIX3_IDE  "piix3-ide"
#define PIIX3_IDE_DEVFN PCI_DEVFN(1, 1)

/* What firmware would have set up: its channels are enabled. */
void piix3_ide_set_up(PciBus *bus);

/* The hard disk at @place: 0 and 1 at the first channel, 2 and 3 at the second. NULL: none. */
#define PIIX3_IDE_PLACES 4
const AtaDevice *piix3_ide_disk(unsigned place);

#endif
