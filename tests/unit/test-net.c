/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Cables: order, what waits, what is lost; addresses; options of -netdev user. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/vhost.h>
#include <net/if.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>

#include "net/net.h"
#include "net/netdev.h"
#include "net/user-config.h"
#include "qom/user-object.h"
#include "util/keyval.h"

typedef struct End {
    NetClient client;
    bool full;            /* takes nothing */
    unsigned again, link; /* calls */
    GString *got;         /* the first byte of each packet */
} End;

static bool end_receive(NetClient *nc, const NetOffload *o, const uint8_t *packet, size_t size)
{
    End *end = nc->opaque;

    if (end->full) {
        return false;
    }
    g_string_append_c(end->got, (char)packet[0]);
    if (packet[0] == 'q') {
        net_send(nc, (const uint8_t *)"a", 1);
    }
    if (packet[0] == 'r') { /* the sender answers at once, while we still receive */
        net_send(nc->peer, (const uint8_t *)"1", 1);
        net_send(nc->peer, (const uint8_t *)"2", 1);
        g_string_append_c(end->got, '.');
    }
    return true;
}

static void end_again(NetClient *nc)
{
    ((End *)nc->opaque)->again++;
}

static void end_link(NetClient *nc)
{
    ((End *)nc->opaque)->link++;
}

static const NetClientOps ops = { .receive = end_receive,
                                  .can_send_again = end_again,
                                  .link_changed = end_link };

typedef struct Pair {
    End a, b;
} Pair;

static void set_up(Pair *pair)
{
    *pair = (Pair){ .a.got = g_string_new(NULL), .b.got = g_string_new(NULL) };
    net_client_init(&pair->a.client, "a", &ops, &pair->a);
    net_client_init(&pair->b.client, "b", &ops, &pair->b);
    net_join(&pair->a.client, &pair->b.client);
}

static void tear_down(Pair *pair)
{
    net_client_cleanup(&pair->a.client);
    net_client_cleanup(&pair->b.client);
    g_assert_cmpuint(net_clients()->len, ==, 0);
    g_string_free(pair->a.got, TRUE);
    g_string_free(pair->b.got, TRUE);
}

static void send_bytes(End *end, const char *bytes)
{
    for (; *bytes; bytes++) {
        net_send(&end->client, (const uint8_t *)bytes, 1);
    }
}

static void test_order(void)
{
    Pair p;

    set_up(&p);
    g_assert_true(net_client_find("b") == &p.b.client);
    g_assert_null(net_client_find("c"));
    send_bytes(&p.a, "x");
    p.b.full = true;
    g_assert_true(net_can_send(&p.a.client));
    send_bytes(&p.a, "yz");
    g_assert_false(net_can_send(&p.a.client));
    g_assert_true(net_can_send(&p.b.client));
    net_client_ready(&p.b.client); /* it is not */
    g_assert_cmpuint(p.a.again, ==, 0);
    p.b.full = false;
    send_bytes(&p.a, "!"); /* not before the others */
    net_client_ready(&p.b.client);
    g_assert_cmpstr(p.b.got->str, ==, "xyz!");
    g_assert_cmpuint(p.a.again, ==, 1);
    g_assert_true(net_can_send(&p.a.client));
    tear_down(&p);
}

/* Packets that are sent from within the receipt of one. */
static void test_nesting(void)
{
    Pair p;

    set_up(&p);
    send_bytes(&p.a, "q");
    g_assert_cmpstr(p.a.got->str, ==, "a");
    send_bytes(&p.a, "r");
    g_assert_cmpstr(p.b.got->str, ==, "qr.12");
    tear_down(&p);
}

