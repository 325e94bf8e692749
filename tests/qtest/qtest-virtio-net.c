/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-net by a driver of our own; the other end of the cable is a stream socket. */
#include <arpa/inet.h>
#include <string.h>
#include <unistd.h>

#include "tests/qtest/virtio.h"
#include "tests/qtest/wire.h"

#define DEVFN 0x20u /* slot 4 */
#define PAGE  0x1000u

/* Features. */
enum {
    CSUM = 1u << 0,
    MTU = 1u << 3,
    MAC = 1u << 5,
    GSO = 1u << 6,
    HOST_TSO4 = 1u << 11,
    MRG_RXBUF = 1u << 15,
    STATUS = 1u << 16,
    CTRL_VQ = 1u << 17,
    CTRL_RX = 1u << 18,
    CTRL_VLAN = 1u << 19,
    CTRL_RX_EXTRA = 1u << 20,
    GUEST_ANNOUNCE = 1u << 21,
    CTRL_MAC_ADDR = 1u << 23,
};

typedef struct Net {
    QTest *qt;
    QVirtio v;
    QVirtQueue rx, tx, control;
    uint64_t buffer; /* 32 pages */
    unsigned header; /* bytes before each packet */
    int fd;          /* the other end */
} Net;

#define DEVICES                                                              \
    "-M %s -m 64 -netdev stream,id=n0,server=on,addr.type=unix,addr.path=%s" \
    " -device virtio-net-pci,id=net0,netdev=n0,addr=4"

static const uint8_t own_mac[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 };

/* ---- the driver ---- */

static void start(Net *n, const QVirtioWay *way, uint32_t features, const char *more)
{
    g_autofree char *path = wire_path();

    *n = (Net){ .qt = qtest_start(DEVICES "%s", way->machine, path, more) };
    n->fd = wire_connect(n->qt, path);
    unlink(path);
    qvirtio_open(&n->v, n->qt, DEVFN, way->modern);
    qvirtio_start(&n->v, features);
    qvirtio_queue(&n->v, &n->rx, 0);
    qvirtio_queue(&n->v, &n->tx, 1);
    if (features & CTRL_VQ) {
        qvirtio_queue(&n->v, &n->control, 2);
    }
    qvirtio_driver_ok(&n->v);
    n->buffer = qvirtio_alloc(&n->v, 32 * PAGE);
    n->header = way->modern || features & MRG_RXBUF ? 12 : 10;
}

static void stop(Net *n)
{
    close(n->fd);
    qtest_quit(n->qt);
}

/* Where buffer @i is. */
static uint64_t page(const Net *n, unsigned i)
{
    return n->buffer + i * PAGE;
}

/* Put @packet, with a header of zeros, into the ring that sends; its head. */
static uint16_t put(Net *n, unsigned at, const uint8_t *packet, size_t size)
{
    qtest_memset(n->qt, page(n, at), 0, n->header);
    qtest_memwrite(n->qt, page(n, at) + n->header, packet, size);
    return qvirtq_add(&n->tx, page(n, at), (uint32_t)(n->header + size), false);
}

/* The buffer @head, at @at, comes back with @packet. */
static void expect_received(Net *n, uint16_t head, unsigned at, const uint8_t *packet, size_t size)
{
    g_autofree uint8_t *got = g_malloc(size);

    g_assert_cmpuint(qvirtq_wait(&n->rx, head), ==, n->header + size);
    qtest_memread(n->qt, page(n, at) + n->header, got, size);
    g_assert_cmpmem(got, size, packet, size);
}

static uint8_t control(Net *n, uint8_t class, uint8_t command, const void *data, size_t size)
{
    uint64_t out = page(n, 30), in = page(n, 31);

    qtest_writew(n->qt, out, (uint16_t)(class | command << 8));
    qtest_memwrite(n->qt, out + 2, data, size);
    qtest_writeb(n->qt, in, 0xaa);
    uint16_t head = qvirtq_add_pair(&n->control, out, (uint32_t)(2 + size), in, 1);
    qvirtq_kick(&n->control);
    g_assert_cmpuint(qvirtq_wait(&n->control, head), ==, 1);
    return qtest_readb(n->qt, in);
}

/* ---- tests ---- */

