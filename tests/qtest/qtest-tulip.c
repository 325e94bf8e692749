/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tulip by a driver of our own, with rings and chains; the other end of the cable is a socket. */
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/qtest/virtio.h"
#include "tests/qtest/wire.h"

#define DEVFN 0x20u /* slot 4 */
#define IO    0xc000u
#define BAR   0xe0000000u
#define SETUP 0x200000u
#define TX    0x201000u
#define RX    0x202000u
#define DATA  0x300000u
#define OWN   0x80000000u
#define TELLS 0x80000000u

enum { BUS, TX_POLL, RX_POLL, RX_LIST, TX_LIST, STATUS, MODE, MASKS, MISSED, SERIAL, TIMER = 11 };
enum { TI = 1, TPS = 2, TU = 4, RI = 0x40, RU = 0x80, GTE = 0x800, FBE = 0x2000, AIS = 0x8000 };
enum { SR = 2, PROMISCUOUS = 0x40, ALL_MULTICAST = 0x80, LOOP = 0x400, ST = 0x2000, RING = 4 };
enum { LAST = 1 << 30, FIRST = 1 << 29, INVERSE = 1 << 28, SET_UP = 1 << 27, HASH = 1 << 22 };
enum { END = 1 << 25, CHAINED = 1 << 24 };
#define NIS 0x10000u

static const uint8_t own_mac[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 };
static const uint8_t other[6] = { 2, 3, 4, 5, 6, 7 }, group[6] = { 1, 0, 0x5e, 0, 0, 1 };

typedef struct Net {
    QTest *qt;
    int fd;      /* the other end */
    unsigned tx; /* the next descriptor */
} Net;

static uint32_t csr(const Net *n, unsigned number)
{
    return qtest_inl(n->qt, (uint16_t)(IO + 8 * number));
}

static void set_csr(const Net *n, unsigned number, uint32_t value)
{
    qtest_outl(n->qt, (uint16_t)(IO + 8 * number), value);
}

static bool interrupted(const Net *n)
{
    return qpci_read(n->qt, DEVFN, 6, 2) & 8;
}

static void put_descriptor(const Net *n, uint64_t at, uint32_t status, uint32_t control,
                           uint32_t first, uint32_t second)
{
    qtest_writel(n->qt, at + 4, control);
    qtest_writel(n->qt, at + 8, first);
    qtest_writel(n->qt, at + 12, second);
    qtest_writel(n->qt, at, status);
}

static uint32_t status_of(const Net *n, uint64_t ring, unsigned i)
{
    return qtest_readl(n->qt, ring + 16 * i);
}

