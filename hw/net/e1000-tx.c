/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packets from the guest (sections 3.3 to 3.5). A packet is taken when all of its descriptors are
 * in the ring, so nothing of one that is half there has to be kept.
 */
#include <string.h>

#include "hw/net/e1000-core.h"
#include "util/loop.h"

#define TURN_PACKETS    256 /* then others have their turn */
#define PACKET_MAX      (NET_PACKET_MAX - VLAN_TAG)
#define PACKET_MIN      60 /* without the sum */
#define VLAN_TAG        4
#define ADDRESSES       12 /* bytes before the tag */
#define IPV4_LENGTH     2
#define IPV4_SUM        10
#define IPV4_HEADER     20
#define IPV6_HEADER     40
#define PROTOCOL_TCP    6
#define TCP_SUM         16
#define TCP_DATA        12 /* the byte that says where its payload begins */
#define BROADCAST_BYTES 6

typedef struct Descriptor {
    uint64_t addr;
    uint32_t lower, upper; /* command and length; status and what is for it */
} Descriptor;

typedef struct Ring {
    unsigned n; /* which */
    uint64_t base;
    uint32_t count, head, tail; /* in descriptors; head and tail are below count */
} Ring;

/* A packet that was put together. */
typedef struct Packet {
    size_t size;
    unsigned ring;         /* that it was in */
    bool whole;            /* no byte was too many */
    uint32_t first, upper; /* of the first descriptor: command; its options */
    uint32_t last, tag;    /* of the last one: command; the second half */
} Packet;

/* A register of @ring, which is at @offset for the first one. */
static uint32_t *ring_reg(E1000 *s, const Ring *ring, unsigned offset)
{
    return e1000_reg(s, offset + ring->n * E1000_RING_STRIDE);
}

static bool get_ring(E1000 *s, unsigned n, Ring *ring)
{
    ring->n = n;
    ring->base = (uint64_t)*ring_reg(s, ring, E1000_TDBAH) << 32 |
                 (*ring_reg(s, ring, E1000_TDBAL) & ~UINT32_C(15));
    ring->count = *ring_reg(s, ring, E1000_TDLEN) / E1000_DESCRIPTOR_SIZE;
    ring->head = *ring_reg(s, ring, E1000_TDH);
    ring->tail = *ring_reg(s, ring, E1000_TDT);
    return ring->head < ring->count && ring->tail < ring->count;
}

static uint64_t place(const Ring *ring, uint32_t n)
{
    return ring->base + (uint64_t)n * E1000_DESCRIPTOR_SIZE;
}

/* What cannot be read is an empty packet. */
static Descriptor get_descriptor(const E1000 *s, const Ring *ring, uint32_t n)
{
    Descriptor d;

    if (!e1000_dma_read(s, place(ring, n), &d, sizeof(d))) {
        d = (Descriptor){ .lower = E1000_TXD_EOP };
    }
    return d;
}

static bool is_context(const Descriptor *d)
{
    return d->lower & E1000_TXD_DEXT && !(d->lower & E1000_TXD_TYPE);
}

static void set_context(E1000 *s, unsigned ring, const Descriptor *d)
{
    s->contexts[2 * ring + (d->lower & E1000_TXD_TSE ? 1 : 0)] = (E1000Context){
        .ip_start = (uint8_t)d->addr,
        .ip_sum = (uint8_t)(d->addr >> 8),
        .ip_end = (uint16_t)(d->addr >> 16),
        .tcp_start = (uint8_t)(d->addr >> 32),
        .tcp_sum = (uint8_t)(d->addr >> 40),
        .tcp_end = (uint16_t)(d->addr >> 48),
        .mss = (uint16_t)(d->upper >> 16),
        .tcp = d->lower & E1000_TXC_TCP,
        .ipv4 = d->lower & E1000_TXC_IPV4,
    };
}

/* ---- one packet ---- */

static unsigned get16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

static void put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void add_tag(E1000 *s, Packet *p)
{
    if (p->last & E1000_TXD_VLE && *e1000_reg(s, E1000_CTRL) & E1000_CTRL_VME &&
        p->size >= ADDRESSES) {
        memmove(s->packet + ADDRESSES + VLAN_TAG, s->packet + ADDRESSES, p->size - ADDRESSES);
        put16(s->packet + ADDRESSES, *e1000_reg(s, E1000_VET));
        put16(s->packet + ADDRESSES + 2, p->tag >> 16);
        p->size += VLAN_TAG;
    }
}

/* Put the sum of what begins at @start and ends with byte @last (0: with the packet) at @at. */
static void sum(uint8_t *packet, size_t size, unsigned start, unsigned at, unsigned last)
{
    NetOffload o = { .csum_start = (uint16_t)start, .csum_offset = (uint16_t)(at - start) };

    if (at >= start) {
        net_offload_complete(&o, packet, last && last < size ? last + 1u : size);
    }
}

