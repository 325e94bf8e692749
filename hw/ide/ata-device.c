/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/ide/ata-device.h"

#include <string.h>

#include "hw/core/boot-order.h"
#include "hw/core/runstate.h"
#include "hw/ide/ata-geometry.h"
#include "hw/ide/ata-transfer.h"
#include "hw/ide/ide-bus.h"
#include "util/error.h"

/* What stands in the transfer mode register after a reset: multiword DMA 2. */
#define DEFAULT_TRANSFER_MODE 0x22

/* ---- the end of a command ---- */

static void idle(AtaDevice *dev, uint8_t error)
{
    dev->phase = ATA_IDLE;
    dev->pos = dev->end = 0;
    dev->error = error;
    dev->status = ATA_DRDY | ATA_DSC | (error ? ATA_ERR : 0);
}

void ata_finish(AtaDevice *dev)
{
    idle(dev, 0);
    dev->port->interrupt(dev);
}

void ata_fail(AtaDevice *dev, uint8_t error)
{
    idle(dev, error);
    dev->port->interrupt(dev);
}

void ata_finish_read(AtaDevice *dev)
{
    if (dev->port->pio_by_dma) {
        ata_finish(dev);
    } else {
        idle(dev, 0);
    }
}

void ata_set_lba(AtaDevice *dev, uint64_t lba, bool ext)
{
    for (unsigned i = 0; i < (ext ? 6 : 3); i++) {
        dev->lba[i] = (uint8_t)(lba >> 8 * i);
    }
    if (!ext) {
        dev->select = (dev->select & ~ATA_DEVICE_HEAD) | (lba >> 24 & ATA_DEVICE_HEAD);
    }
}

/* ---- data ---- */

/* The host has a block to move. */
static void offer_block(AtaDevice *dev, AtaPhase phase, AtaData data, uint32_t size)
{
    dev->pos = 0;
    dev->end = size;
    dev->data = (uint8_t)data;
    dev->status = ATA_DRDY | ATA_DSC | ATA_DRQ;
    if (dev->port->pio_by_dma || phase == ATA_DMA) {
        dev->phase = ATA_DMA;
        dev->port->dma(dev);
    } else {
        dev->phase = (uint8_t)phase;
    }
}

void ata_send(AtaDevice *dev, uint32_t size)
{
    offer_block(dev, ATA_PIO_IN, ATA_FROM_BUFFER, size);
    if (!dev->port->pio_by_dma) {
        dev->port->interrupt(dev);
    }
}

void ata_receive(AtaDevice *dev, uint32_t size)
{
    offer_block(dev, ATA_PIO_OUT, ATA_TO_BUFFER, size);
}

void ata_receive_dma(AtaDevice *dev, uint32_t size)
{
    offer_block(dev, ATA_DMA, ATA_TO_BUFFER, size);
}

void ata_move(AtaDevice *dev, bool to_disk)
{
    dev->phase = ATA_DMA;
    dev->data = to_disk ? ATA_TO_DISK : ATA_FROM_DISK;
    dev->status = ATA_DRDY | ATA_DSC | ATA_DRQ;
    dev->port->dma(dev);
}

static void block_moved(AtaDevice *dev)
{
    dev->pos = 0;
    dev->status = ATA_BUSY;
    ata_command(dev)->next(dev);
}

uint32_t ata_read_data(AtaDevice *dev, unsigned size)
{
    uint32_t value = UINT32_MAX;

    if (dev->phase != ATA_PIO_IN) {
        return value;
    }
    size = MIN(size, dev->end - dev->pos);
    memcpy(&value, dev->buffer + dev->pos, size);
    dev->pos += size;
    if (dev->pos == dev->end) {
        block_moved(dev);
    }
    return GUINT32_FROM_LE(value);
}

void ata_write_data(AtaDevice *dev, uint32_t value, unsigned size)
{
    if (dev->phase != ATA_PIO_OUT) {
        return;
    }
    value = GUINT32_TO_LE(value);
    size = MIN(size, dev->end - dev->pos);
    memcpy(dev->buffer + dev->pos, &value, size);
    dev->pos += size;
    if (dev->pos == dev->end) {
        block_moved(dev);
    }
}

bool ata_moves_by_pio(const AtaDevice *dev)
{
    bool disk = dev->data == ATA_FROM_DISK || dev->data == ATA_TO_DISK;

    return ata_command(dev)->pio && !(disk && ata_class(dev)->dma);
}

uint32_t ata_last_block(const AtaDevice *dev)
{
    uint32_t sectors = ata_command(dev)->many ? MAX(dev->multiple, 1u) : 1;

    if (dev->data == ATA_FROM_BUFFER || dev->data == ATA_TO_BUFFER) {
        return dev->block && dev->end % dev->block ? dev->end % dev->block
               : dev->block                        ? dev->block
                                                   : dev->end;
    }
    return (dev->left % sectors ? dev->left % sectors : sectors) * ATA_SECTOR;
}

