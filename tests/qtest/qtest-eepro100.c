/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cards of eepro100 by a driver of our own; the other end of the cable is a socket. */
#include <string.h>
#include <unistd.h>

#include "tests/qtest/virtio.h"
#include "tests/qtest/wire.h"

#define DEVFN 0x20u /* slot 4 */
#define BAR   0xe0000000u
#define CB    0x200000u /* commands, 0x40 apart */
#define RFD   0x210000u /* frames, 0x800 apart */
#define DATA  0x300000u
#define STATS 0x220000u

enum { STATUS, CAUSES, COMMAND, MASK, POINTER, PORT = 8, EEPROM = 0x0e, MDI = 0x10 };
enum { CX = 0x80, FR = 0x40, CNA = 0x20, RNR = 0x10 };
enum {
    CU_START = 0x10,
    CU_RESUME = 0x20,
    CU_DUMP_AT = 0x40,
    CU_DUMP_RESET = 0x70,
    RU_START = 1,
    RU_ABORT = 4
};
#define OK      0xa000u
#define END     0x8000u
#define SUSPEND 0x4000u
#define TELL    0x2000u
#define FLEX    0x0008u
#define FRAMES  4u

static const uint8_t own_mac[6] = { 0x52, 0x54, 0, 0x12, 0x34, 0x56 };

typedef struct Net {
    QTest *qt;
    int fd; /* the other end */
} Net;

static uint8_t get(const Net *n, unsigned at)
{
    return qtest_readb(n->qt, BAR + at);
}

static void command(const Net *n, uint32_t pointer, uint8_t value)
{
    qtest_writel(n->qt, BAR + POINTER, pointer);
    qtest_writeb(n->qt, BAR + COMMAND, value);
    g_assert_cmphex(get(n, COMMAND), ==, 0);
}

static bool interrupted(const Net *n)
{
    return qpci_read(n->qt, DEVFN, 6, 2) & 8;
}

/* Wait for a cause, and take all. */
static void wait_for(const Net *n, uint8_t cause)
{
    gint64 end = g_get_monotonic_time() + QTEST_TIMEOUT_MS * 1000LL;

    while (!(get(n, CAUSES) & cause)) {
        g_assert_cmpint(g_get_monotonic_time(), <, end);
    }
    g_assert_true(interrupted(n));
    qtest_writeb(n->qt, BAR + CAUSES, 0xff);
    g_assert_false(interrupted(n));
}

static void put_block(const Net *n, unsigned i, uint32_t how, uint32_t next)
{
    qtest_writel(n->qt, CB + 0x40 * i, how << 16);
    qtest_writel(n->qt, CB + 0x40 * i + 4, CB + 0x40 * next);
}

static void put_frame(const Net *n, unsigned i, uint16_t how, unsigned size)
{
    qtest_writel(n->qt, RFD + 0x800 * i, (uint32_t)how << 16);
    qtest_writel(n->qt, RFD + 0x800 * i + 4, RFD + 0x800 * ((i + 1) % FRAMES));
    qtest_writel(n->qt, RFD + 0x800 * i + 12, size << 16);
}

static void start(Net *n, const char *type)
{
    g_autofree char *path = wire_path();

    n->qt = qtest_start("-m 64 -netdev stream,id=n0,server=on,addr.type=unix,addr.path=%s -device "
                        "%s,id=card,netdev=n0,addr=4,romfile=",
                        path, type);
    n->fd = wire_connect(n->qt, path);
    qpci_write(n->qt, DEVFN, 0x10, 4, BAR);
    qpci_write(n->qt, DEVFN, 0x14, 4, 0xc000);
    qpci_write(n->qt, DEVFN, 4, 2, 7);
    qtest_writel(n->qt, BAR + PORT, 0);
    for (unsigned i = 0; i < FRAMES; i++) {
        put_frame(n, i, i == FRAMES - 1 ? END : 0, i == FRAMES - 1 ? 0 : 1520);
    }
    command(n, RFD, RU_START);
    g_assert_cmphex(get(n, STATUS), ==, 0x10);
}

static void stop(Net *n)
{
    close(n->fd);
    qtest_quit(n->qt);
}

