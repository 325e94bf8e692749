/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/net/ne2k.h"

#include <string.h>
#include <zlib.h>

#include "hw/core/runstate.h"

enum {
    PORT_DATA = 0x10,
    PORT_RESET = 0x18, /* and those behind it */
    PROM_SIZE = 32,    /* each byte is there twice */
    PROM_MARK = 14,
    PAGE = 256,
    HEADER = 4, /* of a packet in the ring: status, the next page, its length */
    SUM_SIZE = 4,
    PACKET_LONGEST = 1518, /* with a tag, without the sum */
    ADDRESSES = 12,
    REGISTERS = 16, /* of a page of registers */
};

enum {
    COMMAND_STOP = 0x01,
    COMMAND_START = 0x02,
    COMMAND_SEND = 0x04,
    COMMAND_DMA = 0x18, /* read, or write */
    COMMAND_PAGE_SHIFT = 6,
};
enum {
    STATUS_RX = 0x01,
    STATUS_TX = 0x02,
    STATUS_DMA = 0x40,
    STATUS_RESET = 0x80, /* it stands; no interrupt */
};
enum {
    RX_BROADCAST = 0x04,
    RX_GROUPS = 0x08,
    RX_ALL = 0x10,
    RX_MONITOR = 0x20, /* nothing is kept */
};
enum { TOLD_RIGHT = 0x01, TOLD_GROUP = 0x20 };
enum { TX_LOOP = 0x06, DATA_WORDS = 0x01 };

static void update_interrupt(Ne2k *s)
{
    s->set_irq(s, (s->status & s->mask & (uint8_t)~STATUS_RESET) != 0);
}

static void interrupt(Ne2k *s, uint8_t causes)
{
    s->status |= causes;
    update_interrupt(s);
}

/* ---- its memory ---- */

static uint8_t read_memory(const Ne2k *s, uint16_t at)
{
    if (at < PROM_SIZE) {
        unsigned n = at / 2;

        return n < NET_MAC_SIZE ? s->card.nic.mac[n] : n >= PROM_MARK ? 'W' : 0;
    }
    return at >= NE2K_RAM && at < NE2K_RAM + NE2K_RAM_SIZE ? s->ram[at - NE2K_RAM] : 0xff;
}

static void write_memory(Ne2k *s, uint16_t at, uint8_t value)
{
    if (at >= NE2K_RAM && at < NE2K_RAM + NE2K_RAM_SIZE) {
        s->ram[at - NE2K_RAM] = value;
    }
}

/* In words, or as many bytes as were asked for; from the end of the ring to its beginning. */
static void dma_done(Ne2k *s, unsigned size)
{
    unsigned step = s->data_config & DATA_WORDS ? MAX(size, 2) : size;

    s->dma_at = (uint16_t)(s->dma_at + step);
    if (s->dma_at == s->end * PAGE) {
        s->dma_at = (uint16_t)(s->first * PAGE);
    }
    s->dma_count = (uint16_t)(s->dma_count > step ? s->dma_count - step : 0);
    if (!s->dma_count) {
        interrupt(s, STATUS_DMA);
    }
}

/* ---- what is sent ---- */

static void transmit(void *opaque)
{
    Ne2k *s = opaque;
    unsigned at = s->tx_page * PAGE;
    size_t size = s->tx_count;

    if (!(s->command & COMMAND_SEND) || s->command & COMMAND_STOP || !runstate_is_running() ||
        !net_can_send(&s->card.nic.client)) {
        return;
    }
    if (!(s->tx_config & TX_LOOP) && size >= ADDRESSES + 2 && size <= PACKET_LONGEST) {
        for (size_t i = 0; i < size; i++) {
            s->card.packet[i] = read_memory(s, (uint16_t)(at + i));
        }
        net_send(&s->card.nic.client, s->card.packet,
                 nic_card_pad(s->card.packet, s->card.packet, size));
    }
    s->command &= (uint8_t)~COMMAND_SEND;
    s->tx_status = TOLD_RIGHT;
    interrupt(s, STATUS_TX);
}

