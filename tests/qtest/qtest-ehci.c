/* SPDX-License-Identifier: GPL-2.0-or-later */
/* EHCI controllers, by a driver of our own: a keyboard by both lists, the companions, lists that
 * hang. */
#include "tests/qtest/virtio.h"

#define DEVFN     0x3fu /* 7.7 */
#define COMPANION 0x38u
#define BAR       0xe0000000u
#define IO        0xc000u
#define FRAMES    0x200000u
#define HEAD      0x202000u /* of the asynchronous list; then a queue */
#define QUEUE     0x202100u
#define TDS       0x203000u
#define DATA      0x204000u
#define MS        1000000LL

enum { CMD = 0x20, STS = 0x24, INTR = 0x28, FRINDEX = 0x2c, PERIODIC = 0x34, ASYNC = 0x38 };
enum { CONFIGFLAG = 0x60, PORTSC = 0x64 };
enum { RUN = 1, PERIODIC_ON = 0x10, ASYNC_ON = 0x20, DOORBELL = 0x40 };
enum { STS_INT = 1, STS_ERROR = 2, STS_PORT = 4, STS_HOST_ERROR = 0x10, STS_ADVANCE = 0x20 };
enum { END = 1, IS_QUEUE = 2 };
enum { ACTIVE = 0x80, HALTED = 0x40, TRANSACTION_ERROR = 8, INTERRUPT = 1 << 15 };
enum { OUT, IN, SETUP };
enum { OWNER = 0x2000, POWER = 0x1000, J_STATE = 0x800 };

static const char set[] =
    "-m 64 -machine pc -device ich9-usb-ehci1,id=e,addr=7.7 "
    "-device ich9-usb-uhci1,masterbus=e.0,firstport=0,addr=7.0,multifunction=on "
    "-device ich9-usb-uhci2,masterbus=e.0,firstport=2,addr=7.1 "
    "-device ich9-usb-uhci3,masterbus=e.0,firstport=4,addr=7.2";

static uint32_t get(QTest *qt, unsigned offset)
{
    return qtest_readl(qt, BAR + offset);
}

static void put(QTest *qt, unsigned offset, uint32_t value)
{
    qtest_writel(qt, BAR + offset, value);
}

static void put_words(QTest *qt, uint32_t at, const uint32_t *words, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        qtest_writel(qt, at + 4 * i, words[i]);
    }
}

/* A queue for endpoint @number, which leads to itself or to the head, without a transfer. */
static void put_queue(QTest *qt, uint32_t at, uint32_t link, unsigned number, unsigned packet)
{
    const uint32_t words[] = {
        link, number << 8 | 2 << 12 | !number << 14 | packet << 16, 1 << 30 | 1, 0, END, END, 0
    };

    put_words(qt, at, words, G_N_ELEMENTS(words));
}

static QTest *start(const char *options)
{
    QTest *qt = qtest_start("%s %s", set, options);

    qpci_write(qt, DEVFN, 0x10, 4, BAR);
    qpci_write(qt, DEVFN, 4, 2, 6);
    qpci_write(qt, COMPANION, 0x20, 4, IO);
    qpci_write(qt, COMPANION, 4, 2, 5);
    for (unsigned i = 0; i < 1024; i++) {
        qtest_writel(qt, FRAMES + 4 * i, END);
    }
    put_queue(qt, HEAD, HEAD | IS_QUEUE, 0, 64);
    put(qt, PERIODIC, FRAMES);
    put(qt, ASYNC, HEAD);
    put(qt, INTR, 0x37);
    return qt;
}

static void reset_port(QTest *qt, unsigned i)
{
    put(qt, PORTSC + 4 * i, POWER | 0x100 | 2);
    g_assert_cmphex(get(qt, PORTSC + 4 * i), ==, POWER | 0x101);
    put(qt, PORTSC + 4 * i, POWER);
    g_assert_cmphex(get(qt, PORTSC + 4 * i), ==, POWER | 5);
}

static void put_td(QTest *qt, unsigned n, bool last, unsigned pid, unsigned size, uint32_t data,
                   uint32_t flags)
{
    uint32_t at = TDS + 32 * n;
    const uint32_t words[] = { last ? END : at + 32,
                               END,
                               ACTIVE | pid << 8 | 3 << 10 | size << 16 | flags,
                               data,
                               0xd0000000,
                               0,
                               0,
                               0 };

    put_words(qt, at, words, G_N_ELEMENTS(words));
}

static uint32_t status(QTest *qt, unsigned n)
{
    return qtest_readl(qt, TDS + 32 * n + 8);
}