static uint16_t eeprom_word(const Net *n, unsigned address)
{
    unsigned code = 0x180 | address;
    uint16_t word = 0;

    for (unsigned i = 9; i-- > 0;) {
        uint8_t in = code >> i & 1 ? 4 : 0;

        qtest_writeb(n->qt, BAR + EEPROM, 2 | in);
        qtest_writeb(n->qt, BAR + EEPROM, 3 | in);
        g_assert_cmphex(!!(get(n, EEPROM) & 8), ==, i > 0); /* 0: it has understood */
    }
    for (unsigned i = 0; i < 16; i++) {
        qtest_writeb(n->qt, BAR + EEPROM, 2);
        qtest_writeb(n->qt, BAR + EEPROM, 3);
        word = (uint16_t)(word << 1 | !!(get(n, EEPROM) & 8));
    }
    qtest_writeb(n->qt, BAR + EEPROM, 0);
    return word;
}

static uint16_t phy(const Net *n, unsigned address, unsigned number)
{
    qtest_writel(n->qt, BAR + MDI, 2u << 26 | address << 21 | number << 16);
    g_assert_cmphex(qtest_readl(n->qt, BAR + MDI) >> 28 & 1, ==, 1);
    return (uint16_t)qtest_readl(n->qt, BAR + MDI);
}

/* ---- tests ---- */

static void test_registers(gconstpointer type)
{
    uint16_t sum = 0;
    Net n;

    start(&n, type);
    for (unsigned i = 0; i < 3; i++) {
        g_assert_cmphex(eeprom_word(&n, i), ==, own_mac[2 * i] | own_mac[2 * i + 1] << 8);
    }
    for (unsigned i = 0; i < 64; i++) {
        sum = (uint16_t)(sum + eeprom_word(&n, i));
    }
    g_assert_cmphex(sum, ==, 0xbaba);
    g_assert_cmphex(phy(&n, 1, 2), ==, 0x02a8);
    g_assert_cmphex(phy(&n, 1, 1), ==, 0x782d);
    g_assert_cmphex(phy(&n, 2, 1), ==, 0);
    qtest_qmp_ok(n.qt, "set_link", "{'name': 'card', 'up': false}");
    g_assert_cmphex(phy(&n, 1, 1), ==, 0x7809);
    qtest_writel(n.qt, BAR + PORT, STATS | 1);
    g_assert_cmphex(qtest_readl(n.qt, STATS), !=, 0);
    g_assert_cmphex(qtest_readl(n.qt, STATS + 4), ==, 0);
    qtest_writeb(n.qt, BAR + MASK, 2);
    wait_for(&n, 4);
    qtest_writeb(n.qt, BAR + MASK, 3);
    g_assert_false(interrupted(&n));
    g_assert_cmphex(qtest_inb(n.qt, 0xc001), ==, 4);
    stop(&n);
}

/* The address, a configuration, packets of two pieces, and one whose data follows. */
static void test_sending(gconstpointer type)
{
    uint8_t packet[300];
    Net n;

    start(&n, type);
    wire_fill(packet, sizeof(packet), own_mac);
    qtest_memwrite(n.qt, DATA, packet, sizeof(packet));
    put_block(&n, 0, 1, 1);
    qtest_memwrite(n.qt, CB + 8, own_mac, 6);
    put_block(&n, 1, 4 | FLEX, 2);
    qtest_writel(n.qt, CB + 0x48, CB + 0x50);
    qtest_writel(n.qt, CB + 0x4c, 2u << 24);
    qtest_writel(n.qt, CB + 0x50, DATA);
    qtest_writel(n.qt, CB + 0x54, 100);
    qtest_writel(n.qt, CB + 0x58, DATA + 100);
    qtest_writel(n.qt, CB + 0x5c, 200);
    put_block(&n, 2, 4 | SUSPEND | TELL, 10);
    qtest_writel(n.qt, CB + 0x88, 0xffffffff);
    qtest_writel(n.qt, CB + 0x8c, 0x8000 | sizeof(packet));
    qtest_memwrite(n.qt, CB + 0x90, packet, sizeof(packet));
    command(&n, CB, CU_START);
    wire_expect(n.fd, packet, sizeof(packet));
    wire_expect(n.fd, packet, sizeof(packet));
    g_assert_cmphex(get(&n, STATUS) & 0xc0, ==, 0x40); /* it is suspended */
    wait_for(&n, CX);
    for (unsigned i = 0; i < 3; i++) {
        g_assert_cmphex(qtest_readw(n.qt, CB + 0x40 * i), ==, OK);
    }
    put_block(&n, 10, END, 0);
    command(&n, 0, CU_RESUME);
    wait_for(&n, CNA);
    g_assert_cmphex(get(&n, STATUS) & 0xc0, ==, 0);
    command(&n, STATS, CU_DUMP_AT);
    command(&n, 0, CU_DUMP_RESET);
    g_assert_cmpuint(qtest_readl(n.qt, STATS), ==, 2);
    g_assert_cmphex(qtest_readl(n.qt, STATS + 64), ==, 0xa007);
    stop(&n);
}

