/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Transfers between a disk and a scatter list: in chunks, each of which is a request with the
 * guest's memory mapped for it. Several of one device may be under way. Machine lock.
 */
#ifndef HW_IDE_ATA_TRANSFER_H
#define HW_IDE_ATA_TRANSFER_H

#include "hw/ide/ata-device.h"

typedef enum AtaResult {
    ATA_MOVED,
    ATA_BAD_DISK,   /* an error at `offset` */
    ATA_BAD_MEMORY, /* something of the list is no memory */
    ATA_SHORT,      /* the list has ended before */
    ATA_KEEP,       /* an error that stops the machine: it is done again when that goes on */
    ATA_CANCELLED,
} AtaResult;

#define ATA_TRANSFER_PIECES 512
#define ATA_TRANSFER_CHUNK  (1u << 20) /* bytes */

struct AtaTransfer {
    AtaDevice *dev;
    SgList list;
    bool to_disk;
    bool fua;               /* done when it is on the host's disk */
    uint64_t offset, bytes; /* what is left, bytes */
    unsigned tag;           /* of a queued command */
    /* It is through; the transfer goes when this returns. */
    void (*ended)(AtaTransfer *t, AtaResult result);
    bool cancelled;
    /* ata-transfer.c's */
    BlockRequest request;
    unsigned pieces;
    DmaHold holds[ATA_TRANSFER_PIECES];
    struct iovec iov[ATA_TRANSFER_PIECES];
};

/* Begin with @t, new from g_new0() with what is not private set; `ended` may be called at once. */
void ata_transfer_start(AtaTransfer *t);

#endif
