/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "net/offload.h"

#include <glib.h>
#include <string.h>

#include "net/net.h"

#define ETHERNET_HEADER 14
#define TYPE_IPV4       0x0800
#define TYPE_IPV6       0x86dd
#define TYPE_VLAN       0x8100
#define TYPE_VLAN_OUTER 0x88a8
#define IPV4_HEADER     20
#define IPV6_HEADER     40
#define TCP_HEADER      20
#define UDP_HEADER      8
#define PROTOCOL_TCP    6
#define PROTOCOL_UDP    17
#define IPV6_FRAGMENT   44 /* the header before a fragment, and its bytes */
#define FRAGMENT_HEADER 8
#define IPV4_MORE       0x2000 /* a fragment that is not the last one */

#define UDP_SUM 6 /* where the sum is in UDP's header */

/* Flags of TCP: FIN and PSH are for the last segment, CWR for the first. */
enum { TCP_FIN = 0x01, TCP_PSH = 0x08, TCP_CWR = 0x80 };

unsigned net_offload_needs(const NetOffload *o)
{
    static const unsigned takes[] = { [NET_OFFLOAD_TCP4] = NET_TAKES_TCP4,
                                      [NET_OFFLOAD_UDP] = NET_TAKES_UDP,
                                      [NET_OFFLOAD_TCP6] = NET_TAKES_TCP6 };
    unsigned type = o->type & ~(unsigned)NET_OFFLOAD_ECN;
    unsigned needs = (o->flags & (NET_OFFLOAD_CSUM | NET_OFFLOAD_VALID) ? NET_TAKES_CSUM : 0) |
                     (o->type & NET_OFFLOAD_ECN ? NET_TAKES_ECN : 0);

    if (type) {
        return type < G_N_ELEMENTS(takes) && takes[type] ? needs | takes[type] : UINT_MAX;
    }
    return needs;
}

/* ---- sums ---- */

static unsigned get16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

static void put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* Words in the host's order: the sum comes out in that order, too (RFC 1071, section 2 (B)). */
uint64_t net_sum_add(uint64_t sum, const uint8_t *data, size_t size)
{
    uint32_t word;

    for (; size >= sizeof(word); data += sizeof(word), size -= sizeof(word)) {
        memcpy(&word, data, sizeof(word));
        sum += word;
    }
    word = 0;
    memcpy(&word, data, size);
    return sum + word;
}

uint16_t net_sum_fold(uint64_t sum)
{
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return (uint16_t)~sum;
}

bool net_offload_has_field(const NetOffload *o, size_t size)
{
    return (size_t)o->csum_start + o->csum_offset + sizeof(uint16_t) <= size;
}

bool net_offload_complete(const NetOffload *o, uint8_t *packet, size_t size)
{
    size_t start = o->csum_start, field = start + o->csum_offset;
    uint16_t sum;

    if (!net_offload_has_field(o, size)) {
        return false;
    }
    sum = net_sum_fold(net_sum_add(0, packet + start, size - start));
    sum = sum ? sum : 0xffff; /* 0 would say that there is none */
    memcpy(packet + field, &sum, sizeof(sum));
    return true;
}

/* ---- segments ---- */

typedef struct Layout {
    size_t ip, tcp, payload; /* where they begin */
    bool ipv6;
} Layout;

static bool find_ip(Layout *layout, const uint8_t *packet, size_t size)
{
    size_t at = ETHERNET_HEADER - 2;

    for (unsigned tags = 0;
         tags < 2 && at + 6 <= size &&
         (get16(packet + at) == TYPE_VLAN || get16(packet + at) == TYPE_VLAN_OUTER);
         tags++) {
        at += 4;
    }
    if (at + 2 > size) {
        return false;
    }
    layout->ip = at + 2;
    layout->ipv6 = get16(packet + at) == TYPE_IPV6;
    return layout->ipv6 || get16(packet + at) == TYPE_IPV4;
}

static bool find_layout(Layout *layout, const NetOffload *o, const uint8_t *packet, size_t size)
{
    size_t ip_len;

    if (!find_ip(layout, packet, size)) {
        return false;
    }
    layout->tcp = o->csum_start;
    if (layout->ip + IPV4_HEADER > size || layout->tcp + TCP_HEADER > size) {
        return false;
    }
    /* IPv6 may have further headers before TCP. */
    ip_len = layout->ipv6 ? IPV6_HEADER : (size_t)(packet[layout->ip] & 15) * 4;
    if (ip_len < IPV4_HEADER || layout->ip + ip_len > layout->tcp ||
        (!layout->ipv6 && layout->ip + ip_len != layout->tcp)) {
        return false;
    }
    layout->payload = layout->tcp + (size_t)(packet[layout->tcp + 12] >> 4) * 4;
    return layout->payload >= layout->tcp + TCP_HEADER && layout->payload < size &&
           layout->payload <= NET_SEGMENT_HEADER_MAX;
}

