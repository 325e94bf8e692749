/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ne2k_isa and ne2k_pci by a driver of our own; the other end of the cable is a socket. */
#include <string.h>
#include <unistd.h>

#include "tests/qtest/virtio.h"
#include "tests/qtest/wire.h"

#define DEVFN   0x20u /* slot 4 */
#define TX_PAGE 0x40u
#define FIRST   0x4cu
#define END     0x60u

enum {
    CR = 0,
    BNRY = 3,
    ISR = 7,
    RSAR = 8,
    RBCR = 10,
    RCR = 12,
    TCR = 13,
    DCR = 14,
    IMR = 15,
    DATA = 16,
    RESET = 31
};
enum { PRX = 1, PTX = 2, RDC = 0x40, RST = 0x80 };

static const uint8_t own_mac[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 };

typedef struct Net {
    QTest *qt;
    int fd; /* the other end */
    uint16_t io;
} Net;

static uint8_t get(const Net *n, unsigned at)
{
    return qtest_inb(n->qt, (uint16_t)(n->io + at));
}

static void set(const Net *n, unsigned at, unsigned value)
{
    qtest_outb(n->qt, (uint16_t)(n->io + at), (uint8_t)value);
}

/* Tell the chip where the next bytes of the data port are. */
static void dma(const Net *n, unsigned at, unsigned size, bool write)
{
    set(n, RSAR, at);
    set(n, RSAR + 1, at >> 8);
    set(n, RBCR, size);
    set(n, RBCR + 1, size >> 8);
    set(n, CR, write ? 0x12 : 0x0a);
}

static void read_memory(const Net *n, unsigned at, uint8_t *to, unsigned size)
{
    dma(n, at, size, false);
    for (unsigned i = 0; i < size; i += 2) {
        uint16_t word = qtest_inw(n->qt, (uint16_t)(n->io + DATA));

        memcpy(to + i, &word, 2);
    }
    g_assert_cmphex(get(n, ISR) & RDC, ==, RDC);
    set(n, ISR, RDC);
}

static void start(Net *n, const char *type)
{
    g_autofree char *path = wire_path();
    bool pci = strcmp(type, "ne2k_pci") == 0;

    n->qt = qtest_start("-m 64 -netdev stream,id=n0,server=on,addr.type=unix,addr.path=%s -device "
                        "%s,id=card,netdev=n0%s",
                        path, type, pci ? ",addr=4,romfile=" : ",iobase=0x320,irq=10");
    n->fd = wire_connect(n->qt, path);
    n->io = pci ? 0xc000 : 0x320;
    if (pci) {
        qpci_write(n->qt, DEVFN, 0x10, 4, n->io);
        qpci_write(n->qt, DEVFN, 4, 2, 1);
    }
    get(n, RESET);
    g_assert_cmphex(get(n, ISR), ==, RST);
    set(n, CR, 0x21);
    set(n, DCR, 0x49);
    set(n, RCR, 0x0c); /* broadcasts and groups */
    set(n, TCR, 0);
    set(n, 1, FIRST);
    set(n, 2, END);
    set(n, BNRY, END - 1);
    set(n, ISR, 0xff);
    set(n, IMR, 0x3f);
    set(n, CR, 0x61);
    for (unsigned i = 0; i < 6; i++) {
        set(n, 1 + i, own_mac[i]);
    }
    set(n, 7, FIRST);
    for (unsigned i = 0; i < 8; i++) {
        set(n, 8 + i, 0);
    }
    set(n, CR, 0x22);
}

static void stop(Net *n)
{
    close(n->fd);
    qtest_quit(n->qt);
}

