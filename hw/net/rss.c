/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/net/rss.h"

#include <glib.h>
#include <string.h>

#include "net/offload.h"

enum {
    ETHERTYPE = 12, /* where it is */
    TYPE_IPV4 = 0x0800,
    TYPE_IPV6 = 0x86dd,
    TYPE_VLAN = 0x8100,
    TYPE_VLAN_OUTER = 0x88a8,
    TAG = 4, /* bytes */
    IPV4_HEADER = 20,
    IPV4_FRAGMENT = 0x3fff, /* there are more, or it is not the first one */
    IPV6_HEADER = 40,
    ADDRESS4 = 4,
    ADDRESS6 = 16,
    TCP_HEADER = 20,
    UDP_HEADER = 8,
    UDP_SUM = 6,
    EXTENSIONS_MAX = 8, /* more than that nobody looks at */
};

/* Headers of IPv6 that can be in front of what it transports (RFC 8200, section 4.1). */
enum {
    HOP_BY_HOP = 0,
    ROUTING = 43,
    FRAGMENT = 44,
    DESTINATION = 60,
    ROUTING_MOBILE = 2,   /* type: RFC 6275, section 6.4 */
    OPTION_PAD1 = 0,      /* the only one that has no length */
    OPTION_HOME = 0xc9,   /* RFC 6275, section 6.3 */
    OPTION_HOME_SIZE = 16 /* its address */
};

static unsigned get16(const uint8_t *at)
{
    return (unsigned)at[0] << 8 | at[1];
}

/* ---- where things are ---- */

static void look_ipv4(RssPacket *p, const uint8_t *packet, size_t size)
{
    const uint8_t *ip = packet + p->ip;
    size_t header = (size_t)(ip[0] & 15) * 4, total;

    if (size - p->ip < IPV4_HEADER || ip[0] >> 4 != 4 || header < IPV4_HEADER) {
        return;
    }
    total = get16(ip + 2);
    if (total < header || total > size - p->ip) {
        return;
    }
    p->version = 4;
    p->end = p->ip + total;
    p->protocol = ip[9];
    p->fragment = get16(ip + 6) & IPV4_FRAGMENT;
    p->transport = p->ip + header;
}

/* Options of a header for the destination, of @len bytes. */
static void look_options(RssPacket *p, const uint8_t *packet, size_t at, size_t len)
{
    for (size_t end = at + len; at < end;) {
        size_t option = packet[at] == OPTION_PAD1 ? 1 : 2;

        if (option == 2 && at + 1 < end) {
            option += packet[at + 1];
        }
        if (packet[at] == OPTION_HOME && option == 2 + OPTION_HOME_SIZE && at + option <= end) {
            p->home = at + 2;
        }
        at += option;
    }
}

/* A further header at @at, which is of the kind @kind: its size; 0: it is none, or is cut off. */
static size_t look_extension(RssPacket *p, const uint8_t *packet, size_t at, unsigned kind)
{
    size_t len = 8;

    if ((kind != HOP_BY_HOP && kind != ROUTING && kind != FRAGMENT && kind != DESTINATION) ||
        at + len > p->end) {
        return 0;
    }
    if (kind != FRAGMENT) {
        len = (size_t)(packet[at + 1] + 1) * 8;
    }
    if (at + len > p->end) {
        return 0;
    }
    if (kind == FRAGMENT) {
        p->fragment |= (get16(packet + at + 2) & 0xfff9) != 0;
    } else if (kind == DESTINATION) {
        look_options(p, packet, at + 2, len - 2);
    } else if (kind == ROUTING && packet[at + 2] == ROUTING_MOBILE && packet[at + 3] == 1 &&
               len == 8 + ADDRESS6) {
        p->final = at + 8;
    } else if (kind == ROUTING && packet[at + 3]) {
        p->fragment = true; /* it is for another address in the end: no sum can be looked at */
    }
    return len;
}

static void look_ipv6(RssPacket *p, const uint8_t *packet, size_t size)
{
    const uint8_t *ip = packet + p->ip;
    size_t at = p->ip + IPV6_HEADER, len = 1;
    unsigned kind;

    if (size - p->ip < IPV6_HEADER || ip[0] >> 4 != 6 || get16(ip + 4) > size - at) {
        return;
    }
    p->version = 6;
    p->end = at + get16(ip + 4);
    kind = ip[6];
    for (unsigned n = 0; n < EXTENSIONS_MAX && len && !p->fragment; n++) {
        len = look_extension(p, packet, at, kind);
        if (len) {
            kind = packet[at];
            at += len;
        }
    }
    p->protocol = (uint8_t)kind;
    p->transport = at;
}