static void test_packets(gconstpointer data)
{
    uint8_t packet[1514];
    uint16_t heads[3];
    Net n;

    start(&n, data, MAC | STATUS, "");
    wire_fill(packet, sizeof(packet), own_mac);
    for (unsigned i = 0; i < 6; i++) {
        g_assert_cmphex(qvirtio_config(&n.v, i, 1), ==, own_mac[i]);
    }
    g_assert_cmpuint(qvirtio_config(&n.v, 6, 2), ==, 1);
    /* To the host: one, and several at once. */
    heads[0] = put(&n, 0, packet, sizeof(packet));
    qvirtq_kick(&n.tx);
    g_assert_cmpuint(qvirtq_wait(&n.tx, heads[0]), ==, 0);
    wire_expect(n.fd, packet, sizeof(packet));
    for (unsigned i = 0; i < 3; i++) {
        heads[i] = put(&n, i, packet, 60 + i);
    }
    qvirtq_kick(&n.tx);
    for (unsigned i = 0; i < 3; i++) {
        g_assert_cmpuint(qvirtq_wait(&n.tx, heads[i]), ==, 0);
        wire_expect(n.fd, packet, 60 + i);
    }
    /* To the guest: into buffers that are there, and before there are some. */
    heads[0] = qvirtq_add(&n.rx, page(&n, 0), 2048, true);
    qvirtq_kick(&n.rx);
    wire_send(n.fd, packet, sizeof(packet));
    expect_received(&n, heads[0], 0, packet, sizeof(packet));
    for (unsigned i = 0; i < 3; i++) {
        wire_send(n.fd, packet, 100 + i);
    }
    for (unsigned i = 0; i < 3; i++) {
        heads[i] = qvirtq_add(&n.rx, page(&n, i), 2048, true);
        qvirtq_kick(&n.rx);
    }
    for (unsigned i = 0; i < 3; i++) {
        expect_received(&n, heads[i], i, packet, 100 + i);
    }
    stop(&n);
}

/* More than the socket takes waits in the ring, and all of it comes. */
static void test_flow(void)
{
    uint8_t packet[1514];
    uint16_t heads[256];
    Net n;

    start(&n, &qvirtio_ways[0], 0, "");
    wire_fill(packet, sizeof(packet), own_mac);
    for (unsigned i = 0; i < 32; i++) {
        packet[20] = (uint8_t)i;
        qtest_memset(n.qt, page(&n, i), 0, n.header);
        qtest_memwrite(n.qt, page(&n, i) + n.header, packet, sizeof(packet));
    }
    for (unsigned i = 0; i < 256; i++) {
        heads[i] = qvirtq_add(&n.tx, page(&n, i % 32), n.header + sizeof(packet), false);
    }
    qvirtq_kick(&n.tx);
    g_assert_cmpuint(qtest_readw(n.qt, n.tx.device + 2), <, 256);
    for (unsigned i = 0; i < 256; i++) {
        packet[20] = (uint8_t)(i % 32);
        wire_expect(n.fd, packet, sizeof(packet));
    }
    for (unsigned i = 0; i < 256; i++) {
        g_assert_cmpuint(qvirtq_wait(&n.tx, heads[i]), ==, 0);
    }
    stop(&n);
}

static void test_merge(void)
{
    uint8_t packet[3000], got[3000];
    uint16_t heads[3];
    Net n;

    start(&n, &qvirtio_ways[0], MRG_RXBUF, "");
    wire_fill(packet, sizeof(packet), own_mac);
    for (unsigned i = 0; i < 3; i++) {
        heads[i] = qvirtq_add(&n.rx, page(&n, i), 1024, true);
    }
    qvirtq_kick(&n.rx);
    wire_send(n.fd, packet, sizeof(packet));
    g_assert_cmpuint(qvirtq_wait(&n.rx, heads[0]), ==, 1024);
    g_assert_cmpuint(qvirtq_wait(&n.rx, heads[1]), ==, 1024);
    g_assert_cmpuint(qvirtq_wait(&n.rx, heads[2]), ==, 3012 - 2048);
    g_assert_cmpuint(qtest_readw(n.qt, page(&n, 0) + 10), ==, 3);
    qtest_memread(n.qt, page(&n, 0) + 12, got, 1012);
    qtest_memread(n.qt, page(&n, 1), got + 1012, 1024);
    qtest_memread(n.qt, page(&n, 2), got + 2036, 964);
    g_assert_cmpmem(got, sizeof(got), packet, sizeof(packet));
    /* Two buffers are not enough: it waits for the third. */
    for (unsigned i = 0; i < 2; i++) {
        heads[i] = qvirtq_add(&n.rx, page(&n, i), 1024, true);
    }
    qvirtq_kick(&n.rx);
    wire_send(n.fd, packet, sizeof(packet));
    wire_send(n.fd, packet, 60);
    heads[2] = qvirtq_add(&n.rx, page(&n, 2), 1024, true);
    qvirtq_kick(&n.rx);
    for (unsigned i = 0; i < 3; i++) {
        g_assert_cmpuint(qvirtq_wait(&n.rx, heads[i]), ==, i < 2 ? 1024 : 964);
    }
    heads[0] = qvirtq_add(&n.rx, page(&n, 0), 1024, true);
    qvirtq_kick(&n.rx);
    expect_received(&n, heads[0], 0, packet, 60);
    stop(&n);
}

