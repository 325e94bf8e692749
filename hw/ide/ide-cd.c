/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ide-cd: a CD drive of an IDE bus. Its commands are SCSI's (hw/scsi/), which come in packets
 * (ATA8-ACS, section 7.22), and its data in blocks of at most as many bytes as the host says, or by
 * DMA.
 *
 * A packet goes by steps: each has something moved, here or by the host, and what has moved it asks
 * for the next one. They are done in a loop (run()), as much may be moved at once.
 */
#include <inttypes.h>
#include <string.h>

#include "block/medium.h"
#include "hw/ide/ata-disk.h"
#include "hw/ide/ide-bus.h"
#include "hw/scsi/scsi.h"
#include "util/error.h"

#define TYPE_IDE_CD "ide-cd"
#define CD_BLOCK    2048
#define MOST_BLOCK  (ATA_BUFFER - SCSI_PIECE) /* bytes of a block of PIO */
#define MOST_PIECES 128                       /* of memory, moved at once */
#define MOST_BYTES  (1u << 20)

/* Bits of the count register: what is moved, and which way. */
enum { REASON_COMMAND = 1, REASON_IN = 2 };
enum { FEATURE_DMA = 1, FEATURE_OVERLAP = 2 };

typedef enum CdStage {
    CD_IDLE,
    CD_PACKET, /* the host is to give one */
    CD_STEP,   /* the next step is to be done */
    CD_HOST,   /* the host moves a block */
    CD_LIST,   /* the port is to say where in memory the data go */
    CD_MOVING,
} CdStage;

typedef struct IdeCd {
    AtaDevice parent;
    ScsiUnit unit;
    uint8_t stage; /* CdStage */
    uint8_t packet[ATA_PACKET_BYTES];
    bool by_dma;
    uint16_t limit; /* bytes of a block */
    bool open;      /* the drive is at the packet's command still */
    uint64_t moved; /* bytes of that */
    uint32_t have;  /* bytes in the buffer, of which the host has not had all */
    bool told;      /* that the medium before is gone, before it hears of another */
    /* wiring */
    ScsiRequest request;
    bool begun; /* `request` is the packet's; one of a saved machine is begun anew */
    bool has_list;
    SgList list;
    DmaHold holds[MOST_PIECES];
    struct iovec iov[MOST_PIECES];
    unsigned pieces;
    uint64_t moving; /* bytes */
    bool running, more;
} IdeCd;
OBJECT_CAST_DEFINE(IdeCd, IDE_CD, TYPE_IDE_CD)

static void run(IdeCd *cd);

/* ---- the end ---- */

static void forget(IdeCd *cd)
{
    if (cd->begun) {
        scsi_forget(&cd->request);
    }
    cd->begun = cd->open = cd->has_list = false;
    cd->have = 0;
    cd->stage = CD_IDLE;
}

static void fail(IdeCd *cd, uint8_t error)
{
    forget(cd);
    cd->parent.count[0] = REASON_COMMAND | REASON_IN;
    ata_fail(&cd->parent, error);
}

static void finish(IdeCd *cd)
{
    forget(cd);
    cd->parent.count[0] = REASON_COMMAND | REASON_IN;
    ata_finish(&cd->parent);
}

/* ---- the engine's side ---- */

static void unmap(IdeCd *cd)
{
    bool written = cd->request.direction == SCSI_IN;

    for (unsigned i = 0; i < cd->pieces; i++) {
        dma_unmap(&cd->holds[i], written ? cd->iov[i].iov_len : 0);
    }
    cd->pieces = 0;
}

/* It failed: the host asks why, but for what stands in the error register. */
static void command_failed(IdeCd *cd)
{
    if (cd->has_list) {
        cd->parent.port->dma_ended(&cd->parent, &cd->list, false);
    }
    fail(cd, (uint8_t)(cd->request.sense.key << 4));
}

static void done(ScsiRequest *r, ScsiEnd how)
{
    IdeCd *cd = r->opaque;
    AtaDevice *dev = &cd->parent;

    unmap(cd);
    dev->phase = ATA_IDLE;
    cd->stage = CD_STEP;
    if (how == SCSI_ENDED || how == SCSI_CANCELLED) {
        cd->begun = cd->open = false;
    }
    if (dev->cancelled || how == SCSI_CANCELLED) {
        return; /* ata_cancel() goes on */
    }
    if (how == SCSI_RETRY) {
        dev->kept = true;
    } else if (how == SCSI_ENDED && r->status != SCSI_GOOD) {
        command_failed(cd);
    } else {
        cd->moved += cd->moving;
        cd->have += !cd->has_list && r->direction == SCSI_IN ? (uint32_t)cd->moving : 0;
        run(cd);
    }
}

