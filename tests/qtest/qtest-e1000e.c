/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What e1000e has beside what e1000 has (qtest-e1000.c drives both). */
#include <string.h>
#include <unistd.h>

#include "tests/qtest/e1000.h"

enum {
    CTRL_EXT = 0x18,
    EIAC = 0xdc,
    IAM = 0xe0,
    IVAR = 0xe4,
    EITR = 0xe8,
    PSRCTL = 0x2170,
    MPC = 0x4010,
    RFCTL = 0x5008,
    MRQC = 0x5818,
    SWSM = 0x5b50,
    RETA = 0x5c00,
    RSSRK = 0x5c80,
    SYSTIML = 0xb600,
    SYSTIMH = 0xb604,
    TIMINCA = 0xb608,
    RING1 = 0x100, /* from a register of the first ring to that of the second */
};

enum { RXQ0 = 1 << 20, RXQ1 = 1 << 21, TXQ0 = 1 << 22, TXQ1 = 1 << 23, OTHER = 1 << 24 };
#define ASSERTED (1u << 31)

static unsigned find_capability(const Net *n, unsigned id)
{
    unsigned cap = qpci_read(n->qt, DEVFN, 0x34, 1);

    while (cap && qpci_read(n->qt, DEVFN, cap, 1) != id) {
        cap = qpci_read(n->qt, DEVFN, cap + 1, 1);
    }
    g_assert_cmpuint(cap, !=, 0);
    return cap;
}

/* ---- registers ---- */

static void test_registers(void)
{
    Net n;

    net_start(&n, "e1000e", "");
    g_assert_cmphex(net_phy(&n, 2) & 0xffff, ==, 0x0141);
    g_assert_cmphex(net_phy(&n, 3) & 0xffff, ==, 0x0cb1);
    g_assert_cmphex(net_get(&n, EECD) & 0x300, ==, 0x300);
    net_set(&n, EERD, 0xb << 2 | 1);
    g_assert_cmphex(net_get(&n, EERD), ==, 0x10d3u << 16 | 0xb << 2 | 2);
    g_assert_cmphex(qtest_readl(n.qt, FLASH), ==, 0xffffffff);
    qtest_outl(n.qt, IO, STATUS);
    g_assert_cmphex(qtest_inl(n.qt, IO + 4), ==, net_get(&n, STATUS));
    /* Who asks for the card to keep away from memory waits for this. */
    g_assert_cmphex(net_get(&n, STATUS) >> 19 & 1, ==, 1);
    net_set(&n, CTRL, 1 << 2);
    g_assert_cmphex(net_get(&n, STATUS) >> 19 & 1, ==, 0);
    /* The first one to read it has the semaphore. */
    g_assert_cmphex(net_get(&n, SWSM) & 1, ==, 0);
    g_assert_cmphex(net_get(&n, SWSM) & 1, ==, 1);
    net_set(&n, SWSM, 0);
    g_assert_cmphex(net_get(&n, SWSM) & 1, ==, 0);
    net_stop(&n);
}

/* The clock of IEEE 1588 has ticks of 40 ns. */
static void test_clock(void)
{
    Net n;

    net_start(&n, "e1000e", "");
    qtest_clock_step(n.qt, 4000);
    g_assert_cmphex(net_get(&n, SYSTIML), ==, 0);
    net_set(&n, TIMINCA, 1 << 24 | 0xa00000);
    net_set(&n, SYSTIML, 5);
    net_set(&n, SYSTIMH, 7);
    qtest_clock_step(n.qt, 4000);
    g_assert_cmphex(net_get(&n, SYSTIML), ==, 100 * 0xa00000 + 5);
    g_assert_cmphex(net_get(&n, SYSTIMH), ==, 7);
    /* Half as fast from now on. */
    net_set(&n, TIMINCA, 2 << 24 | 0xa00000);
    qtest_clock_step(n.qt, 4000);
    g_assert_cmphex(net_get(&n, SYSTIML), ==, 150 * 0xa00000 + 5);
    net_stop(&n);
}

/* ---- interrupts ---- */