static void test_limit(void)
{
    g_autofree uint8_t *packet = g_malloc0(NET_PACKET_MAX + 1);
    unsigned most = NET_WAITING_MAX_BYTES / NET_PACKET_MAX;
    Pair p;

    set_up(&p);
    packet[0] = 'p';
    net_send(&p.a.client, packet, 0);
    net_send(&p.a.client, packet, NET_PACKET_MAX + 1);
    g_assert_cmpuint(p.b.got->len, ==, 0);
    p.b.full = true;
    for (unsigned i = 0; i < 2 * most; i++) {
        net_send(&p.a.client, packet, NET_PACKET_MAX);
    }
    g_assert_cmpuint(p.b.client.waiting_bytes, ==, most * NET_PACKET_MAX);
    p.b.full = false;
    net_client_ready(&p.b.client);
    g_assert_cmpuint(p.b.got->len, ==, most);
    g_assert_cmpuint(p.b.client.waiting_bytes, ==, 0);
    tear_down(&p);
}

static void test_link(void)
{
    Pair p;

    set_up(&p);
    g_assert_cmpuint(p.a.link + p.b.link, ==, 2);
    p.b.full = true;
    send_bytes(&p.a, "lost");
    net_set_link(&p.a.client, false);
    g_assert_cmpuint(p.a.link + p.b.link, ==, 4);
    g_assert_false(net_link_is_up(&p.b.client));
    g_assert_true(net_can_send(&p.a.client)); /* into nothing */
    g_assert_cmpuint(p.a.again, ==, 1);
    p.b.full = false;
    send_bytes(&p.a, "too");
    send_bytes(&p.b, "too");
    net_set_link(&p.b.client, false);
    net_set_link(&p.a.client, true);
    g_assert_false(net_link_is_up(&p.a.client));
    net_set_link(&p.b.client, true);
    g_assert_cmpuint(p.a.link + p.b.link, ==, 6);
    send_bytes(&p.a, "x");
    g_assert_cmpstr(p.b.got->str, ==, "x");
    p.b.full = true;
    send_bytes(&p.a, "yy");
    net_client_cleanup(&p.b.client); /* with packets waiting */
    g_assert_cmpuint(p.a.again, ==, 2);
    g_assert_cmpuint(p.a.link, ==, 4);
    send_bytes(&p.a, "nobody");
    tear_down(&p);
}

/* ---- offloads ---- */

#define SEGMENT 1000u

typedef struct Cut {
    bool ipv6;
    unsigned count, tags; /* segments; bytes of VLAN tags */
    GByteArray *payload;
} Cut;

static uint32_t sum_of(uint32_t sum, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        sum += (uint32_t)data[i] << (i & 1 ? 0 : 8);
    }
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

/* Each segment is whole: lengths, sums and numbers as a network wants them. */
static void check_segment(void *opaque, const uint8_t *segment, size_t size)
{
    Cut *cut = opaque;
    const uint8_t *ip = segment + 14 + cut->tags, *tcp = ip + (cut->ipv6 ? 40 : 20);
    size_t tcp_len = size - (size_t)(tcp - segment), len = tcp_len - 32;
    bool last = cut->payload->len + len == 3500;

    g_assert_cmpuint(len, ==, last ? 500 : SEGMENT);
    if (cut->ipv6) {
        g_assert_cmpuint((unsigned)ip[4] << 8 | ip[5], ==, tcp_len);
        g_assert_cmphex(sum_of(sum_of(6 + (uint32_t)tcp_len, ip + 8, 32), tcp, tcp_len), ==,
                        0xffff);
    } else {
        g_assert_cmpuint((unsigned)ip[2] << 8 | ip[3], ==, tcp_len + 20);
        g_assert_cmpuint((unsigned)ip[4] << 8 | ip[5], ==, (0xffff + cut->count) & 0xffff);
        g_assert_cmphex(sum_of(0, ip, 20), ==, 0xffff);
        g_assert_cmphex(sum_of(sum_of(6 + (uint32_t)tcp_len, ip + 12, 8), tcp, tcp_len), ==,
                        0xffff);
    }
    uint32_t sequence;
    memcpy(&sequence, tcp + 4, 4);
    g_assert_cmphex(ntohl(sequence), ==, 0xfffffff0 + cut->payload->len);
    /* CWR is for the first, PSH and FIN are for the last, ACK for all. */
    g_assert_cmphex(tcp[13], ==, (cut->count ? 0 : 0x80) | 0x10 | (last ? 0x09 : 0));
    g_byte_array_append(cut->payload, tcp + 32, (guint)len);
    cut->count++;
}

