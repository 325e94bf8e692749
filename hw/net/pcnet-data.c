/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The initialization block, and the rings. */
#include <string.h>
#include <zlib.h>

#include "hw/net/pcnet.h"
#include "memory/dma.h"

enum {
    PACKET_LONGEST = 1518, /* with a tag, without the sum */
    SUM_SIZE = 4,
    PIECES_MAX = 64, /* descriptors of a packet */
    ADDRESSES = 12,
    REORDERED = 3, /* the style in which the address is the third word */
};

/* The upper half of the second word of a descriptor. */
enum {
    OWN = 0x8000,
    STP = 0x0200, /* the packet begins, */
    ENP = 0x0100, /* and ends here */
    OUR_ADDRESS = 0x0040,
    BY_GROUPS = 0x0020,
    BROADCAST = 0x0010,
};

/* Whatever its form. */
typedef struct Descriptor {
    uint32_t addr;
    uint32_t size;
    uint16_t status;
} Descriptor;

typedef struct Ring {
    uint32_t base, length, *at;
} Ring;

static bool is_wide(const Pcnet *s)
{
    return s->bcr[PCNET_BCR_STYLE] & PCNET_WIDE;
}

static Ring get_ring(Pcnet *s, bool tx)
{
    return (Ring){ .base = pcnet_csr32(s, tx ? PCNET_CSR_TX_RING : PCNET_CSR_RX_RING),
                   .length = pcnet_length(s, tx ? PCNET_CSR_TX_LENGTH : PCNET_CSR_RX_LENGTH),
                   .at = tx ? &s->tx_at : &s->rx_at };
}

/* Whose structures are of 16 bits, gives addresses of 24: the rest is in CSR2. */
static uint32_t high_byte(const Pcnet *s)
{
    return (uint32_t)(s->csr[PCNET_CSR_BLOCK + 1] & 0xff00) << 16;
}

static hwaddr place(const Pcnet *s, const Ring *ring, uint32_t n)
{
    return (hwaddr)ring->base + (hwaddr)(n % ring->length) * (is_wide(s) ? 16 : 8);
}

static bool get_descriptor(const Pcnet *s, hwaddr at, Descriptor *d)
{
    uint32_t words[4];
    uint16_t count;

    if (!is_wide(s)) {
        if (!dma_read_ram(&s->parent.dma, at, words, 8)) {
            return false;
        }
        *d = (Descriptor){ .addr = (words[0] & 0xffffff) | high_byte(s),
                           .status = (uint16_t)(words[0] >> 16 & 0xff00) };
        count = (uint16_t)words[1];
    } else {
        bool reordered = (s->bcr[PCNET_BCR_STYLE] & 0xff) == REORDERED;

        if (!dma_read_ram(&s->parent.dma, at, words, sizeof(words))) {
            return false;
        }
        *d = (Descriptor){ .addr = words[reordered ? 2 : 0], .status = (uint16_t)(words[1] >> 16) };
        count = (uint16_t)words[1];
    }
    d->size = 4096 - (count & 0xfff);
    return true;
}

/* Give it back, with what is said of the packet; the status comes last. */
static void give_back(const Pcnet *s, hwaddr at, uint16_t status, uint32_t told)
{
    bool reordered = (s->bcr[PCNET_BCR_STYLE] & 0xff) == REORDERED;
    uint16_t half = (uint16_t)told;
    uint8_t high = (uint8_t)(status >> 8);

    if (is_wide(s)) {
        dma_write_ram(&s->parent.dma, at + (reordered ? 0 : 8), &told, sizeof(told));
        dma_write_ram(&s->parent.dma, at + 6, &status, sizeof(status));
    } else {
        dma_write_ram(&s->parent.dma, at + 6, &half, sizeof(half));
        dma_write_ram(&s->parent.dma, at + 3, &high, sizeof(high));
    }
}

static void advance(Ring *ring)
{
    *ring->at = (*ring->at + 1) % ring->length;
}

/* ---- the block ---- */

static void set32(Pcnet *s, unsigned n, uint32_t value)
{
    s->csr[n] = (uint16_t)value;
    s->csr[n + 1] = (uint16_t)(value >> 16);
}