static void move(IdeCd *cd, const struct iovec *iov, unsigned iovcnt, uint64_t bytes)
{
    AtaDevice *dev = &cd->parent;

    cd->moving = bytes;
    cd->stage = CD_MOVING;
    dev->phase = ATA_RUNNING;
    dev->status = ATA_BUSY;
    scsi_move(&cd->request, iov, iovcnt);
    if (cd->stage == CD_MOVING) {
        block_submitted(dev->conf.backend);
    }
}

/* ---- blocks, by PIO ---- */

static void set_block(AtaDevice *dev, uint32_t bytes, uint8_t reason)
{
    dev->count[0] = reason;
    dev->lba[1] = (uint8_t)bytes;
    dev->lba[2] = (uint8_t)(bytes >> 8);
}

/* Have the next block in the buffer, and then give it to the host. */
static void step_in(IdeCd *cd)
{
    AtaDevice *dev = &cd->parent;
    uint64_t rest = cd->open ? cd->request.bytes - cd->moved : 0;
    uint32_t block = (uint32_t)MIN(cd->limit, cd->have + rest);

    if (cd->have < block) {
        uint64_t pieces = (block - cd->have + SCSI_PIECE - 1) / SCSI_PIECE;
        uint64_t bytes = MIN(pieces * SCSI_PIECE, rest);

        if (dev->port->pio_by_dma) { /* as much as there is room for */
            bytes = MIN(rest, (ATA_BUFFER - cd->have) / SCSI_PIECE * SCSI_PIECE);
        }
        dev->iov = (struct iovec){ dev->buffer + cd->have, bytes };
        move(cd, &dev->iov, 1, bytes);
        return;
    }
    set_block(dev, block, REASON_IN);
    cd->stage = CD_HOST;
    if (dev->port->pio_by_dma) {
        dev->block = block;
        ata_send(dev, rest ? cd->have / block * block : cd->have);
    } else {
        ata_send(dev, block);
    }
}

/* Have a block from the host, all of the parameters or whole pieces of them. */
static void step_out(IdeCd *cd)
{
    AtaDevice *dev = &cd->parent;
    uint64_t rest = cd->request.bytes - cd->moved;
    uint32_t block = (uint32_t)MIN(cd->limit, rest);

    block = block < rest ? block / SCSI_PIECE * SCSI_PIECE : block;
    if (!block) {
        fail(cd, ATA_ABRT);
    } else if (cd->have) {
        dev->iov = (struct iovec){ dev->buffer, MIN(cd->have, rest) };
        cd->have = 0;
        move(cd, &dev->iov, 1, dev->iov.iov_len);
    } else {
        set_block(dev, block, 0);
        cd->stage = CD_HOST;
        ata_receive(dev, block);
        if (!dev->port->pio_by_dma) {
            dev->port->interrupt(dev);
        }
    }
}

/* ---- data, by DMA ---- */

static void ask_list(IdeCd *cd)
{
    AtaDevice *dev = &cd->parent;
    bool in = cd->request.direction == SCSI_IN;

    cd->stage = CD_LIST;
    dev->count[0] = in ? REASON_IN : 0;
    dev->phase = ATA_DMA;
    dev->data = in ? ATA_FROM_DISK : ATA_TO_DISK;
    dev->status = ATA_DRDY | ATA_DSC | ATA_DRQ;
    dev->port->dma(dev);
}

static void cd_dma(AtaDevice *dev, const SgList *list)
{
    IdeCd *cd = IDE_CD(dev);

    if (cd->stage != CD_LIST) { /* of a saved machine that has been tampered with */
        fail(cd, ATA_ABRT);
        return;
    }
    cd->list = *list;
    cd->has_list = true;
    cd->stage = CD_STEP;
    run(cd);
}