/* What a driver leaves out before segments are cut: lengths, and all of the pseudo header that has
 * one in it. False: there is no such packet. */
static bool complete_headers(uint8_t *packet, size_t size, const E1000Context *c, unsigned shift)
{
    size_t ip = c->ip_start + shift, tcp = c->tcp_start + shift;
    uint8_t *at = packet + ip;
    uint64_t pseudo = PROTOCOL_TCP + (size - tcp);

    if (ip + (c->ipv4 ? IPV4_HEADER : IPV6_HEADER) > tcp || tcp + TCP_SUM + 2 > size ||
        size - ip > UINT16_MAX) {
        return false;
    }
    put16(at + (c->ipv4 ? IPV4_LENGTH : 4), (unsigned)(size - ip - (c->ipv4 ? 0 : IPV6_HEADER)));
    if (c->ipv4) {
        put16(at + IPV4_SUM, 0);
        sum(packet, size, (unsigned)ip, (unsigned)ip + IPV4_SUM, (unsigned)tcp - 1);
    }
    for (unsigned i = 0; i < (c->ipv4 ? 8 : 32); i += 2) {
        pseudo += get16(at + (c->ipv4 ? 12 : 8) + i);
    }
    while (pseudo >> 16) {
        pseudo = (pseudo & 0xffff) + (pseudo >> 16);
    }
    put16(packet + tcp + TCP_SUM, (unsigned)pseudo);
    return true;
}

/* @n packets of @size bytes whose addresses are those of @packet. */
static void count(E1000 *s, const uint8_t *packet, size_t size, unsigned n)
{
    static const uint8_t broadcast[BROADCAST_BYTES] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

    e1000_count(s, E1000_TPT, n);
    e1000_count(s, E1000_GPTC, n);
    e1000_count64(s, E1000_TOTL, n * (size + 4));
    e1000_count64(s, E1000_GOTCL, n * (size + 4));
    e1000_count_size(s, E1000_PTC64, size + 4, n);
    if (memcmp(packet, broadcast, sizeof(broadcast)) == 0) {
        e1000_count(s, E1000_BPTC, n);
    } else if (packet[0] & 1) {
        e1000_count(s, E1000_MPTC, n);
    }
}

/* What comes out of the card: segments are packets. */
static void count_sent(E1000 *s, const NetOffload *o, size_t size)
{
    const uint8_t *packet = s->packet;
    size_t headers = (size_t)o->csum_start + TCP_DATA < size
                         ? o->csum_start + (size_t)(packet[o->csum_start + TCP_DATA] >> 4) * 4
                         : size;

    if (!o->type || !o->segment_len || headers >= size) {
        count(s, packet, size, 1);
        return;
    }
    unsigned whole = (unsigned)((size - headers - 1) / o->segment_len);

    count(s, packet, headers + o->segment_len, whole);
    count(s, packet, size - (size_t)whole * o->segment_len, 1);
}

static void send_out(E1000 *s, const NetOffload *o, size_t size)
{
    if (size < PACKET_MIN && *e1000_reg(s, E1000_TCTL) & E1000_TCTL_PSP) {
        memset(s->packet + size, 0, PACKET_MIN - size);
        size = PACKET_MIN;
    }
    count_sent(s, o, size);
    if (!e1000_loops_back(s)) {
        net_send_offloaded(&s->nic.client, o, s->packet, size);
    } else if (!o->flags || net_offload_complete(o, s->packet, size)) {
        e1000_receive(&s->nic.client, &(NetOffload){ 0 }, s->packet, size);
    }
}

static void send_segments(E1000 *s, const E1000Context *c, unsigned shift, size_t size)
{
    NetOffload o = { .flags = NET_OFFLOAD_CSUM,
                     .type = c->ipv4 ? NET_OFFLOAD_TCP4 : NET_OFFLOAD_TCP6,
                     .segment_len = c->mss,
                     .csum_start = (uint16_t)(c->tcp_start + shift),
                     .csum_offset = TCP_SUM };

    if (c->tcp && complete_headers(s->packet, size, c, shift)) {
        if (size - c->tcp_start - shift <= c->mss) {
            o.type = 0; /* it is one segment */
        }
        e1000_count(s, E1000_TSCTC, 1);
        send_out(s, &o, size);
    }
}