/* The host has put descriptors there: the queue at @at goes on with them. */
static void begin(QTest *qt, uint32_t at)
{
    qtest_writel(qt, at + 0x10, TDS);
    qtest_writel(qt, at + 0x18, 0);
}

static void control(QTest *qt, uint64_t setup, unsigned size)
{
    qtest_writeq(qt, DATA, setup);
    put_td(qt, 0, false, SETUP, 8, DATA, 0);
    if (size) {
        put_td(qt, 1, false, IN, size, DATA + 0x100, 0);
    }
    put_td(qt, size ? 2 : 1, true, size ? OUT : IN, 0, 0, INTERRUPT);
    put(qt, CMD, RUN | ASYNC_ON);
    begin(qt, HEAD);
    qtest_clock_step(qt, 2 * MS);
    g_assert_cmphex(status(qt, size ? 2 : 1) & (ACTIVE | HALTED), ==, 0);
    g_assert_cmphex(get(qt, STS) & 0x3f, ==, STS_INT);
    g_assert_cmphex(qpci_read(qt, DEVFN, 6, 2) & 8, ==, 8);
    put(qt, STS, 0x3f);
    g_assert_cmphex(qpci_read(qt, DEVFN, 6, 2) & 8, ==, 0);
}

static void test_keyboard(void)
{
    QTest *qt = start("-device usb-kbd");
    uint8_t bytes[18], report[8];

    g_assert_cmphex(qpci_read(qt, DEVFN, 0, 4), ==, 0x293a8086);
    g_assert_cmphex(qpci_read(qt, DEVFN, 8, 4), ==, 0x0c032003);
    g_assert_cmphex(get(qt, 0), ==, 0x01000020);
    g_assert_cmphex(get(qt, 4), ==, 0x3206);
    g_assert_cmphex(get(qt, STS), ==, 0x1000);
    g_assert_cmphex(get(qt, PORTSC), ==, POWER | OWNER);
    put(qt, CONFIGFLAG, 1);
    g_assert_cmphex(get(qt, PORTSC), ==, POWER | J_STATE | 3);
    g_assert_cmphex(get(qt, PORTSC + 4), ==, POWER);
    g_assert_cmphex(get(qt, STS), ==, 0x1000 | STS_PORT);
    put(qt, STS, 0x3f);
    reset_port(qt, 0);
    control(qt, 0x0012000001000680, 18);
    qtest_memread(qt, DATA + 0x100, bytes, sizeof(bytes));
    g_assert_cmphex(bytes[0] | bytes[1] << 8 | bytes[8] << 16 | (uint32_t)bytes[9] << 24, ==,
                    0x06270112);
    control(qt, 0x0000000000010900, 0); /* a configuration */
    put(qt, CMD, RUN | ASYNC_ON | DOORBELL);
    g_assert_cmphex(get(qt, STS), ==, 0x8000 | STS_ADVANCE);
    put(qt, STS, 0x3f);
    /* A report: not yet, then by key. */
    put_queue(qt, QUEUE, END, 1, 8);
    for (unsigned i = 0; i < 1024; i += 8) {
        qtest_writel(qt, FRAMES + 4 * i, QUEUE | IS_QUEUE);
    }
    put_td(qt, 0, true, IN, 8, DATA, INTERRUPT);
    begin(qt, QUEUE);
    put(qt, CMD, RUN | PERIODIC_ON);
    g_assert_cmphex(get(qt, STS), ==, 0x4000);
    qtest_clock_step(qt, 500 * MS);
    g_assert_cmphex(status(qt, 0) & ACTIVE, ==, ACTIVE);
    g_autofree char *answer = qtest_hmp(qt, "sendkey z 1000");
    g_assert_cmpstr(answer, ==, "");
    qtest_clock_step(qt, 9 * MS);
    g_assert_cmphex(status(qt, 0) & (ACTIVE | HALTED | 0x7fff0000), ==, 0);
    g_assert_cmphex(get(qt, STS) & 0x3f, ==, STS_INT);
    qtest_memread(qt, DATA, report, sizeof(report));
    g_assert_cmphex(report[2], ==, 0x1d);
    /* Frames go on, looked at or not; a stopped controller stands. */
    put(qt, CMD, RUN);
    uint32_t frame = get(qt, FRINDEX);
    qtest_clock_step(qt, 10 * MS);
    g_assert_cmpuint(get(qt, FRINDEX), ==, (frame + 80) & 0x3fff);
    put(qt, CMD, 0);
    qtest_clock_step(qt, 10 * MS);
    g_assert_cmpuint(get(qt, FRINDEX), ==, (frame + 80) & 0x3fff);
    qtest_quit(qt);
}