void ata_give_packet(AtaDevice *dev, const uint8_t packet[ATA_PACKET_BYTES])
{
    memcpy(dev->buffer, packet, ATA_PACKET_BYTES);
    block_moved(dev);
}

static void move_buffer(AtaDevice *dev, SgList list)
{
    bool failed = false;
    uint64_t moved = sg_copy(&list, dev->buffer + dev->pos, dev->end - dev->pos,
                             dev->data == ATA_FROM_BUFFER, &failed);

    dev->port->dma_ended(dev, &list, failed);
    if (moved < dev->end - dev->pos) {
        if (failed || !dev->port->overflow) {
            ata_fail(dev, ATA_ABRT);
            return;
        }
        dev->port->overflow(dev);
    }
    block_moved(dev);
}

void ata_dma_short(AtaDevice *dev)
{
    if (dev->port->overflow) {
        dev->port->overflow(dev);
        ata_finish(dev);
    } else {
        idle(dev, 0); /* SFF-8038i, section 3.1: a table that is too short gives no interrupt */
    }
}

static void transfer_ended(AtaTransfer *t, AtaResult result)
{
    AtaDevice *dev = t->dev;

    dev->transfer = NULL;
    dev->phase = ATA_IDLE;
    if (result == ATA_CANCELLED) {
        return;
    }
    if (result == ATA_KEEP) {
        dev->kept = true;
        return;
    }
    dev->port->dma_ended(dev, &t->list, result == ATA_BAD_MEMORY);
    if (result == ATA_BAD_DISK) {
        ata_set_lba(dev, t->offset / ATA_SECTOR, ata_command(dev)->ext);
        ata_fail(dev, t->to_disk ? ATA_ABRT : ATA_UNC);
    } else if (result == ATA_BAD_MEMORY) {
        ata_fail(dev, ATA_ABRT);
    } else if (result == ATA_SHORT) {
        ata_dma_short(dev);
    } else {
        ata_finish(dev);
    }
}

void ata_dma(AtaDevice *dev, const SgList *list)
{
    AtaTransfer *t;

    dev->status = ATA_BUSY;
    if (dev->data == ATA_FROM_BUFFER || dev->data == ATA_TO_BUFFER) {
        move_buffer(dev, *list);
        return;
    }
    if (ata_class(dev)->dma) {
        ata_class(dev)->dma(dev, list);
        return;
    }
    t = g_new0(AtaTransfer, 1);
    t->dev = dev;
    t->list = *list;
    t->to_disk = dev->data == ATA_TO_DISK;
    t->fua = !dev->write_cache || ata_command(dev)->fua;
    t->offset = dev->sector * ATA_SECTOR;
    t->bytes = (uint64_t)dev->left * ATA_SECTOR;
    t->ended = transfer_ended;
    dev->transfer = t;
    dev->phase = ATA_RUNNING;
    ata_transfer_start(t);
}

/* ---- requests ---- */

void ata_submit(AtaDevice *dev, void (*ended)(BlockRequest *request))
{
    BlockBackend *backend = dev->conf.backend;

    dev->phase = ATA_RUNNING;
    dev->status = ATA_BUSY;
    dev->request.done = ended;
    dev->request.opaque = dev;
    dev->request.error = 0;
    if (block_submit(backend, &dev->request)) {
        ended(&dev->request);
    } else {
        block_submitted(backend);
    }
}

bool ata_ended(AtaDevice *dev, uint8_t error)
{
    BlockErrorAction action;

    dev->phase = ATA_IDLE;
    if (dev->cancelled) {
        return false;
    }
    action = block_conf_failed(&dev->request);
    if (action == BLOCK_ERROR_ACTION_STOP) {
        dev->kept = true;
    } else if (action == BLOCK_ERROR_ACTION_REPORT) {
        ata_set_lba(dev, dev->request.offset / ATA_SECTOR, ata_command(dev)->ext);
        ata_fail(dev, error);
    }
    return action == BLOCK_ERROR_ACTION_IGNORE;
}

/* ---- commands ---- */

static bool is_busy(const AtaDevice *dev)
{
    return dev->kept || dev->phase == ATA_RUNNING;
}

void ata_execute(AtaDevice *dev, uint8_t command)
{
    if (is_busy(dev)) {
        return;
    }
    dev->command = command;
    dev->error = 0;
    dev->phase = ATA_IDLE;
    dev->pos = dev->end = 0; /* what is left of the command before is forgotten */
    dev->wants_packet = false;
    dev->block = 0;
    dev->status = ATA_BUSY;
    if (ata_command(dev)->start) {
        ata_command(dev)->start(dev);
    } else {
        ata_fail(dev, ATA_ABRT);
    }
}

