/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/ide/ata-transfer.h"

static void end(AtaTransfer *t, AtaResult result)
{
    t->ended(t, result);
    g_free(t);
}

static void unmap(AtaTransfer *t, bool written)
{
    for (unsigned i = 0; i < t->pieces; i++) {
        dma_unmap(&t->holds[i], written ? t->iov[i].iov_len : 0);
    }
    t->pieces = 0;
}

/* A chunk is through. False: so is the transfer. */
static bool chunk_ended(AtaTransfer *t)
{
    BlockErrorAction action;

    unmap(t, !t->to_disk);
    if (t->cancelled) {
        end(t, ATA_CANCELLED);
        return false;
    }
    action = block_conf_failed(&t->request);
    if (action != BLOCK_ERROR_ACTION_IGNORE) {
        end(t, action == BLOCK_ERROR_ACTION_STOP ? ATA_KEEP : ATA_BAD_DISK);
        return false;
    }
    t->offset += t->request.bytes;
    t->bytes -= t->request.bytes;
    return true;
}

static void run(AtaTransfer *t);

static void request_done(BlockRequest *request)
{
    AtaTransfer *t = request->opaque;

    if (chunk_ended(t)) {
        run(t);
    }
}

/* True: it ended at once. */
static bool submit_chunk(AtaTransfer *t, uint64_t bytes)
{
    t->request = (BlockRequest){ .op = t->to_disk ? BLOCK_WRITE : BLOCK_READ,
                                 .offset = t->offset,
                                 .bytes = bytes,
                                 .iov = t->iov,
                                 .iovcnt = t->pieces,
                                 .and_flush = t->to_disk && t->fua,
                                 .done = request_done,
                                 .opaque = t };
    return block_submit(t->dev->conf.backend, &t->request);
}

static void run(AtaTransfer *t)
{
    BlockBackend *backend = t->dev->conf.backend;

    while (t->bytes) {
        bool failed = false;
        uint64_t bytes = sg_map(&t->list, MIN(t->bytes, ATA_TRANSFER_CHUNK), ATA_SECTOR,
                                !t->to_disk, object_typename(&t->dev->parent.parent), t->holds,
                                t->iov, ATA_TRANSFER_PIECES, &t->pieces, &failed);

        if (!bytes) {
            t->list.left = 0; /* less than a sector is left, if anything */
            t->list.entries = t->list.index;
            end(t, failed ? ATA_BAD_MEMORY : ATA_SHORT);
            return;
        }
        if (!submit_chunk(t, bytes)) {
            block_submitted(backend);
            return;
        }
        if (!chunk_ended(t)) {
            return;
        }
    }
    end(t, ATA_MOVED);
}

void ata_transfer_start(AtaTransfer *t)
{
    run(t);
}