/* What is not for an endpoint is stalled, and where nobody is, nobody answers. */
static void test_errors(void)
{
    QTest *qt = start("-device usb-kbd");
    static const struct {
        uint32_t characteristics, token, wanted;
    } cases[] = {
        { 5 << 8 | 2 << 12 | 8 << 16, OUT << 8 | 8 << 16, HALTED },
        { 77 | 2 << 12 | 8 << 16, OUT << 8 | 8 << 16, HALTED | TRANSACTION_ERROR },
        { 1 << 12 | 8 << 16, OUT << 8 | 8 << 16, HALTED | TRANSACTION_ERROR }, /* low speed */
        { 2 << 12, 3 << 8 | 8 << 16, HALTED | 0x20 },
        { 2 << 12 | 64 << 16, OUT << 8 | 0x7fff << 16, HALTED | 0x20 }, /* more than five pages */
        { 2 << 12 | 64 << 16, OUT << 8 | 7 << 12 | 8 << 16, HALTED | 0x20 },
    };

    put(qt, CONFIGFLAG, 1);
    reset_port(qt, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        put(qt, STS, 0x3f);
        put_td(qt, 0, true, OUT, 8, DATA, 0);
        qtest_writel(qt, TDS + 8, ACTIVE | cases[i].token);
        put_queue(qt, HEAD, HEAD | IS_QUEUE, 0, 64);
        qtest_writel(qt, HEAD + 4, cases[i].characteristics);
        begin(qt, HEAD);
        put(qt, CMD, RUN | ASYNC_ON);
        qtest_clock_step(qt, 2 * MS);
        g_assert_cmphex(status(qt, 0) & 0xff, ==, cases[i].wanted);
        g_assert_cmphex(get(qt, STS) & 0x3f, ==, STS_ERROR);
        put(qt, CMD, RUN);
    }
    qtest_quit(qt);
}

/* Isochronous transfers end, whether somebody answers or not. */
static void test_isochronous(void)
{
    QTest *qt = start("-device usb-kbd");
    uint32_t itd[16] = { END, 1u << 31 | 16 << 16, [8] = 1u << 31 | 0xfff << 16 | INTERRUPT };
    const uint32_t sitd[7] = { END, 0, 0, ACTIVE };

    put(qt, CONFIGFLAG, 1);
    reset_port(qt, 0);
    itd[9] = DATA | 1 << 8 | 0x40;
    put_words(qt, TDS, itd, 16);
    put_words(qt, TDS + 64, sitd, 7);
    qtest_writel(qt, FRAMES, TDS);
    qtest_writel(qt, FRAMES + 4, (TDS + 64) | 4);
    put(qt, CMD, RUN | PERIODIC_ON);
    qtest_clock_step(qt, 3 * MS);
    g_assert_cmphex(qtest_readl(qt, TDS + 4), ==, 1 << 28 | 16 << 16);
    g_assert_cmphex(qtest_readl(qt, TDS + 32), ==, 1 << 30 | 0xfff << 16 | INTERRUPT);
    g_assert_cmphex(qtest_readl(qt, TDS + 64 + 12), ==, TRANSACTION_ERROR);
    g_assert_cmphex(get(qt, STS) & (STS_INT | STS_ERROR), ==, STS_INT);
    qtest_quit(qt);
}

/* Lists that lead to themselves, and to where no memory is. */
static void test_hostile(void)
{
    QTest *qt = start("-device usb-kbd");
    const struct {
        uint32_t link, td;
        bool error;
    } cases[] = {
        { HEAD | IS_QUEUE, TDS, false },
        { QUEUE | IS_QUEUE, END, false }, /* a ring that the head is not in */
        { HEAD, END, false },
        { 0xd0000000 | IS_QUEUE, END, true },
        { HEAD | IS_QUEUE, 0xd0000000, true },
        { 0xd0000000, END, true },
        { 0xd0000004, END, true },
    };

    put(qt, CONFIGFLAG, 1);
    reset_port(qt, 0);
    put_queue(qt, QUEUE, QUEUE | IS_QUEUE, 1, 8);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        for (unsigned periodic = 0; periodic < 2; periodic++) {
            if (i >= 5 && !periodic) {
                continue; /* what is no queue ends the asynchronous list */
            }
            put(qt, CMD, RUN);
            put(qt, STS, 0x3f);
            put_queue(qt, HEAD, cases[i].link, 1, 8);
            qtest_writel(qt, HEAD + 0x10, cases[i].td);
            put_td(qt, 0, false, IN, 8, DATA, 0);
            qtest_writel(qt, TDS, TDS);
            for (unsigned n = 0; n < 1024; n++) {
                qtest_writel(qt, FRAMES + 4 * n, HEAD | IS_QUEUE);
            }
            put(qt, CMD, RUN | (periodic ? PERIODIC_ON : ASYNC_ON));
            qtest_clock_step(qt, 3 * MS);
            g_assert_cmphex(get(qt, STS) & STS_HOST_ERROR, ==, cases[i].error ? STS_HOST_ERROR : 0);
        }
    }
    qtest_quit(qt);
}