void ata_again(AtaDevice *dev)
{
    const AtaCommand *command = ata_command(dev);

    if (command->next && !dev->port->pio_by_dma) {
        command->next(dev);
    } else {
        command->start(dev);
    }
}

static void machine_starts(void *opaque)
{
    AtaDevice *dev = opaque;

    if (dev->kept) {
        dev->kept = false;
        dev->port->again(dev);
    }
}

static void machine_stops(void *opaque)
{
    const AtaDevice *dev = opaque;

    if (dev->conf.backend) {
        block_drain(dev->conf.backend);
    }
}

void ata_cancel(AtaDevice *dev)
{
    dev->kept = false;
    dev->cancelled = true;
    if (dev->transfer) {
        dev->transfer->cancelled = true;
    }
    if (dev->phase == ATA_RUNNING) {
        block_drain(dev->conf.backend);
    }
    dev->cancelled = false;
    if (ata_class(dev)->cancelled) {
        ata_class(dev)->cancelled(dev);
    }
    idle(dev, 0);
}

/* ---- life ---- */

void ata_set_signature(AtaDevice *dev)
{
    static const uint8_t disk[3] = { 1, 0, 0 }, packet[3] = { 1, 0x14, 0xeb };

    memset(dev->lba, 0, sizeof(dev->lba));
    memcpy(dev->lba, ata_class(dev)->packet ? packet : disk, sizeof(disk));
    dev->count[0] = 1;
    dev->count[1] = dev->feature[0] = dev->feature[1] = 0;
    dev->select &= ATA_DEVICE_UNIT;
    dev->error = 1; /* diagnostic code: no error */
    if (ata_class(dev)->packet) {
        dev->status = 0;
    }
}

void ata_soft_reset(AtaDevice *dev)
{
    ata_cancel(dev);
    dev->intrq = false;
    ata_set_signature(dev);
    if (ata_class(dev)->reset) {
        ata_class(dev)->reset(dev);
    }
}

void ata_device_reset(Device *obj)
{
    AtaDevice *dev = ATA_DEVICE(obj);

    dev->select = 0;
    ata_soft_reset(dev);
    memset(dev->buffer, 0, sizeof(dev->buffer));
    dev->command = 0;
    dev->data = 0;
    dev->sector = dev->failed_sector = 0;
    dev->left = dev->failed_tag = dev->failed_error = 0;
    dev->multiple = ATA_MAX_MULTIPLE;
    dev->transfer_mode = DEFAULT_TRANSFER_MODE;
    dev->write_cache = !dev->conf.backend || block_conf_writeback(&dev->conf);
    dev->look_ahead = dev->smart = true;
    dev->now_cyls = (uint16_t)dev->own_cyls;
    dev->now_heads = (uint8_t)dev->own_heads;
    dev->now_secs = (uint8_t)dev->own_secs;
}

void ata_resized(void *opaque)
{
    AtaDevice *dev = opaque;

    dev->sectors = block_backend_size(dev->conf.backend) / ATA_SECTOR;
}

static bool check_names(const AtaDevice *dev, GError **errp)
{
    enum { MODEL = 40, VERSION = 8 };

    if (dev->model && strlen(dev->model) > MODEL) {
        error_set(errp, "model=%s is longer than %u characters", dev->model, MODEL);
    } else if (dev->version && strlen(dev->version) > VERSION) {
        error_set(errp, "ver=%s is longer than %u characters", dev->version, VERSION);
    } else {
        return true;
    }
    return false;
}

bool ata_device_realize(Device *obj, GError **errp)
{
    AtaDevice *dev = ATA_DEVICE(obj);
    const IdeBus *bus = IDE_BUS(obj->bus);
    g_autofree char *below = g_strdup_printf("/drive@%x/disk@%x", bus->number, dev->unit);

    dev->port = bus->ops;
    dev->opaque = bus->opaque;
    if (!dev->conf.serial) {
        dev->conf.serial = g_strdup_printf("QM%05u", bus->first_serial + dev->unit);
    }
    if (!check_names(dev, errp) || !ata_class(dev)->realize(dev, errp)) {
        return false;
    }
    if (!boot_geometry_add(obj, &dev->conf.lchs, bus->card, bus->kind, below, errp) ||
        !boot_order_add(obj, dev->conf.boot_index, bus->card, bus->kind, below, errp)) {
        boot_order_remove(obj);
        block_conf_unrealize(&dev->conf);
        return false;
    }
    runstate_add_start(machine_starts, dev);
    runstate_add_stop(machine_stops, dev);
    return true;
}

