/* SPDX-License-Identifier: GPL-2.0-or-later */
/* e1000, and what e1000e has in common with it. */
#include <arpa/inet.h>
#include <string.h>
#include <unistd.h>

#include "tests/qtest/e1000.h"

/* Take the causes of interrupts that all cards have. */
static uint32_t take_causes(const Net *n)
{
    return net_get(n, ICR) & 0x1ffff;
}

/* ---- the EEPROM and the PHY ---- */

static uint16_t read_word(const Net *n, unsigned word)
{
    uint32_t value;

    net_set(n, EERD, word << 8 | 1);
    value = net_get(n, EERD);
    g_assert_cmphex(value & 0x10, ==, 0x10);
    return (uint16_t)(value >> 16);
}

/* The same by the wires. */
static uint16_t read_bits(const Net *n, unsigned word)
{
    unsigned command = 6u << 6 | word, value = 0;

    net_set(n, EECD, 0x40);
    g_assert_cmphex(net_get(n, EECD) & 0x180, ==, 0x180);
    net_set(n, EECD, 0x42);
    for (int bit = 8; bit >= 0; bit--) {
        uint32_t wires = 0x42 | (command >> bit & 1) << 2;

        net_set(n, EECD, wires);
        net_set(n, EECD, wires | 1);
        net_set(n, EECD, wires);
    }
    for (unsigned bit = 0; bit < 16; bit++) {
        net_set(n, EECD, 0x43);
        value = value << 1 | (net_get(n, EECD) >> 3 & 1);
        net_set(n, EECD, 0x42);
    }
    net_set(n, EECD, 0);
    return (uint16_t)value;
}

static void test_nvm(void)
{
    uint16_t sum = 0;
    Net n;

    net_start(&n, "e1000", "");
    for (unsigned word = 0; word < 64; word++) {
        uint16_t value = read_word(&n, word);

        sum += value;
        g_assert_cmphex(read_bits(&n, word), ==, value);
        if (word < 3) {
            g_assert_cmphex(value, ==, own_mac[2 * word] | own_mac[2 * word + 1] << 8);
        }
    }
    g_assert_cmphex(sum, ==, 0xbaba);
    g_assert_cmphex(read_word(&n, 0xb), ==, 0x100e);
    g_assert_cmphex(read_word(&n, 0xe), ==, 0x8086);
    g_assert_cmphex(net_get(&n, RAL), ==, 0x12005452);
    g_assert_cmphex(net_get(&n, RAH), ==, 0x80005634);
    net_stop(&n);
}

static void set_link(const Net *n, bool up)
{
    qtest_qmp_ok(n->qt, "set_link",
                 up ? "{'name': 'net0', 'up': true}" : "{'name': 'net0', 'up': false}");
}

static void test_link(void)
{
    Net n;

    net_start(&n, "e1000", "");
    g_assert_cmphex(net_phy(&n, 2), ==, 0x18220141);
    g_assert_cmphex(net_phy(&n, 3) & 0xfff0, ==, 0x0c20);
    g_assert_cmphex(net_phy(&n, 7) >> 28, ==, 5); /* ready, an error */
    g_assert_cmphex(net_phy(&n, 1) & 0x24, ==, 0x24);
    g_assert_cmphex(net_get(&n, STATUS) & 0xc3, ==, 0x83);
    net_get(&n, ICR);
    net_set(&n, IMS, LSC);
    set_link(&n, false);
    g_assert_true(net_interrupted(&n));
    g_assert_cmphex(net_get(&n, ICR), ==, LSC);
    g_assert_false(net_interrupted(&n));
    g_assert_cmphex(net_get(&n, STATUS) & 2, ==, 0);
    g_assert_cmphex(net_phy(&n, 1) & 0x24, ==, 0);
    set_link(&n, true);
    g_assert_cmphex(net_get(&n, ICR), ==, LSC);
    g_assert_cmphex(net_get(&n, STATUS) & 2, ==, 2);
    /* What is written to the PHY: its reset, which it forgets. */
    net_set(&n, MDIC, 1u << 26 | 1 << 21 | 0x9140);
    g_assert_cmphex(net_phy(&n, 0) & 0xffff, ==, 0x1140);
    g_assert_cmphex(net_get(&n, ICR), ==, LSC);
    net_stop(&n);
}

/* ---- registers ---- */