/* ---- what is received ---- */

static bool wants(const Ne2k *s, const uint8_t *packet)
{
    unsigned hash = nic_card_hash(packet, false);

    if (s->rx_config & RX_MONITOR) {
        return false;
    }
    if (s->rx_config & RX_ALL) {
        return true;
    }
    if (nic_card_is_broadcast(packet)) {
        return s->rx_config & RX_BROADCAST;
    }
    if (packet[0] & 1) {
        return s->rx_config & RX_GROUPS && s->groups[hash / 8] >> hash % 8 & 1;
    }
    return memcmp(packet, s->mac, NET_MAC_SIZE) == 0;
}

/* Into the ring, from byte @at on; the next one. */
static uint16_t put(Ne2k *s, uint16_t at, const uint8_t *from, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        write_memory(s, at++, from[i]);
        if (at == (uint16_t)(s->end * PAGE)) {
            at = (uint16_t)(s->first * PAGE);
        }
    }
    return at;
}

/* What finds no room waits until the driver has read. */
static bool receive(NetClient *nc, const NetOffload *o, const uint8_t *packet, size_t size)
{
    Ne2k *s = nc->opaque;
    unsigned pages = (unsigned)(s->end - s->first), needed, free;
    uint8_t copy[PACKET_LONGEST], header[HEADER];
    uint32_t sum;
    uint16_t at;

    if (s->command & COMMAND_STOP || s->end <= s->first || size > PACKET_LONGEST ||
        size < ADDRESSES) {
        return true;
    }
    if (!runstate_is_running()) {
        return false;
    }
    if (!wants(s, packet)) {
        return true;
    }
    size = nic_card_pad(copy, packet, size);
    needed = (unsigned)(size + SUM_SIZE + HEADER + PAGE - 1) / PAGE;
    free = (pages + s->boundary - s->current) % pages;
    if (needed >= pages || s->current < s->first || s->current >= s->end) {
        return true;
    }
    if (needed >= (free ? free : pages)) {
        interrupt(s, STATUS_RX); /* there is something to read */
        return false;
    }
    at = (uint16_t)(s->current * PAGE);
    s->current = (uint8_t)(s->first + (s->current - s->first + needed) % pages);
    s->rx_status = TOLD_RIGHT | (packet[0] & 1 ? TOLD_GROUP : 0);
    header[0] = s->rx_status;
    header[1] = s->current;
    header[2] = (uint8_t)(size + SUM_SIZE);
    header[3] = (uint8_t)((size + SUM_SIZE) >> 8);
    sum = GUINT32_TO_LE((uint32_t)crc32(0, copy, (uInt)size));
    at = put(s, at, header, sizeof(header));
    at = put(s, at, copy, size);
    put(s, at, (const uint8_t *)&sum, sizeof(sum));
    s->unseen = true;
    interrupt(s, STATUS_RX);
    return true;
}

/* ---- registers ---- */

static void write_command(Ne2k *s, uint8_t value)
{
    bool sends = s->command & COMMAND_SEND;

    s->command = value | (sends ? COMMAND_SEND : 0);
    if (value & COMMAND_STOP) {
        s->command &= (uint8_t)~COMMAND_SEND;
        interrupt(s, STATUS_RESET);
        return;
    }
    s->status &= (uint8_t)~STATUS_RESET;
    if (value & COMMAND_DMA && !s->dma_count) {
        interrupt(s, STATUS_DMA);
    }
    nic_card_transmit(&s->card);
    if (value & COMMAND_START) {
        net_client_ready(&s->card.nic.client);
    }
}

/* Drivers read the ring until its end, and take the cause then: a packet that came between would be
 * told to nobody, and here they come when there is room, which is then. */
