/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ide-hd: a disk of an IDE bus. Its commands (ATA8-ACS, chapter 7), which are the same on each kind
 * of controller.
 */
#include <inttypes.h>
#include <string.h>

#include "hw/ide/ata-disk.h"
#include "hw/ide/ata-geometry.h"
#include "hw/ide/ide-bus.h"
#include "util/error.h"

#define TYPE_IDE_HD "ide-hd"

/* ---- which sectors ---- */

/* By cylinder, head and sector, the first of which is 1; UINT64_MAX: there is none such. */
static uint64_t chs_sector(const AtaDevice *dev)
{
    unsigned cyl = dev->lba[1] | dev->lba[2] << 8, head = dev->select & ATA_DEVICE_HEAD;

    if (!dev->lba[0] || head >= dev->now_heads || dev->lba[0] > dev->now_secs) {
        return UINT64_MAX;
    }
    return ((uint64_t)cyl * dev->now_heads + head) * dev->now_secs + dev->lba[0] - 1;
}

static uint64_t first_sector(const AtaDevice *dev)
{
    unsigned bytes = ata_command(dev)->ext ? 6 : 3;
    uint64_t sector = 0;

    if (!ata_command(dev)->ext && !(dev->select & ATA_DEVICE_LBA)) {
        return chs_sector(dev);
    }
    for (unsigned i = 0; i < bytes; i++) {
        sector |= (uint64_t)dev->lba[i] << 8 * i;
    }
    return ata_command(dev)->ext ? sector
                                 : sector | (uint64_t)(dev->select & ATA_DEVICE_HEAD) << 24;
}

/* Take over what the registers say. False: the command has failed. */
static bool set_range(AtaDevice *dev)
{
    const AtaCommand *command = ata_command(dev);
    uint32_t count = dev->count[0];

    if (command->ext) {
        count |= (uint32_t)dev->count[1] << 8;
    }
    dev->left = count ? count : command->ext ? ATA_MAX_SECTORS : 256;
    dev->sector = first_sector(dev);
    if (dev->sector > dev->sectors || dev->left > dev->sectors - dev->sector) {
        block_count_invalid(dev->conf.backend, command->write ? BLOCK_WRITE : BLOCK_READ);
        ata_fail(dev, ATA_IDNF | ATA_ABRT);
        return false;
    }
    if (command->many && !dev->multiple) {
        ata_fail(dev, ATA_ABRT);
        return false;
    }
    return true;
}

/* Bytes of the next block that goes through the buffer. */
static uint32_t block_bytes(const AtaDevice *dev)
{
    return MIN(dev->left, ata_command(dev)->many ? dev->multiple : 1u) * ATA_SECTOR;
}

static void set_request(AtaDevice *dev, BlockOp op, uint32_t bytes)
{
    dev->iov = (struct iovec){ dev->buffer, bytes };
    dev->request = (BlockRequest){
        .op = op,
        .offset = dev->sector * ATA_SECTOR,
        .bytes = bytes,
        .iov = &dev->iov,
        .iovcnt = 1,
        .and_flush = op == BLOCK_WRITE && (!dev->write_cache || ata_command(dev)->fua),
    };
}

static void sectors_moved(AtaDevice *dev, uint32_t bytes)
{
    dev->sector += bytes / ATA_SECTOR;
    dev->left -= bytes / ATA_SECTOR;
}

/* ---- reads and writes ---- */

static void read_ended(BlockRequest *request)
{
    AtaDevice *dev = request->opaque;

    if (ata_ended(dev, ATA_UNC)) {
        sectors_moved(dev, (uint32_t)request->bytes);
        ata_send(dev, (uint32_t)request->bytes);
    }
}

static void read_next(AtaDevice *dev)
{
    if (!dev->left) {
        ata_finish_read(dev);
        return;
    }
    set_request(dev, BLOCK_READ, block_bytes(dev));
    ata_submit(dev, read_ended);
}

static void read_start(AtaDevice *dev)
{
    if (!set_range(dev)) {
        return;
    }
    if (dev->port->pio_by_dma) {
        ata_move(dev, false);
    } else {
        read_next(dev);
    }
}