static void test_io(void)
{
    Net n;

    net_start(&n, "e1000", "");
    qtest_outl(n.qt, IO, STATUS);
    g_assert_cmphex(qtest_inl(n.qt, IO), ==, STATUS);
    g_assert_cmphex(qtest_inl(n.qt, IO + 4), ==, net_get(&n, STATUS));
    qtest_outl(n.qt, IO, VET);
    qtest_outl(n.qt, IO + 4, 0x88a8);
    g_assert_cmphex(net_get(&n, VET), ==, 0x88a8);
    qtest_outl(n.qt, IO, 0xffffffff); /* nothing is there */
    qtest_outl(n.qt, IO + 4, 1);
    g_assert_cmphex(qtest_inl(n.qt, IO + 4), ==, 0);
    /* A reset of the card: as at the start. */
    net_set(&n, CTRL, 1u << 26);
    g_assert_cmphex(net_get(&n, VET), ==, 0x8100);
    g_assert_cmphex(net_get(&n, RCTL) | net_get(&n, TDLEN) | net_get(&n, CTRL) >> 26, ==, 0);
    net_stop(&n);
}

static void test_interrupts(void)
{
    Net n;

    net_start(&n, "e1000", "");
    net_get(&n, ICR);
    net_set(&n, ICS, TXDW | RXT0);
    g_assert_false(net_interrupted(&n));
    net_set(&n, IMS, RXT0);
    g_assert_true(net_interrupted(&n));
    net_set(&n, ICR, RXT0); /* taken back */
    g_assert_false(net_interrupted(&n));
    g_assert_cmphex(net_get(&n, ICR), ==, TXDW);
    g_assert_cmphex(net_get(&n, ICR), ==, 0);
    net_set(&n, ICS, RXT0);
    net_set(&n, IMC, RXT0);
    g_assert_false(net_interrupted(&n));
    g_assert_cmphex(net_get(&n, IMS), ==, 0);
    net_get(&n, ICR);
    /* Not more often than each 256 us. */
    net_set(&n, ITR, 1000);
    net_set(&n, IMS, RXT0);
    net_set(&n, ICS, RXT0);
    g_assert_true(net_interrupted(&n));
    net_get(&n, ICR);
    net_set(&n, ICS, RXT0);
    g_assert_false(net_interrupted(&n));
    qtest_clock_step(n.qt, 255000);
    g_assert_false(net_interrupted(&n));
    qtest_clock_step(n.qt, 1000);
    g_assert_true(net_interrupted(&n));
    net_stop(&n);
    net_start(&n, "e1000", "-global e1000.mitigation=off");
    net_set(&n, ITR, 1000);
    net_set(&n, IMS, RXT0);
    for (unsigned i = 0; i < 2; i++) {
        net_set(&n, ICS, RXT0);
        g_assert_true(net_interrupted(&n));
        net_get(&n, ICR);
    }
    net_stop(&n);
}

/* ---- packets ---- */

static void test_packets(gconstpointer model)
{
    uint8_t packet[1514];
    Net n;

    net_start(&n, model, "");
    wire_fill(packet, sizeof(packet), own_mac);
    take_causes(&n);
    net_send(&n, packet, sizeof(packet), 0);
    wire_expect(n.fd, packet, sizeof(packet));
    g_assert_cmphex(qtest_readl(n.qt, TX_RING + 12), ==, 1);
    g_assert_cmpuint(net_get(&n, TDH), ==, 1);
    g_assert_cmphex(take_causes(&n), ==, TXDW | TXQE);
    /* In pieces; it goes when its end is there. */
    qtest_memwrite(n.qt, net_page(0), packet, 100);
    net_add_tx(&n, net_page(0), 60, 0);
    net_set(&n, TDT, n.tx);
    g_assert_cmpuint(net_get(&n, TDH), ==, 1);
    net_add_tx(&n, net_page(0) + 60, 40 | EOP, 0);
    net_set(&n, TDT, n.tx);
    wire_expect(n.fd, packet, 100);
    g_assert_cmpuint(net_get(&n, TDH), ==, 3);
    g_assert_cmphex(take_causes(&n), ==, TXQE); /* nobody asked for a report */
    /* To the guest; what comes too early waits. */
    wire_send(n.fd, packet, sizeof(packet));
    wire_send(n.fd, packet, 60);
    net_give_buffers(&n, 2);
    net_expect_received(&n, 0, packet, sizeof(packet));
    net_expect_received(&n, 1, packet, 60);
    g_assert_cmpuint(net_get(&n, RDH), ==, 2);
    g_assert_cmphex(take_causes(&n) & RXT0, ==, RXT0);
    g_assert_cmpuint(net_get(&n, GPTC), ==, 2);
    g_assert_cmpuint(net_get(&n, GPTC), ==, 0);
    g_assert_cmpuint(net_get(&n, GPRC), ==, 2);
    g_assert_cmpuint(net_get(&n, TOTL), ==, sizeof(packet) + 100 + 8);
    /* With its sum, over several buffers, of 256 bytes. */
    net_set(&n, RCTL, 0x00038002);
    net_give_buffers(&n, 6);
    wire_send(n.fd, packet, 508);
    g_assert_cmphex(net_wait_rx(&n, 2) & 3, ==, 1);
    g_assert_cmphex(net_wait_rx(&n, 3) & 3, ==, 3);
    g_assert_cmpuint(qtest_readw(n.qt, RX_RING + 3 * 16 + 8), ==, 256);
    net_stop(&n);
}