/* Without merging, what does not fit into a buffer is lost, and the buffer is not. */
static void test_too_large(void)
{
    uint8_t packet[1000];
    uint16_t head;
    Net n;

    start(&n, &qvirtio_ways[0], 0, "");
    wire_fill(packet, sizeof(packet), own_mac);
    head = qvirtq_add(&n.rx, page(&n, 0), 512, true);
    qvirtq_kick(&n.rx);
    wire_send(n.fd, packet, sizeof(packet));
    wire_send(n.fd, packet, 200);
    expect_received(&n, head, 0, packet, 200);
    stop(&n);
}

static void test_checksum(void)
{
    uint8_t packet[64] = { 0 }, sent[64];
    uint16_t head;
    Net n;

    start(&n, &qvirtio_ways[0], CSUM, "");
    memcpy(packet, own_mac, 6);
    for (unsigned i = 34; i < 64; i++) {
        packet[i] = (uint8_t)(0xf0 + i);
    }
    packet[40] = 0x12; /* the sum of the pseudo header */
    packet[41] = 0x34;
    memcpy(sent, packet, sizeof(sent));
    uint32_t sum = 0;
    for (unsigned i = 34; i < 64; i += 2) {
        sum += (unsigned)(packet[i] << 8 | packet[i + 1]);
    }
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    sent[40] = (uint8_t)(~sum >> 8);
    sent[41] = (uint8_t)~sum;
    qtest_memset(n.qt, page(&n, 0), 0, 12);
    qtest_writeb(n.qt, page(&n, 0), 1);
    qtest_writew(n.qt, page(&n, 0) + 6, 34);
    qtest_writew(n.qt, page(&n, 0) + 8, 6);
    qtest_memwrite(n.qt, page(&n, 0) + 12, packet, sizeof(packet));
    head = qvirtq_add(&n.tx, page(&n, 0), 12 + sizeof(packet), false);
    qvirtq_kick(&n.tx);
    g_assert_cmpuint(qvirtq_wait(&n.tx, head), ==, 0);
    wire_expect(n.fd, sent, sizeof(sent));
    /* A field behind the end of the packet: it is lost. */
    qtest_writew(n.qt, page(&n, 0) + 8, 29);
    head = qvirtq_add(&n.tx, page(&n, 0), 12 + sizeof(packet), false);
    qvirtq_kick(&n.tx);
    g_assert_cmpuint(qvirtq_wait(&n.tx, head), ==, 0);
    head = put(&n, 0, packet, 61);
    qvirtq_kick(&n.tx);
    wire_expect(n.fd, packet, 61);
    stop(&n);
}

/* One TCP packet of 1300 bytes goes out as three. tests/unit/test-net.c looks into them. */
static void segments(const QVirtioWay *way, uint32_t features)
{
    static const unsigned lens[] = { 500, 500, 300 };
    uint8_t packet[54 + 1300], got[554];
    uint32_t header, done = 0;
    uint16_t head;
    Net n;

    start(&n, way, features, "");
    wire_fill(packet, sizeof(packet), own_mac);
    memcpy(packet + 12, "\x08\x00\x45", 3);
    packet[46] = 0x50; /* TCP's header is 20 bytes */
    for (unsigned sums = 0; sums < 2; sums++) {
        head = put(&n, 0, packet, sizeof(packet));
        qtest_writeb(n.qt, page(&n, 0), (uint8_t)sums); /* without sums it is refused */
        qtest_writeb(n.qt, page(&n, 0) + 1, 1);
        qtest_writew(n.qt, page(&n, 0) + 4, 500);
        qtest_writew(n.qt, page(&n, 0) + 6, 34);
        qtest_writew(n.qt, page(&n, 0) + 8, 16);
        qvirtq_kick(&n.tx);
        g_assert_cmpuint(qvirtq_wait(&n.tx, head), ==, 0);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(lens); i++) {
        wire_read(n.fd, &header, 4);
        g_assert_cmpuint(ntohl(header), ==, 54 + lens[i]);
        wire_read(n.fd, got, 54 + lens[i]);
        g_assert_cmpmem(got + 54, lens[i], packet + 54 + done, lens[i]);
        done += lens[i];
    }
    stop(&n);
}

static void test_segments(void)
{
    segments(&qvirtio_ways[0], CSUM | HOST_TSO4);
}

