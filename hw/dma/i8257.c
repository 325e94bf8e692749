/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/dma/i8257.h"

#include <string.h>

#include "memory/dma.h"
#include "util/error.h"

#define CHANNELS 4u /* of a controller */

/* Registers of a controller after the addresses and counts of its channels. */
enum {
    STATUS = 8, /* read; written: command */
    REQUEST = 9,
    MASK = 10,
    MODE = 11,
    CLEAR_POINTER = 12,
    MASTER_CLEAR = 13,
    CLEAR_MASKS = 14,
    ALL_MASKS = 15,
};
enum { COMMAND_OFF = 1 << 2 };
enum {
    MODE_DIRECTION = 3 << 2, /* 0: only counts */
    MODE_TO_MEMORY = 1 << 2,
    MODE_FROM_MEMORY = 2 << 2,
    MODE_REPEAT = 1 << 4,
    MODE_DOWN = 1 << 5,
    MODE_KIND = 3 << 6, /* demand, single, block */
    MODE_CASCADE = 3 << 6,
};

/* Page registers: ports from 0x81 on, and whose they are; the last is for refresh. */
static const struct PagePorts {
    uint8_t first, count, channels[3];
} page_ports[] = {
    { 0x81, 3, { 2, 3, 1 } },
    { 0x87, 1, { 0 } },
    { 0x89, 3, { 6, 7, 5 } },
    { 0x8f, 1, { 4 } },
};
#define PAGE_RANGES G_N_ELEMENTS(page_ports)

typedef struct DmaChannel {
    uint16_t base_address, base_count, address, count;
    uint8_t mode, page;
} DmaChannel;

typedef struct I8257 {
    Device parent;
    DmaChannel channels[CHANNELS];
    uint8_t command, masks, asks, asked, ended; /* bits: channels; devices ask, or software */
    bool upper;                                 /* the next access is to the upper byte */
    /* wiring */
    unsigned number; /* 0: bytes, 1: words */
    IsaDmaUser users[CHANNELS];
    bool taken[CHANNELS];
    MemoryRegion ports;
    MemoryRegion pages[PAGE_RANGES];
} I8257;
OBJECT_CAST_DEFINE(I8257, I8257_DEVICE, TYPE_I8257)

static I8257 *controllers[2]; /* NULL: the machine has none */

static I8257 *find(unsigned channel)
{
    return channel < ISA_DMA_CHANNELS ? controllers[channel / CHANNELS] : NULL;
}

/* ---- for devices ---- */

bool isa_dma_take(unsigned channel, const IsaDmaUser *user, GError **errp)
{
    I8257 *s = find(channel);

    if (!s || channel == CHANNELS) {
        error_set(errp, "there is no ISA DMA channel %u; a PC has 0 to 3, and 5 to 7", channel);
        return false;
    }
    if (s->taken[channel % CHANNELS]) {
        error_set(errp, "ISA DMA channel %u is another device's", channel);
        return false;
    }
    s->taken[channel % CHANNELS] = true;
    s->users[channel % CHANNELS] = *user;
    return true;
}

void isa_dma_give_back(unsigned channel)
{
    I8257 *s = find(channel);

    if (s) {
        s->taken[channel % CHANNELS] = false;
        s->users[channel % CHANNELS] = (IsaDmaUser){ 0 };
        s->asks &= (uint8_t) ~(1u << channel % CHANNELS);
    }
}

void isa_dma_request(unsigned channel, bool asks)
{
    I8257 *s = find(channel);
    unsigned bit = 1u << channel % CHANNELS;

    if (s) {
        s->asks = (uint8_t)(asks ? s->asks | bit : s->asks & ~bit);
    }
}

/* Has the guest made the channel ready: is it unmasked, and its controller on? */
static bool is_ready(unsigned channel)
{
    const I8257 *s = find(channel);

    return s && !(s->masks >> channel % CHANNELS & 1) && !(s->command & COMMAND_OFF) &&
           (s->channels[channel % CHANNELS].mode & MODE_KIND) != MODE_CASCADE;
}

/* ---- moving ---- */

/* Where the channel is: addresses of words are shifted, and the lowest bit of their page is not
 * there. */
static hwaddr place(const I8257 *s, const DmaChannel *c)
{
    return s->number ? (hwaddr)(c->page & 0xfe) << 16 | (hwaddr)c->address << 1
                     : (hwaddr)c->page << 16 | c->address;
}

