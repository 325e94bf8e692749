/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pci-testdev: its header, what it counts, and the BAR that has nothing. */
#include <string.h>

#include "tests/qtest/libqtest.h"
#include "tests/qtest/virtio.h"

#define DEVFN (5 << 3)
#define MMIO  0xe8000000u
#define PORTS 0xc000u
#define LARGE 0xf0000000u
enum { TEST = 0, WIDTH = 1, OFFSET = 4, DATA = 8, COUNT = 12, NAME = 16 };

static QTest *start(const char *more)
{
    QTest *qt = qtest_start("-m 16 -device pci-testdev,addr=5%s", more);

    qpci_write(qt, DEVFN, 0x10, 4, MMIO);
    qpci_write(qt, DEVFN, 0x14, 4, PORTS);
    qpci_write(qt, DEVFN, 4, 2, 3);
    return qt;
}

static const struct {
    const char *name;
    uint32_t offset, data;
} tests[] = {
    { "mmio-no-eventfd", 0x800, 0xfa },        { "mmio-wildcard-eventfd", 0x801, 0xce },
    { "mmio-datamatch-eventfd", 0x802, 0xfa }, { "portio-no-eventfd", 0x83, 0xfa },
    { "portio-wildcard-eventfd", 0x84, 0xce }, { "portio-datamatch-eventfd", 0x85, 0xfa },
};

/* Choose test @n of all. */
static void choose(QTest *qt, unsigned n)
{
    if (n < 3) {
        qtest_writeb(qt, MMIO + TEST, (uint8_t)n);
    } else {
        qtest_outb(qt, PORTS + TEST, (uint8_t)(n - 3));
    }
}

static void test_header(void)
{
    QTest *qt = start("");

    g_assert_cmphex(qpci_read(qt, DEVFN, 0, 4), ==, 0x00051b36);
    g_assert_cmphex(qpci_read(qt, DEVFN, 8, 4), ==, 0x00ff0000);
    g_assert_cmphex(qpci_read(qt, DEVFN, 0x3d, 1), ==, 0);
    g_assert_cmphex(qtest_readl(qt, MMIO), ==, 0); /* none is chosen */
    for (unsigned n = 0; n < G_N_ELEMENTS(tests); n++) {
        char name[28];

        choose(qt, n);
        g_assert_cmphex(qtest_readl(qt, MMIO + TEST), ==, n | 0x100);
        g_assert_cmphex(qtest_inl(qt, PORTS + TEST), ==, n | 0x100); /* in either */
        g_assert_cmphex(qtest_inl(qt, PORTS + OFFSET), ==, tests[n].offset);
        g_assert_cmphex(qtest_readw(qt, MMIO + DATA), ==, tests[n].data);
        g_assert_cmphex(qtest_readl(qt, MMIO + COUNT), ==, 0);
        for (unsigned i = 0; i < sizeof(name); i++) {
            name[i] = (char)qtest_readb(qt, MMIO + NAME + i);
        }
        g_assert_cmpstr(name, ==, tests[n].name);
        g_assert_cmphex(qtest_readl(qt, MMIO + NAME + sizeof(name)), ==, 0);
    }
    choose(qt, 0);
    qtest_writeb(qt, MMIO + TEST, 3); /* a BAR has three */
    g_assert_cmphex(qtest_readl(qt, MMIO + TEST), ==, 0);
    choose(qt, 1);
    qtest_writel(qt, MMIO + COUNT, 5);
    qtest_writeb(qt, MMIO + WIDTH, 5);
    g_assert_cmphex(qtest_readl(qt, MMIO + TEST), ==, 0x101); /* read only */
    g_assert_cmphex(qtest_readl(qt, MMIO + COUNT), ==, 0);
    g_assert_cmphex(qtest_readl(qt, MMIO + 0xffc), ==, 0);
    qtest_quit(qt);
}

static void test_counts(void)
{
    QTest *qt = start("");

    choose(qt, 0);
    qtest_writeb(qt, MMIO + 0x800, 0xfa);
    qtest_writel(qt, MMIO + 0x800, 0xfa);
    g_assert_cmphex(qtest_readl(qt, MMIO + COUNT), ==, 2);
    qtest_writeb(qt, MMIO + 0x800, 0xfb); /* other data, */
    qtest_writeb(qt, MMIO + 0x804, 0xfa); /* another place */
    g_assert_cmphex(qtest_readl(qt, MMIO + COUNT), ==, 2);
    choose(qt, 3);
    qtest_outb(qt, PORTS + 0x83, 0xfa);
    g_assert_cmphex(qtest_inl(qt, PORTS + COUNT), ==, 1);
    choose(qt, 3);
    g_assert_cmphex(qtest_inl(qt, PORTS + COUNT), ==, 0);
    /* What an eventfd takes is not counted; the others are. */
    choose(qt, 1);
    qtest_writeb(qt, MMIO + 0x801, 0xce);
    qtest_writeb(qt, MMIO + 0x801, 0x11);
    g_assert_cmphex(qtest_readl(qt, MMIO + COUNT), ==, 0);
    choose(qt, 2);
    qtest_writeb(qt, MMIO + 0x802, 0xfa);
    g_assert_cmphex(qtest_readl(qt, MMIO + COUNT), ==, 0);
    qtest_writew(qt, MMIO + 0x802, 0xfa);
    g_assert_cmphex(qtest_readl(qt, MMIO + COUNT), ==, 1);
    choose(qt, 4);
    qtest_outb(qt, PORTS + 0x84, 0x11);
    g_assert_cmphex(qtest_inl(qt, PORTS + COUNT), ==, 0);
    qtest_outw(qt, PORTS + 0x84, 0x11);
    g_assert_cmphex(qtest_inl(qt, PORTS + COUNT), ==, 1);
    choose(qt, 5);
    qtest_outb(qt, PORTS + 0x85, 0xfa);
    qtest_outb(qt, PORTS + 0x85, 0xfb);
    g_assert_cmphex(qtest_inl(qt, PORTS + COUNT), ==, 0);
    qtest_quit(qt);
}

static void test_large(void)
{
    g_autofree char *out = NULL;
    QTest *qt = start(",membar=16M");

    qpci_write(qt, DEVFN, 0x18, 4, UINT32_MAX);
    g_assert_cmphex(qpci_read(qt, DEVFN, 0x18, 4), ==, 0xff00000c);
    qpci_write(qt, DEVFN, 0x18, 4, LARGE);
    qtest_writel(qt, LARGE, 5);
    g_assert_cmphex(qtest_readl(qt, LARGE), ==, 0);
    qtest_quit(qt);
    g_assert_cmpint(qtest_run_program(&out, "-device pci-testdev,membar=3M"), ==, 1);
    g_assert_nonnull(strstr(out, "membar=3145728"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pci-testdev/header", test_header);
    g_test_add_func("/pci-testdev/counts", test_counts);
    g_test_add_func("/pci-testdev/large", test_large);
    return g_test_run();
}