static void test_filter(gconstpointer model)
{
    static const uint8_t group[6] = { 1, 0, 0x5e, 0, 0, 1 };
    uint8_t packet[64], wanted[64];
    unsigned hash = (0 >> 4 | 1 << 4) & 0xfff, next = 0;
    Net n;

    net_start(&n, model, "");
    wire_fill(wanted, sizeof(wanted), own_mac);
    net_give_buffers(&n, 7);
    wire_fill(packet, sizeof(packet), other_mac);
    wire_send(n.fd, packet, sizeof(packet));
    wire_fill(packet, sizeof(packet), group);
    wire_send(n.fd, packet, sizeof(packet));
    wire_send(n.fd, wanted, sizeof(wanted));
    net_expect_received(&n, next++, wanted, sizeof(wanted));
    net_set(&n, MTA + hash / 32 * 4, 1u << hash % 32);
    wire_send(n.fd, packet, sizeof(packet));
    net_expect_received(&n, next++, packet, sizeof(packet));
    /* VLANs: their tag is taken off and put on. */
    net_set(&n, CTRL, 1u << 30);
    net_set(&n, RCTL, RECEIVE | 1 << 18);
    net_set(&n, VFTA + 4 * 3, 1u << 4); /* 100 */
    memcpy(packet, own_mac, 6);
    memcpy(packet + 12, "\x81\x00\x20\x65\x88\xb5", 6);
    wire_send(n.fd, packet, sizeof(packet)); /* 101 */
    packet[15] = 0x64;
    wire_send(n.fd, packet, sizeof(packet));
    memcpy(wanted, packet, 12);
    memcpy(wanted + 12, packet + 16, 48);
    net_expect_received(&n, next, wanted, 60);
    g_assert_cmphex(net_wait_rx(&n, next) & 8, ==, 8);
    g_assert_cmphex(qtest_readw(n.qt, RX_RING + next++ * 16 + 14), ==, 0x2064);
    qtest_memwrite(n.qt, net_page(0), wanted, 60);
    net_add_tx(&n, net_page(0), 60 | EOP | VLE, 0x20640000);
    net_set(&n, TDT, n.tx);
    wire_expect(n.fd, packet, sizeof(packet));
    {
        g_autoptr(json_object) told = qtest_qmp(n.qt, "query-rx-filter", NULL);

        g_assert_cmpstr(qtest_get_str(told, "0.main-mac"), ==, "52:54:00:12:34:56");
        g_assert_cmpint(qtest_get_int(told, "0.vlan-table.0"), ==, 100);
        g_assert_true(qtest_get_bool(told, "0.multicast-overflow"));
        g_assert_false(qtest_get_bool(told, "0.promiscuous"));
    }
    json_object_put(qtest_event_with(n.qt, "NIC_RX_FILTER_CHANGED", "name", "net0"));
    /* Everything. */
    net_set(&n, RCTL, RECEIVE | 8);
    wire_fill(packet, sizeof(packet), other_mac);
    wire_send(n.fd, packet, sizeof(packet));
    net_expect_received(&n, next, packet, sizeof(packet));
    net_stop(&n);
}