/* @size bytes that lie together from @addr on. */
static void touch(const DmaChannel *c, hwaddr addr, uint8_t *data, uint32_t size, bool to_memory)
{
    static const DmaSpace space = { &address_space_memory, NULL };
    unsigned direction = c->mode & MODE_DIRECTION;

    if (!to_memory) {
        memset(data, 0xff, size);
        if (direction == MODE_FROM_MEMORY) {
            dma_read_ram(&space, addr, data, size);
        }
    } else if (direction == MODE_TO_MEMORY) {
        dma_write_ram(&space, addr, data, size);
    }
}

/* The next @units from @data on, which reach the end of the page at the most. */
static void step(I8257 *s, DmaChannel *c, uint8_t *data, uint32_t units, bool to_memory)
{
    unsigned unit = 1u << s->number;

    if (!(c->mode & MODE_DOWN)) {
        touch(c, place(s, c), data, units * unit, to_memory);
        c->address = (uint16_t)(c->address + units);
    }
    for (uint32_t i = 0; c->mode & MODE_DOWN && i < units; i++) {
        touch(c, place(s, c), data + (size_t)i * unit, unit, to_memory);
        c->address--;
    }
    c->count = (uint16_t)(c->count - units);
}

/* Terminal count. */
static void end(I8257 *s, unsigned n)
{
    DmaChannel *c = &s->channels[n];
    uint8_t bit = (uint8_t)(1u << n);

    s->ended |= bit;
    s->asked &= (uint8_t)~bit;
    if (c->mode & MODE_REPEAT) {
        c->address = c->base_address;
        c->count = c->base_count;
    } else {
        s->masks |= bit;
    }
}

uint32_t isa_dma_move(unsigned channel, void *data, uint32_t size, bool to_memory, bool *ended)
{
    I8257 *s = find(channel);
    unsigned n = channel % CHANNELS;
    uint32_t units, moved = 0;

    *ended = false;
    if (!is_ready(channel)) {
        return 0;
    }
    for (units = size >> s->number; units && !*ended;) {
        DmaChannel *c = &s->channels[n];
        uint32_t page = c->mode & MODE_DOWN ? c->address + 1u : 0x10000u - c->address;
        uint32_t left = c->count + 1u, now = MIN(units, MIN(left, page));

        step(s, c, (uint8_t *)data + moved, now, to_memory);
        units -= now;
        moved += now << s->number;
        *ended = now == left;
    }
    if (*ended) {
        end(s, n);
    }
    return moved;
}

/* ---- the guest's side ---- */

/* Tell devices that wait whether their channel is ready now. */
static void look(I8257 *s)
{
    for (unsigned n = 0; n < CHANNELS; n++) {
        if (s->asks >> n & 1 && s->users[n].ready && is_ready(s->number * CHANNELS + n)) {
            s->users[n].ready(s->users[n].opaque);
        }
    }
}

static void set_half(uint16_t *base, uint16_t *now, bool upper, uint8_t value)
{
    *base = (uint16_t)(upper ? (*base & 0xff) | value << 8 : (*base & 0xff00) | value);
    *now = *base;
}

static void set_bit(uint8_t *bits, unsigned n, bool on)
{
    *bits = (uint8_t)(on ? *bits | 1u << n : *bits & ~(1u << n));
}

static void clear(I8257 *s)
{
    s->command = s->asked = s->ended = 0;
    s->masks = 0xf;
    s->upper = false;
}

static void write_control(I8257 *s, unsigned index, uint8_t value)
{
    switch (index) {
    case STATUS:
        s->command = value;
        break;
    case REQUEST:
        set_bit(&s->asked, value & 3, value & 4);
        break;
    case MASK:
        set_bit(&s->masks, value & 3, value & 4);
        break;
    case MODE:
        s->channels[value & 3].mode = value & 0xfc;
        break;
    case CLEAR_POINTER:
        s->upper = false;
        break;
    case MASTER_CLEAR:
        clear(s);
        break;
    case CLEAR_MASKS:
        s->masks = 0;
        break;
    case ALL_MASKS:
        s->masks = value & 0xf;
        break;
    }
    look(s);
}