/* Does a packet to @to come into buffer @head? One to us tells when it would have. */
static void expect_filter(Net *n, const uint8_t *to, bool comes)
{
    uint8_t packet[80], mark[60];
    uint16_t head = qvirtq_add(&n->rx, page(n, 0), 1024, true);

    wire_fill(packet, sizeof(packet), to);
    wire_fill(mark, sizeof(mark), own_mac);
    qvirtq_kick(&n->rx);
    wire_send(n->fd, packet, sizeof(packet));
    wire_send(n->fd, mark, sizeof(mark));
    if (comes) {
        expect_received(n, head, 0, packet, sizeof(packet));
        head = qvirtq_add(&n->rx, page(n, 0), 1024, true);
        qvirtq_kick(&n->rx);
    }
    expect_received(n, head, 0, mark, sizeof(mark));
}

static void test_filter(void)
{
    const uint8_t other[6] = { 2, 0, 0, 0, 0, 1 }, third[6] = { 2, 0, 0, 0, 0, 2 };
    const uint8_t group[6] = { 3, 0, 0, 0, 0, 1 }, all[6] = { 255, 255, 255, 255, 255, 255 };
    uint8_t table[20] = { 1, 0, 0, 0, 2, 0, 0, 0, 0, 1, 1, 0, 0, 0, 3, 0, 0, 0, 0, 1 };
    const uint8_t on = 1, off = 0;
    Net n;

    start(&n, &qvirtio_ways[0], CTRL_VQ | CTRL_RX | CTRL_RX_EXTRA | CTRL_MAC_ADDR, "");
    expect_filter(&n, other, true); /* all, after a reset */
    g_assert_cmpuint(control(&n, 0, 0, &off, 1), ==, 0);
    expect_filter(&n, other, false);
    expect_filter(&n, group, false);
    expect_filter(&n, all, true);
    g_assert_cmpuint(control(&n, 1, 0, table, sizeof(table)), ==, 0);
    expect_filter(&n, other, true);
    expect_filter(&n, third, false);
    expect_filter(&n, group, true);
    {
        g_autoptr(json_object) reply = qtest_qmp(n.qt, "query-rx-filter", "{'name': 'net0'}");
        struct json_object *info = json_object_array_get_idx(reply, 0);

        g_assert_cmpstr(qtest_get_str(info, "name"), ==, "net0");
        g_assert_cmpstr(qtest_get_str(info, "main-mac"), ==, "52:54:00:12:34:56");
        g_assert_cmpstr(qtest_get_str(info, "unicast"), ==, "normal");
        g_assert_false(qtest_get_bool(info, "promiscuous"));
    }
    g_assert_cmpuint(control(&n, 0, 2, &on, 1), ==, 0); /* all to one card */
    expect_filter(&n, third, true);
    g_assert_cmpuint(control(&n, 0, 5, &on, 1), ==, 0); /* none to all */
    expect_filter(&n, all, false);
    g_assert_cmpuint(control(&n, 0, 3, &on, 1), ==, 0); /* none to groups */
    expect_filter(&n, group, false);
    /* What makes no sense is refused, and changes nothing. */
    g_assert_cmpuint(control(&n, 0, 6, &on, 1), ==, 1);
    g_assert_cmpuint(control(&n, 0, 0, &on, 0), ==, 1);
    g_assert_cmpuint(control(&n, 9, 0, &on, 1), ==, 1);
    g_assert_cmpuint(control(&n, 2, 0, &on, 1), ==, 1);
    g_assert_cmpuint(control(&n, 1, 0, table, 19), ==, 1);
    table[0] = 255;
    g_assert_cmpuint(control(&n, 1, 0, table, sizeof(table)), ==, 1);
    table[3] = 255;
    g_assert_cmpuint(control(&n, 1, 0, table, sizeof(table)), ==, 1);
    g_assert_cmpuint(control(&n, 1, 1, other, 5), ==, 1);
    g_assert_cmpuint(control(&n, 1, 1, table, 7), ==, 1); /* more than there is */
    g_assert_cmpuint(control(&n, 0, 0, table, 2), ==, 1);
    g_assert_cmpuint(control(&n, 4, 0, table, 2), ==, 1); /* one pair of queues */
    g_assert_cmpuint(control(&n, 3, 0, NULL, 0), ==, 1);
    g_assert_cmpuint(control(&n, 0, 2, &off, 1), ==, 0);
    expect_filter(&n, other, true);
    expect_filter(&n, third, false);
    g_assert_cmpuint(control(&n, 1, 1, third, 6), ==, 0);
    g_assert_cmpuint(qvirtio_config(&n.v, 5, 1), ==, 2);
    stop(&n);
}