/* A packet with 3500 bytes of payload, behind 12 of TCP's options; its offloads. */
static NetOffload large_packet(uint8_t *packet, size_t *size, const Cut *cut)
{
    size_t ip = 14 + cut->tags, tcp = ip + (cut->ipv6 ? 40 : 20);

    *size = tcp + 32 + 3500;
    for (size_t i = 0; i < *size; i++) {
        packet[i] = (uint8_t)(i * 11 + i / 256);
    }
    for (size_t tag = 12; tag + 2 < ip; tag += 4) {
        memcpy(packet + tag, tag == 12 && cut->tags == 8 ? "\x88\xa8" : "\x81\x00", 2);
    }
    memcpy(packet + ip - 2, cut->ipv6 ? "\x86\xdd" : "\x08\x00", 2);
    packet[ip] = cut->ipv6 ? 0x60 : 0x45;
    if (!cut->ipv6) {
        memset(packet + ip + 4, 0xff, 2); /* the next number is 0 */
    }
    memcpy(packet + tcp + 4, "\xff\xff\xff\xf0", 4);
    packet[tcp + 12] = 0x80;
    packet[tcp + 13] = 0x80 | 0x10 | 0x09;
    return (NetOffload){ .flags = NET_OFFLOAD_CSUM,
                         .type =
                             NET_OFFLOAD_ECN | (cut->ipv6 ? NET_OFFLOAD_TCP6 : NET_OFFLOAD_TCP4),
                         .segment_len = SEGMENT,
                         .csum_start = (uint16_t)tcp,
                         .csum_offset = 16 };
}

static void test_segments(void)
{
    uint8_t packet[4000];
    size_t size;

    for (unsigned i = 0; i < 6; i++) {
        Cut cut = { .ipv6 = i & 1, .tags = i / 2 * 4, .payload = g_byte_array_new() };
        NetOffload o = large_packet(packet, &size, &cut);

        g_assert_true(net_offload_cut(&o, packet, size, check_segment, &cut));
        g_assert_cmpuint(cut.count, ==, 4);
        g_assert_cmpmem(cut.payload->data, cut.payload->len, packet + size - 3500, 3500);
        g_byte_array_unref(cut.payload);
    }
}

static void count_segment(void *opaque, const uint8_t *segment, size_t size)
{
    g_assert_cmpuint(size, <=, NET_SEGMENT_HEADER_MAX + UINT16_MAX);
    ++*(unsigned *)opaque;
}

/* ---- fragments of UDP ---- */

enum { UDP_PAYLOAD = 2500, UNIT = 1000 };

typedef struct Fragments {
    GByteArray *payload; /* of IP, as it is put together again */
    unsigned count, last;
    bool ipv6;
} Fragments;

static void check_fragment(void *opaque, const uint8_t *packet, size_t size)
{
    Fragments *f = opaque;
    size_t at = f->ipv6 ? 14 + 40 + 8 : 14 + 20;
    unsigned word = f->ipv6 ? packet[56] << 8 | packet[57] : packet[20] << 8 | packet[21];
    unsigned offset = f->ipv6 ? word & ~7u : (word & 0x1fff) * 8;
    bool more = f->ipv6 ? word & 1 : word & 0x2000;

    g_assert_cmpuint(offset, ==, f->payload->len);
    g_assert_cmpuint(packet[f->ipv6 ? 18 : 16] << 8 | packet[f->ipv6 ? 19 : 17], ==,
                     size - (f->ipv6 ? 54 : 14));
    if (f->ipv6) {
        g_assert_cmpuint(packet[20], ==, 44);
        g_assert_cmpuint(packet[54], ==, 17);
    } else {
        g_assert_cmphex(sum_of(0, packet + 14, 20), ==, 0xffff);
        g_assert_cmpuint(packet[18] << 8 | packet[19], ==, 0x1234);
    }
    g_assert_cmpuint(more, ==, f->count < f->last);
    f->count++;
    g_byte_array_append(f->payload, packet + at, (guint)(size - at));
}

