/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The hash of RSS, with the values that Microsoft published to verify it; headers of packets, and
 * their sums. */
#include <arpa/inet.h>
#include <glib.h>
#include <string.h>

#include "hw/net/rss.h"

/* Where things are: behind an Ethernet header. */
enum { IP = 14, TCP4 = 34, TCP6 = 54, ROOM = 200, SYN = 2 };

static const uint8_t key[RSS_KEY_SIZE] = {
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
    0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
    0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

typedef struct Vector {
    const char *to;
    uint16_t to_port;
    const char *from;
    uint16_t from_port;
    uint32_t addresses, ports; /* the hash of these, and of these with ports */
} Vector;

static const Vector vectors[] = {
    { "161.142.100.80", 1766, "66.9.149.187", 2794, 0x323e8fc2, 0x51ccc178 },
    { "65.69.140.83", 4739, "199.92.111.2", 14230, 0xd718262a, 0xc626b0ea },
    { "12.22.207.184", 38024, "24.19.198.95", 12898, 0xd2d0a5de, 0x5c2b394a },
    { "209.142.163.6", 2217, "38.27.205.30", 48228, 0x82989176, 0xafc7327f },
    { "202.188.127.2", 1303, "153.39.163.191", 44251, 0x5d1809c5, 0x10e828a2 },
    { "3ffe:2501:200:3::1", 1766, "3ffe:2501:200:1fff::7", 2794, 0x2cc18cd5, 0x40207d3d },
    { "ff02::1", 4739, "3ffe:501:8::260:97ff:fe40:efab", 14230, 0x0f0c461c, 0xdde51bbf },
    { "fe80::200:f8ff:fe21:67cf", 38024, "3ffe:1900:4545:3:200:f8ff:fe21:67cf", 44251, 0x4b61e985,
      0x02d1feef },
};

static void put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static unsigned sum16(const uint8_t *at, size_t size, unsigned sum)
{
    for (size_t i = 0; i < size; i++) {
        sum += i % 2 ? at[i] : (unsigned)at[i] << 8;
    }
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

/* A header of TCP, or of UDP, with a byte behind it, and its right sum: how long both are. */
static size_t fill_transport(uint8_t *at, const Vector *v, unsigned protocol, unsigned pseudo)
{
    size_t size = protocol == RSS_TCP ? 21 : 9, field = protocol == RSS_TCP ? 16 : 6;

    put16(at, v->from_port);
    put16(at + 2, v->to_port);
    if (protocol == RSS_TCP) {
        at[12] = 0x50;
        at[13] = SYN;
    } else {
        put16(at + 4, (unsigned)size);
    }
    at[size - 1] = 0xa5;
    put16(at + field, ~sum16(at, size, pseudo + protocol + (unsigned)size) & 0xffff);
    return size;
}

/* The packet of a vector; its size. */
static size_t fill(uint8_t *packet, const Vector *v, unsigned protocol)
{
    bool ipv6 = strchr(v->to, ':');
    uint8_t *ip = packet + IP;
    size_t len;

    memset(packet, 0, ROOM);
    put16(packet + 12, ipv6 ? 0x86dd : 0x0800);
    if (ipv6) {
        ip[0] = 0x60;
        ip[6] = (uint8_t)protocol;
        inet_pton(AF_INET6, v->from, ip + 8);
        inet_pton(AF_INET6, v->to, ip + 24);
        len = fill_transport(packet + TCP6, v, protocol, sum16(ip + 8, 32, 0));
        put16(ip + 4, (unsigned)len);
        return TCP6 + len;
    }
    ip[0] = 0x45;
    ip[9] = (uint8_t)protocol;
    inet_pton(AF_INET, v->from, ip + 12);
    inet_pton(AF_INET, v->to, ip + 16);
    len = fill_transport(packet + TCP4, v, protocol, sum16(ip + 12, 8, 0));
    put16(ip + 2, (unsigned)(20 + len));
    put16(ip + 10, ~sum16(ip, 20, 0) & 0xffff);
    return TCP4 + len;
}

static uint32_t hash_of(const RssPacket *p, const uint8_t *packet, bool ports, bool mobile)
{
    uint8_t input[RSS_INPUT_MAX];
    size_t len = rss_input(p, packet, ports, mobile, input);

    return rss_hash(key, input, len);
}

static void test_hash(void)
{
    uint8_t packet[ROOM];
    RssPacket p;

    for (size_t i = 0; i < G_N_ELEMENTS(vectors); i++) {
        rss_look(&p, packet, fill(packet, &vectors[i], RSS_TCP));
        g_assert_cmpuint(p.version, ==, strchr(vectors[i].to, ':') ? 6 : 4);
        g_assert_true(rss_has_transport(&p));
        g_assert_cmphex(hash_of(&p, packet, false, false), ==, vectors[i].addresses);
        g_assert_cmphex(hash_of(&p, packet, true, true), ==, vectors[i].ports);
    }
}

/* ---- sums ---- */

static void expect_sums(const uint8_t *packet, size_t size, unsigned has, unsigned wrong)
{
    unsigned found;
    RssPacket p;

    rss_look(&p, packet, size);
    g_assert_cmphex(rss_sums(&p, packet, RSS_IP | RSS_TRANSPORT, &found), ==, has);
    g_assert_cmphex(found, ==, wrong);
    g_assert_cmphex(rss_sums(&p, packet, RSS_IP, &found), ==, has & RSS_IP);
    g_assert_cmphex(found, ==, wrong & RSS_IP);
}

static void test_sums(void)
{
    static const unsigned protocols[] = { RSS_TCP, RSS_UDP };
    uint8_t packet[ROOM];

    for (size_t i = 0; i < 2 * G_N_ELEMENTS(vectors); i++) {
        const Vector *v = &vectors[i / 2];
        unsigned ip = strchr(v->to, ':') ? 0 : RSS_IP;
        size_t size = fill(packet, v, protocols[i % 2]);

        expect_sums(packet, size, ip | RSS_TRANSPORT, 0);
        expect_sums(packet, size + 9, ip | RSS_TRANSPORT, 0); /* what fills a short frame */
        packet[size - 1] ^= 1;
        expect_sums(packet, size, ip | RSS_TRANSPORT, RSS_TRANSPORT);
        packet[size - 1] ^= 1;
        memmove(packet + 16, packet + 12, size - 12); /* with a tag */
        put16(packet + 12, 0x8100);
        expect_sums(packet, size + 4, ip | RSS_TRANSPORT, 0);
        if (ip) {
            packet[IP + 4 + 8] ^= 1;
            expect_sums(packet, size + 4, RSS_IP | RSS_TRANSPORT, RSS_IP);
        }
    }
    /* UDP without a sum, and pieces. */
    size_t size = fill(packet, &vectors[0], RSS_UDP);
    put16(packet + TCP4 + 6, 0);
    expect_sums(packet, size, RSS_IP, 0);
    size = fill(packet, &vectors[0], RSS_TCP);
    put16(packet + IP + 6, 0x2000);
    put16(packet + IP + 10, 0);
    put16(packet + IP + 10, ~sum16(packet + IP, 20, 0) & 0xffff);
    expect_sums(packet, size, RSS_IP, 0);
}

/* ---- headers of IPv6 ---- */

/* Put @len bytes of a header of the kind @kind in front of TCP; the packet's size. */
static size_t insert(uint8_t *packet, size_t size, unsigned kind, const uint8_t *header, size_t len)
{
    memmove(packet + TCP6 + len, packet + TCP6, size - TCP6);
    memcpy(packet + TCP6, header, len);
    packet[TCP6] = packet[IP + 6];
    packet[IP + 6] = (uint8_t)kind;
    put16(packet + IP + 4, (unsigned)(size + len - TCP6));
    return size + len;
}

static void test_extensions(void)
{
    const Vector *v = &vectors[5];
    static const uint8_t pads[8] = { 0, 0, 0, 0, 0, 0, 1, 0 }, piece[8] = { 0, 0, 0, 1 };
    uint8_t packet[ROOM], mobile[24] = { 0, 2, 0xc9, 16 }, route[24] = { 0, 2, 2, 1 };
    size_t size = fill(packet, v, RSS_TCP);
    RssPacket p;

    size = insert(packet, size, 0, pads, sizeof(pads));
    expect_sums(packet, size, RSS_TRANSPORT, 0);
    rss_look(&p, packet, size);
    g_assert_cmpuint(p.transport, ==, TCP6 + 8);
    g_assert_cmphex(hash_of(&p, packet, true, true), ==, v->ports);
    /* Addresses that are another's while they travel. */
    memcpy(mobile + 4, packet + IP + 8, 16);
    memcpy(route + 8, packet + IP + 24, 16);
    memset(packet + IP + 8, 0x77, 32);
    size = insert(packet, size, 60, mobile, sizeof(mobile));
    size = insert(packet, size, 43, route, sizeof(route));
    rss_look(&p, packet, size);
    g_assert_cmphex(hash_of(&p, packet, true, true), ==, v->ports);
    g_assert_cmphex(hash_of(&p, packet, false, true), ==, v->addresses);
    g_assert_cmphex(hash_of(&p, packet, false, false), !=, v->addresses);
    expect_sums(packet, size, 0, 0);
    /* A piece; and one that is cut off. */
    size = insert(packet, fill(packet, v, RSS_TCP), 44, piece, sizeof(piece));
    rss_look(&p, packet, size);
    g_assert_true(p.fragment);
    g_assert_false(rss_has_transport(&p));
}

/* Whatever stands in a packet, and wherever it ends: what is found lies in it. */
static void test_damage(void)
{
    uint8_t input[RSS_INPUT_MAX], mobile[24] = { 0, 2, 0xc9, 16 };
    unsigned wrong;
    RssPacket p;

    for (unsigned n = 0; n < 20000; n++) {
        uint8_t packet[ROOM];
        size_t size = fill(packet, &vectors[n % 2 ? 0 : 5], n % 3 ? RSS_TCP : RSS_UDP);

        if (n % 2 == 0 && n % 5) {
            size = insert(packet, size, 60, mobile, sizeof(mobile));
        }
        for (unsigned i = n % 4; i; i--) {
            packet[12 + (unsigned)g_test_rand_int_range(0, 60)] = (uint8_t)g_test_rand_int();
        }
        size_t end = (size_t)g_test_rand_int_range(14, (int)size + 1);
        g_autofree uint8_t *cut = g_memdup2(packet, end);
        rss_look(&p, cut, end);
        if (p.version) {
            g_assert_cmpuint(p.end, <=, end);
            g_assert_cmpuint(p.transport, <=, p.end);
            rss_input(&p, cut, rss_has_transport(&p), true, input);
        }
        rss_sums(&p, cut, RSS_IP | RSS_TRANSPORT, &wrong);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rss/hash", test_hash);
    g_test_add_func("/rss/sums", test_sums);
    g_test_add_func("/rss/extensions", test_extensions);
    g_test_add_func("/rss/damage", test_damage);
    return g_test_run();
}