/* Lengths, numbers and sums of segment @n, of @size bytes, whose payload begins at @done. */
static void finish(uint8_t *segment, size_t size, const Layout *layout, unsigned n, size_t done,
                   bool last)
{
    uint8_t *ip = segment + layout->ip, *tcp = segment + layout->tcp;
    size_t tcp_len = size - layout->tcp;
    uint32_t sequence;
    uint8_t pseudo[4] = { 0, PROTOCOL_TCP, (uint8_t)(tcp_len >> 8), (uint8_t)tcp_len };
    uint64_t sum;
    uint16_t folded;

    memcpy(&sequence, tcp + 4, sizeof(sequence));
    sequence = GUINT32_FROM_BE(sequence) + (uint32_t)done;
    sequence = GUINT32_TO_BE(sequence);
    memcpy(tcp + 4, &sequence, sizeof(sequence));
    tcp[13] &= (uint8_t) ~((last ? 0 : TCP_FIN | TCP_PSH) | (n ? TCP_CWR : 0));
    put16(tcp + 16, 0);
    if (layout->ipv6) {
        put16(ip + 4, (unsigned)(size - layout->ip - IPV6_HEADER));
        sum = net_sum_add(0, ip + 8, 32);
    } else {
        put16(ip + 2, (unsigned)(size - layout->ip));
        put16(ip + 4, get16(ip + 4) + n);
        put16(ip + 10, 0);
        folded = net_sum_fold(net_sum_add(0, ip, layout->tcp - layout->ip));
        memcpy(ip + 10, &folded, sizeof(folded));
        sum = net_sum_add(0, ip + 12, 8);
    }
    folded = net_sum_fold(net_sum_add(net_sum_add(sum, pseudo, sizeof(pseudo)), tcp, tcp_len));
    memcpy(tcp + 16, &folded, sizeof(folded));
}

/* ---- fragments ---- */

/* Where the headers of IP end, and UDP begins; 0: it is no such packet. */
static size_t find_udp(Layout *layout, const NetOffload *o, const uint8_t *packet, size_t size)
{
    size_t udp = o->csum_start, ip_len;

    if (!find_ip(layout, packet, size) || layout->ip + IPV4_HEADER > size ||
        udp + UDP_HEADER >= size || udp > NET_SEGMENT_HEADER_MAX || o->csum_offset != UDP_SUM) {
        return 0;
    }
    ip_len = layout->ipv6 ? IPV6_HEADER : (size_t)(packet[layout->ip] & 15) * 4;
    if (ip_len < IPV4_HEADER || layout->ip + ip_len != udp ||
        packet[layout->ip + (layout->ipv6 ? 6 : 9)] != PROTOCOL_UDP) {
        return 0;
    }
    return udp;
}

/* The headers of a fragment that begins at @done of IP's payload, and has @len bytes of it. */
static void finish_fragment(uint8_t *ip, const Layout *layout, size_t header_len, size_t done,
                            size_t len, bool last, uint32_t id)
{
    uint8_t *fragment = ip + IPV6_HEADER;
    uint16_t folded;

    if (layout->ipv6) {
        put16(ip + 4, (unsigned)(FRAGMENT_HEADER + len));
        ip[6] = IPV6_FRAGMENT;
        fragment[0] = PROTOCOL_UDP;
        fragment[1] = 0;
        put16(fragment + 2, (unsigned)done | !last);
        memcpy(fragment + 4, &id, sizeof(id));
        return;
    }
    put16(ip + 2, (unsigned)(header_len + len));
    put16(ip + 6, (unsigned)(done / 8) | (last ? 0 : IPV4_MORE));
    put16(ip + 10, 0);
    folded = net_sum_fold(net_sum_add(0, ip, header_len));
    memcpy(ip + 10, &folded, sizeof(folded));
}

/* RFC 791, section 2.3; RFC 8200, section 4.5. */
static bool cut_udp(const NetOffload *o, const uint8_t *packet, size_t size, NetSegmentFn *fn,
                    void *opaque)
{
    size_t unit = o->segment_len & ~7u, udp, headers;
    uint8_t fragment[NET_SEGMENT_HEADER_MAX + FRAGMENT_HEADER + UINT16_MAX];
    uint32_t id = g_random_int();
    uint16_t sum;
    Layout layout;

    udp = find_udp(&layout, o, packet, size);
    if (!udp || unit < NET_SEGMENT_MIN) {
        return false;
    }
    headers = udp + (layout.ipv6 ? FRAGMENT_HEADER : 0);
    sum = net_sum_fold(net_sum_add(0, packet + udp, size - udp));
    sum = sum ? sum : 0xffff;
    memcpy(fragment, packet, udp);
    for (size_t at = udp; at < size;) {
        size_t len = MIN(size - at, unit);

        memcpy(fragment + headers, packet + at, len);
        if (at == udp) {
            memcpy(fragment + headers + UDP_SUM, &sum, sizeof(sum));
        }
        finish_fragment(fragment + layout.ip, &layout, udp - layout.ip, at - udp, len,
                        at + len == size, id);
        fn(opaque, fragment, headers + len);
        at += len;
    }
    return true;
}

bool net_offload_cut(const NetOffload *o, const uint8_t *packet, size_t size, NetSegmentFn *fn,
                     void *opaque)
{
    unsigned type = o->type & ~(unsigned)NET_OFFLOAD_ECN, n = 0;
    g_autofree uint8_t *segment = NULL;
    Layout layout;

    if (o->type == NET_OFFLOAD_UDP) {
        return cut_udp(o, packet, size, fn, opaque);
    }
    if ((type != NET_OFFLOAD_TCP4 && type != NET_OFFLOAD_TCP6) ||
        o->segment_len < NET_SEGMENT_MIN || !find_layout(&layout, o, packet, size) ||
        layout.ipv6 != (type == NET_OFFLOAD_TCP6)) {
        return false;
    }
    segment = g_malloc(layout.payload + o->segment_len);
    for (size_t at = layout.payload; at < size; n++) {
        size_t len = MIN(size - at, o->segment_len);

        memcpy(segment, packet, layout.payload);
        memcpy(segment + layout.payload, packet + at, len);
        finish(segment, layout.payload + len, &layout, n, at - layout.payload, at + len == size);
        fn(opaque, segment, layout.payload + len);
        at += len;
    }
    return true;
}