static void test_receiving(gconstpointer type)
{
    static const uint8_t other[6] = { 2, 3, 4, 5, 6, 7 }, group[6] = { 1, 0, 0x5e, 0, 0, 1 };
    uint8_t packet[200], all[60];
    Net n;

    start(&n, type);
    wire_fill(packet, sizeof(packet), own_mac);
    wire_fill(all, sizeof(all), other);
    wire_send(n.fd, all, sizeof(all));
    wire_fill(all, sizeof(all), group);
    wire_send(n.fd, all, sizeof(all));
    wire_send(n.fd, packet, sizeof(packet));
    wait_for(&n, FR);
    g_assert_cmphex(qtest_readw(n.qt, RFD), ==, OK);
    g_assert_cmphex(qtest_readw(n.qt, RFD + 12), ==, 0xc000 | sizeof(packet));
    g_assert_cmphex(qtest_readb(n.qt, RFD + 16 + 199), ==, packet[199]);
    /* The group is wanted now. */
    put_block(&n, 0, 3 | END, 0);
    qtest_writew(n.qt, CB + 8, 6);
    qtest_memwrite(n.qt, CB + 10, group, 6);
    command(&n, CB, CU_START);
    wire_send(n.fd, all, sizeof(all));
    wait_for(&n, FR);
    g_assert_cmphex(qtest_readw(n.qt, RFD + 0x800), ==, OK | 2);
    /* The list ends: what comes waits until there is another one. */
    for (unsigned i = 0; i < 3; i++) {
        wire_send(n.fd, packet, sizeof(packet));
    }
    wait_for(&n, RNR);
    g_assert_cmphex(get(&n, STATUS), ==, 0x08);
    put_frame(&n, 0, 0, 1520);
    put_frame(&n, 1, 0, 1520);
    command(&n, RFD, RU_START);
    wait_for(&n, FR);
    while (!qtest_readw(n.qt, RFD + 0x800)) {
    }
    /* One without room is the end, too, before it says so. */
    put_frame(&n, 2, 0, 0);
    command(&n, RFD + 0x1000, RU_START);
    wire_send(n.fd, packet, sizeof(packet));
    wait_for(&n, RNR);
    g_assert_cmphex(qtest_readw(n.qt, RFD + 0x1000), ==, 0);
    command(&n, 0, RU_ABORT);
    g_assert_cmphex(get(&n, STATUS), ==, 0);
    stop(&n);
}

/* Lists that go round and lead nowhere, all commands, sizes that are none. */
static void test_senseless(gconstpointer type)
{
    uint8_t packet[60];
    Net n;

    start(&n, type);
    wire_fill(packet, sizeof(packet), own_mac);
    for (unsigned i = 0; i < 64; i++) {
        put_block(&n, 0, i, 0);
        qtest_writel(n.qt, CB + 8, i % 2 ? CB : 0xffffffff);
        qtest_writel(n.qt, CB + 12, 0xffffffff);
        qtest_writel(n.qt, CB + 16, i % 3 ? DATA : BAR);
        qtest_writel(n.qt, CB + 20, 0xffffffff);
        command(&n, CB, CU_START);
        put_frame(&n, 0, (uint16_t)(i << 12 | (i & 8)), i % 5 ? 0x3fff : i);
        command(&n, RFD, RU_START);
        wire_send(n.fd, packet, sizeof(packet));
        command(&n, BAR, (uint8_t)(i * 5));
        qtest_writel(n.qt, BAR + PORT, BAR | (i & 15));
        put_block(&n, 0, END, 0); /* a round has its end */
    }
    qtest_qmp_ok(n.qt, "system_reset", "{}");
    json_object_put(qtest_event(n.qt, "RESET"));
    stop(&n);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/eepro100/registers", "i82557b", test_registers);
    g_test_add_data_func("/eepro100/sending", "i82557b", test_sending);
    g_test_add_data_func("/eepro100/sending, 82551", "i82551", test_sending);
    g_test_add_data_func("/eepro100/receiving", "i82559er", test_receiving);
    g_test_add_data_func("/eepro100/senseless", "i82562", test_senseless);
    return g_test_run();
}