static void write_ended(BlockRequest *request)
{
    AtaDevice *dev = request->opaque;

    if (!ata_ended(dev, ATA_ABRT)) {
        return;
    }
    sectors_moved(dev, (uint32_t)request->bytes);
    if (dev->left) {
        ata_receive(dev, block_bytes(dev));
        dev->port->interrupt(dev);
    } else {
        ata_finish(dev);
    }
}

static void write_next(AtaDevice *dev)
{
    set_request(dev, BLOCK_WRITE, block_bytes(dev));
    ata_submit(dev, write_ended);
}

static void write_start(AtaDevice *dev)
{
    if (!set_range(dev)) {
        return;
    }
    if (dev->port->pio_by_dma) {
        ata_move(dev, true);
    } else {
        ata_receive(dev, block_bytes(dev));
    }
}

static void dma_start(AtaDevice *dev)
{
    if (set_range(dev)) {
        ata_move(dev, ata_command(dev)->write);
    }
}

/* Reads that give nothing: what is there can be read until it is. */
static void verify_start(AtaDevice *dev)
{
    if (set_range(dev)) {
        ata_finish(dev);
    }
}

/* ---- flushes and discards ---- */

static void flush_ended(BlockRequest *request)
{
    AtaDevice *dev = request->opaque;

    if (ata_ended(dev, ATA_ABRT)) {
        ata_finish(dev);
    }
}

static void flush_start(AtaDevice *dev)
{
    set_request(dev, BLOCK_FLUSH, 0);
    ata_submit(dev, flush_ended);
}

static void trim_next(AtaDevice *dev);

static void trim_ended(BlockRequest *request)
{
    AtaDevice *dev = request->opaque;

    if (ata_ended(dev, ATA_ABRT)) {
        dev->left--;
        trim_next(dev);
    }
}

/* The ranges that are left, which are the last ones of the buffer: 48 bits say where, 16 how many
 * sectors; 0: none. */
static void trim_next(AtaDevice *dev)
{
    for (; dev->left; dev->left--) {
        uint64_t entry, sector, count;

        memcpy(&entry, dev->buffer + dev->end - dev->left * sizeof(entry), sizeof(entry));
        sector = GUINT64_FROM_LE(entry) & 0xffffffffffff;
        count = GUINT64_FROM_LE(entry) >> 48;
        if (sector > dev->sectors || count > dev->sectors - sector) {
            block_count_invalid(dev->conf.backend, BLOCK_DISCARD);
            ata_fail(dev, ATA_IDNF | ATA_ABRT);
            return;
        }
        if (count) {
            dev->sector = sector;
            set_request(dev, BLOCK_DISCARD, (uint32_t)count * ATA_SECTOR);
            ata_submit(dev, trim_ended);
            return;
        }
    }
    ata_finish(dev);
}

static void trim_start(AtaDevice *dev)
{
    unsigned blocks = dev->count[0] | dev->count[1] << 8;

    if (dev->feature[0] != 1 || !blocks || blocks > ATA_TRIM_BLOCKS) {
        ata_fail(dev, ATA_ABRT);
        return;
    }
    dev->left = blocks * ATA_SECTOR / (uint32_t)sizeof(uint64_t);
    ata_receive_dma(dev, blocks * ATA_SECTOR);
}

/* ---- what they are, and how they are set up ---- */

static void identify_start(AtaDevice *dev)
{
    ata_identify(dev, dev->buffer);
    ata_send(dev, ATA_SECTOR);
}

static void native_max_start(AtaDevice *dev)
{
    uint64_t last = dev->sectors ? dev->sectors - 1 : 0;
    bool ext = ata_command(dev)->ext;

    ata_set_lba(dev, ext ? last : MIN(last, 0xfffffff), ext);
    ata_finish(dev);
}

static void multiple_start(AtaDevice *dev)
{
    uint8_t count = dev->count[0];

    if (count > ATA_MAX_MULTIPLE || count & (count - 1)) {
        ata_fail(dev, ATA_ABRT);
    } else {
        dev->multiple = count;
        ata_finish(dev);
    }
}