static void send_packet(E1000 *s, Packet *p)
{
    bool extended = p->first & E1000_TXD_DEXT, cut = extended && p->first & E1000_TXD_TSE;
    const E1000Context *c = &s->contexts[2 * p->ring + cut];
    size_t before = p->size;
    NetOffload o = { 0 };

    add_tag(s, p);
    unsigned shift = (unsigned)(p->size - before);
    if (cut) {
        send_segments(s, c, shift, p->size);
        return;
    }
    if (extended && p->upper & E1000_TXD_IXSM) {
        sum(s->packet, p->size, c->ip_start + shift, c->ip_sum + shift,
            c->ip_end ? c->ip_end + shift : 0);
    }
    if (extended && p->upper & E1000_TXD_TXSM) {
        if (c->tcp_end || c->tcp_sum < c->tcp_start) {
            sum(s->packet, p->size, c->tcp_start + shift, c->tcp_sum + shift,
                c->tcp_end ? c->tcp_end + shift : 0);
        } else {
            o = (NetOffload){ .flags = NET_OFFLOAD_CSUM,
                              .csum_start = (uint16_t)(c->tcp_start + shift),
                              .csum_offset = (uint16_t)(c->tcp_sum - c->tcp_start) };
        }
    }
    if (!extended && p->first & E1000_TXD_IC) {
        sum(s->packet, p->size, (p->upper >> 8 & 0xff) + shift, (p->first >> 16 & 0xff) + shift, 0);
    }
    send_out(s, &o, p->size);
}

/* ---- the ring ---- */

/* Descriptors of the packet at the head, up to its end; 0: that is not there yet. */
static uint32_t packet_length(const E1000 *s, const Ring *ring)
{
    uint32_t length = 0;

    for (uint32_t n = ring->head; n != ring->tail; n = (n + 1) % ring->count) {
        Descriptor d = get_descriptor(s, ring, n);

        length++;
        if (is_context(&d) ? length == 1 : !!(d.lower & E1000_TXD_EOP)) {
            return length;
        }
    }
    /* A ring that is full will never have the end: it goes as it is. */
    return length + 1 == ring->count ? length : 0;
}

static void add_bytes(E1000 *s, Packet *p, const Descriptor *d)
{
    uint32_t len = d->lower & (d->lower & E1000_TXD_DEXT ? 0xfffffu : 0xffffu);

    if (len > PACKET_MAX - p->size) {
        p->whole = false;
    } else if (p->whole && len) {
        if (!e1000_dma_read(s, d->addr, s->packet + p->size, len)) {
            memset(s->packet + p->size, 0, len);
        }
        p->size += len;
    }
}

/* Take @length descriptors from the head on; the causes of interrupts that follow. */
static uint32_t take(E1000 *s, Ring *ring, uint32_t length)
{
    Packet p = { .whole = true, .ring = ring->n };
    uint32_t causes = 0;
    bool any = false;

    for (uint32_t i = 0; i < length; i++) {
        Descriptor d = get_descriptor(s, ring, ring->head);

        if (is_context(&d)) {
            set_context(s, ring->n, &d);
        } else {
            if (!any) {
                p.first = d.lower;
                p.upper = d.upper;
                any = true;
            }
            p.last = d.lower;
            p.tag = d.upper;
            add_bytes(s, &p, &d);
        }
        if (d.lower & (E1000_TXD_RS | E1000_TXD_RPS)) {
            uint32_t status = d.upper | E1000_TXD_DD;

            e1000_dma_write(s, place(ring, ring->head) + offsetof(Descriptor, upper), &status,
                            sizeof(status));
            causes |= E1000_ICR_TXDW | (uint32_t)E1000_ICR_TXQ0 << ring->n;
        }
        ring->head = (ring->head + 1) % ring->count;
    }
    *ring_reg(s, ring, E1000_TDH) = ring->head;
    if (any && p.whole && p.size >= ADDRESSES + 2) {
        send_packet(s, &p);
    }
    return causes;
}

static gboolean go_on(gpointer opaque)
{
    E1000 *s = opaque;

    g_clear_pointer(&s->again, g_source_unref);
    e1000_transmit(s);
    return G_SOURCE_REMOVE;
}

static void go_on_later(E1000 *s)
{
    if (!s->again) {
        s->again = g_idle_source_new();
        g_source_set_priority(s->again, G_PRIORITY_DEFAULT);
        g_source_set_callback(s->again, go_on, s, NULL);
        loop_attach(loop_main(), s->again);
    }
}

/* The ring is looked at anew for each packet: what is sent may come back, and do anything. */
static void transmit_ring(E1000 *s, unsigned which)
{
    uint32_t causes = 0;
    unsigned n = 0;
    Ring ring;

    while (e1000_runs(s) && *e1000_reg(s, E1000_TCTL) & E1000_TCTL_EN &&
           get_ring(s, which, &ring) && ring.head != ring.tail && net_can_send(&s->nic.client)) {
        uint32_t length = packet_length(s, &ring);

        if (!length) {
            break;
        }
        if (n++ == TURN_PACKETS) {
            go_on_later(s);
            break;
        }
        causes |= take(s, &ring, length);
        causes |= ring.head == ring.tail ? E1000_ICR_TXQE : 0;
    }
    if (causes) {
        e1000_interrupt(s, causes);
    }
}

void e1000_transmit(E1000 *s)
{
    for (unsigned n = 0; n < e1000_class(s)->queues; n++) {
        transmit_ring(s, n);
    }
}

void e1000_can_send_again(NetClient *nc)
{
    go_on_later(nc->opaque);
}
