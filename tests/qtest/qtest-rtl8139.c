/* SPDX-License-Identifier: GPL-2.0-or-later */
/* rtl8139 by a driver of our own, with buffers and rings of bytes, and with descriptors; the other
 * end of the cable is a socket. */
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/qtest/virtio.h"
#include "tests/qtest/wire.h"

#define DEVFN 0x20u /* slot 4 */
#define BAR   0xe0000000u
#define TX    0x200000u
#define RX    0x210000u
#define DATA  0x300000u

enum { TSD = 0x10, TSAD = 0x20, TNPDS = 0x20, RBSTART = 0x30, CR = 0x37, CAPR = 0x38, CBR = 0x3a };
enum { IMR = 0x3c, ISR = 0x3e, TCR = 0x40, RCR = 0x44, TCTR = 0x48, MPC = 0x4c, EEPROM = 0x50 };
enum { TIMER = 0x54, BMSR = 0x64, POLL = 0xd9, CPCR = 0xe0, RDSAR = 0xe4 };
enum { ROK = 1, TOK = 4, RXOVW = 0x10, LINK = 0x20, TDU = 0x80, TIMEOUT = 0x4000 };
#define OWN   0x80000000u
#define END   0x40000000u
#define FIRST 0x20000000u
#define LAST  0x10000000u

static const uint8_t own_mac[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 };

typedef struct Net {
    QTest *qt;
    int fd; /* the other end */
} Net;

static uint32_t get(const Net *n, unsigned at, unsigned size)
{
    return size == 1   ? qtest_readb(n->qt, BAR + at)
           : size == 2 ? qtest_readw(n->qt, BAR + at)
                       : qtest_readl(n->qt, BAR + at);
}

static void set(const Net *n, unsigned at, uint32_t value, unsigned size)
{
    if (size == 1) {
        qtest_writeb(n->qt, BAR + at, (uint8_t)value);
    } else if (size == 2) {
        qtest_writew(n->qt, BAR + at, (uint16_t)value);
    } else {
        qtest_writel(n->qt, BAR + at, value);
    }
}

static bool interrupted(const Net *n)
{
    return qpci_read(n->qt, DEVFN, 6, 2) & 8;
}

