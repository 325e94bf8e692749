/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets: sent by four buffers or by descriptors, received into a ring of bytes or descriptors. */
#include <string.h>
#include <zlib.h>

#include "hw/net/rtl8139.h"
#include "memory/dma.h"
#include "util/bytes.h"
#include "util/clock.h"
#include "util/loop.h"

#define TURN_DESCRIPTORS 512 /* then others have their turn */
#define PACKET_MIN       60
#define PACKET_LONGEST   1800 /* that is received */
#define VLAN_TAG         4
#define VLAN_TYPE        0x8100
#define ADDRESSES        12
#define SUM_SIZE         4 /* of Ethernet */

enum {
    OWN = 1u << 31, /* the card's */
    LAST_IN_RING = 1 << 30,
    FIRST = 1 << 29,
    LAST = 1 << 28,
    TX_SEGMENTS = 1 << 27,
    TX_SUM_IP = 1 << 18,
    TX_SUM_UDP = 1 << 17,
    TX_SUM_TCP = 1 << 16,
    TX_TAG = 1 << 17, /* in the second word */
    RX_MULTICAST = 1 << 27,
    RX_OWN_ADDRESS = 1 << 26,
    RX_BROADCAST = 1 << 25,
    RX_TAG = 1 << 16, /* in the second word */
    RX_SIZE = 0x1fff,
    /* in the header of a packet in a ring of bytes */
    HEADER_OK = 0x0001,
    HEADER_BROADCAST = 0x2000,
    HEADER_OWN_ADDRESS = 0x4000,
    HEADER_MULTICAST = 0x8000,
};

typedef struct Descriptor {
    uint32_t command, tag, low, high;
} Descriptor;

/* ---- what is sent ---- */

/* Where IP's header begins; 0: it is no packet of IPv4 that is whole. */
static size_t find_ip(const uint8_t *p, size_t size)
{
    size_t ip = ADDRESSES + 2, header, length;

    if (size >= ip + VLAN_TAG && bytes_get_be16(p + ADDRESSES) == VLAN_TYPE) {
        ip += VLAN_TAG;
    }
    if (size < ip + 20 || p[ip] >> 4 != 4) {
        return 0;
    }
    header = (size_t)(p[ip] & 15) * 4;
    length = bytes_get_be16(p + ip + 2);
    return header < 20 || length < header || ip + length > size ? 0 : ip;
}

/* The sum of the pseudo header, in the field of TCP or UDP. */
static void put_pseudo_sum(uint8_t *ip, size_t header, size_t field)
{
    size_t size = bytes_get_be16(ip + 2) - header;
    const uint8_t rest[4] = { 0, ip[9], (uint8_t)(size >> 8), (uint8_t)size };
    uint16_t sum = (uint16_t)~net_sum_fold(net_sum_add(net_sum_add(0, ip + 12, 8), rest, 4));

    memcpy(ip + header + field, &sum, sizeof(sum));
}

/* What is to be summed and cut, as @command says. */
static void prepare(uint8_t *packet, size_t size, uint32_t command, NetOffload *o)
{
    bool tcp =
        command & (TX_SUM_TCP | TX_SEGMENTS) && !(command & TX_SUM_UDP && !(command & TX_SEGMENTS));
    size_t ip = find_ip(packet, size), header, field = tcp ? 16 : 6;

    if (!ip) {
        return;
    }
    header = (size_t)(packet[ip] & 15) * 4;
    if (command & (TX_SUM_IP | TX_SEGMENTS)) {
        const NetOffload own = { .csum_start = (uint16_t)ip, .csum_offset = 10 };

        bytes_put_be(packet + ip + 10, 0, 2);
        net_offload_complete(&own, packet, ip + header);
    }
    if (!(command & (TX_SUM_TCP | TX_SUM_UDP | TX_SEGMENTS)) || packet[ip + 9] != (tcp ? 6 : 17) ||
        bytes_get_be16(packet + ip + 2) < header + field + 2) {
        return;
    }
    put_pseudo_sum(packet + ip, header, field);
    o->flags = NET_OFFLOAD_CSUM;
    o->csum_start = (uint16_t)(ip + header);
    o->csum_offset = (uint16_t)field;
    if (command & TX_SEGMENTS && tcp) {
        o->segment_len = command >> 16 & 0x7ff;
        o->type = size - ip - header > o->segment_len ? NET_OFFLOAD_TCP4 : 0;
    }
}