static void test_causes(void)
{
    Net n;

    net_start(&n, "e1000e", "");
    net_get(&n, ICR);
    net_set(&n, ICS, TXDW);
    g_assert_cmphex(net_get(&n, ICR), ==, TXDW); /* nothing can interrupt: a read takes it */
    g_assert_cmphex(net_get(&n, ICR), ==, 0);
    net_set(&n, IMS, RXT0);
    net_set(&n, ICS, TXDW);
    g_assert_false(net_interrupted(&n));
    g_assert_cmphex(net_get(&n, ICR), ==, TXDW); /* another one may: it stays */
    net_set(&n, ICS, RXT0);
    g_assert_true(net_interrupted(&n));
    g_assert_cmphex(net_get(&n, ICR), ==, ASSERTED | TXDW | RXT0);
    g_assert_false(net_interrupted(&n));
    g_assert_cmphex(net_get(&n, ICR), ==, 0);
    /* A read masks what IAM says, if it is asked to. */
    net_set(&n, IAM, RXT0);
    net_set(&n, ICS, RXT0);
    net_get(&n, ICR);
    g_assert_cmphex(net_get(&n, IMS), ==, RXT0);
    net_set(&n, CTRL_EXT, 1 << 27);
    net_set(&n, ICS, RXT0);
    g_assert_cmphex(net_get(&n, ICR), ==, ASSERTED | RXT0);
    g_assert_cmphex(net_get(&n, IMS), ==, 0);
    net_stop(&n);
}

/* Sent messages are seen as pending: the vector is masked. */
static void test_msi(void)
{
    unsigned cap;
    Net n;

    net_start(&n, "e1000e", "");
    cap = find_capability(&n, 5);
    qpci_write(n.qt, DEVFN, cap + 0x10, 4, 1);
    qpci_write(n.qt, DEVFN, cap + 2, 2, 1);
    net_get(&n, ICR);
    net_set(&n, IMS, RXT0);
    g_assert_cmphex(qpci_read(n.qt, DEVFN, cap + 0x14, 4), ==, 0);
    net_set(&n, ICS, RXT0);
    g_assert_cmphex(qpci_read(n.qt, DEVFN, cap + 0x14, 4), ==, 1);
    g_assert_false(net_interrupted(&n));
    net_stop(&n);
}

static bool is_pending(const Net *n, unsigned vector)
{
    uint32_t offset = qpci_read(n->qt, DEVFN, find_capability(n, 0x11) + 8, 4) & ~7u;

    return qtest_readl(n->qt, VECTORS + offset) >> vector & 1;
}

/* The message that is pending goes. */
static void let_go(const Net *n, unsigned vector)
{
    qtest_writel(n->qt, VECTORS + 16 * vector + 12, 0);
    qtest_writel(n->qt, VECTORS + 16 * vector + 12, 1);
    g_assert_false(is_pending(n, vector));
}

/* Rings and the rest have vectors of their own: 0 received, 1 sent, 2 second ring, 4 others. */
static void start_vectors(Net *n)
{
    net_start(n, "e1000e", "");
    qpci_write(n->qt, DEVFN, find_capability(n, 0x11) + 2, 2, 0x8000);
    g_assert_cmphex(qpci_read(n->qt, DEVFN, find_capability(n, 0x11) + 2, 2), ==, 0x8004);
    net_set(n, IVAR, 8 | 9 << 8 | 10 << 12 | 12 << 16);
    net_get(n, ICR);
}

static void test_vectors(void)
{
    uint8_t packet[60];
    Net n;

    start_vectors(&n);
    wire_fill(packet, sizeof(packet), own_mac);
    net_send(&n, packet, sizeof(packet), 0);
    g_assert_false(is_pending(&n, 1));
    net_set(&n, IMS, RXQ0 | TXQ0 | TXQ1 | OTHER); /* it was there already */
    g_assert_true(is_pending(&n, 1));
    let_go(&n, 1);
    net_give_buffers(&n, 4);
    wire_send(n.fd, packet, sizeof(packet));
    net_expect_received(&n, 0, packet, sizeof(packet));
    g_assert_true(is_pending(&n, 0));
    let_go(&n, 0);
    net_set(&n, ICS, RXQ0); /* anew, though the cause is there */
    g_assert_true(is_pending(&n, 0));
    let_go(&n, 0);
    net_set(&n, ICS, LSC);
    g_assert_true(is_pending(&n, 4));
    g_assert_false(net_interrupted(&n));
    let_go(&n, 4);
    /* Cleared by being sent, and masked. */
    net_get(&n, ICR);
    net_set(&n, EIAC, RXQ0);
    net_set(&n, ICS, RXQ0 | TXQ0);
    g_assert_cmphex(net_get(&n, IMS), ==, TXQ0 | TXQ1 | OTHER);
    g_assert_cmphex(net_get(&n, ICR), ==, ASSERTED | TXQ0);
    let_go(&n, 0);
    net_set(&n, ICS, RXQ0);
    g_assert_false(is_pending(&n, 0));
    net_set(&n, IMS, RXQ0);
    g_assert_true(is_pending(&n, 0));
    let_go(&n, 0);
    /* Not more often than each 256 us. */
    net_set(&n, EITR, 1000);
    for (unsigned i = 0; i < 2; i++) {
        net_set(&n, ICS, RXQ0);
        net_set(&n, IMS, RXQ0);
        g_assert_true(is_pending(&n, 0) == !i);
        qtest_writel(n.qt, VECTORS + 12, 0);
        qtest_writel(n.qt, VECTORS + 12, 1);
    }
    qtest_clock_step(n.qt, 255000);
    g_assert_false(is_pending(&n, 0));
    qtest_clock_step(n.qt, 1000);
    g_assert_true(is_pending(&n, 0));
    net_stop(&n);
}