/* One event, and no other until somebody has looked. */
static void test_filter_events(void)
{
    const uint8_t on = 1, off = 0;
    Net n;

    start(&n, &qvirtio_ways[0], CTRL_VQ | CTRL_RX, "");
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 3; i++) {
            g_assert_cmpuint(control(&n, 0, 0, i & 1 ? &on : &off, 1), ==, 0);
        }
        g_assert_cmpuint(control(&n, 0, 6, &on, 1), ==, 1); /* refused: no change */
        g_autoptr(json_object) event =
            qtest_event_with(n.qt, "NIC_RX_FILTER_CHANGED", "name", "net0");
        g_assert_cmpstr(qtest_get_str(json_object_object_get(event, "data"), "path"), ==,
                        "/machine/peripheral/net0");
        json_object_put(qtest_qmp(n.qt, "query-rx-filter", "{}"));
        g_assert_cmpuint(qtest_event_count(n.qt, "NIC_RX_FILTER_CHANGED"), ==, 0);
    }
    stop(&n);
}

static void expect_rarp(const Net *n, const uint8_t *mac)
{
    uint8_t packet[60] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, [12] = 0x80, 0x35,
                           0,    1,    8,    0,    6,    4,    0,           3 };

    memcpy(packet + 6, mac, 6);
    memcpy(packet + 22, mac, 6);
    memcpy(packet + 32, mac, 6);
    wire_expect(n->fd, packet, sizeof(packet));
}

/* Rounds at their times, by a packet and by the driver, until there were enough. */
static void test_announce(void)
{
    static const int64_t waits_ms[] = { 0, 50, 150, 200 };
    uint8_t packet[60];
    uint16_t head;
    Net n;

    start(&n, &qvirtio_ways[0], STATUS | CTRL_VQ | GUEST_ANNOUNCE, "");
    qvirtio_isr(&n.v);
    for (unsigned i = 0; i < G_N_ELEMENTS(waits_ms); i++) {
        if (i == 0) {
            qtest_qmp_ok(n.qt, "announce-self",
                         "{'initial': 50, 'max': 200, 'rounds': 4, 'step': 100,"
                         " 'interfaces': ['net0'], 'id': 'mine'}");
        } else {
            qtest_clock_step(n.qt, waits_ms[i] * 1000000 - 1);
            g_assert_cmpuint(qvirtio_config(&n.v, 6, 2), ==, 1);
            qtest_clock_step(n.qt, 1);
        }
        expect_rarp(&n, own_mac);
        g_assert_cmpuint(qvirtio_config(&n.v, 6, 2), ==, 3);
        g_assert_cmpuint(qvirtio_isr(&n.v) & 2, ==, 2);
        g_assert_cmpuint(control(&n, 3, 0, NULL, 0), ==, 0);
        g_assert_cmpuint(qvirtio_config(&n.v, 6, 2), ==, 1);
    }
    g_assert_cmpuint(control(&n, 3, 1, NULL, 0), ==, 1);
    /* Of two by one name, the later one goes on. */
    for (unsigned i = 0; i < 2; i++) {
        qtest_qmp_ok(n.qt, "announce-self",
                     "{'initial': 50, 'max': 50, 'rounds': 2, 'step': 0, 'id': 'mine'}");
        expect_rarp(&n, own_mac);
    }
    qtest_clock_step(n.qt, INT64_C(1000000000));
    expect_rarp(&n, own_mac);
    qtest_clock_step(n.qt, INT64_C(1000000000));
    wire_fill(packet, sizeof(packet), own_mac);
    head = put(&n, 0, packet, 60);
    qvirtq_kick(&n.tx);
    g_assert_cmpuint(qvirtq_wait(&n.tx, head), ==, 0);
    wire_expect(n.fd, packet, 60);
    stop(&n);
}

static void test_vlan(void)
{
    uint8_t packet[80], mark[60];
    const uint8_t off = 0, five[2] = { 5, 0 }, beyond[2] = { 0, 16 };
    uint16_t head;
    Net n;

    start(&n, &qvirtio_ways[0], CTRL_VQ | CTRL_RX | CTRL_VLAN, "");
    g_assert_cmpuint(control(&n, 0, 0, &off, 1), ==, 0);
    wire_fill(packet, sizeof(packet), own_mac);
    wire_fill(mark, sizeof(mark), own_mac);
    memcpy(packet + 12, "\x81\x00\x20\x05", 4);
    head = qvirtq_add(&n.rx, page(&n, 0), 1024, true);
    qvirtq_kick(&n.rx);
    wire_send(n.fd, packet, sizeof(packet));
    wire_send(n.fd, mark, sizeof(mark));
    expect_received(&n, head, 0, mark, sizeof(mark));
    g_assert_cmpuint(control(&n, 2, 0, beyond, 2), ==, 1);
    g_assert_cmpuint(control(&n, 2, 0, five, 2), ==, 0);
    head = qvirtq_add(&n.rx, page(&n, 0), 1024, true);
    qvirtq_kick(&n.rx);
    wire_send(n.fd, packet, sizeof(packet));
    expect_received(&n, head, 0, packet, sizeof(packet));
    g_assert_cmpuint(control(&n, 2, 1, five, 2), ==, 0);
    head = qvirtq_add(&n.rx, page(&n, 0), 1024, true);
    qvirtq_kick(&n.rx);
    wire_send(n.fd, packet, sizeof(packet));
    wire_send(n.fd, mark, sizeof(mark));
    expect_received(&n, head, 0, mark, sizeof(mark));
    stop(&n);
}