static void take_causes(Ne2k *s, uint8_t causes)
{
    s->status &= (uint8_t) ~(causes & ~STATUS_RESET);
    if (causes & STATUS_RX && s->unseen) {
        s->unseen = false; /* once is enough */
        s->status |= STATUS_RX;
    }
}

/* Of page 0, from 1 on. */
static void write_first(Ne2k *s, unsigned n, uint8_t value)
{
    uint8_t *const plain[REGISTERS] = {
        [0x1] = &s->first,     [0x2] = &s->end,       [0x3] = &s->boundary,    [0x4] = &s->tx_page,
        [0xc] = &s->rx_config, [0xd] = &s->tx_config, [0xe] = &s->data_config, [0xf] = &s->mask,
    };
    uint16_t *const pairs[REGISTERS / 2] = { NULL, NULL, NULL, NULL, &s->dma_at, &s->dma_count };

    if (plain[n]) {
        *plain[n] = value;
    } else if (n == 5) {
        s->tx_count = (uint16_t)((s->tx_count & 0xff00) | value);
    } else if (n == 6) {
        s->tx_count = (uint16_t)((s->tx_count & 0x00ff) | value << 8);
    } else if (n == 7) {
        take_causes(s, value);
    } else if (pairs[n / 2]) {
        *pairs[n / 2] = (uint16_t)(n % 2 ? (*pairs[n / 2] & 0x00ff) | value << 8
                                         : (*pairs[n / 2] & 0xff00) | value);
    }
    update_interrupt(s);
    if (n == 3) {
        net_client_ready(&s->card.nic.client);
    }
}

static void write_register(Ne2k *s, unsigned n, uint8_t value)
{
    unsigned page = s->command >> COMMAND_PAGE_SHIFT;

    if (n == 0) {
        write_command(s, value);
    } else if (page == 0) {
        write_first(s, n, value);
    } else if (page == 1 && n <= NET_MAC_SIZE) {
        s->mac[n - 1] = value;
    } else if (page == 1 && n == 7) {
        s->current = value;
    } else if (page == 1) {
        s->groups[n - 8] = value;
    }
}

/* By page; RTL8029 has a name in the first one. */
static uint8_t read_register(Ne2k *s, unsigned n)
{
    const uint8_t first[REGISTERS] = { s->command,
                                       (uint8_t)s->dma_at,
                                       (uint8_t)(s->dma_at >> 8),
                                       s->boundary,
                                       s->tx_status,
                                       0,
                                       0,
                                       s->status,
                                       (uint8_t)s->dma_at,
                                       (uint8_t)(s->dma_at >> 8),
                                       0x50,
                                       0x43,
                                       s->rx_status };
    const uint8_t third[REGISTERS] = {
        s->command,   s->first,     s->end,         0,      s->tx_page, 0, 0, 0, 0, 0, 0, 0,
        s->rx_config, s->tx_config, s->data_config, s->mask
    };

    if (n == 7 && s->command >> COMMAND_PAGE_SHIFT == 1) {
        s->unseen = false;
    }
    switch (n == 0 ? 0 : s->command >> COMMAND_PAGE_SHIFT) {
    case 0:
        return first[n];
    case 1:
        return n <= NET_MAC_SIZE ? s->mac[n - 1] : n == 7 ? s->current : s->groups[n - 8];
    case 2:
        return third[n];
    default:
        return n == 6 ? 0x40 : 0; /* both ways at once */
    }
}

static uint64_t ports_read(void *opaque, hwaddr addr, unsigned size)
{
    Ne2k *s = opaque;
    uint64_t value = 0;

    if (addr >= NE2K_PORTS) {
        return UINT64_MAX;
    }
    if (addr >= PORT_RESET) {
        ne2k_reset(s);
        s->status = STATUS_RESET;
        return 0;
    }
    if (addr >= PORT_DATA) {
        for (unsigned i = 0; i < size; i++) {
            value |= (uint64_t)read_memory(s, (uint16_t)(s->dma_at + i)) << 8 * i;
        }
        dma_done(s, size);
        return value;
    }
    for (unsigned i = 0; i < size && addr + i < REGISTERS; i++) {
        value |= (uint64_t)read_register(s, (unsigned)addr + i) << 8 * i;
    }
    return value;
}