static void test_fragments(void)
{
    for (unsigned ipv6 = 0; ipv6 < 2; ipv6++) {
        unsigned ip_len = ipv6 ? 40 : 20, udp = 14 + ip_len, udp_len = 8 + UDP_PAYLOAD;
        uint8_t packet[14 + 40 + 8 + UDP_PAYLOAD] = { 0 };
        uint8_t pseudo[4] = { 0, 17, (uint8_t)(udp_len >> 8), (uint8_t)udp_len };
        Fragments f = { .payload = g_byte_array_new(), .ipv6 = ipv6, .last = 2 };
        NetOffload o = { .flags = NET_OFFLOAD_CSUM,
                         .type = NET_OFFLOAD_UDP,
                         .segment_len = UNIT + 7,
                         .csum_start = (uint16_t)udp,
                         .csum_offset = 6 };
        uint32_t sum;

        memcpy(packet + 12, ipv6 ? "\x86\xdd\x60" : "\x08\x00\x45", 3);
        packet[ipv6 ? 20 : 23] = 17;
        packet[18] = 0x12; /* IPv4: the number of the packet */
        packet[19] = 0x34;
        for (unsigned i = 0; i < (ipv6 ? 32 : 8); i++) {
            packet[udp - (ipv6 ? 32 : 8) + i] = (uint8_t)(i + 1);
        }
        for (unsigned i = 0; i < UDP_PAYLOAD; i++) {
            packet[udp + 8 + i] = (uint8_t)(i * 3);
        }
        sum = sum_of(0, pseudo, 4);
        sum = sum_of(sum, packet + udp - (ipv6 ? 32 : 8), ipv6 ? 32 : 8);
        packet[udp + 6] = (uint8_t)(sum >> 8);
        packet[udp + 7] = (uint8_t)sum;
        g_assert_true(net_offload_cut(&o, packet, udp + udp_len, check_fragment, &f));
        g_assert_cmpuint(f.count, ==, 3);
        g_assert_cmpuint(f.payload->len, ==, udp_len);
        g_assert_cmpmem(f.payload->data + 8, UDP_PAYLOAD, packet + udp + 8, UDP_PAYLOAD);
        sum = sum_of(0, pseudo, 4);
        sum = sum_of(sum, packet + udp - (ipv6 ? 32 : 8), ipv6 ? 32 : 8);
        g_assert_cmphex(sum_of(sum, f.payload->data, f.payload->len), ==, 0xffff);
        g_byte_array_unref(f.payload);
        o.csum_start++;
        g_assert_false(net_offload_cut(&o, packet, udp + udp_len, check_fragment, &f));
    }
}

/* ---- what the peer takes, and its queues ---- */

typedef struct Taker {
    NetClient client, second;
    GString *got; /* flags, type and size of each packet */
    bool full;
    unsigned changed;
} Taker;

static bool taker_receive(NetClient *nc, const NetOffload *o, const uint8_t *packet, size_t size)
{
    Taker *taker = nc->opaque;

    if (!taker->full) {
        g_string_append_printf(taker->got, "%u:%u.%u.%zu ", nc->queue, o->flags, o->type, size);
    }
    return !taker->full;
}

static void taker_changed(NetClient *nc)
{
    ((Taker *)nc->opaque)->changed++;
}

static const NetClientOps taker_ops = { .receive = taker_receive, .peer_changed = taker_changed };