static void step_dma(IdeCd *cd)
{
    AtaDevice *dev = &cd->parent;
    uint64_t rest = cd->request.bytes - cd->moved, bytes;
    bool failed = false;

    if (!cd->has_list) {
        ask_list(cd);
        return;
    }
    bytes = sg_map(&cd->list, MIN(rest, MOST_BYTES), (unsigned)MIN(rest, SCSI_PIECE),
                   cd->request.direction == SCSI_IN, TYPE_IDE_CD, cd->holds, cd->iov, MOST_PIECES,
                   &cd->pieces, &failed);
    if (bytes) {
        move(cd, cd->iov, cd->pieces, bytes);
        return;
    }
    dev->port->dma_ended(dev, &cd->list, failed);
    if (failed) {
        fail(cd, ATA_ABRT);
    } else {
        forget(cd);
        dev->count[0] = REASON_COMMAND | REASON_IN;
        ata_dma_short(dev);
    }
}

/* ---- packets ---- */

/* What is not told as SCSI units would. A tray moves whatever has happened. And before a guest
 * hears of another medium, it finds that there is none: some look again only then. */
static bool begin_otherwise(IdeCd *cd)
{
    ScsiRequest *r = &cd->request;
    ScsiUnit *unit = &cd->unit;
    uint32_t attention;
    bool news;

    if (!scsi_unit_is_ready(unit)) {
        unit->attention &= ~(uint32_t)SCSI_ATTENTION_MEDIUM; /* it is gone again */
    }
    attention = unit->attention;
    news = attention & SCSI_ATTENTION_MEDIUM;
    if (r->cdb[0] == SCSI_START_STOP_UNIT) {
        unit->attention = 0;
        scsi_begin(r);
        unit->attention |= attention;
        return true;
    }
    if (news && !cd->told && unit->kind->commands[r->cdb[0]].needs_medium) {
        cd->told = true;
        unit->sense[0] = SCSI_SENSE_NO_MEDIUM.key;
        unit->sense[1] = SCSI_SENSE_NO_MEDIUM.asc;
        unit->sense[2] = SCSI_SENSE_NO_MEDIUM.ascq;
        return false;
    }
    cd->told = cd->told && news;
    scsi_begin(r);
    return true;
}

/* Begin with the packet, or anew behind what was moved. False: that is all. */
static bool begin(IdeCd *cd)
{
    ScsiRequest *r = &cd->request;

    *r = (ScsiRequest){ .unit = &cd->unit, .done = done, .opaque = cd };
    memcpy(r->cdb, cd->packet, sizeof(cd->packet));
    if (!begin_otherwise(cd)) {
        fail(cd, (uint8_t)(SCSI_SENSE_NO_MEDIUM.key << 4));
        return false;
    }
    cd->begun = true;
    if (cd->moved > r->bytes || cd->moved % SCSI_PIECE || (r->bytes && !cd->by_dma && !cd->limit)) {
        fail(cd, ATA_ABRT);
        return false;
    }
    r->moved = cd->moved;
    return true;
}

static void step(IdeCd *cd)
{
    const ScsiRequest *r = &cd->request;

    if (cd->stage != CD_STEP || (cd->open && !cd->begun && !begin(cd))) {
        return;
    }
    if (!cd->open && !cd->have) {
        if (cd->has_list) {
            cd->parent.port->dma_ended(&cd->parent, &cd->list, false);
        }
        finish(cd);
    } else if (!cd->open) {
        step_in(cd);
    } else if (!r->bytes) {
        move(cd, NULL, 0, 0);
    } else if (cd->by_dma) {
        step_dma(cd);
    } else if (r->direction == SCSI_IN) {
        step_in(cd);
    } else {
        step_out(cd);
    }
}

static void run(IdeCd *cd)
{
    cd->more = true;
    if (cd->running) {
        return;
    }
    cd->running = true;
    while (cd->more) {
        cd->more = false;
        step(cd);
    }
    cd->running = false;
}

static void packet_start(AtaDevice *dev)
{
    IdeCd *cd = IDE_CD(dev);
    uint16_t limit = (uint16_t)(dev->lba[1] | dev->lba[2] << 8);

    forget(cd);
    if (dev->feature[0] & FEATURE_OVERLAP) {
        ata_fail(dev, ATA_ABRT);
        return;
    }
    cd->by_dma = dev->feature[0] & FEATURE_DMA;
    cd->limit = (uint16_t)MIN(limit & ~1u, MOST_BLOCK);
    cd->stage = CD_PACKET;
    dev->count[0] = REASON_COMMAND;
    dev->wants_packet = true;
    ata_receive(dev, ATA_PACKET_BYTES);
}

