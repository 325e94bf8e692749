/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets from the guest: taken when all of their descriptors are in the ring. */
#include <string.h>

#include "hw/net/vmxnet3.h"
#include "memory/dma.h"
#include "util/bytes.h"

enum {
    PIECES_MAX = 64, /* descriptors of a packet; drivers need 17 */
    VLAN_TAG = 4,
    VLAN_TYPE = 0x8100,
    ADDRESSES = 12,
    ETHERTYPE_IPV4 = 0x0800,
    ETHERTYPE_IPV6 = 0x86dd,
    TCP = 6,
    TCP_SUM = 16,
    TCP_DATA = 12, /* the byte that says where its payload begins */
    TCP_HEADER = 20,
    IPV4_HEADER = 20,
    IPV6_HEADER = 40,
    IPV4_SUM = 10,
};

/* Fields of a descriptor. */
enum {
    LENGTH = 0x3fff,
    TURN = 1 << 14,
    VALUE_SHIFT = 18, /* size of segments, or where the sum goes */
    /* in the last word */
    HEADER = 0x3ff,
    MODE_SHIFT = 10,
    MODE_SUM = 2,
    MODE_SEGMENTS = 3,
    END = 1 << 12,
    REPORT = 1 << 13,
    TAG = 1 << 15,
    TAG_SHIFT = 16,
};

typedef struct Descriptor {
    uint64_t addr;
    uint32_t what, how;
} Descriptor;

static bool get_descriptor(const Vmxnet3 *s, const Vmxnet3Ring *ring, Descriptor *d)
{
    return dma_read_ram(&s->parent.dma, vmxnet3_place(ring), d, sizeof(*d)) &&
           !!(d->what & TURN) == ring->turn;
}

/* How many descriptors the next packet has, all of which are there; 0: it is not. */
static unsigned packet_length(const Vmxnet3 *s, const Vmxnet3Queue *q)
{
    Vmxnet3Ring at = q->work[0];
    Descriptor d;

    for (unsigned n = 1; n <= PIECES_MAX; n++) {
        if (!get_descriptor(s, &at, &d)) {
            return 0;
        }
        if (d.how & END) {
            return n;
        }
        vmxnet3_advance(&at);
    }
    return 1; /* no packet has so many: they are dropped one by one */
}

/* ---- one packet ---- */

/* What a driver leaves out before segments are cut: lengths, the sum of IP, and the length in the
 * pseudo header. False: it is no packet of TCP. */
static bool prepare_segments(uint8_t *packet, size_t size, size_t headers, NetOffload *o)
{
    size_t ip = ADDRESSES + 2, tcp, skip;
    uint64_t pseudo;
    bool v4;

    if (size >= ip + VLAN_TAG && bytes_get_be16(packet + ADDRESSES) == VLAN_TYPE) {
        ip += VLAN_TAG;
    }
    if (size < ip + IPV6_HEADER || size - ip > UINT16_MAX) {
        return false;
    }
    v4 = bytes_get_be16(packet + ip - 2) == ETHERTYPE_IPV4;
    tcp = ip + (v4 ? (size_t)(packet[ip] & 15) * 4 : IPV6_HEADER);
    skip = v4 ? 0 : IPV6_HEADER;
    if ((!v4 && bytes_get_be16(packet + ip - 2) != ETHERTYPE_IPV6) ||
        packet[ip + (v4 ? 9 : 6)] != TCP || tcp < ip + IPV4_HEADER || tcp + TCP_HEADER > size ||
        tcp + TCP_HEADER > headers) {
        return false;
    }
    bytes_put_be(packet + ip + (v4 ? 2 : 4), size - ip - skip, 2);
    if (v4) {
        const NetOffload own = { .csum_start = (uint16_t)ip, .csum_offset = IPV4_SUM };

        bytes_put_be(packet + ip + IPV4_SUM, 0, 2);
        net_offload_complete(&own, packet, tcp);
    }
    const uint8_t rest[4] = { 0, TCP, (uint8_t)((size - tcp) >> 8), (uint8_t)(size - tcp) };
    pseudo = net_sum_add(net_sum_add(0, packet + ip + (v4 ? 12 : 8), v4 ? 8 : 32), rest, 4);
    uint16_t sum = (uint16_t)~net_sum_fold(pseudo);
    memcpy(packet + tcp + TCP_SUM, &sum, sizeof(sum));
    o->flags = NET_OFFLOAD_CSUM;
    o->csum_start = (uint16_t)tcp;
    o->csum_offset = TCP_SUM;
    o->type = v4 ? NET_OFFLOAD_TCP4 : NET_OFFLOAD_TCP6;
    return true;
}