static void ports_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Ne2k *s = opaque;

    if (addr >= PORT_DATA && addr < PORT_RESET && s->dma_count) {
        for (unsigned i = 0; i < size; i++) {
            write_memory(s, (uint16_t)(s->dma_at + i), (uint8_t)(value >> 8 * i));
        }
        dma_done(s, size);
    } else if (addr < PORT_DATA) {
        for (unsigned i = 0; i < size && addr + i < REGISTERS; i++) {
            write_register(s, (unsigned)addr + i, (uint8_t)(value >> 8 * i));
        }
    }
}

static const MemoryRegionOps ports_ops = { ports_read, ports_write, 1, 4 };

/* ---- life ---- */

static void can_send_again(NetClient *nc)
{
    Ne2k *s = nc->opaque;

    nic_card_transmit_later(&s->card);
}

static char *describe(NetClient *nc)
{
    const Ne2k *s = nc->opaque;
    g_autofree char *mac = net_mac_text(s->mac);

    return g_strdup_printf("model=%s,macaddr=%s", s->model, mac);
}

static void announce(Nic *nic)
{
    const Ne2k *s = nic->client.opaque;

    nic_send_rarp(nic, s->mac);
}

static const NicOps nic_ops = {
    .client = { .receive = receive, .can_send_again = can_send_again, .describe = describe },
    .announce = announce,
};

bool ne2k_realize(Ne2k *s, Device *dev, const char *model, void (*set_irq)(Ne2k *s, int level),
                  uint64_t size, GError **errp)
{
    s->model = model;
    s->set_irq = set_irq;
    if (!nic_card_realize(&s->card, dev, &nic_ops, transmit, s, errp)) {
        return false;
    }
    memory_region_init_io(&s->ports, &ports_ops, s, model, size);
    return true;
}

void ne2k_unrealize(Ne2k *s, Device *dev)
{
    nic_card_unrealize(&s->card, dev);
    memory_region_destroy(&s->ports);
}

void ne2k_reset(Ne2k *s)
{
    s->command = COMMAND_STOP | 0x20;
    s->status = s->mask = s->tx_status = s->rx_status = 0;
    s->rx_config = s->tx_config = s->data_config = 0;
    s->first = s->end = s->boundary = s->current = s->tx_page = 0;
    s->tx_count = s->dma_at = s->dma_count = 0;
    s->unseen = false;
    memcpy(s->mac, s->card.nic.mac, NET_MAC_SIZE);
    memset(s->groups, 0, sizeof(s->groups));
    net_client_purge(&s->card.nic.client);
    update_interrupt(s);
}

static const StateField ne2k_fields[] = {
    STATE_UINT(Ne2k, command),   STATE_UINT(Ne2k, status),      STATE_UINT(Ne2k, mask),
    STATE_UINT(Ne2k, tx_status), STATE_UINT(Ne2k, rx_status),   STATE_UINT(Ne2k, rx_config),
    STATE_UINT(Ne2k, tx_config), STATE_UINT(Ne2k, data_config), STATE_UINT(Ne2k, first),
    STATE_UINT(Ne2k, end),       STATE_UINT(Ne2k, boundary),    STATE_UINT(Ne2k, current),
    STATE_UINT(Ne2k, tx_page),   STATE_UINT(Ne2k, tx_count),    STATE_UINT(Ne2k, dma_at),
    STATE_UINT(Ne2k, dma_count), STATE_UINTS(Ne2k, mac),        STATE_UINTS(Ne2k, groups),
    STATE_BOOL(Ne2k, unseen),    STATE_UINTS(Ne2k, ram),        {},
};
const StateTable ne2k_state = { .name = "ne2k", .version = 1, .fields = ne2k_fields };