static void i8257_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    I8257 *s = opaque;
    unsigned index = (unsigned)(addr >> s->number);

    if (index >= STATUS) {
        write_control(s, index, (uint8_t)value);
        return;
    }
    DmaChannel *c = &s->channels[index / 2];

    if (index & 1) {
        set_half(&c->base_count, &c->count, s->upper, (uint8_t)value);
    } else {
        set_half(&c->base_address, &c->address, s->upper, (uint8_t)value);
    }
    s->upper = !s->upper;
}

static uint64_t i8257_read(void *opaque, hwaddr addr, unsigned size)
{
    I8257 *s = opaque;
    unsigned index = (unsigned)(addr >> s->number);
    uint64_t value = 0;

    if (index < STATUS) {
        const DmaChannel *c = &s->channels[index / 2];

        value = (index & 1 ? c->count : c->address) >> (s->upper ? 8 : 0) & 0xff;
        s->upper = !s->upper;
    } else if (index == STATUS) {
        value = (unsigned)(s->asks | s->asked) << 4 | s->ended;
        s->ended = 0;
    } else if (index == ALL_MASKS) {
        value = s->masks;
    }
    return value;
}

static const MemoryRegionOps i8257_ops = { i8257_read, i8257_write, 1, 1 };

static DmaChannel *page_of(unsigned range, hwaddr addr)
{
    unsigned channel = page_ports[range].channels[addr];

    return &controllers[channel / CHANNELS]->channels[channel % CHANNELS];
}

static unsigned range_of(const MemoryRegion *mr)
{
    unsigned i = 0;

    while (page_ports[i].first != mr->addr) {
        i++;
    }
    return i;
}

static uint64_t page_read(void *opaque, hwaddr addr, unsigned size)
{
    return page_of(range_of(opaque), addr)->page;
}

static void page_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    page_of(range_of(opaque), addr)->page = (uint8_t)value;
}

static const MemoryRegionOps page_ops = { page_read, page_write, 1, 1 };

/* ---- life ---- */

static void i8257_reset(Device *dev)
{
    I8257 *s = I8257_DEVICE(dev);

    memset(s->channels, 0, sizeof(s->channels));
    s->asks = 0;
    clear(s);
}

static const StateField channel_fields[] = {
    STATE_UINT(DmaChannel, base_address),
    STATE_UINT(DmaChannel, base_count),
    STATE_UINT(DmaChannel, address),
    STATE_UINT(DmaChannel, count),
    STATE_UINT(DmaChannel, mode),
    STATE_UINT(DmaChannel, page),
    {},
};
static const StateTable channel_state = { .name = "i8257-channel",
                                          .version = 1,
                                          .fields = channel_fields };

static const StateField i8257_fields[] = {
    STATE_STRUCTS(I8257, channels, &channel_state),
    STATE_UINT(I8257, command),
    STATE_UINT_MAX(I8257, masks, 0xf),
    STATE_UINT_MAX(I8257, asks, 0xf),
    STATE_UINT_MAX(I8257, asked, 0xf),
    STATE_UINT_MAX(I8257, ended, 0xf),
    STATE_BOOL(I8257, upper),
    {},
};
static const StateTable i8257_state = { .name = TYPE_I8257, .version = 1, .fields = i8257_fields };

static const DeviceClass i8257_class = {
    .category = "misc",
    .reset = i8257_reset,
    .state = &i8257_state,
};

static const ObjectType i8257_type = {
    .name = TYPE_I8257,
    .parent = TYPE_DEVICE,
    .description = "ISA DMA controller",
    .instance_size = sizeof(I8257),
    .ops = &i8257_class,
};
OBJECT_TYPE_REGISTER(i8257_type)

static I8257 *create(MemoryRegion *io, unsigned number)
{
    I8257 *s = I8257_DEVICE(device_new_onboard(TYPE_I8257));

    s->number = number;
    controllers[number] = s;
    device_realize(&s->parent, NULL);
    memory_region_init_io(&s->ports, &i8257_ops, s, number ? "dma2" : "dma1", 16u << number);
    device_map(&s->parent, io, number ? 0xc0 : 0, &s->ports, 0);
    return s;
}

void isa_dma_create(MemoryRegion *io)
{
    I8257 *s = create(io, 0);

    create(io, 1);
    for (unsigned i = 0; i < PAGE_RANGES; i++) {
        memory_region_init_io(&s->pages[i], &page_ops, &s->pages[i], "dma-page",
                              page_ports[i].count);
        device_map(&s->parent, io, page_ports[i].first, &s->pages[i], 0);
    }
}