/* An Ethernet, IPv4 and TCP header, and @payload bytes. */
static size_t fill_tcp(uint8_t *packet, size_t payload)
{
    static const uint8_t headers[54] = {
        [12] = 8, [14] = 0x45, [22] = 64, [23] = 6, [26] = 10, 0,  2,        15,          10,   0,
        2,        2,           0x12,      0x34,     0,         80, [41] = 1, [46] = 0x50, 0x18,
    };

    memcpy(packet, headers, sizeof(headers));
    memcpy(packet, other_mac, 6);
    memcpy(packet + 6, own_mac, 6);
    for (size_t i = 0; i < payload; i++) {
        packet[sizeof(headers) + i] = (uint8_t)(i * 3 + i / 256);
    }
    return sizeof(headers) + payload;
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

/* The next packet is a segment with the sums that it must have, and @payload bytes from @at on. */
static void expect_segment(Net *n, const uint8_t *packet, size_t at, size_t payload)
{
    uint8_t got[2048];
    uint32_t header, sequence;

    wire_read(n->fd, &header, 4);
    g_assert_cmpuint(ntohl(header), ==, 54 + payload);
    wire_read(n->fd, got, 54 + payload);
    g_assert_cmpuint(got[16] << 8 | got[17], ==, 40 + payload);
    g_assert_cmphex(sum16(got + 14, 20, 0), ==, 0xffff);
    g_assert_cmphex(sum16(got + 34, 20 + payload, sum16(got + 26, 8, 6 + 20 + (unsigned)payload)),
                    ==, 0xffff);
    memcpy(&sequence, got + 38, 4);
    g_assert_cmpuint(ntohl(sequence), ==, 1 + at);
    g_assert_cmpmem(got + 54, payload, packet + 54 + at, payload);
}

/* @payload is that of a context: TCP at 34, IP at 14. */
static void add_context(Net *n, unsigned mss, uint32_t flags)
{
    net_add_tx(n, UINT64_C(14) | 24 << 8 | 33 << 16 | UINT64_C(34) << 32 | UINT64_C(50) << 40,
               3u << 24 | DEXT | flags, mss << 16 | 54u << 8);
}

static void test_offloads(gconstpointer model)
{
    g_autofree uint8_t *packet = g_malloc(66000);
    size_t size = fill_tcp(packet, 3000);
    Net n;

    net_start(&n, model, "");
    /* Sums of one packet: the length is in the pseudo header, and the driver has put its sum. */
    packet[16] = (uint8_t)((40 + 100) >> 8);
    packet[17] = 40 + 100;
    unsigned pseudo = sum16(packet + 26, 8, 6 + 20 + 100);
    packet[50] = (uint8_t)(pseudo >> 8);
    packet[51] = (uint8_t)pseudo;
    qtest_memwrite(n.qt, net_page(0), packet, 154);
    add_context(&n, 0, 0);
    net_add_tx(&n, net_page(0), 154 | DATA | DEXT | EOP | RS, 0x300);
    net_set(&n, TDT, n.tx);
    expect_segment(&n, packet, 0, 100);
    /* Segments; the driver leaves lengths out. */
    memset(packet + 16, 0, 2);
    qtest_memwrite(n.qt, net_page(0), packet, size);
    add_context(&n, 1460, TSE);
    net_add_tx(&n, net_page(0), 54 | DATA | DEXT | TSE, 0x300);
    net_add_tx(&n, net_page(0) + 54, 3000 | DATA | DEXT | TSE | EOP | RS, 0x300);
    net_set(&n, TDT, n.tx);
    expect_segment(&n, packet, 0, 1460);
    expect_segment(&n, packet, 1460, 1460);
    expect_segment(&n, packet, 2920, 80);
    /* Segments are packets to the counters, which have the one before, too. */
    g_assert_cmpuint(net_get(&n, GPTC), ==, 4);
    g_assert_cmpuint(net_get(&n, TOTL), ==, 154 + 3 * 54 + 3000 + 4 * 4);
    g_assert_cmpuint(net_get(&n, PTC255), ==, 2);
    g_assert_cmpuint(net_get(&n, PTC1522), ==, 2);
    net_stop(&n);
}

/* The card looks at sums if it is asked to; what it finds, in status and errors. */
static void test_sums(gconstpointer model)
{
    static const struct {
        uint32_t rxcsum;
        uint8_t status, damage; /* which byte of the packet is wrong */
        uint8_t errors;
    } cases[] = { { 0x000, 0x07, 0, 0 },    { 0x100, 0x43, 0, 0 },     { 0x200, 0x23, 0, 0 },
                  { 0x300, 0x63, 0, 0 },    { 0x300, 0x63, 60, 0x20 }, { 0x300, 0x63, 18, 0x40 },
                  { 0x100, 0x43, 60, 0x00 } };
    uint8_t packet[70];
    Net n;

    net_start(&n, model, "");
    net_give_buffers(&n, 7);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        size_t size = fill_tcp(packet, 16);

        memcpy(packet, own_mac, 6);
        packet[17] = 56;
        unsigned sum = ~sum16(packet + 14, 20, 0) & 0xffff;
        packet[24] = (uint8_t)(sum >> 8);
        packet[25] = (uint8_t)sum;
        sum = ~sum16(packet + 34, 36, sum16(packet + 26, 8, 6 + 36)) & 0xffff;
        packet[50] = (uint8_t)(sum >> 8);
        packet[51] = (uint8_t)sum;
        packet[cases[i].damage] ^= cases[i].damage ? 1 : 0;
        net_set(&n, RXCSUM, cases[i].rxcsum);
        wire_send(n.fd, packet, (uint32_t)size);
        net_expect_received(&n, i, packet, size);
        g_assert_cmphex(net_wait_rx(&n, i), ==, cases[i].status);
        g_assert_cmphex(qtest_readb(n.qt, RX_RING + 16 * i + 13), ==, cases[i].errors);
    }
    net_stop(&n);
}