static void send_out(Rtl8139 *s, size_t size, uint32_t command, uint32_t tag)
{
    NetOffload o = { 0 };

    if (tag & TX_TAG && size + VLAN_TAG <= NET_PACKET_MAX) {
        uint8_t *at = s->packet + ADDRESSES;

        memmove(at + VLAN_TAG, at, size - ADDRESSES);
        bytes_put_be(at, VLAN_TYPE, 2);
        bytes_put_be(at + 2, GUINT16_SWAP_LE_BE(tag & 0xffff), 2);
        size += VLAN_TAG;
    }
    if (size < PACKET_MIN) {
        memset(s->packet + size, 0, PACKET_MIN - size);
        size = PACKET_MIN;
    }
    prepare(s->packet, size, command, &o);
    if ((rtl8139_get32(s, RTL_TCR) & RTL_TCR_LOOPBACK) != RTL_TCR_LOOPBACK) {
        net_send_offloaded(&s->nic.client, &o, s->packet, size);
    } else if (!o.flags || net_offload_complete(&o, s->packet, size)) {
        rtl8139_receive(&s->nic.client, &(NetOffload){ 0 }, s->packet, size);
    }
}

void rtl8139_send(Rtl8139 *s, unsigned n)
{
    unsigned at = RTL_TSD + 4 * n;
    uint32_t status = rtl8139_get32(s, at), size = status & RX_SIZE;

    if (!(s->reg[RTL_CR] & RTL_CR_TE) || !rtl8139_runs(s) || s->sending) {
        return;
    }
    s->sending = true;
    if (size >= ADDRESSES + 2 &&
        dma_read_ram(&s->parent.dma, rtl8139_get32(s, RTL_TSAD + 4 * n), s->packet, size)) {
        send_out(s, size, 0, 0);
    }
    s->sending = false;
    rtl8139_set32(s, at, status | RTL_TSD_OWN | RTL_TSD_TOK);
    rtl8139_interrupt(s, RTL_ISR_TOK);
}

static hwaddr ring_at(const Rtl8139 *s, unsigned at)
{
    return (uint64_t)rtl8139_get32(s, at + 4) << 32 | (rtl8139_get32(s, at) & ~255u);
}

static bool get_descriptor(const Rtl8139 *s, hwaddr at, Descriptor *d)
{
    return dma_read_ram(&s->parent.dma, at, d, sizeof(*d));
}

static uint32_t next(uint32_t at, uint32_t command)
{
    enum { RING = 1024 };

    return command & LAST_IN_RING || at + 1 >= RING ? 0 : at + 1;
}

/* How many descriptors the next packet has, all of which are there; 0: it is not. */
static unsigned packet_length(const Rtl8139 *s, hwaddr ring, uint32_t at)
{
    enum { MOST = 64 };
    Descriptor d;

    for (unsigned n = 1; n <= MOST; n++) {
        if (!get_descriptor(s, ring + at * sizeof(d), &d) || !(d.command & OWN)) {
            return 0;
        }
        if (d.command & LAST) {
            return n;
        }
        at = next(at, d.command);
    }
    return 1; /* no packet has so many: they are dropped one by one */
}

static void take_packet(Rtl8139 *s, hwaddr ring, uint32_t *at, unsigned count)
{
    uint32_t first = 0, tag = 0;
    size_t size = 0;
    bool whole = true;

    for (unsigned i = 0; i < count; i++) {
        hwaddr place = ring + *at * sizeof(Descriptor);
        Descriptor d;
        uint32_t piece;

        if (!get_descriptor(s, place, &d)) {
            return;
        }
        piece = d.command & 0xffff;
        first = i ? first : d.command;
        tag = i ? tag : d.tag;
        whole =
            whole && (i || d.command & FIRST) && size + piece <= NET_PACKET_MAX - VLAN_TAG &&
            dma_read_ram(&s->parent.dma, (uint64_t)d.high << 32 | d.low, s->packet + size, piece);
        size += whole ? piece : 0;
        whole = whole && (i + 1 < count || d.command & LAST);
        *at = next(*at, d.command);
        d.command &= ~OWN;
        dma_write_ram(&s->parent.dma, place, &d.command, sizeof(d.command));
    }
    if (whole && size >= ADDRESSES + 2) {
        send_out(s, size, first, tag);
    }
}

static gboolean go_on(gpointer opaque)
{
    Rtl8139 *s = opaque;

    g_clear_pointer(&s->again, g_source_unref);
    rtl8139_transmit(s);
    return G_SOURCE_REMOVE;
}

