/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pcnet by a driver of our own, with each form of descriptors; the other end of the cable is a
 * socket. */
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/qtest/virtio.h"
#include "tests/qtest/wire.h"

#define DEVFN 0x20u /* slot 4 */
#define IO    0xc000u
#define BAR   0xe0000000u
#define BLOCK 0x200000u
#define TX    0x201000u
#define RX    0x202000u
#define DATA  0x300000u

enum { RINT = 0x400, TINT = 0x200, IDON = 0x100, MISS = 0x1000, RING = 4 };
enum { OWN = 0x8000, STP = 0x200, ENP = 0x100 };

static const uint8_t own_mac[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 };

typedef struct Net {
    QTest *qt;
    int fd; /* the other end */
    unsigned style;
} Net;

static uint16_t csr(const Net *n, uint16_t number)
{
    qtest_outw(n->qt, IO + 0x12, number);
    return qtest_inw(n->qt, IO + 0x10);
}

static void set_csr(const Net *n, uint16_t number, uint16_t value)
{
    qtest_outw(n->qt, IO + 0x12, number);
    qtest_outw(n->qt, IO + 0x10, value);
}

static uint16_t bcr(const Net *n, uint16_t number)
{
    qtest_outw(n->qt, IO + 0x12, number);
    return qtest_inw(n->qt, IO + 0x16);
}

static bool interrupted(const Net *n)
{
    return qpci_read(n->qt, DEVFN, 6, 2) & 8;
}

/* Descriptor @i of the ring at @ring, of 1520 bytes at most. */
static void put_descriptor(const Net *n, uint64_t ring, unsigned i, uint32_t addr, unsigned size,
                           uint16_t status)
{
    uint16_t count = (uint16_t)-size;

    if (n->style == 0) {
        qtest_writew(n->qt, ring + 8 * i + 4, count | 0xf000);
        qtest_writel(n->qt, ring + 8 * i, addr | (uint32_t)status << 16);
    } else {
        uint64_t at = ring + 16 * i;

        qtest_writel(n->qt, at + (n->style == 3 ? 8 : 0), addr);
        qtest_writel(n->qt, at + 4, (uint32_t)status << 16 | (count | 0xf000));
    }
}

static uint16_t status_of(const Net *n, uint64_t ring, unsigned i)
{
    return n->style == 0 ? qtest_readw(n->qt, ring + 8 * i + 2) & 0xff00
                         : qtest_readw(n->qt, ring + 16 * i + 6);
}

static uint32_t length_of(const Net *n, uint64_t ring, unsigned i)
{
    return n->style == 0   ? qtest_readw(n->qt, ring + 8 * i + 6)
           : n->style == 2 ? qtest_readl(n->qt, ring + 16 * i + 8)
                           : qtest_readl(n->qt, ring + 16 * i);
}

/* The initialization block, for rings of four. */
static void initialize(const Net *n, uint16_t mode)
{
    uint64_t at = BLOCK;

    qtest_writew(n->qt, at, mode);
    at += 2;
    if (n->style) {
        qtest_writew(n->qt, at, 2 << 12 | 2 << 4);
        at += 2;
    }
    qtest_memwrite(n->qt, at, own_mac, 6);
    at += n->style ? 8 : 6;
    qtest_writeq(n->qt, at, UINT64_C(1) << 16); /* the group of 01:00:5e:00:00:02 */
    qtest_writel(n->qt, at + 8, RX | (n->style ? 0 : 2u << 29));
    qtest_writel(n->qt, at + 12, TX | (n->style ? 0 : 2u << 29));
    for (unsigned i = 0; i < RING; i++) {
        put_descriptor(n, RX, i, DATA + 0x10000 + 0x1000 * i, 1520, OWN);
        put_descriptor(n, TX, i, 0, 0, 0);
    }
    set_csr(n, 0, 4);
    set_csr(n, 1, BLOCK & 0xffff);
    set_csr(n, 2, BLOCK >> 16);
    set_csr(n, 0, 1);
    g_assert_cmphex(csr(n, 0) & (IDON | 0x80), ==, IDON | 0x80);
    set_csr(n, 0, IDON | 0x42);
    g_assert_cmphex(csr(n, 0) & 0x7ff, ==, 0x73);
}

static void start(Net *n, unsigned style)
{
    g_autofree char *path = wire_path();

    n->style = style;
    n->qt = qtest_start("-m 64 -netdev stream,id=n0,server=on,addr.type=unix,addr.path=%s -device "
                        "pcnet,id=card,netdev=n0,addr=4,romfile=",
                        path);
    n->fd = wire_connect(n->qt, path);
    qpci_write(n->qt, DEVFN, 0x10, 4, IO);
    qpci_write(n->qt, DEVFN, 0x14, 4, BAR);
    qpci_write(n->qt, DEVFN, 4, 2, 7);
    qtest_inw(n->qt, IO + 0x14);
    g_assert_cmphex(csr(n, 0), ==, 4);
    set_csr(n, 58, (uint16_t)style);
    initialize(n, 0);
}