/* The host has moved a block; or what was kept is done again. */
static void packet_next(AtaDevice *dev)
{
    IdeCd *cd = IDE_CD(dev);
    uint32_t bytes = dev->end;

    dev->end = 0;
    dev->block = 0;
    if (cd->stage == CD_PACKET) {
        dev->wants_packet = false;
        memcpy(cd->packet, dev->buffer, sizeof(cd->packet));
        cd->open = true;
        cd->moved = 0;
    } else if (cd->stage == CD_HOST && dev->data == ATA_FROM_BUFFER) {
        bytes = MIN(bytes, cd->have);
        cd->have -= bytes;
        memmove(dev->buffer, dev->buffer + bytes, cd->have);
    } else if (cd->stage == CD_HOST) {
        cd->have = bytes;
    } else if (cd->by_dma) { /* from the beginning on, as the port's list goes */
        if (cd->begun) {
            scsi_forget(&cd->request);
        }
        cd->begun = cd->has_list = false;
        cd->moved = 0;
    }
    cd->stage = CD_STEP;
    run(cd);
}

/* ---- other commands ---- */

static void identify_start(AtaDevice *dev)
{
    ata_identify_packet(dev, dev->buffer);
    ata_send(dev, ATA_SECTOR);
}

/* Those that a host tells disks from packet devices by. */
static void not_a_disk(AtaDevice *dev)
{
    ata_set_signature(dev);
    ata_fail(dev, ATA_ABRT);
}

static void reset_start(AtaDevice *dev)
{
    ata_set_signature(dev);
    dev->phase = ATA_IDLE;
    if (dev->port->serial) {
        dev->port->interrupt(dev);
    }
}

static void features_start(AtaDevice *dev)
{
    if (dev->feature[0] == ATA_FEATURE_TRANSFER_MODE && ata_set_transfer_mode(dev)) {
        ata_finish(dev);
    } else {
        ata_fail(dev, ATA_ABRT);
    }
}

static const AtaCommand commands[256] = {
    [ATA_DEVICE_RESET] = { reset_start },
    [ATA_READ_SECTORS] = { not_a_disk },
    [ATA_EXECUTE_DIAGNOSTIC] = { ata_diagnostic },
    [ATA_PACKET] = { packet_start, packet_next, .pio = true },
    [ATA_IDENTIFY_PACKET] = { identify_start, ata_finish_read, .pio = true },
    [ATA_STANDBY_IMMEDIATE] = { ata_power },
    [ATA_IDLE_IMMEDIATE] = { ata_power },
    [ATA_CHECK_POWER_MODE] = { ata_power },
    [ATA_SLEEP] = { ata_power },
    [ATA_IDENTIFY] = { not_a_disk },
    [ATA_SET_FEATURES] = { features_start },
};

/* ---- the tray ---- */

static bool tray_is_open(void *opaque)
{
    return IDE_CD(opaque)->unit.tray_open;
}

static bool tray_is_locked(void *opaque)
{
    return IDE_CD(opaque)->unit.prevented;
}

static void tray_move(void *opaque, bool open)
{
    scsi_unit_move_tray(&IDE_CD(opaque)->unit, open, false);
}

static void tray_ask_eject(void *opaque)
{
    scsi_unit_ask_eject(&IDE_CD(opaque)->unit);
}

static void tray_changed(void *opaque)
{
    scsi_unit_medium_changed(&IDE_CD(opaque)->unit);
}

static const BlockTrayOps tray_ops = { tray_is_open, tray_is_locked, tray_move, tray_ask_eject,
                                       tray_changed };

/* ---- life ---- */

static void resized(void *opaque)
{
    scsi_unit_resized(&IDE_CD(opaque)->unit);
}

static void cd_cancelled(AtaDevice *dev)
{
    forget(IDE_CD(dev));
}

/* Who resets the drive knows that: it is not told. Of another medium it is still to be. */
static void cd_reset(AtaDevice *dev)
{
    ScsiUnit *unit = &IDE_CD(dev)->unit;
    uint32_t attention = unit->attention & SCSI_ATTENTION_MEDIUM;

    scsi_unit_reset(unit);
    unit->attention = attention;
}