static void test_link(void)
{
    uint8_t packet[60];
    uint16_t head;
    Net n;

    start(&n, &qvirtio_ways[0], STATUS, ",host_mtu=9000");
    g_assert_cmpuint(qvirtio_config(&n.v, 10, 2), ==, 9000);
    wire_fill(packet, sizeof(packet), own_mac);
    qvirtio_isr(&n.v);
    qtest_qmp_ok(n.qt, "set_link", "{'name': 'net0', 'up': false}");
    g_assert_cmpuint(qvirtio_config(&n.v, 6, 2), ==, 0);
    g_assert_cmpuint(qvirtio_isr(&n.v) & 2, ==, 2);
    head = put(&n, 0, packet, 60); /* lost */
    qvirtq_kick(&n.tx);
    g_assert_cmpuint(qvirtq_wait(&n.tx, head), ==, 0);
    qtest_qmp_ok(n.qt, "set_link", "{'name': 'n0', 'up': false}");
    qtest_qmp_ok(n.qt, "set_link", "{'name': 'net0', 'up': true}");
    g_assert_cmpuint(qvirtio_config(&n.v, 6, 2), ==, 0);
    qtest_qmp_ok(n.qt, "set_link", "{'name': 'n0', 'up': true}");
    g_assert_cmpuint(qvirtio_config(&n.v, 6, 2), ==, 1);
    g_assert_cmpuint(qvirtio_isr(&n.v) & 2, ==, 2);
    packet[20] = 1;
    head = put(&n, 0, packet, 60);
    qvirtq_kick(&n.tx);
    g_assert_cmpuint(qvirtq_wait(&n.tx, head), ==, 0);
    wire_expect(n.fd, packet, 60);
    /* The netdev goes: no link, and what is sent goes nowhere. */
    qtest_qmp_ok(n.qt, "netdev_del", "{'id': 'n0'}");
    g_assert_cmpuint(qvirtio_config(&n.v, 6, 2), ==, 0);
    head = put(&n, 0, packet, 60);
    qvirtq_kick(&n.tx);
    g_assert_cmpuint(qvirtq_wait(&n.tx, head), ==, 0);
    stop(&n);
}

/* What the driver is told of the line, if a user has said it. */
static void test_speed(void)
{
    const uint64_t bit = UINT64_C(1) << 63;
    Net n;

    start(&n, &qvirtio_ways[0], 0, "");
    g_assert_cmphex(qvirtio_offered(&n.v) & bit, ==, 0);
    stop(&n);
    start(&n, &qvirtio_ways[0], 0, ",speed=25000,duplex=full");
    g_assert_cmphex(qvirtio_offered(&n.v) & bit, ==, bit);
    g_assert_cmpuint(qvirtio_config(&n.v, 12, 4), ==, 25000);
    g_assert_cmpuint(qvirtio_config(&n.v, 16, 1), ==, 1);
    stop(&n);
    start(&n, &qvirtio_ways[0], 0, ",duplex=half");
    g_assert_cmphex(qvirtio_config(&n.v, 12, 4), ==, UINT32_MAX);
    g_assert_cmpuint(qvirtio_config(&n.v, 16, 1), ==, 0);
    stop(&n);
}

/* A driver without FEATURES_OK that accepts what is not offered does not get it: its headers have
 * 10 bytes. */
static void test_not_offered(void)
{
    uint8_t packet[60];
    uint16_t head;
    Net n;

    start(&n, &qvirtio_ways[1], MRG_RXBUF, ",mrg_rxbuf=off");
    g_assert_false(qvirtio_ways[1].modern);
    n.header = 10;
    wire_fill(packet, sizeof(packet), own_mac);
    head = put(&n, 0, packet, sizeof(packet));
    qvirtq_kick(&n.tx);
    g_assert_cmpuint(qvirtq_wait(&n.tx, head), ==, 0);
    wire_expect(n.fd, packet, sizeof(packet));
    stop(&n);
}

/* tx=timer: what is put into the ring meanwhile goes at the timer's time. */
static void test_timer(void)
{
    uint8_t packet[61];
    Net n;

    start(&n, &qvirtio_ways[0], 0, ",tx=timer,x-txtimer=1000,x-txburst=2");
    wire_fill(packet, sizeof(packet), own_mac);
    for (unsigned i = 0; i < 5; i++) {
        put(&n, i, packet, 60 + i % 2);
        qvirtq_kick(&n.tx);
    }
    qtest_clock_step(n.qt, 999);
    g_assert_false(qvirtq_has_used(&n.tx));
    for (unsigned i = 0; i < 5; i++) {
        if (i % 2 == 0) { /* two in one turn; the next one is a timer later */
            qtest_clock_step(n.qt, i ? 1000 : 1);
        }
        wire_expect(n.fd, packet, 60 + i % 2);
    }
    stop(&n);
}

