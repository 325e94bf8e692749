/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands of disks and CD drives that move nothing. */
#include "hw/ide/ata-device.h"

void ata_power(AtaDevice *dev)
{
    if (dev->command == ATA_CHECK_POWER_MODE) {
        dev->count[0] = 0xff; /* active */
    }
    ata_finish(dev);
}

void ata_diagnostic(AtaDevice *dev)
{
    ata_set_signature(dev);
    dev->phase = ATA_IDLE;
    dev->status = ata_class(dev)->packet ? 0 : ATA_DRDY | ATA_DSC;
    dev->port->interrupt(dev);
}

bool ata_set_transfer_mode(AtaDevice *dev)
{
    static const struct {
        uint8_t kind, modes;
    } kinds[] = { { 0, 2 }, { ATA_MODE_PIO, 5 }, { ATA_MODE_MULTIWORD, 3 }, { ATA_MODE_ULTRA, 6 } };

    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if ((dev->count[0] & ~7u) == kinds[i].kind && (dev->count[0] & 7) < kinds[i].modes) {
            dev->transfer_mode = dev->count[0];
            return true;
        }
    }
    return false;
}
