/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The lists of descriptors, and what is received. */
#include <string.h>
#include <zlib.h>

#include "hw/net/tulip.h"
#include "memory/dma.h"

enum {
    PACKET_LONGEST = 1518, /* with a tag, without the sum */
    SUM_SIZE = 4,
    HEADER = 14,
    LARGEST_LENGTH = 1500, /* what is more, is a type */
    PIECES_MAX = 64,       /* descriptors of a packet */
    PERFECT = 16,          /* addresses of a setup frame, of 12 bytes with two of each four used */
    HASH_OWN = 156,        /* where the own address is, in one with a table */
};

/* The first word. */
#define OWN 0x80000000u
enum {
    RX_FIRST = 1 << 9,
    RX_LAST = 1 << 8,
    RX_MULTICAST = 1 << 10,
    RX_TYPE = 1 << 5, /* it has a type, and no length */
    RX_LENGTH_SHIFT = 16,
    TX_SETUP_DONE = 0x7fffffff,
};
/* The second. */
#define TX_TELLS 0x80000000u
enum {
    TX_LAST = 1 << 30,
    TX_FIRST = 1 << 29,
    TX_INVERSE = 1 << 28,
    TX_SETUP = 1 << 27,
    TX_HAS_SUM = 1 << 26,
    TX_HASH = 1 << 22,
    END_OF_RING = 1 << 25,
    CHAINED = 1 << 24, /* the second address is the next descriptor's */
    SIZE2_SHIFT = 11,
    SIZE_MASK = 0x7ff,
};

typedef struct Descriptor {
    uint32_t status, control, addr[2];
} Descriptor;

static bool get_descriptor(Tulip *s, uint32_t at, Descriptor *d)
{
    if (!dma_read_ram(&s->parent.dma, at, d, sizeof(*d))) {
        tulip_interrupt(s, TULIP_FBE);
        return false;
    }
    return true;
}

static void give_back(const Tulip *s, uint32_t at, uint32_t status)
{
    dma_write_ram(&s->parent.dma, at, &status, sizeof(status));
}

static uint32_t next_of(const Tulip *s, uint32_t at, const Descriptor *d, uint32_t list)
{
    uint32_t skip = (s->csr[TULIP_CSR_BUS] >> 2 & 31) * 4;

    if (d->control & END_OF_RING) {
        return s->csr[list];
    }
    return d->control & CHAINED ? d->addr[1] & ~3u : at + (uint32_t)sizeof(*d) + skip;
}

static uint32_t size_of(const Descriptor *d, unsigned n)
{
    if (n) {
        return d->control & CHAINED ? 0 : d->control >> SIZE2_SHIFT & SIZE_MASK;
    }
    return d->control & SIZE_MASK;
}

/* ---- what is sent ---- */

/* The addresses, and what they are. */
static void set_up(Tulip *s, const Descriptor *d)
{
    uint32_t *mode = &s->csr[TULIP_CSR_MODE];
    bool hash = d->control & TX_HASH, inverse = d->control & TX_INVERSE;

    if (size_of(d, 0) != TULIP_SETUP_SIZE ||
        !dma_read_ram(&s->parent.dma, d->addr[0], s->setup, TULIP_SETUP_SIZE)) {
        return;
    }
    *mode &= ~(uint32_t)TULIP_FILTERS;
    *mode |= (hash ? TULIP_HASH : 0) | (hash && inverse ? TULIP_HASH_ONLY : 0) |
             (inverse && !hash ? TULIP_INVERSE : 0);
}

/* How many descriptors the next packet has, all of which are there; 0: it is not. */
static unsigned packet_length(Tulip *s)
{
    uint32_t at = s->tx_at;
    Descriptor d;

    for (unsigned n = 0; n < PIECES_MAX; n++) {
        if (!get_descriptor(s, at, &d) || !(d.status & OWN)) {
            return 0;
        }
        if (d.control & (TX_LAST | TX_SETUP)) {
            return n + 1;
        }
        at = next_of(s, at, &d, TULIP_CSR_TX_LIST);
    }
    return 1; /* no packet has so many: they are dropped one by one */
}

static bool add_piece(Tulip *s, const Descriptor *d, size_t *size)
{
    for (unsigned n = 0; n < 2; n++) {
        uint32_t piece = size_of(d, n);

        if (*size + piece > NET_PACKET_MAX ||
            !dma_read_ram(&s->parent.dma, d->addr[n], s->card.packet + *size, piece)) {
            return false;
        }
        *size += piece;
    }
    return true;
}

static void send_out(Tulip *s, size_t size)
{
    if (s->csr[TULIP_CSR_MODE] & TULIP_LOOP) {
        tulip_receive(&s->card.nic.client, &(NetOffload){ 0 }, s->card.packet, size);
    } else {
        net_send(&s->card.nic.client, s->card.packet,
                 nic_card_pad(s->card.packet, s->card.packet, size));
    }
}

static void take(Tulip *s, unsigned count)
{
    size_t size = 0;
    bool whole = true, tells = false;

    for (unsigned i = 0; i < count; i++) {
        uint32_t at = s->tx_at;
        Descriptor d;

        if (!get_descriptor(s, at, &d)) {
            return;
        }
        tells = d.control & TX_TELLS;
        s->tx_at = next_of(s, at, &d, TULIP_CSR_TX_LIST);
        if (d.control & TX_SETUP) {
            set_up(s, &d);
            give_back(s, at, TX_SETUP_DONE);
            whole = false;
            continue;
        }
        whole = whole && (i || d.control & TX_FIRST) && (i + 1 < count || d.control & TX_LAST) &&
                add_piece(s, &d, &size);
        if (whole && d.control & TX_HAS_SUM && d.control & TX_LAST) {
            size -= MIN(size, SUM_SIZE);
        }
        give_back(s, at, 0);
    }
    if (whole && size >= HEADER) {
        send_out(s, size);
    }
    if (tells) {
        tulip_interrupt(s, TULIP_TI);
    }
}

