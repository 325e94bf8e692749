/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/ide/ide-channel.h"

#include <string.h>

#include "hw/intc/isa-irq.h"

/* Offsets in the command block. */
enum {
    REG_DATA,
    REG_FEATURES, /* read: error */
    REG_COUNT,
    REG_LBA_LOW,
    REG_LBA_MID,
    REG_LBA_HIGH,
    REG_DEVICE,
    REG_COMMAND, /* read: status */
    COMMAND_PORTS,
};

/* SFF-8038i, chapter 2. */
enum {
    BM_COMMAND = 0,
    BM_COMMAND_START = 0x01,
    BM_COMMAND_TO_MEMORY = 0x08,
    BM_STATUS = 2,
    BM_STATUS_ACTIVE = 0x01,
    BM_STATUS_ERROR = 0x02,
    BM_STATUS_INTERRUPT = 0x04,
    BM_STATUS_CAPABLE = 0x60, /* of DMA: firmware says so of each device */
    BM_TABLE = 4,
};

static IdeChannel *channel_of(const AtaDevice *dev)
{
    return dev->opaque;
}

/* The one that is selected, or NULL. Both hear what is written, so each knows. */
static AtaDevice *selected(const IdeChannel *c)
{
    const AtaDevice *any = c->bus->units[0] ? c->bus->units[0] : c->bus->units[1];

    return any ? c->bus->units[any->select & ATA_DEVICE_UNIT ? 1 : 0] : NULL;
}

/* ---- the interrupt ---- */

static void update_line(IdeChannel *c)
{
    const AtaDevice *dev = selected(c);
    bool line = dev && dev->intrq && !(c->control & ATA_CONTROL_NIEN);

    if (line != c->line) {
        c->line = line;
        c->bm_status |= line ? BM_STATUS_INTERRUPT : 0;
        irq_set(&c->irq, line);
    }
}

static void channel_interrupt(AtaDevice *dev)
{
    dev->intrq = true;
    update_line(channel_of(dev));
}

static void clear_interrupt(IdeChannel *c, AtaDevice *dev)
{
    dev->intrq = false;
    update_line(c);
}

/* ---- bus master ---- */

/* The function is no bus master: what a device gives is lost, and it gets nothing. */
static void lose_data(IdeChannel *c, AtaDevice *dev)
{
    c->bm_status |= BM_STATUS_ACTIVE;
    if (dev->data == ATA_FROM_DISK || dev->data == ATA_FROM_BUFFER) {
        ata_cancel(dev);
        ata_finish(dev);
    } else {
        ata_cancel(dev);
        ata_fail(dev, ATA_ABRT);
    }
}

/* Once a device waits and the bus master is started, whichever comes last. */
static void start_dma(IdeChannel *c, AtaDevice *dev)
{
    SgList list;

    if (dev->phase != ATA_DMA || !(c->bm_command & BM_COMMAND_START)) {
        return;
    }
    if (!pci_can_dma(c->card)) {
        lose_data(c, dev);
        return;
    }
    list = sg_list(SG_BUS_MASTER, &c->card->dma, c->bm_table, SG_BUS_MASTER_ENTRIES);
    c->bm_status |= BM_STATUS_ACTIVE;
    ata_dma(dev, &list);
}

static void channel_dma(AtaDevice *dev)
{
    start_dma(channel_of(dev), dev);
}

static void channel_dma_ended(AtaDevice *dev, SgList *list, bool failed)
{
    IdeChannel *c = channel_of(dev);

    if (failed) {
        c->bm_status |= BM_STATUS_ERROR;
    }
    if (failed || sg_at_end(list)) {
        c->bm_status &= ~BM_STATUS_ACTIVE;
    }
}

/* Between the disk and memory. */
static bool is_moving(const AtaDevice *dev)
{
    bool packet = ata_class(dev)->dma && dev->phase == ATA_RUNNING &&
                  (dev->data == ATA_FROM_DISK || dev->data == ATA_TO_DISK);

    return dev->transfer || packet;
}

static void write_bm_command(IdeChannel *c, uint8_t value)
{
    AtaDevice *dev = selected(c);
    bool was = c->bm_command & BM_COMMAND_START;

    c->bm_command = value & (BM_COMMAND_START | BM_COMMAND_TO_MEMORY);
    if (!(value & BM_COMMAND_START)) {
        if (was && dev && is_moving(dev)) {
            ata_cancel(dev); /* what it has begun leads to nothing */
        }
        c->bm_status &= ~BM_STATUS_ACTIVE;
    } else if (!was) {
        c->bm_status |= BM_STATUS_ACTIVE;
        if (dev) {
            start_dma(c, dev);
        }
    }
}