static void parameters_start(AtaDevice *dev)
{
    uint8_t heads = (dev->select & ATA_DEVICE_HEAD) + 1, secs = dev->count[0];

    if (!secs) {
        ata_fail(dev, ATA_ABRT);
        return;
    }
    dev->now_heads = heads;
    dev->now_secs = secs;
    dev->now_cyls = (uint16_t)MIN(dev->sectors / ((unsigned)heads * secs), UINT16_MAX);
    ata_finish(dev);
}

static void features_start(AtaDevice *dev)
{
    switch (dev->feature[0]) {
    case ATA_FEATURE_WRITE_CACHE_OFF:
        dev->write_cache = false;
        flush_start(dev);
        return;
    case ATA_FEATURE_WRITE_CACHE_ON:
        dev->write_cache = true;
        break;
    case ATA_FEATURE_LOOK_AHEAD_OFF:
    case ATA_FEATURE_LOOK_AHEAD_ON:
        dev->look_ahead = dev->feature[0] == ATA_FEATURE_LOOK_AHEAD_ON;
        break;
    case ATA_FEATURE_TRANSFER_MODE:
        if (ata_set_transfer_mode(dev)) {
            break;
        }
        ata_fail(dev, ATA_ABRT);
        return;
    case ATA_FEATURE_KEEP_SETTINGS:
    case ATA_FEATURE_DEFAULT_SETTINGS:
        break;
    default:
        ata_fail(dev, ATA_ABRT);
        return;
    }
    ata_finish(dev);
}

/* ---- the table ---- */

#define READ_PIO  .start = read_start, .next = read_next, .pio = true
#define WRITE_PIO .start = write_start, .next = write_next, .pio = true, .write = true
#define SEND(fn)  .start = (fn), .next = ata_finish_read, .pio = true

static const AtaCommand commands[256] = {
    [ATA_DATA_SET_MANAGEMENT] = { trim_start, trim_next, .ext = true, .write = true },
    [ATA_READ_SECTORS] = { READ_PIO },
    [ATA_READ_SECTORS_NORETRY] = { READ_PIO },
    [ATA_READ_SECTORS_EXT] = { READ_PIO, .ext = true },
    [ATA_READ_MULTIPLE] = { READ_PIO, .many = true },
    [ATA_READ_MULTIPLE_EXT] = { READ_PIO, .many = true, .ext = true },
    [ATA_WRITE_SECTORS] = { WRITE_PIO },
    [ATA_WRITE_SECTORS_NORETRY] = { WRITE_PIO },
    [ATA_WRITE_SECTORS_EXT] = { WRITE_PIO, .ext = true },
    [ATA_WRITE_MULTIPLE] = { WRITE_PIO, .many = true },
    [ATA_WRITE_MULTIPLE_EXT] = { WRITE_PIO, .many = true, .ext = true },
    [ATA_WRITE_MULTIPLE_FUA_EXT] = { WRITE_PIO, .many = true, .ext = true, .fua = true },
    [ATA_READ_DMA] = { dma_start },
    [ATA_READ_DMA_NORETRY] = { dma_start },
    [ATA_READ_DMA_EXT] = { dma_start, .ext = true },
    [ATA_WRITE_DMA] = { dma_start, .write = true },
    [ATA_WRITE_DMA_NORETRY] = { dma_start, .write = true },
    [ATA_WRITE_DMA_EXT] = { dma_start, .write = true, .ext = true },
    [ATA_WRITE_DMA_FUA_EXT] = { dma_start, .write = true, .ext = true, .fua = true },
    [ATA_READ_VERIFY] = { verify_start },
    [ATA_READ_VERIFY_NORETRY] = { verify_start },
    [ATA_READ_VERIFY_EXT] = { verify_start, .ext = true },
    [ATA_SEEK] = { verify_start },
    [ATA_FLUSH_CACHE] = { flush_start },
    [ATA_FLUSH_CACHE_EXT] = { flush_start, .ext = true },
    [ATA_IDENTIFY] = { SEND(identify_start) },
    [ATA_READ_NATIVE_MAX] = { native_max_start },
    [ATA_READ_NATIVE_MAX_EXT] = { native_max_start, .ext = true },
    [ATA_EXECUTE_DIAGNOSTIC] = { ata_diagnostic },
    [ATA_INITIALIZE_PARAMETERS] = { parameters_start },
    [ATA_SET_FEATURES] = { features_start },
    [ATA_SET_MULTIPLE] = { multiple_start },
    [ATA_SMART] = { SEND(ata_smart) },
    [ATA_READ_LOG_EXT] = { SEND(ata_read_log), .ext = true },
    [ATA_STANDBY_IMMEDIATE] = { ata_power },
    [ATA_IDLE_IMMEDIATE] = { ata_power },
    [ATA_STANDBY] = { ata_power },
    [ATA_IDLE_COMMAND] = { ata_power },
    [ATA_CHECK_POWER_MODE] = { ata_power },
    [ATA_SLEEP] = { ata_power },
};