static void stop(Net *n)
{
    close(n->fd);
    qtest_quit(n->qt);
}

/* Wait for a cause, and take it. */
static void wait_for(const Net *n, uint16_t cause)
{
    gint64 end = g_get_monotonic_time() + QTEST_TIMEOUT_MS * 1000LL;

    while (!(csr(n, 0) & cause)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
    g_assert_true(interrupted(n));
    set_csr(n, 0, (csr(n, 0) & 0x7f00) | 0x40);
    g_assert_false(interrupted(n));
}

/* ---- tests ---- */

static void test_registers(void)
{
    Net n;

    start(&n, 2);
    g_assert_cmphex(qpci_read(n.qt, DEVFN, 0, 4), ==, 0x20001022);
    g_assert_cmphex(csr(&n, 88) | (uint32_t)csr(&n, 89) << 16, ==, 0x02621003);
    for (unsigned i = 0; i < 6; i++) {
        g_assert_cmphex(qtest_inb(n.qt, (uint16_t)(IO + i)), ==, own_mac[i]);
    }
    g_assert_cmphex(qtest_inw(n.qt, IO + 14), ==, 0x5757);
    g_assert_cmphex(csr(&n, 12), ==, 0x5452);
    g_assert_cmphex(csr(&n, 58) & 0x3ff, ==, 0x302);
    set_csr(&n, 58, 0); /* not while it runs */
    g_assert_cmphex(csr(&n, 58) & 0x3ff, ==, 0x302);
    g_assert_cmphex(bcr(&n, 4), ==, 0x80c0);
    qtest_qmp_ok(n.qt, "set_link", "{'name': 'card', 'up': false}");
    g_assert_cmphex(bcr(&n, 4), ==, 0xc0);
    /* Registers 32 bits apart, by memory. */
    qtest_outl(n.qt, IO + 0x10, 0);
    qtest_writel(n.qt, BAR + 0x14, 88);
    g_assert_cmphex(qtest_readl(n.qt, BAR + 0x10), ==, 0x1003);
    stop(&n);
}

static void test_rings(gconstpointer style)
{
    static const uint8_t other[6] = { 2, 3, 4, 5, 6, 7 }, group[6] = { 1, 0, 0x5e, 0, 0, 1 };
    uint8_t packet[1000], all[60];
    Net n;

    start(&n, GPOINTER_TO_UINT(style));
    wire_fill(packet, sizeof(packet), own_mac);
    qtest_memwrite(n.qt, DATA, packet, sizeof(packet));
    for (unsigned i = 0; i < 6; i += 2) { /* in two pieces, more than once around */
        put_descriptor(&n, TX, (i + 1) % RING, DATA + 100, 900, OWN | ENP);
        put_descriptor(&n, TX, i % RING, DATA, 100, OWN | STP);
        set_csr(&n, 0, 0x48);
        wire_expect(n.fd, packet, sizeof(packet));
        wait_for(&n, TINT);
        g_assert_cmphex(status_of(&n, TX, i % RING), ==, STP);
        g_assert_cmphex(status_of(&n, TX, (i + 1) % RING), ==, ENP);
    }
    /* Received: ours, all's; not somebody else's, nor a group's. */
    wire_send(n.fd, packet, sizeof(packet));
    wait_for(&n, RINT);
    g_assert_cmphex(status_of(&n, RX, 0) & 0xff00, ==, STP | ENP);
    g_assert_cmpuint(length_of(&n, RX, 0), ==, sizeof(packet) + 4);
    g_assert_cmphex(qtest_readb(n.qt, DATA + 0x10000 + 999), ==, packet[999]);
    wire_fill(all, sizeof(all), other);
    wire_send(n.fd, all, sizeof(all));
    wire_fill(all, sizeof(all), group);
    wire_send(n.fd, all, sizeof(all));
    memset(all, 0xff, 6);
    wire_send(n.fd, all, sizeof(all));
    wait_for(&n, RINT);
    g_assert_cmpuint(length_of(&n, RX, 1), ==, 64);
    g_assert_cmphex(qtest_readb(n.qt, DATA + 0x11000), ==, 0xff);
    memcpy(all, (const uint8_t[]){ 1, 0, 0x5e, 0, 0, 2 }, 6); /* a group that is wanted */
    wire_send(n.fd, all, sizeof(all));
    wait_for(&n, RINT);
    g_assert_cmphex(qtest_readb(n.qt, DATA + 0x12000 + 5), ==, 2);
    for (unsigned i = 0; i < 2; i++) { /* there is one buffer */
        wire_send(n.fd, all, sizeof(all));
    }
    wait_for(&n, MISS);
    g_assert_cmphex(csr(&n, 112), ==, 1);
    stop(&n);
}

/* While it is suspended what comes waits, and the filter is changed: all is wanted. */
static void test_suspended(void)
{
    uint8_t packet[60];
    Net n;

    start(&n, 2);
    set_csr(&n, 5, 1);
    g_assert_cmphex(csr(&n, 5), ==, 1);
    set_csr(&n, 15, 0x8000);
    wire_fill(packet, sizeof(packet), (const uint8_t[6]){ 2, 3, 4, 5, 6, 7 });
    wire_send(n.fd, packet, sizeof(packet));
    put_descriptor(&n, TX, 0, DATA, 60, OWN | STP | ENP);
    set_csr(&n, 0, 0x48);
    g_assert_cmphex(status_of(&n, TX, 0), ==, OWN | STP | ENP);
    set_csr(&n, 5, 0);
    g_assert_cmphex(status_of(&n, TX, 0), ==, STP | ENP);
    wait_for(&n, RINT);
    set_csr(&n, 0, 4);
    initialize(&n, 4); /* to itself */
    qtest_memwrite(n.qt, DATA, packet, sizeof(packet));
    qtest_memwrite(n.qt, DATA, own_mac, 6);
    put_descriptor(&n, TX, 0, DATA, 60, OWN | STP | ENP);
    set_csr(&n, 0, 0x48);
    wait_for(&n, RINT);
    g_assert_cmphex(status_of(&n, RX, 0) & 0xff00, ==, STP | ENP);
    stop(&n);
}

/* Rings that lead nowhere, packets without an end. */
static void test_senseless(void)
{
    uint8_t packet[60];
    Net n;

    start(&n, 2);
    for (unsigned i = 0; i < RING; i++) {
        put_descriptor(&n, TX, i, BAR, 1520, OWN);
        put_descriptor(&n, RX, i, BAR, 1520, OWN);
    }
    set_csr(&n, 0, 0x48);
    wire_fill(packet, sizeof(packet), own_mac);
    wire_send(n.fd, packet, sizeof(packet));
    wait_for(&n, RINT);
    set_csr(&n, 0, 4);
    set_csr(&n, 1, 0);
    set_csr(&n, 2, 0xe000);
    set_csr(&n, 0, 0x43);
    g_assert_cmphex(csr(&n, 0) & 0x0800, ==, 0x0800); /* no memory */
    for (unsigned i = 0; i < 128; i++) {
        set_csr(&n, 0, 4);
        set_csr(&n, (uint16_t)i, 0);
        set_csr(&n, 0, 0x4a);
        set_csr(&n, (uint16_t)i, 0xffff);
    }
    qtest_qmp_ok(n.qt, "system_reset", "{}");
    json_object_put(qtest_event(n.qt, "RESET"));
    stop(&n);
}

/* Descriptors in a ROM are given back to nobody: the card goes on for ever, but takes its time. */
static void test_rom(void)
{
    g_autofree char *path = g_strdup_printf("/tmp/qtest-pcnet-%d", getpid());
    uint8_t rom[65536];
    Net n = { .style = 2 };

    memset(rom, 0xff, sizeof(rom));
    g_assert_true(g_file_set_contents(path, (const char *)rom, sizeof(rom), NULL));
    n.qt = qtest_start("-m 64 -bios %s -netdev hubport,id=n0,hubid=0 -device "
                       "pcnet,id=card,netdev=n0,addr=4,romfile=",
                       path);
    g_unlink(path);
    qpci_write(n.qt, DEVFN, 0x10, 4, IO);
    qpci_write(n.qt, DEVFN, 4, 2, 7);
    set_csr(&n, 58, 2);
    set_csr(&n, 30, 0);
    set_csr(&n, 31, 0xffff);
    set_csr(&n, 78, 0xfffd); /* three */
    set_csr(&n, 0, 0x42);
    set_csr(&n, 0, 0x48);
    g_assert_cmpuint(csr(&n, 74), ==, 2); /* 256 were looked at */
    qtest_clock_step(n.qt, 999000);
    g_assert_cmpuint(csr(&n, 74), ==, 2);
    qtest_clock_step(n.qt, 1000);
    g_assert_cmpuint(csr(&n, 74), ==, 1);
    qtest_quit(n.qt);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pcnet/registers", test_registers);
    g_test_add_data_func("/pcnet/rings, 16 bits", GUINT_TO_POINTER(0), test_rings);
    g_test_add_data_func("/pcnet/rings, 32 bits", GUINT_TO_POINTER(2), test_rings);
    g_test_add_data_func("/pcnet/rings, in another order", GUINT_TO_POINTER(3), test_rings);
    g_test_add_func("/pcnet/suspended", test_suspended);
    g_test_add_func("/pcnet/senseless", test_senseless);
    g_test_add_func("/pcnet/rom", test_rom);
    return g_test_run();
}
