/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames that a port receives: Serial ATA 2.6, section 10.3; AHCI 1.3.1, section 4.2.1. */
#include <string.h>

#include "hw/ide/ahci.h"

enum {
    REGISTERS = 0x34,
    DMA_SETUP = 0x41,
    PIO_SETUP = 0x5f,
    DEVICE_BITS = 0xa1,
};
enum { INTERRUPT = 0x40, TO_HOST = 0x20 };

/* Where each is received, in the area that PxFB names. */
enum { AT_DMA_SETUP = 0x00, AT_PIO_SETUP = 0x20, AT_REGISTERS = 0x40, AT_DEVICE_BITS = 0x58 };

static void receive(AhciPort *p, unsigned at, const uint8_t *fis, size_t size)
{
    hwaddr area = p->fb | (hwaddr)p->fbu << 32;

    if (p->cmd & AHCI_CMD_FIS && pci_can_dma(&p->ahci->parent) &&
        !dma_write_ram(&p->ahci->parent.dma, area + at, fis, size)) {
        ahci_port_bus_error(p);
    }
}

/* What frames have of the device's registers. */
static void put_registers(const AtaDevice *dev, uint8_t *fis)
{
    fis[2] = dev->status;
    fis[3] = dev->error;
    memcpy(fis + 4, dev->lba, 3);
    fis[7] = dev->select;
    memcpy(fis + 8, dev->lba + 3, 3);
    memcpy(fis + 12, dev->count, 2);
}

void ahci_fis_registers(AhciPort *p, bool interrupt)
{
    const AtaDevice *dev = ahci_port_device(p);
    uint8_t fis[20] = { REGISTERS, interrupt ? INTERRUPT : 0 };

    put_registers(dev, fis);
    receive(p, AT_REGISTERS, fis, sizeof(fis));
    p->tfd = (uint32_t)dev->error << 8 | dev->status;
    p->is |= interrupt ? AHCI_IS_D2H : 0;
    p->is |= dev->status & ATA_ERR ? AHCI_IS_TASK_FILE : 0;
    ahci_update(p->ahci);
}

void ahci_fis_signature(AhciPort *p)
{
    const AtaDevice *dev = ahci_port_device(p);

    p->first_fis = false;
    p->sig = (uint32_t)dev->lba[2] << 24 | dev->lba[1] << 16 | dev->lba[0] << 8 | dev->count[0];
    ahci_fis_registers(p, false);
}

void ahci_fis_pio_setup(AhciPort *p, uint32_t bytes, bool to_guest, bool interrupt)
{
    uint8_t fis[20] = { PIO_SETUP, (interrupt ? INTERRUPT : 0) | (to_guest ? TO_HOST : 0) };

    put_registers(ahci_port_device(p), fis);
    fis[15] = ATA_DRDY | ATA_DSC | (to_guest ? 0 : ATA_BSY); /* status behind the data */
    fis[16] = (uint8_t)bytes;
    fis[17] = (uint8_t)(bytes >> 8);
    receive(p, AT_PIO_SETUP, fis, sizeof(fis));
    p->is |= interrupt ? AHCI_IS_PIO : 0;
    ahci_update(p->ahci);
}

void ahci_fis_dma_setup(AhciPort *p, unsigned tag, uint32_t bytes, bool to_guest)
{
    uint8_t fis[28] = { DMA_SETUP, to_guest ? TO_HOST : 0 };

    fis[4] = (uint8_t)tag;
    for (unsigned i = 0; i < 4; i++) {
        fis[20 + i] = (uint8_t)(bytes >> 8 * i);
    }
    receive(p, AT_DMA_SETUP, fis, sizeof(fis));
}

void ahci_fis_device_bits(AhciPort *p, uint32_t done, uint8_t error)
{
    enum { BITS = 0x77 }; /* of the status that such a frame has */
    uint8_t status = ATA_DRDY | ATA_DSC | (error ? ATA_ERR : 0);
    uint8_t fis[8] = { DEVICE_BITS, INTERRUPT, status & BITS, error };

    for (unsigned i = 0; i < 4; i++) {
        fis[4 + i] = (uint8_t)(done >> 8 * i);
    }
    receive(p, AT_DEVICE_BITS, fis, sizeof(fis));
    p->tfd = (p->tfd & (ATA_BSY | ATA_DRQ)) | (uint32_t)error << 8 | (status & BITS);
    p->sact &= ~done;
    p->is |= error ? AHCI_IS_TASK_FILE : AHCI_IS_SDB;
    ahci_update(p->ahci);
}