static void go_on_later(Rtl8139 *s)
{
    if (!s->again) {
        s->again = g_idle_source_new();
        g_source_set_priority(s->again, G_PRIORITY_DEFAULT);
        g_source_set_callback(s->again, go_on, s, NULL);
        loop_attach(loop_main(), s->again);
    }
}

/* The ring of one priority, for which the driver has asked; one turn takes no more than it has. */
static void transmit_ring(Rtl8139 *s, unsigned which, uint8_t asked)
{
    unsigned left = TURN_DESCRIPTORS, count;
    bool any = false;

    while (s->reg[RTL_TPPOLL] & asked && rtl8139_runs(s) && s->reg[RTL_CR] & RTL_CR_TE &&
           rtl8139_get16(s, RTL_CPCR) & RTL_CPCR_TX && net_can_send(&s->nic.client)) {
        hwaddr ring = ring_at(s, which ? RTL_THPDS : RTL_TNPDS);

        count = packet_length(s, ring, s->tx_at[which]);
        if (!count) {
            s->reg[RTL_TPPOLL] &= (uint8_t)~asked;
            rtl8139_interrupt(s, RTL_ISR_TDU);
            break;
        }
        if (left < count) {
            timer_mod(s->soon, clock_ns() + NS_PER_SEC / 1000); /* a ring in a ROM has no end */
            break;
        }
        left -= count;
        take_packet(s, ring, &s->tx_at[which], count);
        any = true;
    }
    if (any) {
        rtl8139_interrupt(s, RTL_ISR_TOK);
    }
}

void rtl8139_transmit(Rtl8139 *s)
{
    if (s->sending) { /* what is sent may come back, and do anything */
        return;
    }
    s->sending = true;
    transmit_ring(s, 1, RTL_TPPOLL_HIGH);
    transmit_ring(s, 0, RTL_TPPOLL_NORMAL);
    s->sending = false;
}

void rtl8139_can_send_again(NetClient *nc)
{
    go_on_later(nc->opaque);
}

/* ---- what is received ---- */

/* The bit of an address in MAR: the sum of Ethernet over it, from above. */
static bool in_filter(const Rtl8139 *s, const uint8_t *address)
{
    uint32_t sum = 0xffffffff;

    for (unsigned i = 0; i < NET_MAC_SIZE * 8; i++) {
        bool bit = (sum >> 31) ^ (address[i / 8] >> i % 8 & 1);

        sum = sum << 1 ^ (bit ? 0x04c11db7 : 0);
    }
    return s->reg[RTL_MAR + (sum >> 29)] >> (sum >> 26 & 7) & 1;
}

/* Does the driver want it? As what it is wanted, as in a descriptor and in a header. */
static bool wants(const Rtl8139 *s, const uint8_t *packet, uint32_t *how, uint16_t *header)
{
    static const uint8_t all[NET_MAC_SIZE] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    uint32_t filter = rtl8139_get32(s, RTL_RCR);

    if (memcmp(packet, all, NET_MAC_SIZE) == 0) {
        *how = RX_BROADCAST;
        *header = HEADER_BROADCAST;
        return filter & (RTL_RCR_AB | RTL_RCR_AAP);
    }
    if (packet[0] & 1) {
        *how = RX_MULTICAST;
        *header = HEADER_MULTICAST;
        return filter & RTL_RCR_AAP || (filter & RTL_RCR_AM && in_filter(s, packet));
    }
    if (memcmp(packet, s->reg + RTL_IDR, NET_MAC_SIZE) == 0) {
        *how = RX_OWN_ADDRESS;
        *header = HEADER_OWN_ADDRESS;
        return filter & (RTL_RCR_APM | RTL_RCR_AAP);
    }
    *how = *header = 0;
    return filter & RTL_RCR_AAP;
}

static void missed(Rtl8139 *s)
{
    rtl8139_set32(s, RTL_MPC, (rtl8139_get32(s, RTL_MPC) + 1) & 0xffffff);
    rtl8139_interrupt(s, RTL_ISR_RXOVW);
}

static uint32_t ring_size(const Rtl8139 *s)
{
    return 8192u << (rtl8139_get32(s, RTL_RCR) >> 11 & 3);
}

static uint32_t read_at(const Rtl8139 *s)
{
    return (rtl8139_get16(s, RTL_CAPR) + 16u) % ring_size(s);
}

bool rtl8139_is_empty(const Rtl8139 *s)
{
    return read_at(s) == s->write_at % ring_size(s);
}