static void set_up_unit(IdeCd *cd)
{
    enum { PRODUCT = 16, VERSION = 4 };
    AtaDevice *dev = &cd->parent;
    ScsiUnit *unit = &cd->unit;

    unit->kind = &scsi_cd_kind;
    unit->conf = &dev->conf;
    unit->product = dev->model && strlen(dev->model) <= PRODUCT ? dev->model : NULL;
    unit->version = dev->version && strlen(dev->version) <= VERSION ? dev->version : NULL;
    unit->wwn = dev->wwn;
    unit->removable = true;
    unit->max_io = INT32_MAX;
    unit->opaque = cd;
    unit->drive = dev->conf.backend->name ? dev->conf.drive : "";
    unit->id = dev->parent.id ? dev->parent.id : dev->conf.backend->device;
}

/* Blocks of a CD have one size, whatever sectors of disks have. */
static bool set_block_size(BlockConf *conf, GError **errp)
{
    if (conf->logical && conf->logical != ATA_SECTOR && conf->logical != CD_BLOCK) {
        error_set(errp, "logical_block_size=%" PRIu64 ": CDs have %u", conf->logical, CD_BLOCK);
        return false;
    }
    conf->logical = CD_BLOCK;
    conf->physical = MAX(conf->physical, CD_BLOCK);
    return true;
}

static bool cd_realize(AtaDevice *dev, GError **errp)
{
    enum { SERIAL = 20 };
    static const BlockBackendOps ops = { .resized = resized, .tray = &tray_ops };
    IdeCd *cd = IDE_CD(dev);

    if (!set_block_size(&dev->conf, errp) ||
        !block_conf_realize(&dev->conf, &dev->parent, CD_BLOCK, SERIAL, true, loop_main(), &ops,
                            dev, errp)) {
        return false;
    }
    set_up_unit(cd);
    if (!scsi_unit_realize(&cd->unit, errp)) {
        block_conf_unrealize(&dev->conf);
        return false;
    }
    cd->unit.attention = 0;
    return true;
}

/* ---- state ---- */

static bool cd_post_load(void *obj, GError **errp)
{
    const IdeCd *cd = obj;

    if (cd->have > ATA_BUFFER || cd->limit > MOST_BLOCK) {
        error_set(errp, "%u bytes of a buffer of %u, in blocks of %u", cd->have, ATA_BUFFER,
                  cd->limit);
        return false;
    }
    return true;
}

static const StateField cd_fields[] = {
    STATE_STRUCT(IdeCd, parent, &ata_device_state),
    STATE_STRUCT(IdeCd, unit, &scsi_unit_state),
    STATE_UINT_MAX(IdeCd, stage, CD_LIST),
    STATE_UINTS(IdeCd, packet),
    STATE_BOOL(IdeCd, by_dma),
    STATE_UINT(IdeCd, limit),
    STATE_BOOL(IdeCd, open),
    STATE_UINT(IdeCd, moved),
    STATE_UINT(IdeCd, have),
    STATE_BOOL(IdeCd, told),
    {},
};
static const StateTable cd_state = {
    .name = TYPE_IDE_CD, .version = 1, .fields = cd_fields, .post_load = cd_post_load
};

/* ---- the type ---- */

static const Property cd_properties[] = {
    BLOCK_CONF_PROPERTIES(offsetof(AtaDevice, conf)),
    ATA_DEVICE_PROPERTIES("QEMU DVD-ROM"),
    { 0 },
};

static const AtaClass cd_class = {
    .device = { .category = "storage",
                .flags = DEVICE_USER_CREATABLE,
                .bus = TYPE_IDE_BUS,
                .realize = ata_device_realize,
                .unrealize = ata_device_unrealize,
                .reset = ata_device_reset,
                .state = &cd_state },
    .commands = commands,
    .packet = true,
    .realize = cd_realize,
    .reset = cd_reset,
    .dma = cd_dma,
    .cancelled = cd_cancelled,
};

static const ObjectType cd_type = {
    .name = TYPE_IDE_CD,
    .parent = TYPE_IDE_DEVICE,
    .description = "IDE or SATA CD drive",
    .instance_size = sizeof(IdeCd),
    .properties = cd_properties,
    .ops = &cd_class,
};
OBJECT_TYPE_REGISTER(cd_type)