/* The bit that is for legacy drivers alone stands for segments of all kinds. */
static void test_gso(void)
{
    Net n;

    start(&n, &qvirtio_ways[0], 0, "");
    g_assert_cmphex(qvirtio_offered(&n.v) & GSO, ==, 0);
    stop(&n);
    start(&n, &qvirtio_ways[1], 0, ",host_ecn=off");
    g_assert_cmphex(qvirtio_offered(&n.v) & GSO, ==, 0);
    stop(&n);
    start(&n, &qvirtio_ways[1], 0, "");
    g_assert_cmphex(qvirtio_offered(&n.v) & GSO, ==, GSO);
    stop(&n);
    segments(&qvirtio_ways[1], CSUM | GSO);
}

/* The peer goes, and another one comes; and one that makes no sense. */
static void test_peers(void)
{
    g_autofree char *path = wire_path();
    uint8_t packet[60];
    uint16_t head;
    Net n;

    wire_fill(packet, sizeof(packet), own_mac);
    n = (Net){ .qt = qtest_start("-M pc -m 64 -netdev stream,id=n0,server=on,addr.type=unix,"
                                 "addr.path=%s -device virtio-net-pci,netdev=n0,addr=4",
                                 path) };
    qvirtio_open(&n.v, n.qt, DEVFN, true);
    qvirtio_start(&n.v, 0);
    qvirtio_queue(&n.v, &n.rx, 0);
    qvirtio_queue(&n.v, &n.tx, 1);
    qvirtio_driver_ok(&n.v);
    n.buffer = qvirtio_alloc(&n.v, 32 * PAGE);
    n.header = 12;
    for (unsigned round = 0; round < 3; round++) {
        n.fd = wire_connect(n.qt, path);
        head = put(&n, 0, packet, 60);
        qvirtq_kick(&n.tx);
        g_assert_cmpuint(qvirtq_wait(&n.tx, head), ==, 0);
        wire_expect(n.fd, packet, 60);
        if (round) {
            g_assert_cmpint(write(n.fd, round == 1 ? "\0\0\0" : "\377\0\0", 4), ==, 4);
        } else {
            close(n.fd);
        }
        json_object_put(qtest_event_with(n.qt, "NETDEV_STREAM_DISCONNECTED", "netdev-id", "n0"));
        if (round) {
            close(n.fd);
        }
    }
    unlink(path);
    qtest_quit(n.qt);
}

static void expect_broken(Net *n)
{
    for (unsigned i = 0; i < 100000 && !(qvirtio_status(&n->v) & QVIRTIO_NEEDS_RESET); i++) {
    }
    g_assert_cmphex(qvirtio_status(&n->v) & QVIRTIO_NEEDS_RESET, !=, 0);
}

static void test_broken(void)
{
    uint8_t packet[60];
    Net n;

    /* No room for a header, to receive and to send. */
    wire_fill(packet, sizeof(packet), own_mac);
    start(&n, &qvirtio_ways[0], 0, "");
    qvirtq_add(&n.tx, page(&n, 0), 11, false);
    qvirtq_kick(&n.tx);
    expect_broken(&n);
    /* A command without room for the answer. */
    qvirtio_start(&n.v, CTRL_VQ);
    qvirtio_queue(&n.v, &n.control, 2);
    qvirtio_driver_ok(&n.v);
    qvirtq_add(&n.control, page(&n, 0), 3, false);
    qvirtq_kick(&n.control);
    expect_broken(&n);
    qvirtio_start(&n.v, MRG_RXBUF);
    qvirtio_queue(&n.v, &n.rx, 0);
    qvirtio_queue(&n.v, &n.tx, 1);
    qvirtio_driver_ok(&n.v);
    for (unsigned i = 0; i < 4; i++) {
        qvirtq_add(&n.rx, page(&n, i), 11, true);
    }
    qvirtq_kick(&n.rx);
    wire_send(n.fd, packet, 60);
    expect_broken(&n);
    /* Segments, and far too much, are dropped. */
    qvirtio_start(&n.v, 0);
    qvirtio_queue(&n.v, &n.rx, 0);
    qvirtio_queue(&n.v, &n.tx, 1);
    qvirtio_driver_ok(&n.v);
    qtest_memset(n.qt, page(&n, 0), 0, 12);
    qtest_writeb(n.qt, page(&n, 0) + 1, 1);
    uint16_t segment = qvirtq_add(&n.tx, page(&n, 0), 100, false);
    qtest_memset(n.qt, page(&n, 1), 0, 12);
    uint16_t large = qvirtq_add(&n.tx, page(&n, 1), 100000, false);
    uint16_t empty = qvirtq_add(&n.tx, page(&n, 1), 12, false);
    uint16_t good = put(&n, 2, packet, 60);
    qvirtq_kick(&n.tx);
    g_assert_cmpuint(qvirtq_wait(&n.tx, segment), ==, 0);
    g_assert_cmpuint(qvirtq_wait(&n.tx, large), ==, 0);
    g_assert_cmpuint(qvirtq_wait(&n.tx, empty), ==, 0);
    g_assert_cmpuint(qvirtq_wait(&n.tx, good), ==, 0);
    wire_expect(n.fd, packet, 60);
    stop(&n);
}

