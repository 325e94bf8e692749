/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets to the guest: which it wants, in which queue, and where they go. */
#include <string.h>

#include "hw/net/rss.h"
#include "hw/net/vmxnet3.h"
#include "memory/dma.h"
#include "util/bytes.h"

enum {
    PIECES_MAX = 32, /* buffers of a packet */
    VLAN_TAG = 4,
    VLAN_TYPE = 0x8100,
    ADDRESSES = 12,
    HEADERS = 22, /* of Ethernet, with two tags */
    PACKET_LONGEST = 16384,
};

/* Fields of a buffer's descriptor, in its third word. */
enum { LENGTH = 0x3fff, BODY = 1 << 14, TURN_SHIFT = 31 };

/* Fields of what the driver is told. */
enum {
    TOLD_END = 1 << 14,
    TOLD_START = 1 << 15,
    TOLD_QUEUE_SHIFT = 16,
    TOLD_RSS_SHIFT = 26,
    TOLD_NO_SUMS = 1 << 30,
    /* the third word */
    TOLD_TAG = 1 << 15,
    TOLD_TAG_SHIFT = 16,
    /* the fourth */
    TOLD_TRANSPORT_RIGHT = 1 << 16,
    TOLD_UDP = 1 << 17,
    TOLD_TCP = 1 << 18,
    TOLD_IP_RIGHT = 1 << 19,
    TOLD_V6 = 1 << 20,
    TOLD_V4 = 1 << 21,
    TOLD_FRAGMENT = 1 << 22,
    TOLD_FRAME_RIGHT = 1 << 23,
    TOLD_KIND = 3 << 24,
};

typedef struct Buffer {
    uint64_t addr;
    uint32_t what, reserved;
} Buffer;

/* Where a piece of a packet goes. */
typedef struct Piece {
    uint64_t addr;
    uint32_t size, index;
    unsigned ring;
} Piece;

/* ---- which packets ---- */

static bool has_group(const Vmxnet3 *s, const uint8_t *address)
{
    for (unsigned i = 0; i < MIN(s->group_count, VMXNET3_GROUPS); i++) {
        if (memcmp(s->groups + i * NET_MAC_SIZE, address, NET_MAC_SIZE) == 0) {
            return true;
        }
    }
    return s->group_count > VMXNET3_GROUPS;
}

static bool is_tagged(const uint8_t *packet, size_t size)
{
    return size >= ADDRESSES + VLAN_TAG + 2 && bytes_get_be16(packet + ADDRESSES) == VLAN_TYPE;
}

static bool wants(const Vmxnet3 *s, const uint8_t *packet, size_t size)
{
    if (s->rx_mode & VMXNET3_PROMISCUOUS) {
        return true;
    }
    if (is_tagged(packet, size)) {
        unsigned vlan = bytes_get_be16(packet + ADDRESSES + 2) & 0xfff;

        if (!(s->vlans[vlan / 32] >> vlan % 32 & 1)) {
            return false;
        }
    }
    if (nic_card_is_broadcast(packet)) {
        return s->rx_mode & VMXNET3_BROADCAST;
    }
    if (packet[0] & 1) {
        return s->rx_mode & VMXNET3_ALL_MULTI ||
               (s->rx_mode & VMXNET3_MULTICAST && has_group(s, packet));
    }
    return s->rx_mode & VMXNET3_UNICAST && memcmp(packet, s->mac, NET_MAC_SIZE) == 0;
}

/* ---- what is told of them ---- */

/* The queue of the packet; how it was hashed goes into @told. */
static unsigned spread(const Vmxnet3 *s, const RssPacket *p, const uint8_t *packet,
                       uint32_t told[4])
{
    unsigned shift = p->version == 6 ? 2 : 0, types = s->rss.types >> shift;
    bool tcp = rss_has_transport(p) && p->protocol == RSS_TCP && types & 2;
    uint8_t input[RSS_INPUT_MAX];

    if (!p->version || !s->rss.types || !(tcp || types & 1)) {
        return 0;
    }
    told[1] = rss_hash(s->rss.key, input, rss_input(p, packet, tcp, false, input));
    told[0] |= (1 + shift + tcp) << TOLD_RSS_SHIFT;
    return s->rss.table[told[1] % s->rss.table_size] % s->rx_count;
}

static void tell_sums(const Vmxnet3 *s, const RssPacket *p, const uint8_t *packet, uint32_t told[4])
{
    unsigned has, wrong;

    told[3] = (uint32_t)TOLD_KIND | TOLD_FRAME_RIGHT |
              (p->version == 4   ? TOLD_V4
               : p->version == 6 ? TOLD_V6
                                 : 0) |
              (p->version && p->fragment ? TOLD_FRAGMENT : 0);
    if (rss_has_transport(p)) {
        told[3] |= p->protocol == RSS_TCP ? TOLD_TCP : TOLD_UDP;
    }
    if (!(s->features & VMXNET3_RXCSUM) || !rss_has_transport(p)) {
        told[0] |= TOLD_NO_SUMS;
        return;
    }
    has = rss_sums(p, packet, RSS_IP | RSS_TRANSPORT, &wrong);
    told[3] |= has & ~wrong & RSS_IP ? TOLD_IP_RIGHT : 0;
    told[3] |= has & ~wrong & RSS_TRANSPORT ? TOLD_TRANSPORT_RIGHT : 0;
    told[0] |= has & RSS_TRANSPORT ? 0 : (uint32_t)TOLD_NO_SUMS;
}

/* ---- buffers ---- */

