/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Packets to the guest: which it wants, and where they go (section 3.2). */
#include <string.h>
#include <zlib.h>

#include "hw/net/e1000-core.h"

#define ETHERNET_HEADER 14
#define ADDRESSES       12 /* bytes before the tag */
#define VLAN_TAG        4
#define SUM_SIZE        4
#define TCP_DATA        12 /* the byte that says where its payload begins */
#define UDP_HEADER      8
#define PACKET_MIN      60      /* a shorter one gets zeros, as on its way through a cable */
#define PACKET_MAX      1518    /* without the sum, with a tag; RCTL.LPE: */
#define PACKET_MAX_LONG 0x4000u /* also without the sum */
#define HASH_BITS       12

/* ---- the filter ---- */

static const uint8_t broadcast[NET_MAC_SIZE] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

bool e1000_address(E1000 *s, unsigned n, uint8_t mac[NET_MAC_SIZE])
{
    uint32_t low = *e1000_reg(s, E1000_RA + 8 * n);
    uint32_t high = *e1000_reg(s, E1000_RA + 8 * n + 4);

    memcpy(mac, &low, 4);
    memcpy(mac + 4, &high, 2);
    return high & E1000_RAH_AV;
}

/* Is the bit of @mac in the multicast table set? */
static bool hash_has(E1000 *s, const uint8_t *mac)
{
    static const uint8_t shifts[] = { 4, 3, 2, 0 };
    unsigned offset = *e1000_reg(s, E1000_RCTL) >> E1000_RCTL_MO_SHIFT & 3;
    unsigned hash = ((unsigned)mac[4] | (unsigned)mac[5] << 8) >> shifts[offset];

    hash &= (1u << HASH_BITS) - 1;
    return *e1000_reg(s, E1000_MTA + hash / 32 * 4) >> hash % 32 & 1;
}

