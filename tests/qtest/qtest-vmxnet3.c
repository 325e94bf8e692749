/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vmxnet3 by a driver of our own; the other end of the cable is a socket. */
#include <string.h>
#include <unistd.h>

#include "tests/qtest/virtio.h"
#include "tests/qtest/wire.h"

#define DEVFN  0x20u /* slot 4 */
#define FAST   0xe0000000u
#define SLOW   0xe0001000u
#define SHARED 0x200000u
#define QUEUES 0x201000u /* two that send, two that receive */
#define GROUPS 0x202000u
#define RSS    0x203000u
#define TX     0x210000u /* rings of 32, 0x1000 apart */
#define DONE   0x220000u /* the same; those that send first */
#define RX     0x230000u /* for heads, and 0x8000 further for bodies */
#define DATA   0x300000u

enum { COMMAND = 0x20, MAC_LOW = 0x28, MAC_HIGH = 0x30, CAUSE = 0x38, EVENTS = 0x40 };
enum { FAST_TX = 0x600, FAST_RX = 0x800 };
enum {
    ACTIVATE = 0xcafe0000,
    QUIESCE,
    RESET,
    MODE,
    MAC_FILTER,
    VLAN_FILTER,
    FEATURES = 0xcafe0009
};
enum { GET_STATS = 0xf00d0001, GET_LINK, GET_PERM_LOW, GET_PERM_HIGH };
enum { OWN = 1 << 14, END = 1 << 12, REPORT = 1 << 13, TAG = 1 << 15, SIZE = 32 };

static const uint8_t own_mac[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 };

typedef struct Net {
    QTest *qt;
    int fd;      /* the other end */
    unsigned tx; /* descriptors that were used */
} Net;

static uint32_t command(const Net *n, uint32_t value)
{
    qtest_writel(n->qt, SLOW + COMMAND, value);
    return qtest_readl(n->qt, SLOW + COMMAND);
}

static bool interrupted(const Net *n)
{
    return qpci_read(n->qt, DEVFN, 6, 2) & 8;
}

static void put_queues(const Net *n)
{
    for (unsigned i = 0; i < 2; i++) {
        uint64_t tx = QUEUES + 256 * i, rx = QUEUES + 512 + 256 * i;

        qtest_writeq(n->qt, tx + 16, TX + 0x1000 * i);
        qtest_writeq(n->qt, tx + 32, DONE + 0x1000 * i);
        qtest_writel(n->qt, tx + 56, SIZE);
        qtest_writel(n->qt, tx + 64, SIZE);
        qtest_writeq(n->qt, rx + 16, RX + 0x1000 * i);
        qtest_writeq(n->qt, rx + 24, RX + 0x8000 + 0x1000 * i);
        qtest_writeq(n->qt, rx + 32, DONE + 0x2000 + 0x1000 * i);
        qtest_writel(n->qt, rx + 56, SIZE);
        qtest_writel(n->qt, rx + 60, SIZE);
        qtest_writel(n->qt, rx + 64, 2 * SIZE);
        qtest_writeb(n->qt, rx + 72, (uint8_t)(1 + i));
    }
}

/* All that is shared, and buffers of 2 KiB for heads and for bodies. */
static void put_shared(const Net *n, unsigned queues, uint64_t features)
{
    qtest_writel(n->qt, SHARED, 0xbabefee1);
    qtest_writeq(n->qt, SHARED + 8 + 16, features);
    qtest_writeq(n->qt, SHARED + 8 + 32, QUEUES + (queues == 1 ? 256 : 0));
    qtest_writel(n->qt, SHARED + 8 + 48, 1500);
    qtest_writeb(n->qt, SHARED + 8 + 54, (uint8_t)queues);
    qtest_writeb(n->qt, SHARED + 8 + 55, (uint8_t)queues);
    qtest_writeb(n->qt, SHARED + 8 + 72, 1); /* masks set themselves */
    qtest_writel(n->qt, SHARED + 8 + 112, 7);
    qtest_writew(n->qt, SHARED + 8 + 116, 6);
    qtest_writeq(n->qt, SHARED + 8 + 120, GROUPS);
    qtest_writel(n->qt, SHARED + 8 + 128, 1 | 1 << 5);
    qtest_writel(n->qt, SHARED + 8 + 644, 176);
    qtest_writeq(n->qt, SHARED + 8 + 648, RSS);
    qtest_memwrite(n->qt, GROUPS, (const uint8_t[]){ 1, 0, 0x5e, 0, 0, 1 }, 6);
    put_queues(n);
    for (unsigned i = 0; i < SIZE; i++) {
        for (unsigned q = 0; q < 2; q++) {
            uint64_t head = RX + 0x1000 * q + 16 * i;

            qtest_writeq(n->qt, head, DATA + 0x10000 + 0x20000 * q + 0x800 * i);
            qtest_writel(n->qt, head + 8, 0x80000000u | 1024);
            qtest_writeq(n->qt, head + 0x8000, DATA + 0x50000 + 0x20000 * q + 0x800 * i);
            qtest_writel(n->qt, head + 0x8008, 0x80000000u | OWN | 1024);
        }
    }
}