/* What is to be summed and cut. False: that cannot be. */
static bool prepare(uint8_t *packet, size_t size, const Descriptor *first, size_t shift,
                    NetOffload *o)
{
    unsigned mode = first->how >> MODE_SHIFT & 3, value = first->what >> VALUE_SHIFT;
    size_t header = (first->how & HEADER) + shift;

    if (mode == MODE_SUM) {
        o->flags = NET_OFFLOAD_CSUM;
        o->csum_start = (uint16_t)header;
        o->csum_offset = (uint16_t)(value + shift - header);
        return value + shift >= header;
    }
    if (mode == MODE_SEGMENTS) {
        o->segment_len = (uint16_t)value;
        if (header > size || !prepare_segments(packet, size, header, o)) {
            return false;
        }
        if (size - header <= value) {
            o->type = 0; /* it is one segment */
        }
    }
    return true;
}

static void send_out(Vmxnet3 *s, Vmxnet3Queue *q, size_t size, const Descriptor *first,
                     const Descriptor *last)
{
    uint8_t *packet = s->card.packet;
    NetOffload o = { 0 };
    size_t shift = 0;

    if (last->how & TAG) {
        memmove(packet + ADDRESSES + VLAN_TAG, packet + ADDRESSES, size - ADDRESSES);
        bytes_put_be(packet + ADDRESSES, VLAN_TYPE, 2);
        bytes_put_be(packet + ADDRESSES + 2, last->how >> TAG_SHIFT, 2);
        shift = VLAN_TAG;
        size += shift;
    }
    if (size < NIC_PACKET_MIN) {
        memset(packet + size, 0, NIC_PACKET_MIN - size);
        size = NIC_PACKET_MIN;
    }
    if (!prepare(packet, size, first, shift, &o)) {
        q->counters[VMXNET3_COUNT_ERROR]++;
        return;
    }
    if (o.type) {
        q->counters[VMXNET3_COUNT_SEGMENTS]++;
        q->counters[VMXNET3_COUNT_SEGMENTS + 1] += size;
    }
    vmxnet3_count(q, packet, size);
    net_send_offloaded(&s->card.nic.client, &o, packet, size);
}

/* Take @count descriptors; does the driver want to hear of it? */
static bool take(Vmxnet3 *s, Vmxnet3Queue *q, unsigned count)
{
    Vmxnet3Ring *ring = &q->work[0];
    Descriptor first = { 0 }, d = { 0 };
    uint32_t index = 0;
    size_t size = 0;
    bool whole = true;

    for (unsigned i = 0; i < count; i++) {
        if (!get_descriptor(s, ring, &d)) {
            return false; /* it was taken back */
        }
        size_t piece = d.what & LENGTH ? d.what & LENGTH : LENGTH + 1;

        first = i ? first : d;
        whole = whole && size + piece <= NET_PACKET_MAX - VLAN_TAG &&
                dma_read_ram(&s->parent.dma, d.addr, s->card.packet + size, piece);
        size += whole ? piece : 0;
        index = ring->next;
        vmxnet3_advance(ring);
    }
    bool report = d.how & END && d.how & REPORT;
    if (report) {
        uint32_t entry[4] = { index };

        vmxnet3_done(s, &q->done, entry);
    }
    if (whole && d.how & END && size >= ADDRESSES + 2) {
        send_out(s, q, size, &first, &d);
    } else {
        q->counters[VMXNET3_COUNT_DISCARD]++;
    }
    return report;
}

/* What is sent may come back, and do anything: the queue is looked at anew for each packet. */
static void transmit_queue(Vmxnet3 *s, unsigned n, unsigned left)
{
    bool any = false;

    while (vmxnet3_runs(s) && n < s->tx_count && net_can_send(&s->card.nic.client)) {
        unsigned count = packet_length(s, &s->tx[n]);

        if (!count) {
            break;
        }
        if (!left--) {
            nic_card_transmit_later(&s->card);
            break;
        }
        any = take(s, &s->tx[n], count) || any;
    }
    if (any && s->active && n < s->tx_count) {
        vmxnet3_interrupt(s, s->tx[n].vector);
    }
}

void vmxnet3_transmit(void *opaque)
{
    Vmxnet3 *s = opaque;
    const unsigned left = NIC_CARD_TURN / MAX(s->tx_count, 1); /* each has its part of the turn */

    vmxnet3_tell_link(s);
    for (unsigned n = 0; n < VMXNET3_QUEUES; n++) {
        transmit_queue(s, n, left);
    }
}
