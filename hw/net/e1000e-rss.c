/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which ring of the 82574L a packet goes to (section 7.1.11), and what extended descriptors tell of
 * it beside what the others do (7.1.5). */
#include <string.h>

#include "hw/net/e1000e.h"

#define RETA_ENTRIES 128 /* of a byte, */
#define RETA_RING    7   /* of which this bit says the ring */
#define TYPE_RING    8   /* where the ring is told */
#define IPV4_ID      4   /* in its header */
#define IPV6_HEADER  40

/* ---- the hash ---- */

static bool is_tcp(const RssPacket *p)
{
    return rss_has_transport(p) && p->protocol == RSS_TCP;
}

/* Which of the hashes that the driver has enabled is that of the packet? E1000_RSS_* */
static unsigned choose(E1000 *s, const RssPacket *p)
{
    uint32_t mrqc = *e1000_reg(s, E1000_MRQC);
    bool extensions = !(*e1000_reg(s, E1000_RFCTL) & E1000_RFCTL_NO_EXTENSIONS) ||
                      p->transport == p->ip + IPV6_HEADER;

    if (p->version == 4) {
        return is_tcp(p) && mrqc & E1000_MRQC_TCP4 ? E1000_RSS_TCP4
               : mrqc & E1000_MRQC_IPV4            ? E1000_RSS_IPV4
                                                   : E1000_RSS_NONE;
    }
    if (p->version == 6) {
        return extensions && is_tcp(p) && mrqc & E1000_MRQC_TCP6 ? E1000_RSS_TCP6
               : extensions && mrqc & E1000_MRQC_IPV6_EX         ? E1000_RSS_IPV6_EX
               : mrqc & E1000_MRQC_IPV6                          ? E1000_RSS_IPV6
                                                                 : E1000_RSS_NONE;
    }
    return E1000_RSS_NONE;
}

static uint32_t hash(E1000 *s, const RssPacket *p, const uint8_t *packet, unsigned type)
{
    uint8_t key[RSS_KEY_SIZE], input[RSS_INPUT_MAX];
    size_t len = rss_input(p, packet, type == E1000_RSS_TCP4 || type == E1000_RSS_TCP6,
                           type == E1000_RSS_TCP6 || type == E1000_RSS_IPV6_EX, input);

    for (unsigned i = 0; i < RSS_KEY_SIZE; i += 4) {
        uint32_t word = GUINT32_TO_LE(*e1000_reg(s, E1000_RSSRK + i));

        memcpy(key + i, &word, sizeof(word));
    }
    return rss_hash(key, input, len);
}

static unsigned ring_of(E1000 *s, uint32_t value)
{
    unsigned entry = value % RETA_ENTRIES;

    return *e1000_reg(s, E1000_RETA + entry / 4 * 4) >> (8 * (entry % 4) + RETA_RING) & 1;
}

/* ---- what is told ---- */

/* The kinds of packets (section 7.1.5.2, table of PKTTYPE). */
static uint32_t packet_type(const RssPacket *p)
{
    unsigned transport = p->protocol == RSS_TCP || p->protocol == RSS_UDP;

    return p->version == 4 ? 1 + transport : p->version == 6 ? 5 + transport : 0;
}

void e1000e_spread(E1000 *s, const RssPacket *p, const uint8_t *packet, E1000Told *told)
{
    bool extended = *e1000_reg(s, E1000_RFCTL) & E1000_RFCTL_EXTENDED;

    told->status |= packet_type(p) << E1000_RXD_TYPE_SHIFT;
    if (!(*e1000_reg(s, E1000_RXCSUM) & E1000_RXCSUM_PCSD)) {
        if (p->version == 4) {
            told->status |= E1000_RXD_IPIDV;
            told->hash = (uint32_t)packet[p->ip + IPV4_ID] << 8 | packet[p->ip + IPV4_ID + 1];
        }
    } else if (extended && (*e1000_reg(s, E1000_MRQC) & E1000_MRQC_ENABLE) == E1000_MRQC_RSS) {
        told->type = choose(s, p);
        if (told->type) {
            told->hash = hash(s, p, packet, told->type);
            told->ring = ring_of(s, told->hash);
            told->type |= told->ring << TYPE_RING;
        }
    }
}