static bool may_transmit(const Tulip *s)
{
    return tulip_runs(s) && s->csr[TULIP_CSR_MODE] & TULIP_ST &&
           tulip_process(s, TULIP_TS_SHIFT) == TULIP_TX_RUNS && net_can_send(&s->card.nic.client);
}

/* The list is looked at anew for each packet: what is sent may come back, and do anything. */
void tulip_transmit(void *opaque)
{
    Tulip *s = opaque;

    for (unsigned left = NIC_CARD_TURN; may_transmit(s); left--) {
        unsigned count = packet_length(s);

        if (!count) {
            tulip_set_process(s, TULIP_TS_SHIFT, TULIP_TX_SUSPENDED);
            tulip_interrupt(s, TULIP_TU);
            break;
        }
        if (!left) {
            nic_card_transmit_soon(&s->card); /* a list in a ROM has no end */
            break;
        }
        take(s, count);
    }
}

/* ---- what is received ---- */

/* Is @address the one at @at of the setup frame? Of each four bytes two are used. */
static bool is_set_up(const Tulip *s, unsigned at, const uint8_t *address)
{
    for (unsigned i = 0; i < NET_MAC_SIZE; i++) {
        if (s->setup[at + i / 2 * 4 + i % 2] != address[i]) {
            return false;
        }
    }
    return true;
}

static bool is_in_table(const Tulip *s, const uint8_t *address)
{
    /* The sum's complement is not taken: these are the bits as Ethernet's register has them. */
    unsigned hash = ~(unsigned)crc32(0, address, NET_MAC_SIZE) & 0x1ff;

    return s->setup[hash / 16 * 4 + hash / 8 % 2] >> hash % 8 & 1;
}

static bool wants(const Tulip *s, const uint8_t *address)
{
    uint32_t mode = s->csr[TULIP_CSR_MODE];
    bool group = address[0] & 1, found = false;

    if (mode & TULIP_PROMISCUOUS || (group && mode & TULIP_ALL_MULTICAST)) {
        return true;
    }
    if (mode & TULIP_HASH) {
        return group || mode & TULIP_HASH_ONLY ? is_in_table(s, address)
                                               : is_set_up(s, HASH_OWN, address);
    }
    for (unsigned i = 0; i < PERFECT && !found; i++) {
        found = is_set_up(s, i * 12, address);
    }
    return found != !!(mode & TULIP_INVERSE);
}

/* Are there buffers for @size bytes? How many are needed; 0: there are too few. */
static unsigned count_buffers(Tulip *s, size_t size)
{
    uint32_t at = s->rx_at;
    size_t room = 0;
    Descriptor d;

    for (unsigned n = 0; n < PIECES_MAX; n++) {
        if (!get_descriptor(s, at, &d) || !(d.status & OWN)) {
            return 0;
        }
        room += size_of(&d, 0) + size_of(&d, 1);
        if (room >= size) {
            return n + 1;
        }
        at = next_of(s, at, &d, TULIP_CSR_RX_LIST);
    }
    return 0;
}

static void put(Tulip *s, unsigned count, const uint8_t *packet, size_t size, uint32_t how)
{
    size_t done = 0;

    for (unsigned i = 0; i < count; i++) {
        uint32_t at = s->rx_at;
        Descriptor d;

        if (!get_descriptor(s, at, &d)) {
            return;
        }
        for (unsigned n = 0; n < 2; n++) {
            size_t piece = MIN(size_of(&d, n), size - done);

            dma_write_ram(&s->parent.dma, d.addr[n], packet + done, piece);
            done += piece;
        }
        s->rx_at = next_of(s, at, &d, TULIP_CSR_RX_LIST);
        give_back(s, at, (i ? 0 : RX_FIRST) | (i + 1 < count ? 0 : RX_LAST | how));
    }
}

/* The driver need not say when there is a buffer again: what comes meanwhile is lost. */
bool tulip_receive(NetClient *nc, const NetOffload *o, const uint8_t *packet, size_t size)
{
    Tulip *s = nc->opaque;
    uint8_t copy[PACKET_LONGEST + SUM_SIZE];
    uint32_t sum, how;

    if (!(s->csr[TULIP_CSR_MODE] & TULIP_SR) || size > PACKET_LONGEST || size < HEADER) {
        return true;
    }
    if (!tulip_runs(s)) {
        return false;
    }
    if (!wants(s, packet)) {
        return true;
    }
    size = nic_card_pad(copy, packet, size);
    sum = GUINT32_TO_LE((uint32_t)crc32(0, copy, (uInt)size));
    memcpy(copy + size, &sum, sizeof(sum));
    size += sizeof(sum);
    unsigned count = count_buffers(s, size);
    if (!count) {
        s->csr[TULIP_CSR_MISSED] = MIN(s->csr[TULIP_CSR_MISSED] + 1, 0xffffu);
        tulip_set_process(s, TULIP_RS_SHIFT, TULIP_RX_SUSPENDED);
        tulip_interrupt(s, TULIP_RU);
        return true;
    }
    tulip_set_process(s, TULIP_RS_SHIFT, TULIP_RX_WAITS);
    how = (uint32_t)size << RX_LENGTH_SHIFT | (packet[0] & 1 ? RX_MULTICAST : 0) |
          ((copy[12] << 8 | copy[13]) > LARGEST_LENGTH ? RX_TYPE : 0);
    put(s, count, copy, size, how);
    tulip_interrupt(s, TULIP_RI);
    return true;
}