void rss_look(RssPacket *p, const uint8_t *packet, size_t size)
{
    size_t at = ETHERTYPE;

    memset(p, 0, sizeof(*p));
    for (unsigned tags = 0;
         tags < 2 && at + TAG + 2 <= size &&
         (get16(packet + at) == TYPE_VLAN || get16(packet + at) == TYPE_VLAN_OUTER);
         tags++) {
        at += TAG;
    }
    p->ip = at + 2;
    if (p->ip >= size) {
        return;
    }
    if (get16(packet + at) == TYPE_IPV4) {
        look_ipv4(p, packet, size);
    } else if (get16(packet + at) == TYPE_IPV6) {
        look_ipv6(p, packet, size);
    }
    /* A header that is not all there is as good as none. */
    if ((p->protocol == RSS_TCP && p->transport + TCP_HEADER > p->end) ||
        (p->protocol == RSS_UDP && p->transport + UDP_HEADER > p->end)) {
        p->fragment = true;
    }
}

bool rss_has_transport(const RssPacket *p)
{
    return p->version && !p->fragment && (p->protocol == RSS_TCP || p->protocol == RSS_UDP);
}

/* ---- sums ---- */

unsigned rss_sums(const RssPacket *p, const uint8_t *packet, unsigned wanted, unsigned *wrong)
{
    const uint8_t *ip = packet + p->ip, *transport = packet + p->transport;
    size_t len = p->end - p->transport;
    unsigned has = 0;

    *wrong = 0;
    if (wanted & RSS_IP && p->version == 4) {
        has |= RSS_IP;
        *wrong |= net_sum_fold(net_sum_add(0, ip, p->transport - p->ip)) ? RSS_IP : 0;
    }
    /* Sums of mobile hosts have other addresses in them than IP's header. */
    if (wanted & RSS_TRANSPORT && rss_has_transport(p) && !p->home && !p->final &&
        (p->protocol == RSS_TCP || get16(transport + UDP_SUM))) {
        const uint8_t pseudo[4] = { 0, p->protocol, (uint8_t)(len >> 8), (uint8_t)len };
        uint64_t sum = p->version == 4 ? net_sum_add(0, ip + 12, 2 * ADDRESS4)
                                       : net_sum_add(0, ip + 8, 2 * ADDRESS6);

        sum = net_sum_add(net_sum_add(sum, pseudo, sizeof(pseudo)), transport, len);
        has |= RSS_TRANSPORT;
        *wrong |= net_sum_fold(sum) ? RSS_TRANSPORT : 0;
    }
    return has;
}

/* ---- the hash ---- */

size_t rss_input(const RssPacket *p, const uint8_t *packet, bool ports, bool mobile,
                 uint8_t input[RSS_INPUT_MAX])
{
    size_t address = p->version == 4 ? ADDRESS4 : ADDRESS6;
    size_t source = p->ip + (p->version == 4 ? 12 : 8), destination = source + address;

    if (mobile) {
        source = p->home ? p->home : source;
        destination = p->final ? p->final : destination;
    }
    memcpy(input, packet + source, address);
    memcpy(input + address, packet + destination, address);
    if (ports) {
        memcpy(input + 2 * address, packet + p->transport, 4);
    }
    return 2 * address + (ports ? 4 : 0);
}

/* Each bit of @input that is set adds the 32 bits of @key that begin at the same place. */
uint32_t rss_hash(const uint8_t key[RSS_KEY_SIZE], const uint8_t *input, size_t size)
{
    uint32_t window =
        (uint32_t)key[0] << 24 | (uint32_t)key[1] << 16 | (uint32_t)key[2] << 8 | key[3];
    uint32_t hash = 0;

    for (size_t i = 0; i < size; i++) {
        for (unsigned bit = 8; bit-- > 0;) {
            hash ^= input[i] >> bit & 1 ? window : 0;
            window = window << 1 | (key[i + 4] >> bit & 1);
        }
    }
    return hash;
}