static void wait_for(const Net *n, uint8_t cause)
{
    gint64 end = g_get_monotonic_time() + QTEST_TIMEOUT_MS * 1000LL;

    while (!(get(n, ISR) & cause)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
    if (n->io == 0xc000) {
        g_assert_cmphex(qpci_read(n->qt, DEVFN, 6, 2) & 8, ==, 8);
    }
    set(n, ISR, cause);
}

/* ---- tests ---- */

static void test_packets(gconstpointer type)
{
    static const uint8_t other[6] = { 2, 3, 4, 5, 6, 7 }, group[6] = { 1, 0, 0x5e, 0, 0, 1 };
    uint8_t packet[600], prom[32], got[16];
    unsigned page = FIRST;
    Net n;

    start(&n, type);
    read_memory(&n, 0, prom, 32);
    for (unsigned i = 0; i < 6; i++) {
        g_assert_cmphex(prom[2 * i], ==, own_mac[i]);
        g_assert_cmphex(prom[2 * i + 1], ==, own_mac[i]);
    }
    g_assert_cmphex(prom[28], ==, 0x57);
    wire_fill(packet, sizeof(packet), own_mac);
    dma(&n, TX_PAGE << 8, sizeof(packet), true);
    for (unsigned i = 0; i < sizeof(packet); i += 2) {
        qtest_outw(n.qt, (uint16_t)(n.io + DATA), (uint16_t)(packet[i] | packet[i + 1] << 8));
    }
    set(&n, 4, TX_PAGE);
    set(&n, 5, sizeof(packet) & 0xff);
    set(&n, 6, sizeof(packet) >> 8);
    set(&n, CR, 0x26);
    wire_expect(n.fd, packet, sizeof(packet));
    wait_for(&n, PTX);
    g_assert_cmphex(get(&n, 4) & 1, ==, 1);
    /* Received, more than once around; between them what is not wanted. */
    for (unsigned i = 0; i < 10; i++) {
        packet[20] = (uint8_t)i;
        wire_fill(got, sizeof(got), i % 2 ? other : group);
        wire_send(n.fd, got, sizeof(got));
        wire_send(n.fd, packet, sizeof(packet));
        wait_for(&n, PRX);
        read_memory(&n, page << 8, got, 4);
        page = FIRST + (page - FIRST + 3) % (END - FIRST);
        g_assert_cmphex(got[0], ==, 1);
        g_assert_cmphex(got[1], ==, page);
        g_assert_cmphex(got[2] | got[3] << 8, ==, sizeof(packet) + 4);
        set(&n, BNRY, page == FIRST ? END - 1 : page - 1);
    }
    /* The ring is full: what comes waits. */
    for (unsigned i = 0; i < 8; i++) {
        wire_send(n.fd, packet, sizeof(packet));
    }
    wait_for(&n, PRX);
    set(&n, CR, 0x62);
    while (get(&n, 7) != FIRST + (page - FIRST + 18) % (END - FIRST)) {
    }
    set(&n, CR, 0x22);
    set(&n, ISR, PRX);
    set(&n, BNRY, FIRST + (page - FIRST + 5) % (END - FIRST));
    wait_for(&n, PRX);
    stop(&n);
}

/* A packet that comes when the driver has looked, and before it takes the cause, is told all the
 * same; one that it has seen is not told again. */
static void test_between(gconstpointer type)
{
    uint8_t packet[60];
    Net n;

    start(&n, type);
    wire_fill(packet, sizeof(packet), own_mac);
    wire_send(n.fd, packet, sizeof(packet));
    while (!(get(&n, ISR) & PRX)) {
    }
    set(&n, ISR, PRX);
    g_assert_cmphex(get(&n, ISR) & PRX, ==, PRX);
    set(&n, CR, 0x62);
    g_assert_cmphex(get(&n, 7), ==, FIRST + 1);
    set(&n, CR, 0x22);
    set(&n, ISR, PRX);
    g_assert_cmphex(get(&n, ISR) & PRX, ==, 0);
    stop(&n);
}

/* Rings that are none, places outside of memory, all values in all registers. */
static void test_senseless(gconstpointer type)
{
    uint8_t packet[60];
    Net n;

    start(&n, type);
    wire_fill(packet, sizeof(packet), own_mac);
    for (unsigned value = 0; value < 256; value += 51) {
        for (unsigned at = 0; at < 64; at++) {
            set(&n, CR, (at / 16) << 6 | 0x22);
            set(&n, at % 16, value);
            set(&n, CR, 0x26);
            qtest_outw(n.qt, (uint16_t)(n.io + DATA), 0xffff);
            qtest_inw(n.qt, (uint16_t)(n.io + DATA));
            qtest_inl(n.qt, (uint16_t)(n.io + at % 16));
        }
        wire_send(n.fd, packet, sizeof(packet));
    }
    qtest_qmp_ok(n.qt, "system_reset", "{}");
    json_object_put(qtest_event(n.qt, "RESET"));
    stop(&n);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/ne2k/packets, PCI", "ne2k_pci", test_packets);
    g_test_add_data_func("/ne2k/packets, ISA", "ne2k_isa", test_packets);
    g_test_add_data_func("/ne2k/between", "ne2k_pci", test_between);
    g_test_add_data_func("/ne2k/senseless, PCI", "ne2k_pci", test_senseless);
    g_test_add_data_func("/ne2k/senseless, ISA", "ne2k_isa", test_senseless);
    return g_test_run();
}
