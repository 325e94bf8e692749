/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Queued commands (Serial ATA 2.6, section 13.6): up to 32 reads and writes at once, each with a
 * tag, which is its slot's number. The device takes a command at once, and says by tag what is
 * through, in any order.
 */
#include "hw/ide/ahci.h"

static void fail(AhciPort *p, unsigned tag, uint64_t sector, uint8_t error)
{
    AtaDevice *dev = ahci_port_device(p);

    dev->failed_tag = (uint8_t)tag;
    dev->failed_sector = sector;
    dev->failed_error = error;
    p->stopped = true;
    for (unsigned i = 0; i < AHCI_SLOTS; i++) { /* one that fails takes all with it */
        if (p->queue[i]) {
            p->queue[i]->cancelled = true;
        }
    }
    p->kept = 0;
    ahci_fis_device_bits(p, 0, error);
}

static void ended(AtaTransfer *t, AtaResult result)
{
    AhciPort *p = t->dev->opaque;

    p->queue[t->tag] = NULL;
    if (result == ATA_KEEP) {
        p->kept |= 1u << t->tag;
    } else if (result == ATA_MOVED) {
        ahci_fis_device_bits(p, 1u << t->tag, 0);
    } else if (result != ATA_CANCELLED) {
        if (result == ATA_SHORT) {
            ahci_port_overflow(p);
        } else if (result == ATA_BAD_MEMORY) {
            ahci_port_bus_error(p);
        }
        fail(p, t->tag, t->offset / ATA_SECTOR,
             result == ATA_BAD_DISK && !t->to_disk ? ATA_UNC : ATA_ABRT);
    }
    ahci_port_run(p);
}

/* The command that @fis has: where, and how much. */
static AtaTransfer *new_transfer(AhciPort *p, const AhciHeader *header, const uint8_t *fis)
{
    AtaDevice *dev = ahci_port_device(p);
    AtaTransfer *t = g_new0(AtaTransfer, 1);
    uint32_t sectors = fis[3] | (uint32_t)fis[11] << 8;
    uint64_t sector = 0;

    for (unsigned i = 0; i < 6; i++) {
        sector |= (uint64_t)fis[i < 3 ? 4 + i : 5 + i] << 8 * i;
    }
    t->dev = dev;
    t->list =
        sg_list(SG_AHCI, &p->ahci->parent.dma, header->table + AHCI_TABLE_LIST, header->entries);
    t->to_disk = fis[2] == ATA_WRITE_FPDMA_QUEUED;
    t->fua = !dev->write_cache || fis[7] & ATA_DEVICE_FUA;
    t->offset = sector * ATA_SECTOR;
    t->bytes = (uint64_t)(sectors ? sectors : ATA_MAX_SECTORS) * ATA_SECTOR;
    t->tag = fis[12] >> 3;
    t->ended = ended;
    return t;
}

static void start(AhciPort *p, unsigned slot, const AhciHeader *header, const uint8_t *fis)
{
    AtaTransfer *t = new_transfer(p, header, fis);
    const AtaDevice *dev = t->dev;
    uint64_t end = dev->sectors * ATA_SECTOR;
    uint8_t error = 0;

    if (t->tag != slot || p->queue[slot]) {
        error = ATA_ABRT;
    } else if (t->offset > end || t->bytes > end - t->offset) {
        block_count_invalid(dev->conf.backend, t->to_disk ? BLOCK_WRITE : BLOCK_READ);
        error = ATA_IDNF | ATA_ABRT;
    }
    if (error) {
        fail(p, t->tag, t->offset / ATA_SECTOR, error);
        g_free(t);
        return;
    }
    ahci_fis_dma_setup(p, slot, (uint32_t)t->bytes, !t->to_disk);
    p->queue[slot] = t;
    ata_transfer_start(t);
}

void ahci_queue_start(AhciPort *p, unsigned slot, const AhciHeader *header,
                      const uint8_t fis[AHCI_FIS_BYTES])
{
    AtaDevice *dev = ahci_port_device(p);

    p->ci &= ~(1u << slot);
    dev->status = ATA_DRDY | ATA_DSC;
    dev->error = 0;
    ahci_fis_registers(p, false); /* the command is taken */
    start(p, slot, header, fis);
}

bool ahci_queue_busy(const AhciPort *p)
{
    bool busy = p->kept;

    for (unsigned i = 0; i < AHCI_SLOTS && !busy; i++) {
        busy = p->queue[i];
    }
    return busy;
}

void ahci_queue_again(AhciPort *p)
{
    uint32_t again = p->kept;
    uint8_t fis[AHCI_FIS_BYTES];
    AhciHeader header;

    p->kept = 0;
    for (unsigned i = 0; i < AHCI_SLOTS && ahci_port_device(p); i++) {
        if (!(again & 1u << i) || p->stopped) {
            continue;
        }
        if (ahci_port_command(p, i, &header, fis) && ahci_is_queued(fis[2])) {
            start(p, i, &header, fis);
        } else {
            fail(p, i, 0, ATA_ABRT);
        }
    }
}

void ahci_queue_cancel(AhciPort *p)
{
    bool wait = false;

    p->kept = 0;
    for (unsigned i = 0; i < AHCI_SLOTS; i++) {
        if (p->queue[i]) {
            p->queue[i]->cancelled = wait = true;
        }
    }
    if (wait) {
        block_drain(ahci_port_device(p)->conf.backend);
    }
}
