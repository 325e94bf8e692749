/* SPDX-License-Identifier: GPL-2.0-or-later */
/* UHCI controllers, by a driver of our own: a keyboard's descriptor and keys; lists that hang. */
#include <glib/gstdio.h>

#include "tests/qtest/virtio.h"

#define DEVFN  0x0au /* -usb of pc */
#define IO     0xc000u
#define FRAMES 0x200000u
#define QUEUE  0x201000u
#define TDS    0x202000u
#define DATA   0x203000u
#define MS     1000000LL

enum { USBCMD = 0, USBSTS = 2, USBINTR = 4, FRNUM = 6, FRBASEADD = 8, PORTSC = 0x10 };
enum { RUN = 1, HALTED = 0x20, HOST_ERROR = 8, PROCESS_ERROR = 0x10 };
enum {
    END = 1,
    IS_QUEUE = 2,
    DEPTH = 4,
    ACTIVE = 1 << 23,
    NAK = 1 << 19,
    STALLED = 1 << 22,
    INTERRUPT = 1 << 24,
    TIMEOUT = 1 << 18
};
enum { IN = 0x69, OUT = 0xe1, SETUP = 0x2d };

static QTest *start(const char *options)
{
    QTest *qt = qtest_start("-m 64 -machine pc -usb %s", options);

    qpci_write(qt, DEVFN, 0x20, 4, IO);
    qpci_write(qt, DEVFN, 4, 2, 5);
    for (unsigned i = 0; i < 1024; i++) {
        qtest_writel(qt, FRAMES + 4 * i, QUEUE | IS_QUEUE);
    }
    qtest_writel(qt, QUEUE, END);
    qtest_writel(qt, QUEUE + 4, END);
    qtest_outl(qt, IO + FRBASEADD, FRAMES);
    qtest_outw(qt, IO + USBINTR, 0xf);
    return qt;
}

static void reset_port(QTest *qt)
{
    g_assert_cmphex(qtest_inw(qt, IO + PORTSC), ==, 0x83);
    qtest_outw(qt, IO + PORTSC, 0x202);
    g_assert_cmphex(qtest_inw(qt, IO + PORTSC), ==, 0x281);
    qtest_outw(qt, IO + PORTSC, 0);
    qtest_outw(qt, IO + PORTSC, 4);
    g_assert_cmphex(qtest_inw(qt, IO + PORTSC), ==, 0x85);
    qtest_outw(qt, IO + USBCMD, RUN);
}

/* The TD with number @n, before the next one. */
static void put_td(QTest *qt, unsigned n, bool last, uint8_t pid, unsigned endpoint, unsigned size,
                   uint32_t data, uint32_t flags)
{
    uint32_t at = TDS + 16 * n;

    qtest_writel(qt, at, last ? END : (at + 16) | DEPTH);
    qtest_writel(qt, at + 4, ACTIVE | 3 << 27 | flags);
    qtest_writel(qt, at + 8, pid | endpoint << 15 | ((size - 1) & 0x7ffu) << 21);
    qtest_writel(qt, at + 12, data);
}

static uint32_t status(QTest *qt, unsigned n)
{
    return qtest_readl(qt, TDS + 16 * n + 4);
}

static void control(QTest *qt, uint64_t setup, unsigned size)
{
    unsigned n = 0;

    qtest_writeq(qt, DATA, setup);
    put_td(qt, n++, false, SETUP, 0, 8, DATA, 0);
    for (unsigned at = 0; at < size; at += 8) {
        put_td(qt, n++, false, IN, 0, MIN(8, size - at), DATA + 0x100 + at, 0);
    }
    put_td(qt, n, true, size ? OUT : IN, 0, 0, 0, INTERRUPT);
    qtest_writel(qt, QUEUE + 4, TDS);
    qtest_clock_step(qt, 2 * MS);
    g_assert_cmphex(qtest_readl(qt, QUEUE + 4) & END, ==, END);
    g_assert_cmphex(status(qt, n) & (ACTIVE | STALLED), ==, 0);
    g_assert_cmphex(qtest_inw(qt, IO + USBSTS) & 1, ==, 1);
    g_assert_cmphex(qpci_read(qt, DEVFN, 6, 2) & 8, ==, 8);
    qtest_outw(qt, IO + USBSTS, 0x1f);
    g_assert_cmphex(qpci_read(qt, DEVFN, 6, 2) & 8, ==, 0);
}