static void take(Taker *from, unsigned takes, const NetOffload *o, const uint8_t *packet,
                 size_t size)
{
    g_autofree uint8_t *copy = g_memdup2(packet, size);

    net_client_set(from->client.peer, takes, false);
    net_send_offloaded(&from->client, o, copy, size);
}

static void expect_got(Taker *taker, const char *text)
{
    g_assert_cmpstr(taker->got->str, ==, text);
    g_string_truncate(taker->got, 0);
}

static void test_takes(void)
{
    Taker a = { .got = g_string_new(NULL) }, b = { .got = g_string_new(NULL) };
    Cut cut = { .ipv6 = false };
    uint8_t packet[4000];
    size_t size;
    NetOffload o = large_packet(packet, &size, &cut);
    const unsigned all = NET_TAKES_CSUM | NET_TAKES_TCP4;
    g_autofree char *whole = NULL, *summed = NULL;

    net_client_init(&a.client, "a", &taker_ops, &a);
    net_client_init(&b.client, "b", &taker_ops, &b);
    net_join(&a.client, &b.client);
    o.flags = NET_OFFLOAD_CSUM;
    o.type = NET_OFFLOAD_TCP4;
    whole = g_strdup_printf("0:1.1.%zu ", size);
    summed = g_strdup_printf("0:0.1.%zu ", size);
    take(&a, all, &o, packet, size);
    expect_got(&b, whole);
    g_assert_cmpuint(a.changed, ==, 2); /* the cable, and what it takes */
    take(&a, NET_TAKES_TCP4, &o, packet, size);
    expect_got(&b, summed);
    take(&a, NET_TAKES_CSUM, &o, packet, size);
    g_assert_cmpuint(b.got->len, >, 0);
    g_assert_null(strstr(b.got->str, "1."));
    g_string_truncate(b.got, 0);
    /* With notes of congestion it needs more; of an unknown type nobody takes it. */
    o.type |= NET_OFFLOAD_ECN;
    take(&a, all, &o, packet, size);
    g_assert_cmpuint(b.got->len, >, strlen(whole));
    g_string_truncate(b.got, 0);
    o.type = 2;
    take(&a, all, &o, packet, size);
    expect_got(&b, "");
    /* What waited, and is not taken any more, is lost; a field behind the end too. */
    o.type = NET_OFFLOAD_TCP4;
    b.full = true;
    take(&a, all, &o, packet, size);
    b.full = false;
    net_client_set(&b.client, 0, false);
    net_client_ready(&b.client);
    expect_got(&b, "");
    o.type = 0;
    take(&a, all, &o, packet, o.csum_start + o.csum_offset + 1u);
    expect_got(&b, "");
    net_client_cleanup(&a.client);
    net_client_cleanup(&b.client);
    g_string_free(a.got, TRUE);
    g_string_free(b.got, TRUE);
}

/* Queues are joined, switched and parted together; one end may have more. */
static void test_queues(void)
{
    Taker a = { .got = g_string_new(NULL) }, b = { .got = g_string_new(NULL) };
    const uint8_t byte = 0;

    for (unsigned queues = 1; queues <= 2; queues++) {
        net_client_init(&a.client, "a", &taker_ops, &a);
        net_client_add_queue(&a.client, &a.second);
        net_client_init(&b.client, "b", &taker_ops, &b);
        if (queues == 2) {
            net_client_add_queue(&b.client, &b.second);
        }
        g_assert_cmpuint(net_clients()->len, ==, 2);
        net_join(&a.client, &b.client);
        net_send(&a.client, &byte, 1);
        net_send(&a.second, &byte, 1);
        expect_got(&b, queues == 2 ? "0:0.0.1 1:0.0.1 " : "0:0.0.1 ");
        net_set_link(&b.client, false);
        g_assert_false(net_link_is_up(&a.second));
        net_send(&a.second, &byte, 1);
        net_set_link(&b.client, true);
        expect_got(&b, "");
        a.changed = 0;
        net_part(&b.client);
        g_assert_null(a.client.peer);
        g_assert_null(a.second.peer);
        g_assert_cmpuint(a.changed, ==, queues);
        net_client_cleanup(&a.client);
        net_client_cleanup(&b.client);
        memset(&a.client, 0, sizeof(a.client));
        memset(&a.second, 0, sizeof(a.second));
        memset(&b.client, 0, sizeof(b.client));
        memset(&b.second, 0, sizeof(b.second));
    }
    g_string_free(a.got, TRUE);
    g_string_free(b.got, TRUE);
}

