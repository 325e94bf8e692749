/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An OHCI controller, by a driver of our own: a keyboard, isochronous transfers, lists that hang.
 */
#include "tests/qtest/virtio.h"

#define DEVFN 0x20u
#define BAR   0xe0000000u
#define HCCA  0x200000u
#define EDS   0x201000u
#define TDS   0x202000u
#define DATA  0x203000u
#define MS    1000000LL

enum { CONTROL = 4, COMMAND = 8, STATUS = 0xc, ENABLE = 0x10, DISABLE = 0x14, HCCA_AT = 0x18 };
enum { CONTROL_HEAD = 0x20, BULK_HEAD = 0x28, INTERVAL = 0x34, NUMBER = 0x3c, PORTS = 0x54 };
enum { OPERATIONAL = 0x80, PERIODIC = 4, ISOCHRONOUS = 8, CONTROL_ON = 0x10, BULK_ON = 0x20 };
enum { DONE = 2, FRAME = 4, RESUME = 8, ERROR = 0x10, HUB = 0x40 };
enum { SETUP, OUT, IN };

static uint32_t get(QTest *qt, unsigned offset)
{
    return qtest_readl(qt, BAR + offset);
}

static void put(QTest *qt, unsigned offset, uint32_t value)
{
    qtest_writel(qt, BAR + offset, value);
}

static QTest *start(const char *options)
{
    QTest *qt = qtest_start("-m 64 -machine pc -device pci-ohci,id=o,addr=4 %s", options);

    qpci_write(qt, DEVFN, 0x10, 4, BAR);
    qpci_write(qt, DEVFN, 4, 2, 6);
    put(qt, HCCA_AT, HCCA);
    put(qt, CONTROL_HEAD, EDS);
    put(qt, BULK_HEAD, EDS);
    put(qt, ENABLE, DONE | ERROR | HUB | 1u << 31);
    return qt;
}

static void reset_port(QTest *qt)
{
    g_assert_cmphex(get(qt, PORTS), ==, 0x10101);
    put(qt, PORTS, 0x10);
    g_assert_cmphex(get(qt, PORTS), ==, 0x110103);
    put(qt, PORTS, 0x1f0000);
    g_assert_cmphex(get(qt, PORTS), ==, 0x103);
    put(qt, STATUS, 0x7f);
}

/* An endpoint whose transfers are those from @td to before @tail. */
static void put_ed(QTest *qt, uint32_t info, uint32_t tail, uint32_t head, uint32_t next)
{
    qtest_writel(qt, EDS, info);
    qtest_writel(qt, EDS + 4, tail);
    qtest_writel(qt, EDS + 8, head);
    qtest_writel(qt, EDS + 12, next);
}

static void put_td(QTest *qt, unsigned n, unsigned pid, unsigned size, uint32_t data,
                   uint32_t flags)
{
    uint32_t at = TDS + 16 * n;

    qtest_writel(qt, at, 0xfu << 28 | pid << 19 | flags);
    qtest_writel(qt, at + 4, size ? data : 0);
    qtest_writel(qt, at + 8, at + 16);
    qtest_writel(qt, at + 12, data + size - 1);
}

static unsigned code(QTest *qt, unsigned n)
{
    return qtest_readl(qt, TDS + 16 * n) >> 28;
}

static void control(QTest *qt, uint64_t setup, unsigned size)
{
    unsigned n = 0;

    qtest_writeq(qt, DATA, setup);
    put_td(qt, n++, SETUP, 8, DATA, 7 << 21 | 2 << 24);
    if (size) {
        put_td(qt, n++, IN, size, DATA + 0x100, 7 << 21 | 3 << 24);
    }
    put_td(qt, n++, size ? OUT : IN, 0, 0, 3 << 24);
    put_ed(qt, 8 << 16, TDS + 16 * n, TDS, 0);
    put(qt, CONTROL, OPERATIONAL | CONTROL_ON);
    put(qt, COMMAND, 2);
    qtest_clock_step(qt, 3 * MS);
    g_assert_cmphex(qtest_readl(qt, EDS + 8) & ~2u, ==, TDS + 16 * n);
    for (unsigned i = 0; i < n; i++) {
        g_assert_cmpuint(code(qt, i), ==, 0);
    }
    g_assert_cmphex(qtest_readl(qt, HCCA + 0x84), ==, TDS + 16 * (n - 1));
    g_assert_cmphex(get(qt, STATUS) & DONE, ==, DONE);
    g_assert_cmphex(qpci_read(qt, DEVFN, 6, 2) & 8, ==, 8);
    put(qt, STATUS, 0x7f);
    g_assert_cmphex(qpci_read(qt, DEVFN, 6, 2) & 8, ==, 0);
    g_assert_cmphex(get(qt, COMMAND), ==, 0); /* the list is empty */
}