static void test_companions(void)
{
    QTest *qt = start("-device usb-mouse,id=m,port=2");

    /* It is the companion's until there is a driver, */
    g_assert_cmphex(qtest_inw(qt, IO + 0x12), ==, 0x83);
    g_assert_cmphex(get(qt, PORTSC + 4), ==, POWER | OWNER);
    /* then this one's, until that gives it away. */
    put(qt, CONFIGFLAG, 1);
    g_assert_cmphex(qtest_inw(qt, IO + 0x12), ==, 0x82);
    g_assert_cmphex(get(qt, PORTSC + 4), ==, POWER | J_STATE | 3);
    put(qt, PORTSC + 4, POWER | OWNER | 2);
    g_assert_cmphex(get(qt, PORTSC + 4) & 0x3005, ==, POWER | OWNER);
    g_assert_cmphex(qtest_inw(qt, IO + 0x12), ==, 0x83);
    g_autofree char *slow = qtest_hmp(qt, "info usb");
    g_assert_nonnull(strstr(slow, "Speed 12 Mb/s"));
    /* When it goes, the port comes back. */
    qtest_qmp_ok(qt, "device_del", "{'id': 'm'}");
    g_assert_cmphex(qtest_inw(qt, IO + 0x12), ==, 0x82);
    g_assert_cmphex(get(qt, PORTSC + 4) & 0x3005, ==, POWER);
    put(qt, STS, 0x3f);
    qtest_qmp_ok(qt, "device_add", "{'driver': 'usb-mouse', 'id': 'm', 'port': '2'}");
    g_assert_cmphex(get(qt, PORTSC + 4) & 0x3005, ==, POWER | 1);
    g_assert_cmphex(get(qt, STS), ==, 0x1000 | STS_PORT);
    g_autofree char *fast = qtest_hmp(qt, "info usb");
    g_assert_nonnull(strstr(fast, "Speed 480 Mb/s"));
    /* A reset of the controller gives all away. */
    put(qt, CMD, 2);
    g_assert_cmphex(get(qt, PORTSC + 4), ==, POWER | OWNER);
    g_assert_cmphex(qtest_inw(qt, IO + 0x12) & 3, ==, 3);
    qtest_quit(qt);
}

static void refuse(QTest *qt, const char *arguments, const char *why)
{
    json_object *error = qtest_qmp_error(qt, "device_add", arguments);

    g_assert_nonnull(strstr(json_object_get_string(json_object_object_get(error, "desc")), why));
    json_object_put(error);
}

static void test_refused(void)
{
    QTest *qt = qtest_start("-m 64 -machine pc -device usb-ehci,id=e -device qemu-xhci,id=x");

    refuse(qt, "{'driver': 'usb-hub', 'bus': 'e.0'}", "no free port of the device's speed");
    refuse(qt, "{'driver': 'ich9-usb-uhci1', 'masterbus': 'e.0', 'firstport': 5}",
           "port 6 is one too many");
    refuse(qt, "{'driver': 'ich9-usb-uhci1', 'masterbus': 'x.0'}", "has no companions");
    refuse(qt, "{'driver': 'ich9-usb-uhci1', 'masterbus': 'y.0'}", "y.0");
    qtest_qmp_ok(qt, "device_add", "{'driver': 'ich9-usb-uhci1', 'masterbus': 'e.0'}");
    refuse(qt, "{'driver': 'ich9-usb-uhci1', 'masterbus': 'e.0', 'firstport': 1}",
           "has a companion already");
    qtest_qmp_ok(qt, "device_add", "{'driver': 'usb-hub', 'bus': 'e.0', 'port': '2'}");
    qtest_quit(qt);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ehci/keyboard", test_keyboard);
    g_test_add_func("/ehci/errors", test_errors);
    g_test_add_func("/ehci/isochronous", test_isochronous);
    g_test_add_func("/ehci/hostile", test_hostile);
    g_test_add_func("/ehci/companions", test_companions);
    g_test_add_func("/ehci/refused", test_refused);
    return g_test_run();
}