/* What makes no sense is cut into nothing, or into as few pieces as its length allows. */
static void test_bad_segments(void)
{
    uint8_t packet[4000];
    const Cut four = { .ipv6 = false };
    unsigned count = 0;
    size_t size;
    const NetOffload good = large_packet(packet, &size, &four);
    NetOffload o;

    const struct {
        NetOffload o;
        size_t size;
    } wrong[] = {
        { { .type = 2, .segment_len = SEGMENT, .csum_start = 34 }, size },
        { { .type = NET_OFFLOAD_UDP, .segment_len = SEGMENT, .csum_start = 34, .csum_offset = 6 },
          size },
        { { .type = NET_OFFLOAD_TCP6, .segment_len = SEGMENT, .csum_start = 34 }, size },
        { { .type = NET_OFFLOAD_TCP4, .segment_len = NET_SEGMENT_MIN - 1, .csum_start = 34 },
          size },
        { { .type = NET_OFFLOAD_TCP4, .segment_len = SEGMENT, .csum_start = 35 }, size },
        { { .type = NET_OFFLOAD_TCP4, .segment_len = SEGMENT, .csum_start = 65535 }, size },
        { good, 66 }, /* no payload */
        { good, 53 }, /* half of a header */
        { good, 20 },
        { good, 13 },
        { good, 1 },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_assert_false(net_offload_cut(&wrong[i].o, packet, wrong[i].size, count_segment, &count));
    }
    g_assert_cmpuint(count, ==, 0);
    for (unsigned round = 0; round < 20000; round++) {
        g_autofree uint8_t *copy = NULL;

        o = large_packet(packet, &size, &four);
        o.csum_start = (uint16_t)(round % 7 ? o.csum_start : g_test_rand_int());
        o.csum_offset = (uint16_t)(round % 3 ? 16 : g_test_rand_int());
        o.segment_len = (uint16_t)g_test_rand_int();
        for (unsigned i = 0; i < round % 5; i++) {
            packet[g_test_rand_int_range(12, 60)] = (uint8_t)g_test_rand_int();
        }
        size = (size_t)g_test_rand_int_range(1, (gint32)size + 1);
        copy = g_memdup2(packet, size); /* whose end is seen by sanitizers */
        count = 0;
        net_offload_cut(&o, copy, size, count_segment, &count);
        g_assert_cmpuint(count, <=, size / NET_SEGMENT_MIN + 1);
        net_offload_complete(&o, copy, size);
    }
}

static void test_mac(void)
{
    static const char *const wrong[] = { "",
                                         "52:54:00:12:34",
                                         "52:54:00:12:34:5",
                                         "52:54:00:12:34:567",
                                         "52:54:00:12:34:56:",
                                         "52:54:00:12:34:5g",
                                         "525400123456",
                                         "52:54:00:12:34 56" };
    uint8_t mac[NET_MAC_SIZE];
    g_autofree char *text = NULL;

    g_assert_true(net_mac_parse("52:54:00:aB:34:ff", mac));
    text = net_mac_text(mac);
    g_assert_cmpstr(text, ==, "52:54:00:ab:34:ff");
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_assert_false(net_mac_parse(wrong[i], mac));
    }
}

/* ---- -netdev user ---- */