static void test_keyboard(void)
{
    QTest *qt = start("-device usb-kbd");
    uint8_t bytes[18], report[8];

    g_assert_cmphex(qpci_read(qt, DEVFN, 0, 4), ==, 0x003f106b);
    g_assert_cmphex(qpci_read(qt, DEVFN, 8, 4), ==, 0x0c031000);
    g_assert_cmphex(get(qt, 0), ==, 0x10);
    g_assert_cmphex(get(qt, INTERVAL), ==, 0x27782edf);
    g_assert_cmphex(get(qt, 0x48), ==, 0x203);
    g_assert_cmphex(get(qt, PORTS + 4), ==, 0x100);
    put(qt, COMMAND, 1);
    g_assert_cmphex(get(qt, CONTROL), ==, 0xc0);
    put(qt, HCCA_AT, HCCA);
    put(qt, CONTROL_HEAD, EDS);
    put(qt, ENABLE, DONE | ERROR | HUB | 1u << 31);
    put(qt, CONTROL, 0x80);
    reset_port(qt);
    control(qt, 0x0012000001000680, 18);
    qtest_memread(qt, DATA + 0x100, bytes, sizeof(bytes));
    g_assert_cmphex(bytes[0] | bytes[1] << 8 | bytes[8] << 16 | (uint32_t)bytes[9] << 24, ==,
                    0x06270112);
    control(qt, 0x0000000000010900, 0); /* a configuration */
    /* A report: not yet, then by key. */
    put_td(qt, 0, IN, 8, DATA, 0);
    put_ed(qt, 8 << 16 | 1 << 7 | 2 << 11, TDS + 16, TDS, 0);
    for (unsigned i = 0; i < 32; i += 8) {
        qtest_writel(qt, HCCA + 4 * i, EDS);
    }
    put(qt, CONTROL, OPERATIONAL | PERIODIC);
    qtest_clock_step(qt, 500 * MS);
    g_assert_cmphex(code(qt, 0), ==, 0xf);
    g_autofree char *answer = qtest_hmp(qt, "sendkey z 1000");
    g_assert_cmpstr(answer, ==, "");
    qtest_clock_step(qt, 10 * MS);
    g_assert_cmphex(code(qt, 0), ==, 0);
    qtest_memread(qt, DATA, report, sizeof(report));
    g_assert_cmphex(report[2], ==, 0x1d);
    /* Frames go on, and memory says so; a controller that is suspended stands. */
    uint32_t number = get(qt, NUMBER);
    g_assert_cmpuint(number - qtest_readl(qt, HCCA + 0x80), <=, 9);
    qtest_clock_step(qt, 10 * MS);
    g_assert_cmpuint(get(qt, NUMBER), ==, number + 10);
    put(qt, CONTROL, 0xc0);
    qtest_clock_step(qt, 10 * MS);
    g_assert_cmpuint(get(qt, NUMBER), ==, number + 10);
    qtest_quit(qt);
}

/* What no endpoint takes is stalled, where nobody is, nobody answers, and too little is an error
 * if the guest says so. */
static void test_errors(void)
{
    QTest *qt = start("-device usb-kbd");
    static const struct {
        uint32_t info, flags;
        unsigned pid, code;
    } cases[] = {
        { 5 << 7 | 8 << 16, 0, OUT, 4 },
        { 77 | 8 << 16, 0, OUT, 5 },
        { 8 << 16, 0, 3, 5 },
    };

    put(qt, CONTROL, 0x80);
    reset_port(qt);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        put_td(qt, 0, cases[i].pid, 8, DATA, cases[i].flags);
        put_ed(qt, cases[i].info, TDS + 16, TDS, 0);
        put(qt, CONTROL, OPERATIONAL | BULK_ON);
        put(qt, COMMAND, 4);
        qtest_clock_step(qt, 2 * MS);
        g_assert_cmpuint(code(qt, 0), ==, cases[i].code);
        g_assert_cmphex(qtest_readl(qt, EDS + 8) & 1, ==, 1);
        g_assert_cmphex(get(qt, STATUS) & (DONE | ERROR), ==, DONE);
        put(qt, STATUS, 0x7f);
    }
    for (unsigned may = 0; may < 2; may++) {
        qtest_writeq(qt, DATA, 0x0012000001000680);
        put_td(qt, 0, SETUP, 8, DATA, 2 << 24);
        put_td(qt, 1, IN, 64, DATA + 0x100, 3 << 24 | may << 18);
        put_ed(qt, 8 << 16, TDS + 32, TDS, 0);
        put(qt, COMMAND, 4);
        qtest_clock_step(qt, 2 * MS);
        g_assert_cmpuint(code(qt, 1), ==, may ? 0 : 9);
        g_assert_cmphex(qtest_readl(qt, TDS + 16 + 4), ==, DATA + 0x100 + 18);
        put(qt, STATUS, 0x7f);
    }
    qtest_quit(qt);
}