static void test_keyboard(void)
{
    QTest *qt = start("-device usb-kbd");
    uint8_t bytes[18], report[8];

    g_assert_cmphex(qpci_read(qt, DEVFN, 0, 4), ==, 0x70208086);
    g_assert_cmphex(qpci_read(qt, DEVFN, 8, 4), ==, 0x0c030001);
    g_assert_cmphex(qtest_inw(qt, IO + USBSTS), ==, HALTED);
    g_assert_cmphex(qtest_inw(qt, IO + PORTSC + 2), ==, 0x80);
    reset_port(qt);
    control(qt, 0x0012000001000680, 18);
    qtest_memread(qt, DATA + 0x100, bytes, sizeof(bytes));
    g_assert_cmphex(bytes[0] | bytes[1] << 8 | bytes[8] << 16 | (uint32_t)bytes[9] << 24, ==,
                    0x06270112);
    control(qt, 0x0000000000010900, 0); /* a configuration */
    /* A report: not yet, then by key. */
    put_td(qt, 0, true, IN, 1, 8, DATA, INTERRUPT);
    qtest_writel(qt, QUEUE + 4, TDS);
    qtest_clock_step(qt, 500 * MS);
    g_assert_cmphex(status(qt, 0) & (ACTIVE | NAK), ==, ACTIVE | NAK);
    /* Where nothing happens, it looks at eight frames at once; the guest sees each. */
    uint16_t before = qtest_inw(qt, IO + FRNUM);
    for (unsigned i = 1; i <= 20; i++) {
        qtest_clock_step(qt, MS);
        g_assert_cmpuint(qtest_inw(qt, IO + FRNUM), ==, before + i);
    }
    g_autofree char *answer = qtest_hmp(qt, "sendkey z 1000");
    g_assert_cmpstr(answer, ==, "");
    qtest_clock_step(qt, 2 * MS);
    g_assert_cmphex(status(qt, 0) & (ACTIVE | 0x7ff), ==, 7);
    qtest_memread(qt, DATA, report, sizeof(report));
    g_assert_cmphex(report[2], ==, 0x1d);
    /* What no endpoint takes is stalled, and where nobody is, nobody answers. */
    put_td(qt, 0, true, OUT, 5, 8, DATA, 0);
    qtest_writel(qt, QUEUE + 4, TDS);
    qtest_clock_step(qt, 2 * MS);
    g_assert_cmphex(status(qt, 0) & (ACTIVE | STALLED | TIMEOUT), ==, STALLED);
    put_td(qt, 0, true, OUT, 5, 8, DATA, 0);
    qtest_writel(qt, TDS + 8, OUT | 77 << 8 | 7 << 21);
    qtest_writel(qt, QUEUE + 4, TDS);
    qtest_clock_step(qt, 2 * MS);
    g_assert_cmphex(status(qt, 0) & (ACTIVE | STALLED | TIMEOUT), ==, STALLED | TIMEOUT);
    /* Frames go on; a stopped controller stands. */
    uint16_t frame = qtest_inw(qt, IO + FRNUM);
    qtest_clock_step(qt, 10 * MS);
    g_assert_cmpuint(qtest_inw(qt, IO + FRNUM), ==, frame + 10);
    qtest_outw(qt, IO + USBCMD, 0);
    qtest_clock_step(qt, 10 * MS);
    g_assert_cmpuint(qtest_inw(qt, IO + FRNUM), ==, frame + 10);
    qtest_quit(qt);
}