/* What the other end does not take stays in the ring, and STATUS says so. */
static void test_full(gconstpointer model)
{
    g_autofree uint8_t *packet = g_malloc(9000);
    unsigned sent = 0;
    Net n;

    net_start(&n, model, "");
    wire_fill(packet, 9000, other_mac);
    g_assert_cmphex(net_get(&n, STATUS) & TXOFF, ==, 0);
    while (net_get(&n, TDH) == n.tx) {
        net_send(&n, packet, 9000, 0);
        sent++;
    }
    g_assert_cmphex(net_get(&n, STATUS) & TXOFF, ==, TXOFF);
    for (; sent; sent--) {
        wire_expect(n.fd, packet, 9000);
    }
    g_assert_cmphex(net_get(&n, STATUS) & TXOFF, ==, 0);
    g_assert_cmpuint(net_get(&n, TDH), ==, n.tx);
    net_stop(&n);
}

/* ---- what a guest must not do ---- */

static void test_hostile(gconstpointer model)
{
    uint8_t packet[60];
    Net n;

    net_start(&n, model, "");
    wire_fill(packet, sizeof(packet), own_mac);
    /* Segments of no size, and contexts without anything to cut. */
    add_context(&n, 0, TSE);
    net_add_tx(&n, net_page(0), 2000 | DATA | DEXT | TSE | EOP | RS, 0x300);
    net_add_tx(&n, net_page(0), 10 | DATA | DEXT | TSE | EOP, 0x300);
    net_set(&n, TDT, n.tx);
    g_assert_cmpuint(net_get(&n, TDH), ==, n.tx);
    /* A ring of packets without an end is taken when it is full. */
    for (unsigned i = 0; i < RING - 1; i++) {
        net_add_tx(&n, net_page(0), 0xfffff | DATA | DEXT, 0);
    }
    net_set(&n, TDT, n.tx);
    g_assert_cmpuint(net_get(&n, TDH), ==, n.tx);
    /* Ends that are out of the ring, and rings that are out of memory. */
    net_set(&n, TDT, 0xffff);
    net_set(&n, TDBAL, 0xfffffff0);
    net_set(&n, TDBAL + 4, 0xffffffff);
    net_set(&n, TDT, (n.tx + 5) % RING);
    g_assert_cmpuint(net_get(&n, TDH), ==, (n.tx + 5) % RING);
    net_set(&n, TDLEN, 0);
    net_set(&n, TDT, 3);
    net_set(&n, RDBAL, 0xfffffff0);
    net_set(&n, RDT, 7);
    net_set(&n, RDBAL, BAR); /* the card itself */
    wire_send(n.fd, packet, sizeof(packet));
    net_set(&n, RDLEN, 0);
    wire_send(n.fd, packet, sizeof(packet));
    net_set(&n, RDT, 0xffff);
    /* A packet that comes back to where it is sent from. */
    net_set(&n, CTRL, 1u << 26);
    net_set_up(&n);
    net_set(&n, RCTL, RECEIVE | 0x40);
    net_set(&n, TDBAL, BAR + 0x3800);
    net_give_buffers(&n, 7);
    net_set(&n, TDT, 5);
    net_set(&n, TDBAL, TX_RING);
    net_set(&n, TDH, 0);
    n.tx = 0;
    net_send(&n, packet, sizeof(packet), 0);
    net_expect_received(&n, net_get(&n, RDH) - 1, packet, sizeof(packet));
    net_stop(&n);
}