static void test_host_forward(void)
{
    static const char *const wrong[] = { "",
                                         "tcp",
                                         "tcp:",
                                         "tcp::22",
                                         "tcp::22-",
                                         "tcp::22-:",
                                         "tcp::22-:0",
                                         "tcp::22-:65536",
                                         "tcp::x-:22",
                                         "icmp::22-:22",
                                         "tcp:localhost:22-:22",
                                         "tcp::22:1-:22",
                                         "tcp::22-10.0.2.15" };
    HostForward forward;

    g_assert_true(
        user_config_host_forward("tcp:127.0.0.1:2222-10.0.2.15:22", true, &forward, NULL));
    g_assert_false(forward.udp);
    g_assert_cmphex(ntohl(forward.host_addr.s_addr), ==, 0x7f000001);
    g_assert_cmphex(ntohl(forward.guest_addr.s_addr), ==, 0x0a00020f);
    g_assert_cmpint(forward.host_port, ==, 2222);
    g_assert_cmpint(forward.guest_port, ==, 22);
    g_assert_true(user_config_host_forward("udp::0-:53", true, &forward, NULL));
    g_assert_true(forward.udp);
    g_assert_true(user_config_host_forward("::80-:8080", true, &forward, NULL));
    g_assert_false(forward.udp);
    for (size_t i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) err = NULL;

        g_assert_false(user_config_host_forward(wrong[i], true, &forward, &err));
        g_assert_nonnull(err);
    }
    g_assert_true(user_config_host_forward("tcp::22", false, &forward, NULL));
    g_assert_false(user_config_host_forward("tcp::22-:22", false, &forward, NULL));
}

static void test_guest_forward(void)
{
    GuestForward forward;

    g_assert_true(user_config_guest_forward("tcp:10.0.2.100:80-cmd:echo a-b", &forward, NULL));
    g_assert_cmpstr(forward.target, ==, "cmd:echo a-b");
    g_assert_cmpint(forward.port, ==, 80);
    g_assert_true(user_config_guest_forward(":10.0.2.100:80-unix:/x", &forward, NULL));
    g_assert_false(user_config_guest_forward("tcp:10.0.2.100:80-", &forward, NULL));
    g_assert_false(user_config_guest_forward("tcp:10.0.2.100:80", &forward, NULL));
    g_assert_false(user_config_guest_forward("tcp::80-cmd:x", &forward, NULL));
    g_assert_false(user_config_guest_forward("udp:10.0.2.100:80-cmd:x", &forward, NULL));
}

static bool config(NetdevUserOptions *options, SlirpConfig *out)
{
    g_autoptr(GPtrArray) domains = NULL;
    g_autoptr(GError) err = NULL;
    bool ok = user_config(options, out, &domains, &err);

    g_assert_true(ok == !err);
    return ok;
}

static void test_config(void)
{
    SlirpConfig out;

    g_assert_true(config(&(NetdevUserOptions){ 0 }, &out));
    g_assert_cmphex(ntohl(out.vnetwork.s_addr), ==, 0x0a000200);
    g_assert_cmphex(ntohl(out.vnetmask.s_addr), ==, 0xffffff00);
    g_assert_cmphex(ntohl(out.vhost.s_addr), ==, 0x0a000202);
    g_assert_cmphex(ntohl(out.vnameserver.s_addr), ==, 0x0a000203);
    g_assert_cmphex(ntohl(out.vdhcp_start.s_addr), ==, 0x0a00020f);
    g_assert_true(out.in_enabled && out.in6_enabled);
    g_assert_true(
        config(&(NetdevUserOptions){ .net = (char *)"192.168.76.0/255.255.255.0" }, &out));
    g_assert_cmphex(ntohl(out.vhost.s_addr), ==, 0xc0a84c02);
    g_assert_true(config(&(NetdevUserOptions){ .net = (char *)"10.1.2.3" }, &out));
    g_assert_cmphex(ntohl(out.vdhcp_start.s_addr), ==, 0x0a00000f);
    g_assert_true(config(&(NetdevUserOptions){ .has_ipv6 = true, .ipv6 = true }, &out));
    g_assert_true(!out.in_enabled && out.in6_enabled);
    g_assert_false(config(&(NetdevUserOptions){ .has_ipv4 = true, .has_ipv6 = true }, &out));
    g_assert_false(config(&(NetdevUserOptions){ .host = (char *)"10.0.3.2" }, &out));
    g_assert_false(config(&(NetdevUserOptions){ .host = (char *)"10.0.2.3" }, &out));
    g_assert_false(config(&(NetdevUserOptions){ .dns = (char *)"name" }, &out));
    g_assert_false(config(&(NetdevUserOptions){ .net = (char *)"10.0.2.0/31" }, &out));
    g_assert_false(config(&(NetdevUserOptions){ .ipv6_host = (char *)"fec1::2" }, &out));
    g_assert_false(
        config(&(NetdevUserOptions){ .has_ipv6_prefixlen = true, .ipv6_prefixlen = 127 }, &out));
}