static void set_length(Pcnet *s, unsigned n, unsigned shift)
{
    s->csr[n] = (uint16_t)(65536u - (1u << MIN(shift, 9)));
}

/* Of 32 bits: mode, lengths, address, groups, rings; of 16 the lengths are with the rings. */
void pcnet_initialize(Pcnet *s)
{
    bool wide = is_wide(s);
    uint8_t block[28];
    uint16_t words[14];
    unsigned at = wide ? 2 : 1, rings = wide ? 10 : 8;
    uint32_t rx, tx;

    if (!dma_read_ram(&s->parent.dma, pcnet_csr32(s, PCNET_CSR_BLOCK), block, wide ? 28 : 24)) {
        s->csr[0] |= PCNET_MERR;
        return;
    }
    memcpy(words, block, sizeof(words));
    s->csr[PCNET_CSR_MODE] = words[0];
    memcpy(s->csr + PCNET_CSR_ADDRESS, words + at, NET_MAC_SIZE);
    memcpy(s->csr + PCNET_CSR_GROUPS, words + at + (wide ? 4 : 3), 8);
    rx = words[rings] | (uint32_t)words[rings + 1] << 16;
    tx = words[rings + 2] | (uint32_t)words[rings + 3] << 16;
    if (wide) {
        set_length(s, PCNET_CSR_RX_LENGTH, words[1] >> 4 & 15);
        set_length(s, PCNET_CSR_TX_LENGTH, words[1] >> 12 & 15);
    } else {
        set_length(s, PCNET_CSR_RX_LENGTH, rx >> 29);
        set_length(s, PCNET_CSR_TX_LENGTH, tx >> 29);
        rx = (rx & 0xffffff) | high_byte(s);
        tx = (tx & 0xffffff) | high_byte(s);
    }
    set32(s, PCNET_CSR_RX_RING, rx & ~(wide ? 15u : 7u));
    set32(s, PCNET_CSR_TX_RING, tx & ~(wide ? 15u : 7u));
    s->tx_at = s->rx_at = 0;
}

/* ---- what is sent ---- */

/* How many descriptors the next packet has, all of which are there; 0: it is not. */
static unsigned packet_length(const Pcnet *s, const Ring *ring)
{
    Descriptor d;

    for (unsigned n = 0; n < MIN(ring->length, PIECES_MAX); n++) {
        if (!get_descriptor(s, place(s, ring, *ring->at + n), &d) || !(d.status & OWN)) {
            return 0;
        }
        if (d.status & ENP) {
            return n + 1;
        }
    }
    return 1; /* no packet has so many: they are dropped one by one */
}

static void send_out(Pcnet *s, size_t size)
{
    if (s->csr[PCNET_CSR_MODE] & PCNET_LOOP) {
        pcnet_receive(&s->card.nic.client, &(NetOffload){ 0 }, s->card.packet, size);
    } else {
        net_send(&s->card.nic.client, s->card.packet,
                 nic_card_pad(s->card.packet, s->card.packet, size));
    }
}

static void take(Pcnet *s, Ring *ring, unsigned count)
{
    size_t size = 0;
    bool whole = true;

    for (unsigned i = 0; i < count; i++) {
        hwaddr at = place(s, ring, *ring->at);
        Descriptor d;

        if (!get_descriptor(s, at, &d)) {
            return;
        }
        whole = whole && (i || d.status & STP) && (i + 1 < count || d.status & ENP) &&
                size + d.size <= NET_PACKET_MAX &&
                dma_read_ram(&s->parent.dma, d.addr, s->card.packet + size, d.size);
        size += whole ? d.size : 0;
        advance(ring);
        give_back(s, at, (uint16_t)(d.status & ~OWN), 0);
    }
    if (whole && size >= ADDRESSES + 2) {
        send_out(s, size);
    }
}

static bool may_transmit(const Pcnet *s)
{
    return pcnet_runs(s) && s->csr[0] & PCNET_TXON &&
           !(s->csr[PCNET_CSR_CONTROL] & PCNET_SUSPEND) && net_can_send(&s->card.nic.client);
}