static void test_saved(gconstpointer model)
{
    g_autofree char *path = wire_path();
    uint8_t packet[200];
    Net n;

    net_start(&n, model, "");
    wire_fill(packet, sizeof(packet), own_mac);
    net_give_buffers(&n, 4);
    wire_send(n.fd, packet, sizeof(packet));
    net_expect_received(&n, 0, packet, sizeof(packet));
    net_send(&n, packet, 100, 0);
    wire_expect(n.fd, packet, 100);
    net_set(&n, IMS, RXT0);
    g_assert_true(net_interrupted(&n));
    g_autofree char *file = qtest_temp_path(n.qt, "state");
    g_autofree char *uri = g_strconcat("file:", file, NULL);
    qtest_save(n.qt, file);
    QTest *to = qtest_start("-m 64 -netdev stream,id=n0,server=on,addr.type=unix,addr.path=%s"
                            " -device %s,id=net0,netdev=n0,addr=4 -incoming %s",
                            path, (const char *)model, uri);
    qtest_wait_running(to);
    close(n.fd);
    qtest_quit(n.qt);
    n.qt = to;
    n.fd = wire_connect(to, path);
    unlink(path);
    g_assert_true(net_interrupted(&n));
    wire_send(n.fd, packet, 150);
    net_expect_received(&n, 1, packet, 150);
    net_send(&n, packet, 120, 0);
    wire_expect(n.fd, packet, 120);
    g_assert_cmpuint(net_get(&n, GPTC), ==, 2);
    net_stop(&n);
}

/* It comes and goes while packets do. */
static void test_plug(gconstpointer model)
{
    g_autofree char *path = wire_path();
    uint8_t packet[60];
    Net n = { .qt = qtest_start("-m 64 -netdev stream,id=n0,server=on,addr.type=unix,addr.path=%s",
                                path) };

    wire_fill(packet, sizeof(packet), own_mac);
    qtest_qmp_ok(n.qt, "device_add", "{'driver': %s, 'id': 'net0', 'addr': '4', 'netdev': 'n0'}",
                 model);
    n.fd = wire_connect(n.qt, path);
    unlink(path);
    net_enable(&n);
    net_set_up(&n);
    net_set(&n, IMS, LSC);
    net_give_buffers(&n, 1);
    for (unsigned i = 0; i < 4; i++) { /* those after the first one wait */
        wire_send(n.fd, packet, sizeof(packet));
    }
    net_expect_received(&n, 0, packet, sizeof(packet));
    qtest_qmp_ok(n.qt, "device_del", "{'id': 'net0'}");
    qtest_outl(n.qt, 0xae08, 1u << (DEVFN >> 3)); /* the guest lets it go */
    json_object_put(qtest_event(n.qt, "DEVICE_DELETED"));
    qtest_qmp_ok(n.qt, "device_add", "{'driver': 'e1000-82540em', 'id': 'net1', 'addr': '4'}");
    net_enable(&n);
    g_assert_cmphex(net_get(&n, STATUS) & 2, ==, 0); /* no cable */
    g_assert_cmphex(net_get(&n, IMS), ==, 0);
    net_stop(&n);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        GTestDataFunc test;
    } common[] = {
        { "packets", test_packets }, { "filter", test_filter }, { "offloads", test_offloads },
        { "sums", test_sums },       { "full", test_full },     { "hostile", test_hostile },
        { "saved", test_saved },     { "plug", test_plug },
    };
    static const char *const models[] = { "e1000", "e1000e" };

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/e1000/nvm", test_nvm);
    g_test_add_func("/e1000/link", test_link);
    g_test_add_func("/e1000/io", test_io);
    g_test_add_func("/e1000/interrupts", test_interrupts);
    for (size_t m = 0; m < G_N_ELEMENTS(models); m++) {
        for (size_t i = 0; i < G_N_ELEMENTS(common); i++) {
            g_autofree char *path = g_strdup_printf("/%s/%s", models[m], common[i].name);

            g_test_add_data_func(path, models[m], common[i].test);
        }
    }
    return g_test_run();
}