/* Into the ring of bytes, from @at on; behind its end there may be some more. */
static void put_bytes(Rtl8139 *s, uint32_t *at, const void *bytes, uint32_t size)
{
    uint32_t ring = ring_size(s), base = rtl8139_get32(s, RTL_RBSTART);
    const uint8_t *from = bytes;

    while (size) {
        uint32_t piece = size;

        if (!(rtl8139_get32(s, RTL_RCR) & RTL_RCR_WRAP)) {
            *at %= ring;
            piece = MIN(size, ring - *at);
        }
        dma_write_ram(&s->parent.dma, (hwaddr)base + *at, from, piece);
        from += piece;
        *at += piece;
        size -= piece;
    }
}

static bool receive_bytes(Rtl8139 *s, const uint8_t *packet, size_t size, uint16_t header)
{
    uint32_t ring = ring_size(s), at = s->write_at % ring;
    uint32_t room = (read_at(s) + ring - at) % ring,
             needs = (uint32_t)((4 + size + SUM_SIZE + 3) & ~3u);
    const uint16_t head[2] = { GUINT16_TO_LE(header | HEADER_OK),
                               GUINT16_TO_LE((uint16_t)(size + SUM_SIZE)) };
    const uint32_t sum = GUINT32_TO_LE((uint32_t)crc32(0, packet, (uInt)size));

    if ((room ? room : ring) <= needs) {
        missed(s);
        return false;
    }
    put_bytes(s, &at, head, sizeof(head));
    put_bytes(s, &at, packet, (uint32_t)size);
    put_bytes(s, &at, &sum, sizeof(sum));
    s->write_at = ((at + 3) & ~3u) % ring;
    rtl8139_set16(s, RTL_CBR, (uint16_t)s->write_at);
    rtl8139_interrupt(s, RTL_ISR_ROK);
    return true;
}

/* Into the next descriptor. The driver does not say when there is one again: what comes meanwhile
 * is lost. */
static void receive_descriptor(Rtl8139 *s, const uint8_t *packet, size_t size, uint32_t how)
{
    hwaddr place = ring_at(s, RTL_RDSAR) + s->rx_at * sizeof(Descriptor);
    uint8_t copy[PACKET_LONGEST + SUM_SIZE];
    uint32_t sum, ring_end;
    Descriptor d;

    memcpy(copy, packet, size);
    if (!get_descriptor(s, place, &d) || !(d.command & OWN)) {
        missed(s);
        return;
    }
    d.tag = 0;
    if (rtl8139_get16(s, RTL_CPCR) & RTL_CPCR_VLAN && size > ADDRESSES + VLAN_TAG + 2 &&
        bytes_get_be16(copy + ADDRESSES) == VLAN_TYPE) {
        d.tag = RX_TAG | GUINT16_SWAP_LE_BE(bytes_get_be16(copy + ADDRESSES + 2));
        memmove(copy + ADDRESSES, copy + ADDRESSES + VLAN_TAG, size - ADDRESSES - VLAN_TAG);
        size -= VLAN_TAG;
    }
    sum = GUINT32_TO_LE((uint32_t)crc32(0, copy, (uInt)size));
    memcpy(copy + size, &sum, sizeof(sum));
    size += sizeof(sum);
    if (size > (d.command & RX_SIZE) ||
        !dma_write_ram(&s->parent.dma, (uint64_t)d.high << 32 | d.low, copy, size)) {
        missed(s);
        return;
    }
    ring_end = d.command & LAST_IN_RING;
    s->rx_at = next(s->rx_at, d.command);
    d.command = ring_end | FIRST | LAST | how | (uint32_t)size;
    dma_write_ram(&s->parent.dma, place + 4, &d.tag, sizeof(d.tag));
    dma_write_ram(&s->parent.dma, place, &d.command, sizeof(d.command));
    rtl8139_interrupt(s, RTL_ISR_ROK);
}

bool rtl8139_receive(NetClient *nc, const NetOffload *o, const uint8_t *packet, size_t size)
{
    Rtl8139 *s = nc->opaque;
    uint8_t padded[PACKET_MIN] = { 0 };
    uint32_t how;
    uint16_t header;

    if (!(s->reg[RTL_CR] & RTL_CR_RE)) {
        return true;
    }
    if (!rtl8139_runs(s)) {
        return false;
    }
    if (size < PACKET_MIN) {
        memcpy(padded, packet, size);
        packet = padded;
        size = PACKET_MIN;
    }
    if (size > PACKET_LONGEST || !wants(s, packet, &how, &header)) {
        return true;
    }
    if (rtl8139_get16(s, RTL_CPCR) & RTL_CPCR_RX) {
        receive_descriptor(s, packet, size, how);
        return true;
    }
    return receive_bytes(s, packet, size, header);
}