/* ---- rings ---- */

static void test_second_ring(void)
{
    uint8_t packet[60];
    Net n;

    start_vectors(&n);
    net_set(&n, IMS, TXQ1);
    wire_fill(packet, sizeof(packet), other_mac);
    qtest_memwrite(n.qt, net_page(0), packet, sizeof(packet));
    net_set(&n, TDBAL + RING1, RX_RING);
    net_set(&n, TDLEN + RING1, RING * 16);
    qtest_writeq(n.qt, RX_RING, net_page(0));
    qtest_writel(n.qt, RX_RING + 8, (uint32_t)sizeof(packet) | EOP | RS | DEXT | DATA);
    qtest_writel(n.qt, RX_RING + 12, 0);
    net_set(&n, TDT + RING1, 1);
    wire_expect(n.fd, packet, sizeof(packet));
    g_assert_cmphex(net_get(&n, TDH + RING1), ==, 1);
    g_assert_cmphex(net_get(&n, TDH), ==, 0);
    g_assert_cmphex(qtest_readl(n.qt, RX_RING + 12), ==, 1);
    g_assert_true(is_pending(&n, 2));
    g_assert_false(is_pending(&n, 1));
    net_stop(&n);
}

static void test_extended(void)
{
    uint8_t packet[100], got[100];
    Net n;

    net_start(&n, "e1000e", "");
    wire_fill(packet, sizeof(packet), own_mac);
    net_set(&n, RFCTL, 1 << 15);
    net_give_buffers(&n, 2);
    wire_send(n.fd, packet, sizeof(packet));
    g_assert_cmphex(net_wait_status(&n, RX_RING + 8) & 3, ==, 3);
    g_assert_cmphex(qtest_readq(n.qt, RX_RING), ==, 0);
    g_assert_cmphex(qtest_readw(n.qt, RX_RING + 12), ==, sizeof(packet));
    qtest_memread(n.qt, net_page(8), got, sizeof(got));
    g_assert_cmpmem(got, sizeof(got), packet, sizeof(packet));
    net_stop(&n);
}