static bool has_address(E1000 *s, const uint8_t *packet)
{
    uint8_t mac[NET_MAC_SIZE];

    for (unsigned n = 0; n < E1000_ADDRESSES; n++) {
        if (e1000_address(s, n, mac) && memcmp(mac, packet, NET_MAC_SIZE) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_tagged(E1000 *s, const uint8_t *packet, size_t size)
{
    return size >= ETHERNET_HEADER + VLAN_TAG &&
           (unsigned)(packet[12] << 8 | packet[13]) == *e1000_reg(s, E1000_VET);
}

/* @passed: by a filter that is not exact (section 3.2.1). */
static bool takes(E1000 *s, const uint8_t *packet, size_t size, bool *passed)
{
    uint32_t rctl = *e1000_reg(s, E1000_RCTL);

    *passed = false;
    if (rctl & E1000_RCTL_VFE && is_tagged(s, packet, size)) {
        unsigned vlan = (unsigned)(packet[14] << 8 | packet[15]) & 0xfff;

        if (!(*e1000_reg(s, E1000_VFTA + vlan / 32 * 4) >> vlan % 32 & 1)) {
            return false;
        }
    }
    if (has_address(s, packet)) {
        return true;
    }
    if (memcmp(packet, broadcast, NET_MAC_SIZE) == 0) {
        return rctl & (E1000_RCTL_BAM | E1000_RCTL_MPE);
    }
    *passed = true;
    if (packet[0] & 1) {
        return rctl & E1000_RCTL_MPE || hash_has(s, packet);
    }
    return rctl & E1000_RCTL_UPE;
}

bool e1000_loops_back(E1000 *s)
{
    return *e1000_reg(s, E1000_RCTL) & E1000_RCTL_LBM_MAC ||
           s->phy[E1000_PHY_CTRL] & E1000_PHY_CTRL_LOOPBACK;
}

/* ---- query-rx-filter ---- */

RxFilterInfo *e1000_query_filter(Nic *nic)
{
    E1000 *s = nic->client.opaque;
    RxFilterInfo *info = g_new0(RxFilterInfo, 1);
    uint32_t rctl = *e1000_reg(s, E1000_RCTL);
    uint8_t mac[NET_MAC_SIZE];

    info->promiscuous = rctl & E1000_RCTL_UPE && rctl & E1000_RCTL_MPE;
    info->multicast = rctl & E1000_RCTL_MPE ? RX_STATE_ALL : RX_STATE_NORMAL;
    info->unicast = rctl & E1000_RCTL_UPE ? RX_STATE_ALL : RX_STATE_NORMAL;
    info->vlan = rctl & E1000_RCTL_VFE ? RX_STATE_NORMAL : RX_STATE_ALL;
    info->broadcast_allowed = rctl & (E1000_RCTL_BAM | E1000_RCTL_MPE);
    info->vlan_table = qapi_list_new(&qapi_int_type);
    info->unicast_table = qapi_str_list_new();
    info->multicast_table = qapi_str_list_new();
    for (unsigned n = 0; n < E1000_ADDRESSES; n++) {
        if (e1000_address(s, n, mac) && n) {
            g_ptr_array_add(mac[0] & 1 ? info->multicast_table : info->unicast_table,
                            net_mac_text(mac));
        }
    }
    for (unsigned n = 0; n < 128; n++) { /* which addresses a bit stands for, nobody knows */
        info->multicast_overflow |= *e1000_reg(s, E1000_MTA + 4 * n) != 0;
    }
    for (int64_t vlan = 0; vlan < 4096; vlan++) {
        if (*e1000_reg(s, E1000_VFTA + (unsigned)vlan / 32 * 4) >> vlan % 32 & 1) {
            g_array_append_val(info->vlan_table, vlan);
        }
    }
    e1000_address(s, 0, mac);
    info->main_mac = net_mac_text(mac);
    return info;
}

/* ---- the ring ---- */

/* A descriptor that is given back: the legacy one, and the 82574L's extended and split ones
 * (sections 3.2.3 of the one manual, 7.1.5 and 7.1.6 of the other). */
typedef struct Legacy {
    uint16_t length, sum;
    uint8_t status, errors;
    uint16_t special; /* of the tag */
} Legacy;

typedef struct Extended {
    uint32_t type, hash;
    uint32_t status; /* and errors */
    uint16_t length; /* split: of what is in the first buffer */
    uint16_t vlan;
    uint16_t header, more[3]; /* split: E1000Told.header; of the other buffers */
    uint64_t reserved;
} Extended;

#define BUFFERS_MAX 4 /* of one descriptor */

typedef struct Ring {
    unsigned n; /* which */
    uint64_t base;
    uint32_t count, head, tail; /* in descriptors; head and tail are below count */
    bool extended;
    unsigned descriptor;       /* bytes */
    unsigned buffers;          /* of each descriptor */
    size_t sizes[BUFFERS_MAX]; /* theirs */
    size_t room;               /* all of them */
} Ring;

/* A register of @ring, which is at @offset for the first one. */
static uint32_t *ring_reg(E1000 *s, const Ring *ring, unsigned offset)
{
    return e1000_reg(s, offset + ring->n * E1000_RING_STRIDE);
}

static size_t buffer_size(E1000 *s)
{
    uint32_t rctl = *e1000_reg(s, E1000_RCTL);
    size_t size = 2048u >> (rctl >> E1000_RCTL_BSIZE_SHIFT & 3);

    return rctl & E1000_RCTL_BSEX && size < 2048 ? size * 16 : size;
}

/* Sizes of the four buffers of a split descriptor: units of 128 bytes, and of 1 KiB (section
 * 10.2.5.2 of the 82574L's). */
static void set_split(Ring *ring, uint32_t psrctl)
{
    ring->descriptor = E1000_SPLIT_DESCRIPTOR_SIZE;
    ring->buffers = BUFFERS_MAX;
    ring->sizes[0] = (psrctl & 0x7f) * 128;
    for (unsigned i = 1; i < BUFFERS_MAX; i++) {
        ring->sizes[i] = (psrctl >> 8 * i & 0x3f) * 1024;
    }
}

static void set_format(E1000 *s, Ring *ring)
{
    ring->extended = *e1000_reg(s, E1000_RFCTL) & E1000_RFCTL_EXTENDED;
    ring->descriptor = E1000_DESCRIPTOR_SIZE;
    ring->buffers = 1;
    ring->sizes[0] = buffer_size(s);
    if (ring->extended && (*e1000_reg(s, E1000_RCTL) & E1000_RCTL_DTYP) == E1000_RCTL_DTYP_SPLIT) {
        set_split(ring, *e1000_reg(s, E1000_PSRCTL));
    }
    ring->room = 0;
    for (unsigned i = 0; i < ring->buffers; i++) {
        ring->room += ring->sizes[i];
    }
}

/* RDH and RDT count pieces of 16 bytes, of which split descriptors have two. */
static unsigned unit(const Ring *ring)
{
    return ring->descriptor / E1000_DESCRIPTOR_SIZE;
}

static bool get_ring(E1000 *s, unsigned n, Ring *ring)
{
    ring->n = n;
    ring->base = (uint64_t)*ring_reg(s, ring, E1000_RDBAH) << 32 |
                 (*ring_reg(s, ring, E1000_RDBAL) & ~UINT32_C(15));
    set_format(s, ring);
    ring->count = *ring_reg(s, ring, E1000_RDLEN) / ring->descriptor;
    ring->head = *ring_reg(s, ring, E1000_RDH) / unit(ring);
    ring->tail = *ring_reg(s, ring, E1000_RDT) / unit(ring);
    return ring->head < ring->count && ring->tail < ring->count;
}

static uint32_t buffers(const Ring *ring)
{
    return (ring->tail + ring->count - ring->head) % ring->count;
}

/* The driver looks at the status: that is written last. */
static void give_legacy(const E1000 *s, uint64_t at, const E1000Told *told, uint32_t status,
                        size_t length)
{
    const size_t first = offsetof(Legacy, status);
    const Legacy d = { .length = (uint16_t)length,
                       .status = (uint8_t)status,
                       .errors = told->errors,
                       .special = told->vlan };

    e1000_dma_write(s, at + 8, &d, first);
    e1000_dma_write(s, at + 8 + first, (const uint8_t *)&d + first, sizeof(d) - first);
}

static void give_extended(const E1000 *s, const Ring *ring, uint64_t at, const E1000Told *told,
                          uint32_t status, const size_t *lengths)
{
    const size_t first = offsetof(Extended, status), next = offsetof(Extended, length);
    Extended d = { .type = told->type,
                   .hash = told->hash,
                   .status = status | (uint32_t)told->errors << E1000_RXD_ERRORS_SHIFT,
                   .length = (uint16_t)lengths[0],
                   .vlan = told->vlan,
                   .header = told->header ? E1000_RXD_SPH | told->header : 0 };

    for (unsigned i = 1; i < ring->buffers; i++) {
        d.more[i - 1] = (uint16_t)lengths[i];
    }
    e1000_dma_write(s, at, &d, first);
    e1000_dma_write(s, at + next, (const uint8_t *)&d + next, ring->descriptor - next);
    e1000_dma_write(s, at + first, &d.status, sizeof(d.status));
}

/* Fill the buffers of the descriptor at @at: how much went into each. @header: the first one gets
 * no more; 0: it does. */
static size_t fill(const E1000 *s, const Ring *ring, uint64_t at, size_t header,
                   const uint8_t *packet, size_t size, size_t *lengths)
{
    size_t done = 0;

    for (unsigned i = 0; i < ring->buffers; i++) {
        uint64_t addr;

        lengths[i] = MIN(i == 0 && header ? header : ring->sizes[i], size - done);
        if (lengths[i] && e1000_dma_read(s, at + 8 * i, &addr, sizeof(addr)) && addr) {
            e1000_dma_write(s, addr, packet + done, lengths[i]);
        }
        done += lengths[i];
    }
    return done;
}

/* Put @size bytes into buffers, of which there are enough. */
static void put(E1000 *s, Ring *ring, const E1000Told *told, const uint8_t *packet, size_t size)
{
    for (size_t done = 0; done < size;) {
        uint64_t at = ring->base + (uint64_t)ring->head * ring->descriptor;
        size_t lengths[BUFFERS_MAX];

        done += fill(s, ring, at, told->header, packet + done, size - done, lengths);
        uint32_t status = told->status | E1000_RXD_DD | (done == size ? E1000_RXD_EOP : 0);
        if (ring->extended) {
            give_extended(s, ring, at, told, status, lengths);
        } else {
            give_legacy(s, at, told, status, lengths[0]);
        }
        ring->head = (ring->head + 1) % ring->count;
    }
    *ring_reg(s, ring, E1000_RDH) = ring->head * unit(ring);
}

static void count(E1000 *s, const uint8_t *packet, size_t size)
{
    e1000_count(s, E1000_GPRC, 1);
    e1000_count64(s, E1000_GORCL, size + SUM_SIZE);
    e1000_count_size(s, E1000_PRC64, size + SUM_SIZE, 1);
    if (memcmp(packet, broadcast, NET_MAC_SIZE) == 0) {
        e1000_count(s, E1000_BPRC, 1);
    } else if (packet[0] & 1) {
        e1000_count(s, E1000_MPRC, 1);
    }
}

/* Copy it, without its tag if the card takes that off, with zeros and sum as they are wanted: its
 * size. */
static size_t prepare(E1000 *s, E1000Told *told, uint8_t *copy, const uint8_t *packet, size_t size)
{
    size_t tag = 0;

    if (*e1000_reg(s, E1000_CTRL) & E1000_CTRL_VME && is_tagged(s, packet, size)) {
        tag = VLAN_TAG;
        told->status |= E1000_RXD_VP;
        told->vlan = (uint16_t)(packet[14] << 8 | packet[15]);
    }
    memcpy(copy, packet, MIN(size, ADDRESSES));
    memcpy(copy + ADDRESSES, packet + ADDRESSES + tag, size - ADDRESSES - tag);
    size -= tag;
    if (size < PACKET_MIN) {
        memset(copy + size, 0, PACKET_MIN - size);
        size = PACKET_MIN;
    }
    if (!(*e1000_reg(s, E1000_RCTL) & E1000_RCTL_SECRC)) {
        uint32_t sum = (uint32_t)crc32(0, copy, (uInt)size);

        memcpy(copy + size, &sum, sizeof(sum));
        size += sizeof(sum);
    }
    return size;
}

/* Is there a driver to take it? */
static bool wants(E1000 *s, const uint8_t *packet, size_t size, E1000Told *told)
{
    uint32_t rctl = *e1000_reg(s, E1000_RCTL);
    size_t most = rctl & (E1000_RCTL_LPE | E1000_RCTL_SBP) ? PACKET_MAX_LONG : PACKET_MAX;
    bool passed;

    if (!(rctl & E1000_RCTL_EN) || size < ETHERNET_HEADER) {
        return false;
    }
    e1000_count64(s, E1000_TORL, size + SUM_SIZE);
    e1000_count(s, E1000_TPR, 1);
    if (size > most) {
        e1000_count(s, E1000_ROC, 1);
        return false;
    }
    if (!takes(s, packet, size, &passed)) {
        return false;
    }
    told->status = passed ? E1000_RXD_PIF : 0;
    return true;
}

/* Few buffers are left: an eighth, a quarter or half. */
static bool is_low(E1000 *s, const Ring *ring)
{
    unsigned shift = 1 + (*e1000_reg(s, E1000_RCTL) >> E1000_RCTL_RDMTS_SHIFT & 3);

    return buffers(ring) <= ring->count >> shift;
}

/* What the headers of IP are, and whether its sums are right, as far as the driver asks for it. */
static void tell_sums(E1000 *s, const RssPacket *p, const uint8_t *packet, E1000Told *told)
{
    uint32_t rxcsum = *e1000_reg(s, E1000_RXCSUM);
    unsigned has, wrong,
        wanted = (rxcsum & E1000_RXCSUM_IP ? RSS_IP : 0) |
                 (rxcsum & E1000_RXCSUM_TRANSPORT ? RSS_TRANSPORT : 0);

    if (!wanted) {
        told->status |= E1000_RXD_IXSM;
        return;
    }
    has = rss_sums(p, packet, wanted, &wrong);
    told->status |= has & RSS_IP ? E1000_RXD_IPCS : 0;
    if (has & RSS_TRANSPORT) {
        told->status |= E1000_RXD_TCPCS | (p->protocol == RSS_UDP ? E1000_RXD_UDPCS : 0);
    }
    told->errors = (uint8_t)((wrong & RSS_IP ? E1000_RXD_IPE : 0) |
                             (wrong & RSS_TRANSPORT ? E1000_RXD_TCPE : 0));
}

/* Bytes of the headers of IP and what it transports in @whole bytes that are as they go to the
 * guest, if there are buffers for them and for the rest (section 7.1.10 of the 82574L's). */
static uint16_t split_header(const Ring *ring, const RssPacket *p, const uint8_t *packet,
                             const E1000Told *told, size_t whole)
{
    size_t header = p->transport;

    if (ring->buffers == 1 || !p->version) {
        return 0;
    }
    if (rss_has_transport(p)) {
        header += p->protocol == RSS_TCP ? (size_t)(packet[p->transport + TCP_DATA] >> 4) * 4
                                         : UDP_HEADER;
    }
    if (header > p->end) {
        return 0;
    }
    header -= told->status & E1000_RXD_VP ? VLAN_TAG : 0;
    return header <= ring->sizes[0] && whole - header <= ring->room - ring->sizes[0]
               ? (uint16_t)header
               : 0;
}

bool e1000_receive(NetClient *nc, const NetOffload *o, const uint8_t *packet, size_t size)
{
    E1000 *s = nc->opaque;
    const E1000Class *ops = e1000_class(s);
    uint8_t copy[PACKET_MAX_LONG + SUM_SIZE];
    E1000Told told = { 0 };
    RssPacket headers;
    Ring ring;

    if (!e1000_runs(s)) {
        return !(*e1000_reg(s, E1000_RCTL) & E1000_RCTL_EN);
    }
    if (!wants(s, packet, size, &told)) {
        return true;
    }
    rss_look(&headers, packet, size);
    if (ops->spread) {
        ops->spread(s, &headers, packet, &told);
    }
    size_t whole = prepare(s, &told, copy, packet, size);
    if (!get_ring(s, told.ring, &ring) || ring.room * (ring.count - 1) < whole) {
        e1000_count(s, E1000_MPC, 1);
        return true; /* it will never have the room */
    }
    if (buffers(&ring) * ring.room < whole) {
        e1000_count(s, E1000_RNBC, 1);
        e1000_interrupt(s, E1000_ICR_RXO);
        return false;
    }
    told.header = split_header(&ring, &headers, packet, &told, whole);
    tell_sums(s, &headers, packet, &told);
    count(s, packet, size);
    put(s, &ring, &told, copy, whole);
    e1000_interrupt(s, E1000_ICR_RXT0 | (uint32_t)E1000_ICR_RXQ0 << ring.n |
                           (is_low(s, &ring) ? E1000_ICR_RXDMT0 : 0));
    return true;
}