/* ---- filters and the host's kernel ---- */

/* Taps, and /dev/vhost-net, whatever the descriptor is of. */
int ioctl(int fd, unsigned long request, ...)
{
    void *argument;
    va_list ap;

    va_start(ap, request);
    argument = va_arg(ap, void *);
    va_end(ap);
    if (request == TUNGETIFF) {
        *(struct ifreq *)argument = (struct ifreq){ .ifr_flags = IFF_TAP };
    }
    return 0;
}

static NetBackend *add_tap(const char *id, bool vhost)
{
    g_autofree char *fd = g_strdup_printf("%d", open("/dev/null", O_RDWR | O_CLOEXEC));
    g_autofree char *vhost_fd =
        vhost ? g_strdup_printf("%d", open("/dev/null", O_RDWR | O_CLOEXEC)) : NULL;
    NetdevTapOptions tap = { .fd = fd, .vhostfd = vhost_fd };
    g_autoptr(GError) err = NULL;
    NetBackend *netdev = netdev_add(
        &(Netdev){ .id = (char *)(uintptr_t)id, .type = NET_CLIENT_DRIVER_TAP, .u.tap = &tap },
        &err);

    g_assert_no_error(err);
    return netdev;
}

static bool add_filter(const char *text, GError **errp)
{
    struct json_object *props = keyval_parse(text, NULL, NULL);
    bool ok = user_object_add("filter-buffer", "f0", props, errp);

    json_object_put(props);
    return ok;
}

/* Whose packets the kernel moves has no filters: they would see nothing. */
static void test_filter_vhost(void)
{
    g_autoptr(GError) err = NULL;

    add_tap("n0", true);
    g_assert_false(add_filter("netdev=n0,interval=1000", &err));
    g_assert_nonnull(strstr(err->message, "vhost=on"));
    g_clear_error(&err);
    add_tap("n1", false);
    g_assert_true(add_filter("netdev=n1,interval=1000", &err));
    g_assert_true(netdev_del("n1", &err));
    g_assert_true(user_object_del("f0", &err));
    g_assert_true(netdev_del("n0", &err));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/net/order", test_order);
    g_test_add_func("/net/nesting", test_nesting);
    g_test_add_func("/net/limit", test_limit);
    g_test_add_func("/net/link", test_link);
    g_test_add_func("/net/segments", test_segments);
    g_test_add_func("/net/bad-segments", test_bad_segments);
    g_test_add_func("/net/fragments", test_fragments);
    g_test_add_func("/net/takes", test_takes);
    g_test_add_func("/net/queues", test_queues);
    g_test_add_func("/net/mac", test_mac);
    g_test_add_func("/net/user/host-forward", test_host_forward);
    g_test_add_func("/net/user/guest-forward", test_guest_forward);
    g_test_add_func("/net/user/config", test_config);
    g_test_add_func("/net/filter-vhost", test_filter_vhost);
    return g_test_run();
}