/* Lists that lead to themselves, and to where no memory is. */
static void test_hostile(void)
{
    QTest *qt = start("-device usb-kbd");
    const struct {
        uint32_t link, element;
        uint16_t status;
    } cases[] = {
        { QUEUE | IS_QUEUE, END, 0 },
        { QUEUE | IS_QUEUE, QUEUE | IS_QUEUE, 0 },
        { TDS, TDS, 0 },
        { 0xd0000000, END, HOST_ERROR },
        { END, 0xd0000000, HOST_ERROR },
        { 0xd0000000 | IS_QUEUE, END, HOST_ERROR },
    };

    reset_port(qt);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        qtest_outw(qt, IO + USBSTS, 0x1f);
        put_td(qt, 0, false, IN, 1, 8, DATA, 0);
        qtest_writel(qt, TDS, TDS | DEPTH);
        qtest_writel(qt, QUEUE, cases[i].link);
        qtest_writel(qt, QUEUE + 4, cases[i].element);
        qtest_outw(qt, IO + USBCMD, RUN);
        qtest_clock_step(qt, 3 * MS);
        g_assert_cmphex(qtest_inw(qt, IO + USBSTS) & (HOST_ERROR | PROCESS_ERROR), ==,
                        cases[i].status);
    }
    /* A packet of more bytes than there can be, another token, and data in the controller. */
    qtest_writel(qt, QUEUE, END);
    for (unsigned i = 0; i < 2; i++) {
        qtest_outw(qt, IO + USBSTS, 0x1f);
        put_td(qt, 0, true, i ? 0x55 : OUT, 0, i ? 8 : 1500, DATA, 0);
        qtest_writel(qt, QUEUE + 4, TDS);
        qtest_outw(qt, IO + USBCMD, RUN);
        qtest_clock_step(qt, 3 * MS);
        g_assert_cmphex(qtest_inw(qt, IO + USBSTS), ==, PROCESS_ERROR | HALTED);
    }
    qtest_quit(qt);
}

static void test_coming_and_going(void)
{
    QTest *qt = start("");

    qtest_outw(qt, IO + USBCMD, RUN | 8); /* all is asleep */
    qtest_qmp_ok(qt, "device_add", "{'driver': 'usb-mouse', 'id': 'm'}");
    g_assert_cmphex(qtest_inw(qt, IO + USBSTS), ==, 4);
    reset_port(qt);
    qtest_qmp_ok(qt, "device_del", "{'id': 'm'}");
    g_assert_cmphex(qtest_inw(qt, IO + PORTSC), ==, 0x8a);
    qtest_quit(qt);
}

/* A packet to the speaker, in the next frame. */
static void send_samples(QTest *qt)
{
    put_td(qt, 0, true, OUT, 1, 192, DATA + 0x200, 1 << 25);
    qtest_writel(qt, QUEUE + 4, TDS);
    qtest_clock_step(qt, 2 * MS);
    g_assert_cmphex(status(qt, 0) & (ACTIVE | STALLED | 0x7ff), ==, 191);
}

static void test_audio(void)
{
    g_autofree char *dir = g_dir_make_tmp(NULL, NULL);
    g_autofree char *path = g_build_filename(dir, "out.wav", NULL), *file = NULL;
    g_autofree char *options = g_strdup_printf(
        "-audiodev wav,id=a,out.frequency=48000,path=%s -device usb-audio,audiodev=a", path);
    QTest *qt = start(options);
    uint8_t bytes[192];
    gsize size;

    for (unsigned i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i + 1);
    }
    reset_port(qt);
    control(qt, 0x0009000002000680, 9);
    g_assert_cmphex(qtest_readl(qt, DATA + 0x100), ==,
                    (9 + 9 + 40 + 9 + 9 + 18 + 9 + 7) << 16 | 0x209);
    control(qt, 0x0000000000010900, 0); /* a configuration */
    control(qt, 0x0000000100010b01, 0); /* the alternate with the endpoint */
    qtest_memwrite(qt, DATA + 0x200, bytes, sizeof(bytes));
    send_samples(qt);
    /* It is switched off. */
    qtest_writeq(qt, DATA, 0x0001020001000121);
    put_td(qt, 0, false, SETUP, 0, 8, DATA, 0);
    put_td(qt, 1, false, OUT, 0, 1, DATA + 0x200, 0);
    put_td(qt, 2, true, IN, 0, 0, 0, 0);
    qtest_writel(qt, QUEUE + 4, TDS);
    qtest_clock_step(qt, 2 * MS);
    g_assert_cmphex(status(qt, 2) & (ACTIVE | STALLED), ==, 0);
    send_samples(qt);
    qtest_quit(qt);
    g_assert_true(g_file_get_contents(path, &file, &size, NULL));
    g_assert_cmpuint(size, ==, 44 + 2 * 192);
    g_assert_cmpmem(file + 48, 192, bytes, 192);
    g_assert_cmphex(file[48 + 192] | file[44 + 383], ==, 0);
    g_unlink(path);
    g_rmdir(dir);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/uhci/keyboard", test_keyboard);
    g_test_add_func("/uhci/hostile", test_hostile);
    g_test_add_func("/uhci/coming-and-going", test_coming_and_going);
    g_test_add_func("/uhci/audio", test_audio);
    return g_test_run();
}