/* ---- life ---- */

static bool check_geometry(const AtaDevice *dev, GError **errp)
{
    enum { MAX_CYLS = 65535, MAX_HEADS = 16, MAX_SECS = 255 };

    if (!!dev->cyls != !!dev->heads || !!dev->cyls != !!dev->secs || dev->cyls > MAX_CYLS ||
        dev->heads > MAX_HEADS || dev->secs > MAX_SECS) {
        error_set(errp, "cyls=%u, heads=%u, secs=%u: none is given, or all, up to %u, %u and %u",
                  dev->cyls, dev->heads, dev->secs, MAX_CYLS, MAX_HEADS, MAX_SECS);
        return false;
    }
    if (dev->conf.logical && dev->conf.logical != ATA_SECTOR) {
        error_set(errp, "logical_block_size=%" PRIu64 ": disks of an IDE bus have %u",
                  dev->conf.logical, ATA_SECTOR);
        return false;
    }
    return true;
}

static bool hd_realize(AtaDevice *dev, GError **errp)
{
    enum { SERIAL = 20 };
    static const BlockBackendOps ops = { .resized = ata_resized };

    if (!check_geometry(dev, errp) ||
        !block_conf_realize(&dev->conf, &dev->parent, ATA_SECTOR, SERIAL, false, loop_main(), &ops,
                            dev, errp)) {
        return false;
    }
    if (!dev->conf.backend->writable) {
        error_set(errp,
                  "drive=%s can only be read, which a disk of an IDE bus cannot tell its "
                  "guest; a virtio disk can",
                  dev->conf.drive);
        block_conf_unrealize(&dev->conf);
        return false;
    }
    ata_resized(dev);
    ata_geometry_complete(dev);
    return true;
}

/* ---- the type ---- */

#define PROP(NAME, KIND, member, initial, text)                                \
    {                                                                          \
        .name = (NAME), .kind = (KIND), .offset = offsetof(AtaDevice, member), \
        .has_default = true, .default_int = (initial), .description = (text)   \
    }

static const Property hd_properties[] = {
    BLOCK_CONF_PROPERTIES(offsetof(AtaDevice, conf)),
    ATA_DEVICE_PROPERTIES("QEMU HARDDISK"),
    PROP("cyls", PROP_UINT32, cyls, 0, "cylinders, for a guest of old; 0: as large as it is"),
    PROP("heads", PROP_UINT32, heads, 0, "heads"),
    PROP("secs", PROP_UINT32, secs, 0, "sectors of a track"),
    BOOT_GEOMETRY_PROPERTIES(offsetof(AtaDevice, conf.lchs)),
    { .name = "bios-chs-trans",
      .kind = PROP_ENUM,
      .enum_names = ata_translations,
      .custom_type = "BiosAtaTranslation",
      .offset = offsetof(AtaDevice, chs_trans),
      .has_default = true,
      .default_int = ATA_TRANS_AUTO,
      .description = "how the BIOS of a PC translates its geometry" },
    PROP("rotation_rate", PROP_UINT16, rotation_rate, 0,
         "turns a minute; 1: it has no moving parts; 0: not told"),
    { 0 },
};

static const AtaClass hd_class = {
    .device = { ATA_DEVICE_CLASS_BASE },
    .commands = commands,
    .realize = hd_realize,
};

static const ObjectType hd_type = {
    .name = TYPE_IDE_HD,
    .parent = TYPE_IDE_DEVICE,
    .description = "IDE or SATA disk",
    .properties = hd_properties,
    .ops = &hd_class,
};
OBJECT_TYPE_REGISTER(hd_type)
