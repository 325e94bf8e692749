/* SPDX-License-Identifier: GPL-2.0-or-later */
/* pc-testdev: what tests of CPUs and interrupt controllers find there. */
#include <string.h>

#include "tests/qtest/libqtest.h"

#define CELL    0xe0
#define FLUSH   0xe4
#define BYTES   0xe8
#define LINES   0x2000
#define TRAPPED 0xff000000u

static void test_ports(void)
{
    QTest *qt = qtest_start("-m 16 -device pc-testdev");

    g_assert_cmphex(qtest_inl(qt, CELL), ==, 0);
    qtest_outl(qt, CELL, 0x12345678);
    g_assert_cmphex(qtest_inl(qt, CELL), ==, 0x12345678);
    g_assert_cmphex(qtest_inw(qt, CELL + 2), ==, 0x1234);
    g_assert_cmphex(qtest_inl(qt, BYTES), ==, 0x12345678);
    qtest_outb(qt, CELL + 1, 0xaa);
    qtest_outw(qt, BYTES + 2, 0xbbcc);
    g_assert_cmphex(qtest_inl(qt, CELL), ==, 0xbbccaa78);
    qtest_outl(qt, FLUSH, 0x1000);
    g_assert_cmphex(qtest_inl(qt, FLUSH), ==, 0);
    g_assert_cmphex(qtest_inl(qt, CELL), ==, 0xbbccaa78);
    qtest_quit(qt);
}

static void test_memory(void)
{
    QTest *qt = qtest_start("-m 16 -device pc-testdev");

    qtest_writeq(qt, TRAPPED, 0x1122334455667788);
    g_assert_cmphex(qtest_readl(qt, TRAPPED + 2), ==, 0x33445566);
    qtest_writel(qt, TRAPPED + 0xfffc, 0xcafef00d);
    g_assert_cmphex(qtest_readl(qt, TRAPPED + 0xfffc), ==, 0xcafef00d);
    qtest_memset(qt, TRAPPED + 0xffff, 0x55, 2); /* across its end */
    g_assert_cmphex(qtest_readb(qt, TRAPPED + 0xffff), ==, 0x55);
    qtest_quit(qt);
}

static void test_lines(void)
{
    QTest *qt = qtest_start("-m 16 -device pc-testdev");

    qtest_irq_intercept_in(qt, "ioapic");
    for (uint16_t i = 0; i < 24; i++) {
        if (i != 2) { /* the cascade has no line */
            qtest_outb(qt, LINES + i, 3);
            g_assert_true(qtest_get_irq(qt, i));
            qtest_outb(qt, LINES + i, 2);
            g_assert_false(qtest_get_irq(qt, i));
        }
    }
    qtest_quit(qt);
}

static void test_twice(void)
{
    g_autofree char *twice = NULL;

    g_assert_cmpint(qtest_run_program(&twice, "-device pc-testdev -device pc-testdev"), ==, 1);
    g_assert_nonnull(strstr(twice, "port 0xe0 belongs to 'pc-testdev"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pc-testdev/ports", test_ports);
    g_test_add_func("/pc-testdev/memory", test_memory);
    g_test_add_func("/pc-testdev/lines", test_lines);
    g_test_add_func("/pc-testdev/twice", test_twice);
    return g_test_run();
}