uint32_t ide_channel_read_bm(IdeChannel *c, unsigned offset, unsigned size)
{
    uint8_t registers[IDE_BUS_MASTER_PORTS + 4] = {
        [BM_COMMAND] = c->bm_command, [BM_STATUS] = c->bm_status
    };
    uint32_t table = GUINT32_TO_LE(c->bm_table), value = 0;

    memcpy(registers + BM_TABLE, &table, sizeof(table));
    memcpy(&value, registers + offset, size);
    return GUINT32_FROM_LE(value);
}

static void write_bm_byte(IdeChannel *c, unsigned offset, uint8_t value)
{
    unsigned shift = 8 * (offset - BM_TABLE);

    if (offset == BM_COMMAND) {
        write_bm_command(c, value);
    } else if (offset == BM_STATUS) {
        c->bm_status &= ~(BM_STATUS_CAPABLE | (value & (BM_STATUS_ERROR | BM_STATUS_INTERRUPT)));
        c->bm_status |= value & BM_STATUS_CAPABLE;
    } else if (offset >= BM_TABLE) {
        c->bm_table = (c->bm_table & ~(0xffu << shift)) | (uint32_t)value << shift;
        c->bm_table &= ~3u;
    }
}

void ide_channel_write_bm(IdeChannel *c, unsigned offset, uint32_t value, unsigned size)
{
    for (unsigned i = 0; i < size && offset + i < IDE_BUS_MASTER_PORTS; i++) {
        write_bm_byte(c, offset + i, (uint8_t)(value >> 8 * i));
    }
}

static const AtaPortOps channel_ops = {
    .interrupt = channel_interrupt,
    .dma = channel_dma,
    .dma_ended = channel_dma_ended,
    .again = ata_again,
    .cancel = ata_cancel,
};

/* ---- command block ---- */

static uint8_t read_register(IdeChannel *c, unsigned offset)
{
    AtaDevice *dev = selected(c);
    bool hob = c->control & ATA_CONTROL_HOB;

    if (!dev) {
        return 0;
    }
    switch (offset) {
    case REG_FEATURES:
        return dev->error;
    case REG_COUNT:
        return dev->count[hob];
    case REG_DEVICE:
        return dev->select | ATA_DEVICE_OBSOLETE;
    case REG_COMMAND:
        clear_interrupt(c, dev);
        return dev->status;
    default:
        return dev->lba[offset - REG_LBA_LOW + (hob ? 3 : 0)];
    }
}

static uint64_t command_read(void *opaque, hwaddr addr, unsigned size)
{
    IdeChannel *c = opaque;
    uint32_t value = 0;

    if (addr == REG_DATA) {
        AtaDevice *dev = selected(c);

        return dev ? ata_read_data(dev, size) : UINT32_MAX;
    }
    for (unsigned i = 0; i < size && addr + i < COMMAND_PORTS; i++) {
        value |= (uint32_t)read_register(c, (unsigned)addr + i) << 8 * i;
    }
    return value;
}

static void set_pair(uint8_t pair[2], uint8_t value)
{
    pair[1] = pair[0];
    pair[0] = value;
}

/* Each device hears it, but one that is busy. */
static void write_device(AtaDevice *dev, unsigned offset, uint8_t value)
{
    switch (offset) {
    case REG_FEATURES:
        set_pair(dev->feature, value);
        break;
    case REG_COUNT:
        set_pair(dev->count, value);
        break;
    case REG_DEVICE:
        dev->select = value & ~ATA_DEVICE_OBSOLETE;
        break;
    default:
        dev->lba[offset - REG_LBA_LOW + 3] = dev->lba[offset - REG_LBA_LOW];
        dev->lba[offset - REG_LBA_LOW] = value;
        break;
    }
}

static bool is_busy(const IdeChannel *c)
{
    const AtaDevice *dev = selected(c);

    return dev && dev->status & ATA_BSY;
}