/* What the driver has set, and the buffers in its rings, come along. */
static void test_saved(gconstpointer data)
{
    const QVirtioWay *way = data;
    const uint8_t other[6] = { 2, 0, 0, 0, 0, 1 }, third[6] = { 2, 0, 0, 0, 0, 2 }, off = 0;
    const uint8_t table[14] = { 1, 0, 0, 0, 2, 0, 0, 0, 0, 1 };
    g_autofree char *file = NULL, *uri = NULL, *path = wire_path();
    uint8_t packet[60];
    uint16_t head;
    Net n;

    start(&n, way, CTRL_VQ | CTRL_RX | CTRL_MAC_ADDR, "");
    file = qtest_temp_path(n.qt, "machine");
    uri = g_strdup_printf("file:%s", file);
    g_assert_cmpuint(control(&n, 0, 0, &off, 1), ==, 0);
    g_assert_cmpuint(control(&n, 1, 0, table, sizeof(table)), ==, 0);
    g_assert_cmpuint(control(&n, 1, 1, third, 6), ==, 0);
    head = qvirtq_add(&n.rx, page(&n, 0), 1024, true);
    qvirtq_kick(&n.rx);
    qtest_save(n.qt, file);
    close(n.fd);
    QTest *to = qtest_start(DEVICES " -incoming %s", way->machine, path, uri);
    qtest_wait_running(to);
    qtest_quit(n.qt);
    n.qt = n.v.qt = to;
    n.fd = wire_connect(to, path);
    unlink(path);
    /* It says by itself where it is, as soon as time goes on, and again. */
    qtest_clock_step(to, INT64_C(50000000));
    expect_rarp(&n, third);
    expect_rarp(&n, third);
    wire_fill(packet, sizeof(packet), own_mac); /* which it has not any more */
    wire_send(n.fd, packet, sizeof(packet));
    wire_fill(packet, sizeof(packet), other);
    wire_send(n.fd, packet, sizeof(packet));
    expect_received(&n, head, 0, packet, sizeof(packet));
    g_assert_cmpuint(qvirtio_config(&n.v, 5, 1), ==, 2);
    head = put(&n, 0, packet, 60);
    qvirtq_kick(&n.tx);
    g_assert_cmpuint(qvirtq_wait(&n.tx, head), ==, 0);
    wire_expect(n.fd, packet, 60);
    stop(&n);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(qvirtio_ways); i++) {
        g_autofree char *name = g_strconcat("/virtio-net/packets/", qvirtio_ways[i].name, NULL);

        g_autofree char *saved = g_strconcat("/virtio-net/saved/", qvirtio_ways[i].name, NULL);

        g_test_add_data_func(name, &qvirtio_ways[i], test_packets);
        g_test_add_data_func(saved, &qvirtio_ways[i], test_saved);
    }
    g_test_add_func("/virtio-net/flow", test_flow);
    g_test_add_func("/virtio-net/merge", test_merge);
    g_test_add_func("/virtio-net/too-large", test_too_large);
    g_test_add_func("/virtio-net/checksum", test_checksum);
    g_test_add_func("/virtio-net/segments", test_segments);
    g_test_add_func("/virtio-net/filter", test_filter);
    g_test_add_func("/virtio-net/filter-events", test_filter_events);
    g_test_add_func("/virtio-net/announce", test_announce);
    g_test_add_func("/virtio-net/vlan", test_vlan);
    g_test_add_func("/virtio-net/link", test_link);
    g_test_add_func("/virtio-net/speed", test_speed);
    g_test_add_func("/virtio-net/not-offered", test_not_offered);
    g_test_add_func("/virtio-net/timer", test_timer);
    g_test_add_func("/virtio-net/gso", test_gso);
    g_test_add_func("/virtio-net/peers", test_peers);
    g_test_add_func("/virtio-net/broken", test_broken);
    return g_test_run();
}