void ata_device_unrealize(Device *obj)
{
    AtaDevice *dev = ATA_DEVICE(obj);

    runstate_remove_start(machine_starts, dev);
    runstate_remove_stop(machine_stops, dev);
    boot_order_remove(obj);
    dev->port->cancel(dev);
    block_conf_unrealize(&dev->conf);
}

/* ---- state ---- */

static bool ata_post_load(void *obj, GError **errp)
{
    const AtaDevice *dev = obj;
    const AtaCommand *command = ata_command(dev);
    bool at_work = dev->phase != ATA_IDLE || dev->kept;

    if (dev->pos > dev->end || dev->end > ATA_BUFFER) {
        error_set(errp, "bytes %u to %u of a buffer of %u", dev->pos, dev->end, ATA_BUFFER);
    } else if (at_work && !command->start) {
        error_set(errp, "command 0x%02x is under way, which there is not", dev->command);
    } else if ((dev->phase == ATA_PIO_IN || dev->phase == ATA_PIO_OUT || dev->end) &&
               (!command->next || dev->pos == dev->end)) {
        error_set(errp, "command 0x%02x has no block that is to be moved", dev->command);
    } else if (dev->command == ATA_DATA_SET_MANAGEMENT && at_work &&
               dev->left * sizeof(uint64_t) > dev->end) {
        error_set(errp, "%u ranges in %u bytes", dev->left, dev->end);
    } else {
        return true;
    }
    return false;
}

static const StateField ata_fields[] = {
    STATE_UINTS(AtaDevice, feature),
    STATE_UINTS(AtaDevice, count),
    STATE_UINTS(AtaDevice, lba),
    STATE_UINT(AtaDevice, select),
    STATE_UINT(AtaDevice, status),
    STATE_UINT(AtaDevice, error),
    STATE_UINT(AtaDevice, command),
    STATE_BOOL(AtaDevice, intrq),
    STATE_UINT_MAX(AtaDevice, phase, ATA_DMA),
    STATE_UINT_MAX(AtaDevice, data, ATA_TO_DISK),
    STATE_BOOL(AtaDevice, kept),
    STATE_UINTS(AtaDevice, buffer),
    STATE_UINT(AtaDevice, pos),
    STATE_UINT(AtaDevice, end),
    STATE_UINT(AtaDevice, sector),
    STATE_UINT_MAX(AtaDevice, left, ATA_MAX_SECTORS),
    STATE_UINT_MAX(AtaDevice, multiple, ATA_MAX_MULTIPLE),
    STATE_UINT(AtaDevice, transfer_mode),
    STATE_BOOL(AtaDevice, write_cache),
    STATE_BOOL(AtaDevice, look_ahead),
    STATE_BOOL(AtaDevice, smart),
    STATE_UINT(AtaDevice, now_cyls),
    STATE_UINT(AtaDevice, now_heads),
    STATE_UINT(AtaDevice, now_secs),
    STATE_UINT_MAX(AtaDevice, failed_tag, ATA_TAGS - 1),
    STATE_UINT(AtaDevice, failed_error),
    STATE_UINT(AtaDevice, failed_sector),
    STATE_BOOL(AtaDevice, wants_packet),
    STATE_UINT(AtaDevice, block),
    /* Where they are guessed, the partitions may have changed since, or not be there yet. */
    STATE_UINT_MAX_SINCE(AtaDevice, own_cyls, UINT16_MAX, 2),
    STATE_UINT_MAX_SINCE(AtaDevice, own_heads, UINT8_MAX, 2),
    STATE_UINT_MAX_SINCE(AtaDevice, own_secs, UINT8_MAX, 2),
    STATE_UINT_MAX_SINCE(AtaDevice, bios_trans, ATA_TRANS_RECHS, 2),
    {},
};
const StateTable ata_device_state = { .name = TYPE_IDE_DEVICE,
                                      .version = 2,
                                      .oldest = 1,
                                      .fields = ata_fields,
                                      .post_load = ata_post_load };

/* ---- the type ---- */

static const AtaClass ata_class_table = { .device = { .category = "storage" } };

static const Property ata_properties[] = {
    { .name = "bus",
      .kind = PROP_STRING,
      .offset = offsetof(AtaDevice, parent.bus_name),
      .description =
          "name of the bus: ide.0, or ID.0 of a controller; else the first with a place" },
    { 0 },
};

static const ObjectType ata_type = {
    .name = TYPE_IDE_DEVICE,
    .parent = TYPE_DEVICE,
    .description = "a device of an IDE bus",
    .instance_size = sizeof(AtaDevice),
    .abstract = true,
    .properties = ata_properties,
    .ops = &ata_class_table,
};
OBJECT_TYPE_REGISTER(ata_type)