static void start(Net *n)
{
    g_autofree char *path = wire_path();

    n->qt = qtest_start("-m 64 -netdev stream,id=n0,server=on,addr.type=unix,addr.path=%s -device "
                        "rtl8139,id=card,netdev=n0,addr=4,romfile=",
                        path);
    n->fd = wire_connect(n->qt, path);
    qpci_write(n->qt, DEVFN, 0x10, 4, 0xc000);
    qpci_write(n->qt, DEVFN, 0x14, 4, BAR);
    qpci_write(n->qt, DEVFN, 4, 2, 7);
    set(n, CR, 0x10, 1);
    g_assert_cmphex(get(n, CR, 1) & 0x10, ==, 0);
    set(n, RBSTART, RX, 4);
    set(n, RCR, 0x0a, 4); /* its own, and broadcasts; 8 KiB */
    set(n, CR, 0x0c, 1);
    set(n, IMR, 0xffff, 2);
    set(n, ISR, 0xffff, 2);
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

    while (!(get(n, ISR, 2) & cause)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
    g_assert_true(interrupted(n));
    set(n, ISR, get(n, ISR, 2), 2);
    g_assert_false(interrupted(n));
}

/* ---- tests ---- */

static uint16_t eeprom_word(const Net *n, unsigned address)
{
    unsigned command = 0x180 | address;
    uint16_t word = 0;

    set(n, EEPROM, 0x80, 1);
    for (unsigned i = 9; i-- > 0;) {
        uint8_t in = command >> i & 1 ? 2 : 0;

        set(n, EEPROM, 0x88 | in, 1);
        set(n, EEPROM, 0x8c | in, 1);
        g_assert_cmphex(get(n, EEPROM, 1) & 1, ==, i > 0); /* 0: it has understood */
    }
    for (unsigned i = 0; i < 16; i++) {
        set(n, EEPROM, 0x88, 1);
        set(n, EEPROM, 0x8c, 1);
        word = (uint16_t)(word << 1 | (get(n, EEPROM, 1) & 1));
    }
    set(n, EEPROM, 0, 1);
    return word;
}

static void test_registers(void)
{
    Net n;

    start(&n);
    g_assert_cmphex(qpci_read(n.qt, DEVFN, 0, 4), ==, 0x813910ec);
    g_assert_cmphex(qpci_read(n.qt, DEVFN, 8, 4), ==, 0x02000020);
    for (unsigned i = 0; i < 6; i++) {
        g_assert_cmphex(get(&n, i, 1), ==, own_mac[i]);
    }
    g_assert_cmphex(get(&n, TCR, 4) & 0x7cc00000, ==, 0x74800000);
    g_assert_cmphex(qtest_inl(n.qt, 0xc000 + TCR), ==, get(&n, TCR, 4));
    g_assert_cmphex(eeprom_word(&n, 0), ==, 0x8129);
    for (unsigned i = 0; i < 3; i++) {
        g_assert_cmphex(eeprom_word(&n, 7 + i), ==, own_mac[2 * i] | own_mac[2 * i + 1] << 8);
    }
    g_assert_cmphex(get(&n, BMSR, 2), ==, 0x782d);
    qtest_qmp_ok(n.qt, "set_link", "{'name': 'card', 'up': false}");
    wait_for(&n, LINK);
    g_assert_cmphex(get(&n, BMSR, 2), ==, 0x7809);
    qtest_qmp_ok(n.qt, "set_link", "{'name': 'card', 'up': true}");
    /* The counter, 33 times in a microsecond. */
    set(&n, TCTR, 0, 4);
    set(&n, TIMER, 33000, 4);
    qtest_clock_step(n.qt, 999000);
    g_assert_cmphex(get(&n, ISR, 2) & TIMEOUT, ==, 0);
    qtest_clock_step(n.qt, 2000);
    g_assert_cmpuint(get(&n, TCTR, 4), ==, 33033);
    wait_for(&n, TIMEOUT);
    stop(&n);
}

static void test_buffers(void)
{
    uint8_t packet[200], broadcast[60], other[60];
    Net n;

    start(&n);
    wire_fill(packet, sizeof(packet), own_mac);
    for (unsigned i = 0; i < 5; i++) { /* once around */
        unsigned at = i % 4;

        packet[20] = (uint8_t)i;
        qtest_memwrite(n.qt, DATA, packet, sizeof(packet));
        set(&n, TSAD + 4 * at, DATA, 4);
        g_assert_cmphex(get(&n, TSD + 4 * at, 4) & 0x2000, ==, 0x2000);
        set(&n, TSD + 4 * at, sizeof(packet), 4);
        wire_expect(n.fd, packet, sizeof(packet));
        wait_for(&n, TOK);
        g_assert_cmphex(get(&n, TSD + 4 * at, 4), ==, 0xa000 | sizeof(packet));
    }
    /* Received. */
    g_assert_cmphex(get(&n, CR, 1) & 1, ==, 1);
    wire_send(n.fd, packet, sizeof(packet));
    wait_for(&n, ROK);
    g_assert_cmphex(get(&n, CR, 1) & 1, ==, 0);
    g_assert_cmphex(qtest_readl(n.qt, RX), ==, (sizeof(packet) + 4) << 16 | 0x4001);
    g_assert_cmphex(qtest_readb(n.qt, RX + 4 + 20), ==, 4);
    g_assert_cmphex(get(&n, CBR, 2), ==, 208);
    set(&n, CAPR, 208 - 16, 2);
    g_assert_cmphex(get(&n, CR, 1) & 1, ==, 1);
    memset(broadcast, 0xff, sizeof(broadcast));
    wire_fill(other, sizeof(other), (const uint8_t[6]){ 2, 3, 4, 5, 6, 7 });
    wire_send(n.fd, other, sizeof(other)); /* to somebody else */
    wire_send(n.fd, broadcast, sizeof(broadcast));
    wait_for(&n, ROK);
    g_assert_cmphex(qtest_readl(n.qt, RX + 208), ==, 64u << 16 | 0x2001);
    /* The ring is full: what comes waits. */
    for (unsigned i = 0; i < 60; i++) {
        wire_send(n.fd, packet, sizeof(packet));
    }
    wait_for(&n, RXOVW);
    g_assert_cmpuint(get(&n, MPC, 4), >, 0);
    set(&n, CAPR, (get(&n, CBR, 2) - 16) & 0x1fff, 2);
    wait_for(&n, ROK);
    stop(&n);
}

static void put_descriptor(const Net *n, uint64_t at, uint32_t command, uint32_t tag, uint64_t addr)
{
    qtest_writel(n->qt, at, command);
    qtest_writel(n->qt, at + 4, tag);
    qtest_writeq(n->qt, at + 8, addr);
}

static void start_rings(Net *n)
{
    start(n);
    set(n, CPCR, 0x43, 2);
    set(n, TNPDS, TX, 4);
    set(n, TNPDS + 4, 0, 4);
    set(n, RDSAR, RX, 4);
    set(n, RDSAR + 4, 0, 4);
}

static void test_descriptors(void)
{
    uint8_t packet[200], tagged[204];
    Net n;

    start_rings(&n);
    wire_fill(packet, sizeof(packet), own_mac);
    qtest_memwrite(n.qt, DATA, packet, sizeof(packet));
    /* In two pieces; the second time with a tag. */
    put_descriptor(&n, TX, OWN | FIRST | 100, 0, DATA);
    put_descriptor(&n, TX + 16, OWN | LAST | 100, 0, DATA + 100);
    put_descriptor(&n, TX + 32, OWN | FIRST | LAST | END | 200, 1 << 17 | 0x0302, DATA);
    set(&n, POLL, 0x40, 1);
    wire_expect(n.fd, packet, sizeof(packet));
    memcpy(tagged, packet, 12);
    memcpy(tagged + 12, (const uint8_t[]){ 0x81, 0, 2, 3 }, 4);
    memcpy(tagged + 16, packet + 12, 188);
    wire_expect(n.fd, tagged, sizeof(tagged));
    wait_for(&n, TOK);
    for (unsigned i = 0; i < 3; i++) {
        g_assert_cmphex(qtest_readl(n.qt, TX + 16 * i) & OWN, ==, 0);
    }
    g_assert_cmphex(get(&n, POLL, 1) & 0x40, ==, 0);
    /* Received; the tag is taken off. */
    put_descriptor(&n, RX, OWN | 1536, 0, DATA + 0x1000);
    put_descriptor(&n, RX + 16, OWN | END | 1536, 0, DATA + 0x2000);
    wire_send(n.fd, packet, sizeof(packet));
    wait_for(&n, ROK);
    g_assert_cmphex(qtest_readl(n.qt, RX), ==, FIRST | LAST | 1 << 26 | 204);
    g_assert_cmphex(qtest_readb(n.qt, DATA + 0x1000 + 199), ==, packet[199]);
    wire_send(n.fd, tagged, sizeof(tagged));
    wait_for(&n, ROK);
    g_assert_cmphex(qtest_readl(n.qt, RX + 16), ==, END | FIRST | LAST | 1 << 26 | 204);
    g_assert_cmphex(qtest_readl(n.qt, RX + 20), ==, 1 << 16 | 0x0302);
    g_assert_cmphex(qtest_readb(n.qt, DATA + 0x2000 + 199), ==, packet[199]);
    wire_send(n.fd, packet, sizeof(packet)); /* there is no descriptor */
    wait_for(&n, RXOVW);
    g_assert_cmpuint(get(&n, MPC, 4), ==, 1);
    stop(&n);
}

/* A packet of UDP, whose sums the card makes; one of TCP, which it cuts. */
static void test_sums(void)
{
    static const uint8_t header[] = { 0x45, 0, 0,  48, 0, 0, 0, 0, 64, 17, 0xaa, 0xaa, 10,   0,
                                      0,    1, 10, 0,  0, 2, 0, 7, 0,  9,  0,    28,   0xbb, 0xbb };
    uint8_t packet[62] = { 0 }, sent[62];
    uint32_t sum = 0;
    Net n;

    start_rings(&n);
    wire_fill(packet, sizeof(packet), own_mac);
    packet[12] = 8;
    packet[13] = 0;
    memcpy(packet + 14, header, sizeof(header));
    qtest_memwrite(n.qt, DATA, packet, sizeof(packet));
    put_descriptor(&n, TX, OWN | FIRST | LAST | END | 1 << 18 | 1 << 17 | sizeof(packet), 0, DATA);
    set(&n, POLL, 0x40, 1);
    wire_read(n.fd, sent, 4);
    wire_read(n.fd, sent, sizeof(sent));
    for (unsigned i = 14; i < 34; i += 2) {
        sum += (unsigned)sent[i] << 8 | sent[i + 1];
    }
    g_assert_cmphex((sum & 0xffff) + (sum >> 16), ==, 0xffff);
    sum = 17 + 28;
    for (unsigned i = 26; i < 62; i += 2) {
        sum += (unsigned)sent[i] << 8 | sent[i + 1];
    }
    sum = (sum & 0xffff) + (sum >> 16);
    g_assert_cmphex((sum & 0xffff) + (sum >> 16), ==, 0xffff);
    stop(&n);
}

/* Rings that lead nowhere, packets without an end, sizes that are none. */
static void test_senseless(void)
{
    uint8_t packet[60];
    Net n;

    start_rings(&n);
    for (unsigned i = 0; i < 1024; i++) {
        put_descriptor(&n, TX + 16 * i, OWN | 0xffff, 0, BAR);
    }
    set(&n, POLL, 0xc0, 1);
    g_assert_cmphex(get(&n, CR, 1) & 0x0c, ==, 0x0c);
    put_descriptor(&n, TX, OWN | FIRST | LAST | END, 0, DATA);
    set(&n, TNPDS, TX, 4);
    set(&n, POLL, 0x40, 1);
    put_descriptor(&n, TX, OWN | FIRST | LAST | END | 1 << 27 | 100, 0,
                   DATA); /* no segment's size */
    set(&n, POLL, 0x40, 1);
    set(&n, RDSAR, BAR, 4);
    wire_fill(packet, sizeof(packet), own_mac);
    wire_send(n.fd, packet, sizeof(packet));
    wait_for(&n, RXOVW);
    set(&n, CPCR, 0, 2);
    set(&n, RBSTART, BAR, 4);
    set(&n, CAPR, 0xffff, 2);
    wire_send(n.fd, packet, sizeof(packet));
    for (unsigned i = 0; i < 4; i++) {
        set(&n, TSAD + 4 * i, BAR, 4);
        set(&n, TSD + 4 * i, 0x1fff, 4);
    }
    set(&n, TCR, 0x60000, 4); /* to itself */
    set(&n, TSAD, DATA, 4);
    qtest_memwrite(n.qt, DATA, packet, sizeof(packet));
    set(&n, TSD, 60, 4);
    qtest_qmp_ok(n.qt, "system_reset", "{}");
    json_object_put(qtest_event(n.qt, "RESET"));
    stop(&n);
}

/* Descriptors in a ROM are given back to nobody: the card goes on for ever, but takes its time,
 * each turn with an interrupt. */
static void test_rom(void)
{
    g_autofree char *path = g_strdup_printf("/tmp/qtest-rtl8139-%d", getpid());
    uint8_t rom[65536];
    Net n = { .fd = -1 };

    memset(rom, 0xff, sizeof(rom));
    g_assert_true(g_file_set_contents(path, (const char *)rom, sizeof(rom), NULL));
    n.qt = qtest_start("-m 64 -bios %s -netdev hubport,id=n0,hubid=0 -device "
                       "rtl8139,id=card,netdev=n0,addr=4,romfile=",
                       path);
    g_unlink(path);
    qpci_write(n.qt, DEVFN, 0x14, 4, BAR);
    qpci_write(n.qt, DEVFN, 4, 2, 7);
    set(&n, CR, 0x0c, 1);
    set(&n, CPCR, 0x43, 2);
    set(&n, TNPDS, 0xffff0000, 4);
    set(&n, TNPDS + 4, 0, 4);
    set(&n, POLL, 0x40, 1);
    for (unsigned i = 0; i < 3; i++) {
        g_assert_cmphex(get(&n, ISR, 2) & TOK, ==, TOK);
        set(&n, ISR, 0xffff, 2);
        qtest_clock_step(n.qt, 999000);
        g_assert_cmphex(get(&n, ISR, 2) & TOK, ==, 0);
        qtest_clock_step(n.qt, 1000);
    }
    g_assert_cmphex(get(&n, POLL, 1) & 0x40, ==, 0x40);
    qtest_quit(n.qt);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rtl8139/registers", test_registers);
    g_test_add_func("/rtl8139/buffers", test_buffers);
    g_test_add_func("/rtl8139/descriptors", test_descriptors);
    g_test_add_func("/rtl8139/sums", test_sums);
    g_test_add_func("/rtl8139/rom", test_rom);
    g_test_add_func("/rtl8139/senseless", test_senseless);
    return g_test_run();
}