/* Wait until a packet was lost. */
static void wait_missed(const Net *n)
{
    gint64 end = g_get_monotonic_time() + QTEST_TIMEOUT_MS * 1000LL;

    while (!net_get(n, MPC)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
}

/* A packet goes into the four buffers of a descriptor one after the other. */
static void test_split(void)
{
    g_autofree uint8_t *packet = g_malloc(4000), *got = g_malloc(4000);
    static const unsigned lengths[] = { 128, 1024, 2048, 800 };
    const uint8_t *next = packet;
    Net n;

    net_start(&n, "e1000e", "");
    wire_fill(packet, 4000, own_mac);
    net_set(&n, RFCTL, 1 << 15);
    net_set(&n, RCTL, RECEIVE | 1 << 5 | 1 << 10);
    net_set(&n, PSRCTL, 1 | 1 << 8 | 2 << 16 | 4 << 24);
    for (unsigned i = 0; i < 4; i++) {
        qtest_writeq(n.qt, RX_RING + 8 * i, net_page(8 + i));
    }
    net_set(&n, RDT, 2); /* each has two pieces of 16 bytes */
    wire_send(n.fd, packet, 4000);
    g_assert_cmphex(net_wait_status(&n, RX_RING + 8) & 3, ==, 3);
    for (unsigned i = 0; i < 4; i++) {
        unsigned at = i ? 18 + 2 * (i - 1) : 12; /* in the descriptor */

        g_assert_cmpuint(qtest_readw(n.qt, RX_RING + at), ==, lengths[i]);
        qtest_memread(n.qt, net_page(8 + i), got, lengths[i]);
        g_assert_cmpmem(got, lengths[i], next, lengths[i]);
        next += lengths[i];
    }
    /* Buffers of no size take nothing, and nothing waits for them. */
    net_set(&n, PSRCTL, 0);
    net_set(&n, RDT, 6);
    wire_send(n.fd, packet, 60);
    wait_missed(&n);
    net_set(&n, PSRCTL, 2);
    wire_send(n.fd, packet, 90);
    g_assert_cmphex(net_wait_status(&n, RX_RING + 32 + 8) & 3, ==, 3);
    g_assert_cmpuint(qtest_readw(n.qt, RX_RING + 32 + 12), ==, 90);
    net_stop(&n);
}

/* ---- two rings to receive into ---- */

#define RX_RING1   0x220000u
#define PCSD       0x2000u
#define RSS_FIELDS 0x1f0000u

/* Of Microsoft's suite: with the key below their hashes are 0x51ccc178 and 0x5c2b394a; addresses
 * alone, 0x323e8fc2 and 0xd2d0a5de. */
static const uint8_t connections[2][54] = {
    { [12] = 8,
      [14] = 0x45,
      [17] = 40,
      [22] = 64,
      [23] = 6,
      [26] = 66,
      9,
      149,
      187,
      161,
      142,
      100,
      80,
      2794 >> 8,
      0xea,
      1766 >> 8,
      0xe6,
      [46] = 0x50,
      0x18 },
    { [12] = 8,
      [14] = 0x45,
      [17] = 40,
      [22] = 64,
      [23] = 6,
      [26] = 24,
      19,
      198,
      95,
      12,
      22,
      207,
      184,
      12898 >> 8,
      0x62,
      38024 >> 8,
      0x88,
      [46] = 0x50,
      0x18 },
};

static const uint32_t rss_key[10] = { 0xda565a6d, 0xc20e5b25, 0x3d256741, 0xb08fa343, 0xcb2bcad0,
                                      0xb4307bae, 0xa32dcb77, 0x0cf23080, 0x3bb7426a, 0xfa01acbe };

/* Extended descriptors in both rings, vectors 0 and 3; every second entry is the second ring's. */
static void start_rss(Net *n)
{
    net_set(n, IVAR, 8 | 11 << 4);
    net_set(n, IMS, RXQ0 | RXQ1);
    for (unsigned i = 0; i < 10; i++) {
        net_set(n, RSSRK + 4 * i, rss_key[i]);
    }
    for (unsigned i = 0; i < 32; i++) {
        net_set(n, RETA + 4 * i, 0x80008000);
    }
    net_set(n, RFCTL, 1 << 15);
    net_set(n, RXCSUM, PCSD);
    net_set(n, MRQC, RSS_FIELDS | 1);
    net_set(n, RDBAL + RING1, RX_RING1);
    net_set(n, RDLEN + RING1, RING * 16);
}

static void give_second(const Net *n)
{
    for (unsigned i = 0; i < 4; i++) {
        qtest_writeq(n->qt, RX_RING1 + 16 * i, net_page(32 + i));
        qtest_writeq(n->qt, RX_RING1 + 16 * i + 8, 0);
    }
    net_set(n, RDT + RING1, 4);
}

/* The packet for us that @headers begin. */
static void send_connection(Net *n, const uint8_t *headers, uint8_t packet[60])
{
    memset(packet, 0, 60);
    memcpy(packet, headers, 54);
    memcpy(packet, own_mac, 6);
    wire_send(n->fd, packet, 60);
}

static void expect_hashed(Net *n, uint64_t at, uint32_t type, uint32_t hash)
{
    g_assert_cmphex(net_wait_status(n, at + 8) & 3, ==, 3);
    g_assert_cmphex(qtest_readl(n->qt, at), ==, type);
    g_assert_cmphex(qtest_readl(n->qt, at + 4), ==, hash);
    g_assert_cmpuint(qtest_readw(n->qt, at + 12), ==, 60);
}

/* What has headers has them in the first buffer, alone. */
static void test_split_headers(void)
{
    static const struct {
        uint8_t protocol;
        unsigned header;
    } cases[] = { { 6, 54 }, { 17, 42 }, { 1, 34 } };
    uint8_t packet[60], got[60];
    Net n;

    net_start(&n, "e1000e", "");
    net_set(&n, RFCTL, 1 << 15);
    net_set(&n, RCTL, RECEIVE | 1 << 10);
    net_set(&n, PSRCTL, 1 | 1 << 8);
    for (unsigned i = 0; i < 3; i++) {
        uint8_t headers[54];
        unsigned header = cases[i].header;
        uint64_t at = RX_RING + 32 * i;

        qtest_writeq(n.qt, at, net_page(8 + 2 * i));
        qtest_writeq(n.qt, at + 8, net_page(9 + 2 * i));
        memcpy(headers, connections[0], sizeof(headers));
        headers[23] = cases[i].protocol;
        net_set(&n, RDT, 2 * (i + 1));
        send_connection(&n, headers, packet);
        g_assert_cmphex(net_wait_status(&n, at + 8) & 3, ==, 3);
        g_assert_cmpuint(qtest_readw(n.qt, at + 12), ==, header);
        g_assert_cmphex(qtest_readw(n.qt, at + 16), ==, 0x8000 | header);
        g_assert_cmpuint(qtest_readw(n.qt, at + 18), ==, 60 - header);
        qtest_memread(n.qt, net_page(8 + 2 * i), got, header);
        qtest_memread(n.qt, net_page(9 + 2 * i), got + header, 60 - header);
        g_assert_cmpmem(got, sizeof(got), packet, sizeof(packet));
    }
    /* Headers that have no room alone are not parted. */
    net_set(&n, PSRCTL, 1);
    net_set(&n, RDT, 0); /* behind the last one */
    qtest_writeq(n.qt, RX_RING + 96, net_page(8));
    qtest_writeq(n.qt, RX_RING + 96 + 8, 0);
    send_connection(&n, connections[0], packet);
    g_assert_cmphex(net_wait_status(&n, RX_RING + 96 + 8) & 3, ==, 3);
    g_assert_cmpuint(qtest_readw(n.qt, RX_RING + 96 + 12), ==, 60);
    g_assert_cmphex(qtest_readw(n.qt, RX_RING + 96 + 16), ==, 0);
    net_stop(&n);
}

static void test_rss(void)
{
    uint8_t packet[60], got[60], udp[54];
    Net n;

    start_vectors(&n);
    start_rss(&n);
    net_give_buffers(&n, 7);
    send_connection(&n, connections[0], packet);
    expect_hashed(&n, RX_RING, 1, 0x51ccc178);
    g_assert_cmphex(qtest_readl(n.qt, RX_RING + 8) >> 16 & 15, ==, 2); /* IPv4 with TCP */
    g_assert_true(is_pending(&n, 0));
    let_go(&n, 0);
    g_assert_false(is_pending(&n, 3));
    /* The same goes to the second ring when the table says so, and waits for it. */
    for (unsigned i = 0; i < 32; i++) {
        net_set(&n, RETA + 4 * i, i == 0x78 / 4 ? 0x80 : 0);
    }
    send_connection(&n, connections[0], packet);
    give_second(&n);
    expect_hashed(&n, RX_RING1, 1 | 1 << 8, 0x51ccc178);
    qtest_memread(n.qt, net_page(32), got, sizeof(got));
    g_assert_cmpmem(got, sizeof(got), packet, sizeof(packet));
    g_assert_cmphex(net_get(&n, RDH + RING1), ==, 1);
    g_assert_true(is_pending(&n, 3));
    g_assert_false(is_pending(&n, 0));
    let_go(&n, 3);
    send_connection(&n, connections[1], packet);
    expect_hashed(&n, RX_RING + 16, 1, 0x5c2b394a);
    /* Without ports where there are none, or they are not asked for; nothing at all. */
    memcpy(udp, connections[1], sizeof(udp));
    udp[23] = 17;
    send_connection(&n, udp, packet);
    expect_hashed(&n, RX_RING + 32, 2, 0xd2d0a5de);
    net_set(&n, MRQC, 1 << 17 | 1);
    send_connection(&n, connections[0], packet);
    expect_hashed(&n, RX_RING + 48, 2, 0x323e8fc2);
    net_set(&n, MRQC, 1 << 20 | 1);
    send_connection(&n, connections[0], packet);
    expect_hashed(&n, RX_RING + 64, 0, 0);
    net_set(&n, MRQC, RSS_FIELDS);
    send_connection(&n, connections[0], packet);
    expect_hashed(&n, RX_RING + 80, 0, 0);
    net_stop(&n);
}

/* A packet for a ring that is not there is lost, and holds up none. */
static void test_rss_nowhere(void)
{
    uint8_t packet[60];
    Net n;

    start_vectors(&n);
    start_rss(&n);
    for (unsigned i = 0; i < 32; i++) {
        net_set(&n, RETA + 4 * i, i == 0x78 / 4 ? 0x80 : 0);
    }
    net_set(&n, RDLEN + RING1, 0);
    net_give_buffers(&n, 7);
    send_connection(&n, connections[0], packet);
    send_connection(&n, connections[1], packet);
    expect_hashed(&n, RX_RING, 1, 0x5c2b394a);
    g_assert_cmpuint(net_get(&n, MPC), ==, 1);
    net_stop(&n);
}

static void test_rss_saved(void)
{
    g_autofree char *path = wire_path();
    uint8_t packet[60];
    Net n;

    start_vectors(&n);
    start_rss(&n);
    for (unsigned i = 0; i < 32; i++) {
        net_set(&n, RETA + 4 * i, 0x80808080);
    }
    give_second(&n);
    send_connection(&n, connections[0], packet);
    expect_hashed(&n, RX_RING1, 1 | 1 << 8, 0x51ccc178);
    let_go(&n, 3);
    g_autofree char *file = qtest_temp_path(n.qt, "state");
    g_autofree char *uri = g_strconcat("file:", file, NULL);
    qtest_save(n.qt, file);
    QTest *to = qtest_start("-m 64 -netdev stream,id=n0,server=on,addr.type=unix,addr.path=%s"
                            " -device e1000e,id=net0,netdev=n0,addr=4 -incoming %s",
                            path, uri);
    qtest_wait_running(to);
    net_stop(&n);
    n.qt = to;
    n.fd = wire_connect(to, path);
    unlink(path);
    send_connection(&n, connections[1], packet);
    expect_hashed(&n, RX_RING1 + 16, 1 | 1 << 8, 0x5c2b394a);
    g_assert_true(is_pending(&n, 3));
    net_stop(&n);
}

/* On each kind of bus; what waits for its time is saved. */
static void test_saved(void)
{
    Net n;

    start_vectors(&n);
    net_set(&n, EITR, 1000);
    net_set(&n, IMS, RXQ0);
    net_set(&n, ICS, RXQ0);
    let_go(&n, 0);
    net_set(&n, ICS, RXQ0);
    g_assert_false(is_pending(&n, 0));
    g_autofree char *file = qtest_temp_path(n.qt, "state");
    g_autofree char *uri = g_strconcat("file:", file, NULL);
    qtest_save(n.qt, file);
    QTest *to = qtest_start("-m 64 -device e1000e,id=net0,addr=4 -incoming %s", uri);
    qtest_wait_running(to);
    net_stop(&n);
    n.qt = to;
    g_assert_false(is_pending(&n, 0));
    qtest_clock_step(n.qt, 256000);
    g_assert_true(is_pending(&n, 0));
    qtest_quit(n.qt);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/e1000e/registers", test_registers);
    g_test_add_func("/e1000e/clock", test_clock);
    g_test_add_func("/e1000e/causes", test_causes);
    g_test_add_func("/e1000e/msi", test_msi);
    g_test_add_func("/e1000e/vectors", test_vectors);
    g_test_add_func("/e1000e/second-ring", test_second_ring);
    g_test_add_func("/e1000e/extended", test_extended);
    g_test_add_func("/e1000e/split", test_split);
    g_test_add_func("/e1000e/split-headers", test_split_headers);
    g_test_add_func("/e1000e/rss", test_rss);
    g_test_add_func("/e1000e/rss-nowhere", test_rss_nowhere);
    g_test_add_func("/e1000e/rss-saved", test_rss_saved);
    g_test_add_func("/e1000e/saved", test_saved);
    return g_test_run();
}