/* The ring is looked at anew for each packet: what is sent may come back, and do anything. */
void pcnet_transmit(void *opaque)
{
    Pcnet *s = opaque;

    for (unsigned left = NIC_CARD_TURN; may_transmit(s); left--) {
        Ring ring = get_ring(s, true);
        unsigned count = packet_length(s, &ring);

        if (!count) {
            s->csr[0] &= (uint16_t)~PCNET_TDMD;
            break;
        }
        if (!left) {
            nic_card_transmit_soon(&s->card); /* a ring in a ROM has no end */
            break;
        }
        take(s, &ring, count);
        pcnet_interrupt(s, PCNET_TINT);
    }
}

/* ---- what is received ---- */

/* Does the driver want it? As what, as descriptors tell it. */
static bool wants(const Pcnet *s, const uint8_t *packet, uint16_t *how)
{
    uint16_t mode = s->csr[PCNET_CSR_MODE];
    unsigned hash = nic_card_hash(packet, true);
    uint8_t own[NET_MAC_SIZE];

    memcpy(own, s->csr + PCNET_CSR_ADDRESS, sizeof(own));
    *how = 0;
    if (nic_card_is_broadcast(packet)) {
        *how = BROADCAST;
        return !(mode & PCNET_NO_BROADCAST) || mode & PCNET_PROMISCUOUS;
    }
    if (packet[0] & 1) {
        *how = s->csr[PCNET_CSR_GROUPS + hash / 16] >> hash % 16 & 1 ? BY_GROUPS : 0;
    } else if (memcmp(own, packet, sizeof(own)) == 0 && !(mode & PCNET_NO_ADDRESS)) {
        *how = OUR_ADDRESS;
    }
    return *how || mode & PCNET_PROMISCUOUS;
}

/* Are there buffers for @size bytes? How many are needed; 0: there are too few. */
static unsigned count_buffers(const Pcnet *s, const Ring *ring, size_t size)
{
    size_t room = 0;
    Descriptor d;

    for (unsigned n = 0; n < MIN(ring->length, PIECES_MAX); n++) {
        if (!get_descriptor(s, place(s, ring, *ring->at + n), &d) || !(d.status & OWN)) {
            return 0;
        }
        room += d.size;
        if (room >= size) {
            return n + 1;
        }
    }
    return 0;
}

static void put(Pcnet *s, Ring *ring, unsigned count, const uint8_t *packet, size_t size,
                uint16_t how)
{
    size_t done = 0;

    for (unsigned i = 0; i < count; i++) {
        hwaddr at = place(s, ring, *ring->at);
        uint16_t status = (uint16_t)((i ? 0 : STP) | (i + 1 < count ? 0 : ENP | how));
        Descriptor d;

        if (!get_descriptor(s, at, &d)) {
            return;
        }
        size_t piece = MIN(d.size, size - done);

        dma_write_ram(&s->parent.dma, d.addr, packet + done, piece);
        done += piece;
        advance(ring);
        give_back(s, at, status, status & ENP ? (uint32_t)size : 0);
    }
}

/* The driver does not say when there is a buffer again: what comes meanwhile is lost. */
bool pcnet_receive(NetClient *nc, const NetOffload *o, const uint8_t *packet, size_t size)
{
    Pcnet *s = nc->opaque;
    uint8_t copy[PACKET_LONGEST + SUM_SIZE];
    uint16_t how;
    uint32_t sum;
    Ring ring;

    if (!(s->csr[0] & PCNET_RXON) || size > PACKET_LONGEST || size < ADDRESSES) {
        return true;
    }
    if (!pcnet_runs(s) || s->csr[PCNET_CSR_CONTROL] & PCNET_SUSPEND) {
        return false;
    }
    if (!wants(s, packet, &how)) {
        return true;
    }
    size = nic_card_pad(copy, packet, size);
    sum = GUINT32_TO_LE((uint32_t)crc32(0, copy, (uInt)size));
    memcpy(copy + size, &sum, sizeof(sum));
    size += sizeof(sum);
    ring = get_ring(s, false);
    unsigned count = count_buffers(s, &ring, size);
    if (!count) {
        s->csr[PCNET_CSR_MISSED]++;
        pcnet_interrupt(s, PCNET_MISS);
        return true;
    }
    put(s, &ring, count, copy, size, how);
    pcnet_interrupt(s, PCNET_RINT);
    return true;
}