/* Wait for a cause, and take it. */
static void wait_for(const Net *n, uint32_t cause)
{
    gint64 end = g_get_monotonic_time() + QTEST_TIMEOUT_MS * 1000LL;

    while (!(csr(n, STATUS) & cause)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
    g_assert_true(interrupted(n));
    set_csr(n, STATUS, 0x1ffff);
    g_assert_false(interrupted(n));
}

static void end_of_ring(const Net *n, unsigned i, uint32_t status, uint32_t control, uint32_t addr)
{
    put_descriptor(n, TX + 16 * i, status, control | (i == RING - 1 ? END : 0), addr, 0);
}

/* Send a setup frame with @own among its addresses, as @kind says. */
static void set_up(Net *n, const uint8_t *own, uint32_t kind)
{
    uint8_t frame[192] = { 0 };

    for (unsigned i = 0; i < 6; i++) {
        frame[(kind & HASH ? 156 : 12) + i / 2 * 4 + i % 2] = own[i];
        frame[24 + i / 2 * 4 + i % 2] = kind & HASH ? 0 : 0xff;
    }
    qtest_memwrite(n->qt, SETUP, frame, sizeof(frame));
    end_of_ring(n, n->tx, OWN, TELLS | SET_UP | kind | 192, SETUP);
    set_csr(n, TX_POLL, 1);
    g_assert_cmphex(status_of(n, TX, n->tx), ==, 0x7fffffff);
    n->tx = (n->tx + 1) % RING;
    wait_for(n, TI);
}

static void begin(Net *n)
{
    for (unsigned i = 0; i < RING; i++) {
        put_descriptor(n, RX + 16 * i, OWN, 1520 | (i == RING - 1 ? END : 0),
                       DATA + 0x10000 + 0x1000 * i, 0);
        end_of_ring(n, i, 0, 0, 0);
    }
    n->tx = 0;
    set_csr(n, RX_LIST, RX);
    set_csr(n, TX_LIST, TX);
    set_csr(n, MASKS, 0x1ebef | AIS);
    set_csr(n, MODE, ST | SR);
}

static void start_with(Net *n, const char *more)
{
    g_autofree char *path = wire_path();

    n->qt = qtest_start("-m 64 -netdev stream,id=n0,server=on,addr.type=unix,addr.path=%s -device "
                        "tulip,id=card,netdev=n0,addr=4,mac=52:54:00:12:34:56 %s",
                        path, more);
    n->fd = wire_connect(n->qt, path);
    qpci_write(n->qt, DEVFN, 0x10, 4, IO);
    qpci_write(n->qt, DEVFN, 0x14, 4, BAR);
    qpci_write(n->qt, DEVFN, 4, 2, 7);
    begin(n);
}

static void start(Net *n)
{
    start_with(n, "");
}

static void stop(Net *n)
{
    close(n->fd);
    qtest_quit(n->qt);
}

/* ---- registers ---- */

/* A word of the ROM, by its lines; @silent: what came out before the data. */
static uint16_t rom_word(const Net *n, unsigned address, unsigned *silent)
{
    enum { CHOSEN = 0x4800, SELECT = 1, CLOCK = 2, IN = 4, OUT = 8 };
    uint32_t command = 6u << 6 | address, value = 0;

    set_csr(n, SERIAL, CHOSEN);
    *silent = 0;
    for (unsigned i = 0; i < 9 + 16; i++) {
        uint32_t bit = i < 9 && command >> (8 - i) & 1 ? IN : 0, *to = i < 9 ? silent : &value;

        set_csr(n, SERIAL, CHOSEN | SELECT | bit);
        set_csr(n, SERIAL, CHOSEN | SELECT | bit | CLOCK);
        *to = *to << 1 | !!(csr(n, SERIAL) & OUT);
    }
    set_csr(n, SERIAL, CHOSEN);
    return (uint16_t)value;
}

enum { MII_CLOCK = 1 << 16, MII_OUT = 1 << 17, MII_READS = 1 << 18, MII_IN = 1 << 19 };

static void mii_send(const Net *n, uint32_t bits, unsigned count)
{
    while (count--) {
        uint32_t bit = bits >> count & 1 ? MII_OUT : 0;

        set_csr(n, SERIAL, bit);
        set_csr(n, SERIAL, bit | MII_CLOCK);
    }
}

static uint16_t mii_read(const Net *n, unsigned phy, unsigned number)
{
    uint32_t value = 0;

    mii_send(n, UINT32_MAX, 32);
    mii_send(n, 6u << 10 | phy << 5 | number, 14);
    for (unsigned i = 0; i < 19; i++) {
        set_csr(n, SERIAL, MII_READS);
        value = value << 1 | !!(csr(n, SERIAL) & MII_IN);
        set_csr(n, SERIAL, MII_READS | MII_CLOCK);
    }
    return (uint16_t)(value >> 1);
}

static void mii_write(const Net *n, unsigned phy, unsigned number, uint16_t value)
{
    mii_send(n, UINT32_MAX, 32);
    mii_send(n, 5u << 10 | phy << 5 | number, 14);
    mii_send(n, 2u << 16 | value, 18);
}

/* As the reference has them, too. */
static void test_registers(void)
{
    static const uint32_t after_reset[] = { 0xfe000000, UINT32_MAX, UINT32_MAX, 0,
                                            0,          0xf0000000, 0x32000040, 0xf3fe0000,
                                            0xe0000000, 0xfff483ff, 0,          0xfffe0000,
                                            0x00005000, 0xffff0000, UINT32_MAX, 0x8ff00000 };
    unsigned silent;
    Net n;

    start(&n);
    g_assert_cmphex(qpci_read(n.qt, DEVFN, 0, 4), ==, 0x00191011);
    g_assert_cmphex(qpci_read(n.qt, DEVFN, 0x2c, 4), ==, 0x104f103c);
    set_csr(&n, BUS, 1);
    for (unsigned i = 0; i < G_N_ELEMENTS(after_reset); i++) {
        g_assert_cmphex(csr(&n, i), ==, after_reset[i]);
        g_assert_cmphex(qtest_readl(n.qt, BAR + 8 * i), ==, after_reset[i]);
    }
    g_assert_cmphex(qtest_inw(n.qt, IO + 8 * 5), ==, 0); /* no half of one */
    g_assert_cmphex(rom_word(&n, 10, &silent), ==, 0x5452);
    g_assert_cmphex(silent, ==, 0x1fe);
    g_assert_cmphex(rom_word(&n, 12, &silent), ==, 0x5634);
    g_assert_cmphex(rom_word(&n, 9, &silent), ==, 0x0104);
    g_assert_cmphex(mii_read(&n, 1, 0), ==, 0x3100);
    g_assert_cmphex(mii_read(&n, 1, 1), ==, 0x702c);
    g_assert_cmphex(mii_read(&n, 1, 5), ==, 0x4181);
    g_assert_cmphex(mii_read(&n, 2, 1), ==, 0);
    mii_write(&n, 1, 4, 0x0061);
    mii_write(&n, 2, 4, 0x0062);
    g_assert_cmphex(mii_read(&n, 1, 4), ==, 0x0061);
    mii_write(&n, 1, 0, 0x9000); /* a reset is over at once */
    g_assert_cmphex(mii_read(&n, 1, 0), ==, 0x1000);
    qtest_qmp_ok(n.qt, "set_link", "{'name': 'card', 'up': false}");
    g_assert_cmphex(mii_read(&n, 1, 1), ==, 0x7008);
    stop(&n);
}

static void test_timer(void)
{
    Net n;

    start(&n);
    set_csr(&n, MASKS, 0xffffffff);
    set_csr(&n, TIMER, 100);
    qtest_clock_step(n.qt, 100 * 81920 - 1);
    g_assert_false(csr(&n, STATUS) & GTE);
    qtest_clock_step(n.qt, 1);
    g_assert_cmphex(csr(&n, STATUS) & (GTE | AIS), ==, GTE | AIS);
    set_csr(&n, STATUS, GTE);
    qtest_clock_step(n.qt, 1000 * 81920);
    g_assert_false(csr(&n, STATUS) & GTE);
    set_csr(&n, TIMER, 0x10001); /* again and again */
    for (unsigned i = 0; i < 3; i++) {
        qtest_clock_step(n.qt, 81920);
        g_assert_true(csr(&n, STATUS) & GTE);
        set_csr(&n, STATUS, GTE);
    }
    stop(&n);
}

/* ---- packets ---- */

static void test_sending(void)
{
    uint8_t packet[1000];
    Net n;

    start(&n);
    g_assert_cmphex(csr(&n, STATUS) >> 17 & 0x3f, ==, 6 << 3 | 3); /* suspended, and waiting */
    wait_for(&n, TU);
    wire_fill(packet, sizeof(packet), own_mac);
    qtest_memwrite(n.qt, DATA, packet, sizeof(packet));
    for (unsigned i = 0; i < 6; i += 2) { /* in three pieces, more than once around */
        end_of_ring(&n, (i + 1) % RING, OWN, TELLS | LAST | 600, DATA + 400);
        put_descriptor(&n, TX + 16 * (i % RING), OWN, FIRST | 300 << 11 | 100, DATA, DATA + 100);
        set_csr(&n, TX_POLL, 1);
        wire_expect(n.fd, packet, sizeof(packet));
        wait_for(&n, TI);
        g_assert_cmphex(status_of(&n, TX, i % RING), ==, 0);
        g_assert_cmphex(status_of(&n, TX, (i + 1) % RING), ==, 0);
    }
    /* A chain, apart from the ring; what is there has its sum already. */
    put_descriptor(&n, TX + 0x100, OWN, FIRST | CHAINED | 500, DATA, TX + 0x200);
    put_descriptor(&n, TX + 0x200, OWN, TELLS | LAST | CHAINED | 1 << 26 | 504, DATA + 500,
                   TX + 0x300);
    put_descriptor(&n, TX + 0x300, 0, 0, 0, 0);
    set_csr(&n, MODE, SR);
    wait_for(&n, TPS);
    set_csr(&n, TX_LIST, TX + 0x100);
    set_csr(&n, MODE, ST | SR);
    wire_expect(n.fd, packet, sizeof(packet));
    wait_for(&n, TI);
    stop(&n);
}

/* The next packet that comes is that to @to: those before it did not. */
static void expect_received(const Net *n, unsigned i, const uint8_t *to, uint32_t flags)
{
    uint8_t got[6];

    wait_for(n, RI);
    g_assert_cmphex(status_of(n, RX, i), ==, 64u << 16 | 0x320 | flags);
    qtest_memread(n->qt, DATA + 0x10000 + 0x1000 * i, got, sizeof(got));
    g_assert_cmpmem(got, 6, to, 6);
}

static void send_to(const Net *n, const uint8_t *to)
{
    uint8_t packet[60];

    wire_fill(packet, sizeof(packet), to);
    wire_send(n->fd, packet, sizeof(packet));
}

static void test_filters(void)
{
    static const uint8_t all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    Net n;

    start(&n);
    wait_for(&n, TU);
    set_up(&n, own_mac, 0);
    send_to(&n, other);
    send_to(&n, group);
    send_to(&n, own_mac);
    expect_received(&n, 0, own_mac, 0);
    send_to(&n, all);
    expect_received(&n, 1, all, 0x400);
    set_csr(&n, MODE, ST | SR | ALL_MULTICAST);
    send_to(&n, other);
    send_to(&n, group);
    expect_received(&n, 2, group, 0x400);
    set_csr(&n, MODE, ST | SR | PROMISCUOUS);
    send_to(&n, other);
    expect_received(&n, 3, other, 0);
    for (unsigned i = 0; i < 2; i++) { /* there is no buffer */
        send_to(&n, other);
        wait_for(&n, RU);
    }
    g_assert_cmphex(csr(&n, STATUS) >> 17 & 7, ==, 4);
    g_assert_cmphex(csr(&n, MISSED), ==, 0xe0000002);
    g_assert_cmphex(csr(&n, MISSED), ==, 0xe0000000);
    begin(&n);
    set_csr(&n, MODE, 0);
    set_csr(&n, MODE, ST | SR);
    set_up(&n, own_mac, INVERSE);
    g_assert_cmphex(csr(&n, MODE) & 0x15, ==, 0x10);
    send_to(&n, own_mac);
    send_to(&n, other);
    expect_received(&n, 0, other, 0);
    stop(&n);
}

/* The sum of Ethernet, as its register has it, of which nine bits are the place in the table. */
static unsigned hash_of(const uint8_t *mac)
{
    uint32_t sum = UINT32_MAX;

    for (unsigned i = 0; i < 48; i++) {
        sum = sum >> 1 ^ ((sum ^ mac[i / 8] >> i % 8) & 1 ? 0xedb88320 : 0);
    }
    return sum & 0x1ff;
}

static void test_hash(void)
{
    static const uint8_t group2[6] = { 1, 0, 0x5e, 0, 0, 2 };
    unsigned hash = hash_of(group);
    Net n;

    start(&n);
    wait_for(&n, TU);
    set_up(&n, own_mac, HASH);
    g_assert_cmphex(csr(&n, MODE) & 0x15, ==, 1);
    send_to(&n, group);
    send_to(&n, other);
    send_to(&n, own_mac);
    expect_received(&n, 0, own_mac, 0);
    /* The same frame with the group in its table. */
    qtest_writew(n.qt, SETUP + hash / 16 * 4, (uint16_t)(1u << hash % 16));
    end_of_ring(&n, n.tx, OWN, TELLS | SET_UP | HASH | 192, SETUP);
    set_csr(&n, TX_POLL, 1);
    wait_for(&n, TI);
    send_to(&n, group2);
    send_to(&n, group);
    expect_received(&n, 1, group, 0x400);
    stop(&n);
}

/* To itself; and what was begun goes on in another program. */
static void test_moved(void)
{
    uint8_t packet[60];
    Net n, to;

    start(&n);
    wait_for(&n, TU);
    set_up(&n, own_mac, 0);
    set_csr(&n, MODE, ST | SR | LOOP);
    wire_fill(packet, sizeof(packet), own_mac);
    qtest_memwrite(n.qt, DATA, packet, sizeof(packet));
    end_of_ring(&n, 1, OWN, TELLS | FIRST | LAST | 60, DATA);
    set_csr(&n, TX_POLL, 1);
    expect_received(&n, 0, own_mac, 0);
    g_autofree char *file = qtest_temp_path(n.qt, "state");
    g_autofree char *more = g_strdup_printf("-incoming file:%s", file);
    set_csr(&n, MODE, ST | SR);
    qtest_save(n.qt, file);
    g_autofree char *path = wire_path();
    to.qt = qtest_start("-m 64 -netdev stream,id=n0,server=on,addr.type=unix,addr.path=%s -device "
                        "tulip,id=card,netdev=n0,addr=4,mac=52:54:00:12:34:56 %s",
                        path, more);
    to.fd = wire_connect(to.qt, path);
    qtest_wait_running(to.qt);
    stop(&n);
    send_to(&to, other);
    send_to(&to, own_mac);
    expect_received(&to, 1, own_mac, 0);
    end_of_ring(&to, 2, OWN, TELLS | FIRST | LAST | 60, DATA);
    set_csr(&to, TX_POLL, 1);
    wait_for(&to, TI);
    stop(&to);
}

/* Lists that lead nowhere, packets without an end, chains that bite their tails. */
static void test_senseless(void)
{
    Net n;

    start(&n);
    for (unsigned i = 0; i < RING; i++) {
        put_descriptor(&n, TX + 16 * i, OWN, FIRST | 2047 << 11 | 2047, BAR, BAR);
        put_descriptor(&n, RX + 16 * i, OWN, CHAINED, BAR, RX);
    }
    set_csr(&n, MODE, ST | SR | PROMISCUOUS);
    set_csr(&n, TX_POLL, 1);
    send_to(&n, own_mac);
    wait_for(&n, RU);
    put_descriptor(&n, TX, OWN, SET_UP | CHAINED | 192, BAR, TX); /* for ever */
    set_csr(&n, TX_LIST, TX);
    set_csr(&n, TX_POLL, 1);
    set_csr(&n, TX_LIST, BAR);
    set_csr(&n, RX_LIST, 0xfffffffc);
    set_csr(&n, TX_POLL, 1);
    wait_for(&n, FBE);
    send_to(&n, own_mac);
    wait_for(&n, FBE);
    for (unsigned i = 0; i < 16; i++) {
        set_csr(&n, i, 0);
        set_csr(&n, i, 0xffffffff);
        csr(&n, i);
    }
    qtest_qmp_ok(n.qt, "system_reset", "{}");
    json_object_put(qtest_event(n.qt, "RESET"));
    stop(&n);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tulip/registers", test_registers);
    g_test_add_func("/tulip/timer", test_timer);
    g_test_add_func("/tulip/sending", test_sending);
    g_test_add_func("/tulip/filters", test_filters);
    g_test_add_func("/tulip/hash", test_hash);
    g_test_add_func("/tulip/moved", test_moved);
    g_test_add_func("/tulip/senseless", test_senseless);
    return g_test_run();
}