static bool get_buffer(const Vmxnet3 *s, const Vmxnet3Ring *ring, Buffer *buffer)
{
    return ring->size &&
           dma_read_ram(&s->parent.dma, vmxnet3_place(ring), buffer, sizeof(*buffer)) &&
           buffer->what >> TURN_SHIFT == ring->turn;
}

static Piece take_buffer(Vmxnet3Ring *rings, unsigned ring, const Buffer *buffer)
{
    Piece piece = {
        .addr = buffer->addr, .size = buffer->what & LENGTH, .index = rings[ring].next, .ring = ring
    };

    vmxnet3_advance(&rings[ring]);
    return piece;
}

/* Buffers for @size bytes out of @rings, which are copies: the first is one for heads, then come
 * those for bodies behind it, and those of the other ring. How many; 0: there are too few. */
static unsigned find_buffers(const Vmxnet3 *s, Vmxnet3Ring rings[2], size_t size,
                             Piece pieces[PIECES_MAX])
{
    unsigned count = 0;
    size_t room = 0;
    Buffer buffer;

    for (unsigned i = 0; i < rings[0].size; i++) { /* what the last packet did not need */
        if (!get_buffer(s, &rings[0], &buffer)) {
            return 0;
        }
        Piece piece = take_buffer(rings, 0, &buffer);

        if (!(buffer.what & BODY)) {
            pieces[count++] = piece;
            room = piece.size;
            break;
        }
    }
    while (count && room < size && count < PIECES_MAX) {
        unsigned ring = get_buffer(s, &rings[0], &buffer) && buffer.what & BODY ? 0 : 1;

        if (ring == 1 && !get_buffer(s, &rings[1], &buffer)) {
            return 0;
        }
        pieces[count] = take_buffer(rings, ring, &buffer);
        room += pieces[count++].size;
    }
    return room >= size ? count : 0;
}

static void fill(Vmxnet3 *s, unsigned n, const Piece *pieces, unsigned count, const uint8_t *packet,
                 size_t size, const uint32_t told[4])
{
    Vmxnet3Queue *q = &s->rx[n];

    for (unsigned i = 0; i < count; i++) {
        uint32_t piece = (uint32_t)MIN(size, pieces[i].size);
        uint32_t entry[4] = { told[0] | pieces[i].index | (i == 0 ? TOLD_START : 0) |
                                  (i + 1 == count ? TOLD_END : 0) |
                                  (n + pieces[i].ring * s->rx_count) << TOLD_QUEUE_SHIFT,
                              told[1], told[2] | piece, told[3] };

        dma_write_ram(&s->parent.dma, pieces[i].addr, packet, piece);
        packet += piece;
        size -= piece;
        vmxnet3_done(s, &q->done, entry);
    }
}

/* ---- a packet ---- */

/* Ask the driver to say when there are buffers again; there may be some since. */
static bool ask(Vmxnet3 *s, Vmxnet3Queue *q)
{
    const uint8_t yes = 1;

    if (q->asked_ready) {
        return false;
    }
    q->asked_ready = true;
    dma_write_ram(&s->parent.dma, q->shared, &yes, sizeof(yes));
    return true;
}

static bool put(Vmxnet3 *s, unsigned n, const uint8_t *packet, size_t size, const uint32_t told[4])
{
    Vmxnet3Queue *q = &s->rx[n];
    Piece pieces[PIECES_MAX];
    unsigned count;

    do {
        Vmxnet3Ring rings[2] = { q->work[0], q->work[1] };

        count = find_buffers(s, rings, size, pieces);
        if (count) {
            memcpy(q->work, rings, sizeof(rings));
        }
    } while (!count && ask(s, q));
    if (!count) {
        return false;
    }
    vmxnet3_count(q, packet, size);
    fill(s, n, pieces, count, packet, size, told);
    vmxnet3_interrupt(s, q->vector);
    return true;
}

bool vmxnet3_receive(NetClient *nc, const NetOffload *o, const uint8_t *packet, size_t size)
{
    Vmxnet3 *s = nc->opaque;
    uint8_t copy[PACKET_LONGEST];
    uint32_t told[4] = { 0 };
    RssPacket headers;

    if (!s->active) {
        return true;
    }
    if (!vmxnet3_runs(s)) {
        return false;
    }
    if (size < ADDRESSES + 2 || size > PACKET_LONGEST || size > (size_t)s->mtu + HEADERS ||
        !wants(s, packet, size)) {
        return true;
    }
    rss_look(&headers, packet, size);
    tell_sums(s, &headers, packet, told);
    unsigned n = spread(s, &headers, packet, told);
    if (s->features & VMXNET3_RXVLAN && is_tagged(packet, size)) {
        told[2] = TOLD_TAG | (uint32_t)bytes_get_be16(packet + ADDRESSES + 2) << TOLD_TAG_SHIFT;
        memcpy(copy, packet, ADDRESSES);
        memcpy(copy + ADDRESSES, packet + ADDRESSES + VLAN_TAG, size - ADDRESSES - VLAN_TAG);
        size = nic_card_pad(copy, copy, size - VLAN_TAG);
    } else {
        size = nic_card_pad(copy, packet, size);
    }
    return put(s, n, copy, size, told);
}

void vmxnet3_buffers(Vmxnet3 *s, unsigned n)
{
    const uint8_t no = 0;

    if (s->active && n < s->rx_count && s->rx[n].asked_ready) {
        s->rx[n].asked_ready = false;
        dma_write_ram(&s->parent.dma, s->rx[n].shared, &no, sizeof(no));
    }
    net_client_ready(&s->card.nic.client);
}