/* Isochronous transfers end, whether somebody answers or not, and if they are late. */
static void test_isochronous(void)
{
    QTest *qt = start("-device usb-kbd");
    uint32_t number;

    put(qt, CONTROL, 0x80);
    reset_port(qt);
    number = get(qt, NUMBER);
    for (unsigned n = 0; n < 2; n++) {
        uint32_t at = TDS + 32 * n;

        qtest_writel(qt, at, 0xfu << 28 | 1 << 24 | ((number + 2 - 20 * n) & 0xffff));
        qtest_writel(qt, at + 4, DATA);
        qtest_writel(qt, at + 8, at + 32);
        qtest_writel(qt, at + 12, DATA + 15);
        qtest_writel(qt, at + 16, 0xe008e000);
    }
    put_ed(qt, 8 << 16 | 1 << 15 | 1 << 11 | 3 << 7, TDS + 64, TDS, 0);
    for (unsigned i = 0; i < 32; i++) {
        qtest_writel(qt, HCCA + 4 * i, EDS);
    }
    put(qt, CONTROL, OPERATIONAL | PERIODIC | ISOCHRONOUS);
    qtest_clock_step(qt, 6 * MS);
    g_assert_cmpuint(qtest_readl(qt, TDS) >> 28, ==, 0);
    g_assert_cmphex(qtest_readl(qt, TDS + 16), ==, 0x50005000);
    g_assert_cmpuint(qtest_readl(qt, TDS + 32) >> 28, ==, 8);
    qtest_quit(qt);
}

/* Lists that lead to themselves, and to where no memory is. */
static void test_hostile(void)
{
    QTest *qt = start("-device usb-kbd");
    static const struct {
        uint32_t first, next, head;
        bool error;
    } cases[] = {
        { EDS, EDS, TDS, false },     { EDS, 0, TDS, false },
        { 0xd0000000, 0, TDS, true }, { EDS, 0xd0000000, TDS + 16, true },
        { EDS, 0, 0xd0000000, true },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        put(qt, STATUS, 0x7f);
        put(qt, CONTROL, 0);
        put(qt, PORTS, 0x10);
        put_td(qt, 0, IN, 8, DATA, 0);
        qtest_writel(qt, TDS + 8, TDS);
        put_ed(qt, 1 << 7 | 8 << 16, TDS + 16, cases[i].head, cases[i].next);
        for (unsigned n = 0; n < 32; n++) {
            qtest_writel(qt, HCCA + 4 * n, cases[i].first);
        }
        put(qt, BULK_HEAD, cases[i].first);
        put(qt, CONTROL, OPERATIONAL | PERIODIC | BULK_ON);
        put(qt, COMMAND, 4);
        qtest_clock_step(qt, 3 * MS);
        g_assert_cmphex(get(qt, STATUS) & ERROR, ==, cases[i].error ? ERROR : 0);
        g_assert_cmphex(get(qt, CONTROL) & 0xc0, ==, cases[i].error ? 0 : OPERATIONAL);
    }
    put(qt, CONTROL, 0);
    put(qt, STATUS, 0x7f);
    put(qt, HCCA_AT, 0xd0000000);
    put(qt, CONTROL, OPERATIONAL | PERIODIC);
    qtest_clock_step(qt, 3 * MS);
    g_assert_cmphex(get(qt, STATUS) & ERROR, ==, ERROR);
    qtest_quit(qt);
}

static void test_coming_and_going(void)
{
    QTest *qt = start("");

    put(qt, CONTROL, 0xc0); /* all is asleep */
    put(qt, STATUS, 0x7f);
    qtest_qmp_ok(qt, "device_add", "{'driver': 'usb-mouse', 'id': 'm'}");
    g_assert_cmphex(get(qt, STATUS), ==, HUB | RESUME);
    g_assert_cmphex(qpci_read(qt, DEVFN, 6, 2) & 8, ==, 8);
    reset_port(qt);
    qtest_qmp_ok(qt, "device_del", "{'id': 'm'}");
    g_assert_cmphex(get(qt, PORTS), ==, 0x30100);
    json_object *error =
        qtest_qmp_error(qt, "device_add", "{'driver': 'pci-ohci', 'num-ports': 16}");
    json_object_put(error);
    qtest_quit(qt);
    qt = qtest_start("-m 64 -machine pc -device usb-ehci,id=e "
                     "-device pci-ohci,masterbus=e.0,firstport=1,addr=4 "
                     "-device usb-mouse,usb_version=1,port=2");
    qpci_write(qt, DEVFN, 0x10, 4, BAR);
    qpci_write(qt, DEVFN, 4, 2, 6);
    reset_port(qt);
    qtest_quit(qt);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ohci/keyboard", test_keyboard);
    g_test_add_func("/ohci/errors", test_errors);
    g_test_add_func("/ohci/isochronous", test_isochronous);
    g_test_add_func("/ohci/hostile", test_hostile);
    g_test_add_func("/ohci/coming-and-going", test_coming_and_going);
    return g_test_run();
}