/* EXECUTE DEVICE DIAGNOSTIC is for both, and device 0 answers. */
static void diagnose(IdeChannel *c)
{
    for (unsigned i = IDE_UNITS; i-- > 0;) {
        AtaDevice *dev = c->bus->units[i];

        if (dev) {
            dev->select &= ~ATA_DEVICE_UNIT;
            ata_execute(dev, ATA_EXECUTE_DIAGNOSTIC);
            dev->intrq = i == 0;
        }
    }
    update_line(c);
}

static void write_command(IdeChannel *c, uint8_t value)
{
    AtaDevice *dev = selected(c);

    if (value == ATA_EXECUTE_DIAGNOSTIC) {
        diagnose(c);
    } else if (dev) {
        clear_interrupt(c, dev);
        ata_execute(dev, value);
    }
}

static void write_register(IdeChannel *c, unsigned offset, uint8_t value)
{
    if (is_busy(c)) {
        return;
    }
    c->control &= ~ATA_CONTROL_HOB;
    if (offset == REG_COMMAND) {
        write_command(c, value);
        return;
    }
    for (unsigned i = 0; i < IDE_UNITS; i++) {
        if (c->bus->units[i]) {
            write_device(c->bus->units[i], offset, value);
        }
    }
    update_line(c);
}

static void command_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    IdeChannel *c = opaque;

    if (addr == REG_DATA) {
        AtaDevice *dev = selected(c);

        if (dev) {
            ata_write_data(dev, (uint32_t)value, size);
        }
        return;
    }
    for (unsigned i = 0; i < size && addr + i < COMMAND_PORTS; i++) {
        write_register(c, (unsigned)addr + i, (uint8_t)(value >> 8 * i));
    }
}

static const MemoryRegionOps command_ops = { command_read, command_write, 1, 4 };

/* ---- control block ---- */

static uint64_t control_read(void *opaque, hwaddr addr, unsigned size)
{
    const AtaDevice *dev = selected(opaque);

    return dev ? dev->status : 0;
}

/* While the bit of a software reset is set, the devices are busy. */
static void control_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    IdeChannel *c = opaque;
    bool was = c->control & ATA_CONTROL_SRST, is = value & ATA_CONTROL_SRST;

    for (unsigned i = 0; i < IDE_UNITS; i++) {
        AtaDevice *dev = c->bus->units[i];

        if (dev && was != is) {
            ata_soft_reset(dev);
            dev->select = 0;
            dev->status = is ? ATA_BSY : dev->status;
        }
    }
    c->control = (uint8_t)value;
    update_line(c);
}

static const MemoryRegionOps control_ops = { control_read, control_write, 1, 1 };

/* ---- life ---- */

bool ide_channel_realize(IdeChannel *c, PciDevice *card, unsigned number,
                         const IdeChannelPlace *place, GError **errp)
{
    Device *dev = &card->parent;
    PciBus *root = pci_bus_root(pci_bus_of(card));

    c->card = card;
    c->irq = isa_irq(place->irq);
    c->bus = ide_bus_new(dev, "ide", number, IDE_UNITS, &channel_ops, c, errp);
    if (!c->bus) {
        return false;
    }
    memory_region_init_io(&c->command_block, &command_ops, c, "ide-command", COMMAND_PORTS);
    memory_region_init_io(&c->control_block, &control_ops, c, "ide-control", 1);
    device_map(dev, &root->io, place->command_port, &c->command_block, 1);
    device_map(dev, &root->io, place->control_port, &c->control_block, 1);
    return true;
}

void ide_channel_unrealize(IdeChannel *c)
{
    irq_set(&c->irq, 0);
    c->line = false;
    ide_bus_free(g_steal_pointer(&c->bus));
    memory_region_destroy(&c->command_block);
    memory_region_destroy(&c->control_block);
}

void ide_channel_reset(IdeChannel *c)
{
    for (unsigned i = 0; i < IDE_UNITS; i++) {
        if (c->bus->units[i]) {
            ata_device_reset(&c->bus->units[i]->parent);
        }
    }
    c->control = c->bm_command = c->bm_status = 0;
    c->bm_table = 0;
    update_line(c);
}

static const StateField channel_fields[] = {
    STATE_UINT(IdeChannel, control),   STATE_UINT(IdeChannel, bm_command),
    STATE_UINT(IdeChannel, bm_status), STATE_UINT(IdeChannel, bm_table),
    STATE_BOOL(IdeChannel, line),      {},
};
const StateTable ide_channel_state = { .name = "ide-channel",
                                       .version = 1,
                                       .fields = channel_fields };