static void start_queues(Net *n, unsigned queues, uint64_t features)
{
    g_autofree char *path = wire_path();

    *n = (Net){ 0 };
    n->qt = qtest_start("-m 64 -netdev stream,id=n0,server=on,addr.type=unix,addr.path=%s -device "
                        "vmxnet3,id=card,netdev=n0,addr=4,romfile=",
                        path);
    n->fd = wire_connect(n->qt, path);
    qpci_write(n->qt, DEVFN, 0x10, 4, FAST);
    qpci_write(n->qt, DEVFN, 0x14, 4, SLOW);
    qpci_write(n->qt, DEVFN, 4, 2, 7);
    put_shared(n, queues, features);
    qtest_writel(n->qt, SLOW + 0x10, SHARED);
    qtest_writel(n->qt, SLOW + 0x18, 0);
    g_assert_cmphex(command(n, ACTIVATE), ==, 0);
    for (unsigned i = 0; i < 3; i++) {
        qtest_writel(n->qt, FAST + 8 * i, 0);
    }
}

static void start(Net *n)
{
    start_queues(n, 1, 5);
}

static void stop(Net *n)
{
    close(n->fd);
    qtest_quit(n->qt);
}

/* Wait for an interrupt, take it, and let there be others. */
static void wait_for(const Net *n)
{
    gint64 end = g_get_monotonic_time() + QTEST_TIMEOUT_MS * 1000LL;

    while (!interrupted(n)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
    g_assert_cmphex(qtest_readl(n->qt, SLOW + CAUSE), ==, 1);
    g_assert_false(interrupted(n));
    for (unsigned i = 0; i < 3; i++) {
        qtest_writel(n->qt, FAST + 8 * i, 0);
    }
}

/* Of the queue that a card with one has; its place in the ring. */
static unsigned put_tx(Net *n, uint64_t addr, uint32_t what, uint32_t how)
{
    unsigned at = n->tx++;
    uint64_t place = TX + 0x1000 + 16 * (at % SIZE);

    qtest_writeq(n->qt, place, addr);
    qtest_writel(n->qt, place + 12, how);
    qtest_writel(n->qt, place + 8, what | (at / SIZE % 2 ? 0 : OWN));
    return at % SIZE;
}

static void kick(const Net *n)
{
    qtest_writel(n->qt, FAST + FAST_TX, 0);
}

/* ---- tests ---- */

static void test_registers(void)
{
    Net n;

    start(&n);
    g_assert_cmphex(qpci_read(n.qt, DEVFN, 0, 4), ==, 0x07b015ad);
    g_assert_cmphex(qtest_readl(n.qt, SLOW), ==, 1);
    g_assert_cmphex(qtest_readl(n.qt, SLOW + 8), ==, 1);
    g_assert_cmphex(command(&n, GET_PERM_LOW), ==, 0x12005452);
    g_assert_cmphex(command(&n, GET_PERM_HIGH), ==, 0x5634);
    g_assert_cmphex(command(&n, GET_LINK), ==, 10000u << 16 | 1);
    qtest_writel(n.qt, SLOW + MAC_LOW, 0x04030202);
    qtest_writel(n.qt, SLOW + MAC_HIGH, 0x0605);
    g_assert_cmphex(qtest_readl(n.qt, SLOW + MAC_LOW), ==, 0x04030202);
    qtest_qmp_ok(n.qt, "set_link", "{'name': 'card', 'up': false}");
    wait_for(&n);
    g_assert_cmphex(qtest_readl(n.qt, SHARED + 696), ==, 4);
    g_assert_cmphex(command(&n, GET_LINK), ==, 0);
    qtest_writel(n.qt, SLOW + EVENTS, 4);
    g_assert_cmphex(qtest_readl(n.qt, SHARED + 696), ==, 0);
    /* What happens while the machine stands is told when it goes on. */
    qtest_qmp_ok(n.qt, "stop", "{}");
    qtest_qmp_ok(n.qt, "set_link", "{'name': 'card', 'up': true}");
    g_assert_cmphex(qtest_readl(n.qt, SHARED + 696), ==, 0);
    qtest_qmp_ok(n.qt, "cont", "{}");
    wait_for(&n);
    g_assert_cmphex(qtest_readl(n.qt, SHARED + 696), ==, 4);
    qtest_qmp_ok(n.qt, "set_link", "{'name': 'card', 'up': false}");
    wait_for(&n);
    g_assert_cmphex(command(&n, QUIESCE), ==, 0);
    qtest_qmp_ok(n.qt, "set_link", "{'name': 'card', 'up': true}");
    g_assert_false(interrupted(&n));
    /* What makes no sense is not begun. */
    qtest_writeb(n.qt, SHARED + 8 + 54, 9);
    g_assert_cmphex(command(&n, ACTIVATE), ==, 1);
    qtest_writeb(n.qt, SHARED + 8 + 54, 1);
    qtest_writel(n.qt, QUEUES + 256 + 56, 4097);
    g_assert_cmphex(command(&n, ACTIVATE), ==, 1);
    qtest_writel(n.qt, QUEUES + 256 + 56, SIZE);
    qtest_writeb(n.qt, QUEUES + 512 + 72, 25);
    g_assert_cmphex(command(&n, ACTIVATE), ==, 1);
    qtest_writeb(n.qt, QUEUES + 512 + 72, 0);
    qtest_writel(n.qt, SLOW + 0x10, FAST);
    g_assert_cmphex(command(&n, ACTIVATE), ==, 1);
    stop(&n);
}

static void test_sending(void)
{
    uint8_t packet[200], tagged[204];
    Net n;

    start(&n);
    wire_fill(packet, sizeof(packet), own_mac);
    qtest_memwrite(n.qt, DATA, packet, sizeof(packet));
    memcpy(tagged, packet, 12);
    memcpy(tagged + 12, (const uint8_t[]){ 0x81, 0, 0x20, 5 }, 4);
    memcpy(tagged + 16, packet + 12, 188);
    for (unsigned i = 0; i < 2 * SIZE; i++) { /* two rounds, in pieces; every other with a tag */
        put_tx(&n, DATA, 100, 0);
        kick(&n); /* its end is not there */
        unsigned last =
            put_tx(&n, DATA + 100, 100, END | REPORT | (i % 2 ? TAG | 0x2005u << 16 : 0));

        kick(&n);
        wire_expect(n.fd, i % 2 ? tagged : packet, i % 2 ? sizeof(tagged) : sizeof(packet));
        wait_for(&n);
        uint64_t done = DONE + 0x1000 + 16 * (i % SIZE);
        g_assert_cmphex(qtest_readl(n.qt, done), ==, last);
        g_assert_cmphex(qtest_readl(n.qt, done + 12), ==, i / SIZE % 2 ? 0 : 0x80000000u);
    }
    g_assert_cmphex(command(&n, GET_STATS), ==, 0);
    g_assert_cmpuint(qtest_readq(n.qt, QUEUES + 256 + 88 + 16), ==, 2 * SIZE);
    stop(&n);
}

static unsigned sum_of(const uint8_t *at, unsigned size, unsigned sum)
{
    for (unsigned i = 0; i < size; i++) {
        sum += i % 2 ? at[i] : (unsigned)at[i] << 8;
    }
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

/* A sum that the card makes; a packet of TCP, which it cuts in three. */
static void test_segments(void)
{
    static const uint8_t header[40] = { 0x45, 0, 0, 0, 0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1,   10,
                                        0,    0, 2, 0, 7, 0, 9, 0, 0,  0, 5, 0, 0,  0, 0, 0x50 };
    uint8_t packet[54 + 250] = { 0 }, sent[200], size[4];
    Net n;

    start(&n);
    wire_fill(packet, sizeof(packet), own_mac);
    packet[12] = 8;
    packet[13] = 0;
    memcpy(packet + 14, header, sizeof(header));
    qtest_memwrite(n.qt, DATA, packet, sizeof(packet));
    put_tx(&n, DATA, sizeof(packet) | 100u << 18, 54 | 3 << 10 | END | REPORT);
    kick(&n);
    for (unsigned i = 0; i < 3; i++) {
        unsigned payload = i < 2 ? 100 : 50;

        wire_read(n.fd, size, 4);
        g_assert_cmpuint(size[3], ==, 54 + payload);
        wire_read(n.fd, sent, 54 + payload);
        g_assert_cmpuint(sent[17], ==, 40 + payload);
        g_assert_cmpuint(sent[41], ==, 5 + 100 * i);
        g_assert_cmphex(sum_of(sent + 14, 20, 0), ==, 0xffff);
        g_assert_cmphex(sum_of(sent + 34, 20 + payload, sum_of(sent + 26, 8, 6 + 20 + payload)), ==,
                        0xffff);
    }
    wait_for(&n);
    /* Only a sum, of what begins at 34. */
    put_tx(&n, DATA, 60 | 50u << 18, 34 | 2 << 10 | END | REPORT);
    kick(&n);
    wire_read(n.fd, size, 4);
    wire_read(n.fd, sent, 60);
    g_assert_cmphex(sum_of(sent + 34, 26, 0), ==, 0xffff);
    stop(&n);
}

static void expect_done(const Net *n, unsigned at, uint32_t what, uint32_t size)
{
    uint64_t done = DONE + 0x2000 + 16 * at;

    g_assert_cmphex(qtest_readl(n->qt, done) & ~0x40000000u, ==, what);
    g_assert_cmphex(qtest_readl(n->qt, done + 8), ==, size);
    g_assert_cmphex(qtest_readl(n->qt, done + 12) >> 24, ==, 0x83);
}

static void test_receiving(void)
{
    static const uint8_t other[6] = { 2, 3, 4, 5, 6, 7 }, group[6] = { 1, 0, 0x5e, 0, 0, 1 },
                         stranger[6] = { 1, 0, 0x5e, 0, 0, 2 };
    uint8_t packet[1500], tagged[104], all[60];
    Net n;

    start(&n);
    wire_fill(packet, sizeof(packet), own_mac);
    wire_send(n.fd, packet, 60);
    wait_for(&n);
    expect_done(&n, 0, 0xc000, 60);
    g_assert_cmphex(qtest_readb(n.qt, DATA + 0x10000 + 59), ==, packet[59]);
    /* In two buffers. */
    wire_send(n.fd, packet, sizeof(packet));
    wait_for(&n);
    expect_done(&n, 1, 0x8001, 1024);
    expect_done(&n, 2, 0x4000 | 1 << 16, sizeof(packet) - 1024);
    g_assert_cmphex(qtest_readb(n.qt, DATA + 0x50000 + 1), ==, packet[1025]);
    /* Not for us, a group that is none of ours, a VLAN that is not, one that is. */
    wire_fill(tagged, sizeof(tagged), other);
    wire_send(n.fd, tagged, 60);
    wire_fill(tagged, sizeof(tagged), stranger);
    wire_send(n.fd, tagged, 60);
    wire_fill(tagged, sizeof(tagged), own_mac);
    memcpy(tagged + 12, (const uint8_t[]){ 0x81, 0, 0, 6 }, 4);
    wire_send(n.fd, tagged, sizeof(tagged));
    tagged[15] = 5;
    wire_send(n.fd, tagged, sizeof(tagged));
    wait_for(&n);
    expect_done(&n, 3, 0xc002, 100 | 1 << 15 | 5 << 16);
    g_assert_cmphex(qtest_readb(n.qt, DATA + 0x11000 + 12), ==, tagged[16]);
    wire_fill(all, sizeof(all), group);
    wire_send(n.fd, all, sizeof(all));
    wait_for(&n);
    expect_done(&n, 4, 0xc003, 60);
    /* All. */
    qtest_writel(n.qt, SHARED + 8 + 112, 16);
    g_assert_cmphex(command(&n, MODE), ==, 0);
    wire_fill(all, sizeof(all), other);
    wire_send(n.fd, all, sizeof(all));
    wait_for(&n);
    expect_done(&n, 5, 0xc004, 60);
    stop(&n);
}

/* There are too few buffers: the card asks to be told, and what came waits. */
static void test_waiting(void)
{
    uint8_t packet[60];
    Net n;

    start(&n);
    wire_fill(packet, sizeof(packet), own_mac);
    for (unsigned i = 0; i < SIZE + 3; i++) {
        wire_send(n.fd, packet, sizeof(packet));
    }
    while (!qtest_readb(n.qt, QUEUES + 512)) {
    }
    qtest_readl(n.qt, SLOW + CAUSE);
    g_assert_cmphex(qtest_readl(n.qt, DONE + 0x2000 + 16 * SIZE + 12), ==, 0);
    for (unsigned i = 0; i < 4; i++) {
        qtest_writel(n.qt, RX + 16 * i + 8, 1024); /* the other turn */
    }
    qtest_writel(n.qt, FAST + FAST_RX, 4);
    g_assert_cmphex(qtest_readb(n.qt, QUEUES + 512), ==, 0);
    while (!qtest_readl(n.qt, DONE + 0x2000 + 16 * (SIZE + 2) + 12)) {
    }
    expect_done(&n, SIZE + 2, 0xc002, 60);
    stop(&n);
}

/* TCP of one connection always comes by the queue that its hash says: this one by the second. */
static void test_spreading(void)
{
    uint8_t packet[60] = { 0 };
    Net n;

    start_queues(&n, 2, 7);
    qtest_memwrite(n.qt, RSS, (const uint8_t[]){ 2, 0, 1, 0, 40, 0, 128, 0 }, 8);
    for (unsigned i = 0; i < 128; i++) {
        qtest_writeb(n.qt, RSS + 8 + i % 40, (uint8_t)(i * 7));
        qtest_writeb(n.qt, RSS + 48 + i, 1);
    }
    g_assert_cmphex(command(&n, FEATURES), ==, 0);
    wire_fill(packet, sizeof(packet), own_mac);
    packet[12] = 8;
    packet[13] = 0;
    memcpy(packet + 14, (const uint8_t[]){ 0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6 }, 10);
    packet[46] = 0x50;
    wire_send(n.fd, packet, sizeof(packet));
    wait_for(&n);
    uint64_t done = DONE + 0x3000;
    g_assert_cmphex(qtest_readl(n.qt, done) & ~0x40000000u, ==, 0xc000 | 1 << 16 | 2 << 26);
    g_assert_cmphex(qtest_readl(n.qt, done + 12) & 0x01e40000, ==, 0x01a40000);
    packet[23] = 17; /* UDP is not spread */
    wire_send(n.fd, packet, sizeof(packet));
    wait_for(&n);
    expect_done(&n, 0, 0xc000, 60);
    stop(&n);
}

/* There is one message, for whatever vector of the card's own numbers. */
static void test_msi(void)
{
    unsigned cap;
    uint8_t packet[60];
    Net n;

    start(&n);
    cap = qpci_read(n.qt, DEVFN, 0x34, 1);
    while (qpci_read(n.qt, DEVFN, cap, 1) != 5) {
        cap = qpci_read(n.qt, DEVFN, cap + 1, 1);
        g_assert_cmpuint(cap, !=, 0);
    }
    qpci_write(n.qt, DEVFN, cap + 0x10, 4, 1); /* it is masked: it can be seen that it waits */
    qpci_write(n.qt, DEVFN, cap + 2, 2, 1);
    wire_fill(packet, sizeof(packet), own_mac);
    wire_send(n.fd, packet, sizeof(packet)); /* vector 1 */
    while (!qpci_read(n.qt, DEVFN, cap + 0x14, 4)) {
    }
    g_assert_cmphex(qpci_read(n.qt, DEVFN, cap + 0x14, 4), ==, 1);
    g_assert_false(interrupted(&n));
    stop(&n);
}

/* Rings and buffers that lead nowhere, packets without an end. */
static void test_senseless(void)
{
    uint8_t packet[60];
    Net n;

    start(&n);
    for (unsigned i = 0; i < SIZE; i++) {
        put_tx(&n, SLOW, 0, i % 3 ? 0 : 1023 | 3u << 10);
        qtest_writeq(n.qt, RX + 16 * i, FAST);
    }
    kick(&n);
    n.tx = 0;
    for (unsigned i = 0; i < SIZE; i++) {
        put_tx(&n, DATA, i | (i % 2 ? 1000u << 18 : 0),
               END | i % 4 << 10 | i | (i % 3 ? REPORT : 0));
    }
    kick(&n);
    wire_fill(packet, sizeof(packet), own_mac);
    wire_send(n.fd, packet, sizeof(packet));
    wait_for(&n);
    for (unsigned at = 0; at < 720; at += 4) { /* all of what is shared, damaged */
        qtest_writel(n.qt, SHARED + at, at == 0 ? 0xbabefee1 : 0xffffffff);
        for (uint32_t c = 0; c < 12; c++) {
            command(&n, ACTIVATE + c);
        }
        put_shared(&n, 1, 7);
    }
    qtest_qmp_ok(n.qt, "system_reset", "{}");
    json_object_put(qtest_event(n.qt, "RESET"));
    stop(&n);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vmxnet3/registers", test_registers);
    g_test_add_func("/vmxnet3/sending", test_sending);
    g_test_add_func("/vmxnet3/segments", test_segments);
    g_test_add_func("/vmxnet3/receiving", test_receiving);
    g_test_add_func("/vmxnet3/waiting", test_waiting);
    g_test_add_func("/vmxnet3/spreading", test_spreading);
    g_test_add_func("/vmxnet3/msi", test_msi);
    g_test_add_func("/vmxnet3/senseless", test_senseless);
    return g_test_run();
}
