/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The qtest protocol itself: every command, what is answered to wrong lines, and interception. */
#include <inttypes.h>
#include <string.h>

#include "tests/qtest/libqtest.h"
#include "util/units.h"

static QTest *qt; /* shared by the tests that leave the machine as it was */

static void check(const char *line, const char *wanted)
{
    g_autofree char *reply = qtest_line(qt, "%s", line);

    if (!g_pattern_match_simple(wanted, reply)) {
        g_error("'%.200s' was answered by '%.200s', not by '%s'", line, reply, wanted);
    }
}

typedef struct Case {
    const char *line, *reply; /* pattern */
} Case;

static void check_all(const Case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        check(cases[i].line, cases[i].reply);
    }
}

static void test_memory(void)
{
    static const Case cases[] = {
        { "writeq 0x1000 0x8877665544332211", "OK" },
        { "readb 0x1000", "OK 0x0000000000000011" },
        { "readw 0x1001", "OK 0x0000000000003322" },
        { "readl 0x1003", "OK 0x0000000077665544" },
        { "readq 4096", "OK 0x8877665544332211" },
        { "writeb 0x1000 0xabff", "OK" }, /* the low byte */
        { "writew 0x1001 0xcc", "OK" },
        { "writel 010010 1", "OK" }, /* octal, as in C */
        { "read 0x1000 9", "OK 0xffcc00445566778801" },
        { "write 0x1000 3 0x0aFfB0", "OK" },
        { "read 0x1000 4", "OK 0x0affb044" },
        { "b64read 0x1000 4", "OK Cv+wRA==" },
        { "b64read 0x1000 0", "OK*" },
        { "b64write 0x1000 4 AQIDBA==", "OK" },
        { "b64write 0x1000 0 ", "OK" },
        { "readl 0x1000", "OK 0x0000000004030201" },
        { "memset 0x1001 2 0x5a", "OK" },
        { "memset 0x1003 0 0x5a", "OK" },
        { "readl 0x1000", "OK 0x00000000045a5a01" },
        { "  readb\t0x1000 \r", "OK 0x0000000000000001" },
        { "memset 0x1000 16 0", "OK" },
        /* where there is nothing, and over the end of the address space */
        { "readl 0xe0000000", "OK 0x00000000ffffffff" },
        { "writel 0xe0000000 1", "OK" },
        { "read 0xfffffffffffffffe 4", "OK 0xffff????" },
    };

    check_all(cases, G_N_ELEMENTS(cases));
}

static void test_ports(void)
{
    static const Case cases[] = {
        { "outl 0xcf8 0x80000000", "OK" }, { "inl 0xcf8", "OK 0x80000000" },
        { "inw 0xcfc", "OK 0x8086" },      { "inb 0xcfe", "OK 0x0037" },
        { "outb 0x80 0x1ff", "OK" },       { "inl 0x5550", "OK 0xffffffff" },
        { "endianness", "OK little" },     { "module_load hw- display", "FAIL" },
    };

    check_all(cases, G_N_ELEMENTS(cases));
}

static void test_wrong_lines(void)
{
    static const Case cases[] = {
        { "", "ERR *" },
        { "   ", "ERR *" },
        { "frobnicate 1", "FAIL *frobnicate*" },
        { "INB 0x61", "FAIL *INB*" },
        { "rtas get-time 0 0 0 0", "FAIL *rtas*" },
        { "inb", "ERR *inb*" },
        { "inb 0x61 1", "ERR *inb*" },
        { "inb zz", "ERR *zz*" },
        { "inb 0x", "ERR *0x*" },
        { "inb 0x10000", "ERR *port*" },
        { "inb -1", "ERR *port*" },
        { "outb 0x80", "ERR *outb*" },
        { "outb 0x80 zz", "ERR *zz*" },
        { "outl 0x10000 1", "ERR *port*" },
        { "readb 0x10000000000000000", "ERR *number*" },
        { "writeb 0x1000", "ERR *writeb*" },
        { "read 0x1000", "ERR *read*" },
        { "read 0x1000 0", "ERR *size*" },
        { "read 0x1000 0x4000001", "ERR *size*" },
        { "read 0x1000 -1", "ERR *size*" },
        { "b64read 0x1000 0xffffffffffffffff", "ERR *size*" },
        { "write 0x1000 4 0x010203", "ERR *two hex*" },
        { "write 0x1000 2 0x010203", "ERR *two hex*" },
        { "write 0x1000 2 0102", "ERR *two hex*" },
        { "write 0x1000 2 0x01zz", "ERR *two hex*" },
        { "write 0x1000 0 0x", "ERR *size*" },
        { "write 0x1000 4", "ERR *3 arguments*" },
        { "b64write 0x1000 8 AQIDBA==", "ERR *4 bytes*" },
        { "b64write 0x1000 4", "ERR *0 bytes*" },
        { "memset 0x1000 8", "ERR *memset*" },
        { "memset 1 2 3 4 5", "ERR *memset*" },
        { "clock_step zz", "ERR *zz*" },
        { "clock_step -1", "ERR *far*" },
        { "clock_step 0x7fffffffffffffff1", "ERR *" },
        { "clock_set", "ERR *clock_set*" },
        { "clock_set 0x8000000000000000", "ERR *far*" },
        { "clock_set 0x2000000000000000", "ERR *far*" },
        { "clock_step 0x2000000000000000", "ERR *far*" },
        { "irq_intercept_in", "ERR *" },
        { "irq_intercept_in nope", "FAIL *nope*" },
        { "irq_intercept_in /machine", "FAIL */machine*" },
        { "irq_intercept_out /", "FAIL *" },
        { "set_irq_in ioapic unnamed-gpio-in 5", "ERR *" },
        { "set_irq_in nope unnamed-gpio-in 5 1", "FAIL *nope*" },
        { "set_irq_in ioapic other 5 1", "FAIL *other*" },
        { "set_irq_in ioapic unnamed-gpio-in 24 1", "FAIL *0 to 23*" },
        { "set_irq_in ioapic unnamed-gpio-in -1 1", "FAIL *0 to 23*" },
        { "set_irq_in isa-pit unnamed-gpio-in 0 1", "FAIL *isa-pit*" },
        { "module_load", "ERR *" },
        { "endianness now", "ERR *" },
    };

    check_all(cases, G_N_ELEMENTS(cases));
    check("readq 0x1000", "OK 0x0000000000000000"); /* nothing was done by halves */
}

static void append_hex(GString *line, size_t bytes)
{
    for (size_t i = 0; i < bytes / 8; i++) {
        g_string_append_len(line, "0123456789abcdef", 16);
    }
}

/* A long line is a line like others; one that is too long for anything is answered once. */
static void test_long_lines(void)
{
    const size_t size = 2 * MIB;
    g_autoptr(GString) line = g_string_new(NULL);

    g_string_printf(line, "write 0 %zu 0x", size);
    append_hex(line, size);
    check(line->str, "OK");
    g_assert_cmphex(qtest_readq(qt, size - 8), ==, GUINT64_SWAP_LE_BE(0x0123456789abcdef));
    qtest_memset(qt, 0, 0, size);
    append_hex(line, 65 * MIB - size);
    check(line->str, "ERR *characters*");
    check("readq 0x1000", "OK 0x0000000000000000");
}

static void test_blocks(void)
{
    const size_t size = 200001;
    g_autofree uint8_t *out = g_malloc(size), *in = g_malloc(size);

    for (size_t i = 0; i < size; i++) {
        out[i] = i * 7 + (i >> 8);
    }
    qtest_memwrite(qt, MIB + 1, out, size);
    qtest_memread(qt, MIB + 1, in, size);
    g_assert_cmpmem(out, size, in, size);
    qtest_memset(qt, MIB, 0, size + 1);
    g_assert_cmphex(qtest_readb(qt, MIB + size), ==, 0);
}

static void test_clock(void)
{
    /* Time stands still, whatever else goes on. */
    int64_t start = qtest_clock_step(qt, 0);
    uint32_t ticks = qtest_inl(qt, 0x608);

    qtest_qmp_ok(qt, "query-status", NULL);
    g_usleep(2000);
    g_assert_cmphex(qtest_inl(qt, 0x608), ==, ticks);
    g_assert_cmpint(qtest_clock_step(qt, 0), ==, start);

    g_assert_cmpint(qtest_clock_step(qt, 12345), ==, start + 12345);
    g_assert_cmpint(qtest_clock_set(qt, start + 20000), ==, start + 20000);
    /* Not back, but that is no error. */
    g_assert_cmpint(qtest_clock_set(qt, start), ==, start + 20000);
    int64_t next = qtest_clock_step_next(qt); /* whatever timer that is */
    g_assert_cmpint(next, >=, start + 20000);
}

/* A step over more timers than anybody waits for ends, and says where. */
static void test_busy_clock(void)
{
    QTest *busy = qtest_start("-m 16");

    qtest_outb(busy, 0x43, 0x34); /* counter 0, mode 2 */
    qtest_outb(busy, 0x40, 2);
    qtest_outb(busy, 0x40, 0);
    g_autofree char *reply = qtest_line(busy, "clock_step 0x1f00000000000000");
    if (!g_str_has_prefix(reply, "FAIL ") || !strstr(reply, "1000000 timers")) {
        g_error("the answer is '%s'", reply);
    }
    qtest_quit(busy);
}

static void test_intercept_in(void)
{
    QTest *m = qtest_start("-m 16");

    qtest_irq_intercept_in(m, "ioapic");
    qtest_irq_intercept_in(m, "ioapic"); /* again: harmless */
    g_assert_false(qtest_get_irq(m, 5));
    qtest_set_irq_in(m, "ioapic", NULL, 5, 1);
    g_assert_true(qtest_get_irq(m, 5));
    qtest_set_irq_in(m, "ioapic", NULL, 5, 1); /* told once */
    g_assert_cmpuint(qtest_irq_raised(m, 5), ==, 1);
    qtest_set_irq_in(m, "ioapic", NULL, 5, 0);
    g_assert_false(qtest_get_irq(m, 5));
    /* One device and direction only. */
    g_autofree char *other = qtest_line(m, "irq_intercept_in isa-i8259");
    g_assert_true(g_str_has_prefix(other, "FAIL "));
    g_autofree char *out = qtest_line(m, "irq_intercept_out ioapic");
    g_assert_true(g_str_has_prefix(out, "FAIL "));
    qtest_quit(m);
}

/* Lines that are heard go on working: the request is in the 8259. */
static void test_intercept_forwards(void)
{
    QTest *m = qtest_start("-m 16");

    qtest_irq_intercept_in(m, "isa-i8259");
    qtest_set_irq_in(m, "isa-i8259", NULL, 3, 1);
    g_assert_true(qtest_get_irq(m, 3));
    qtest_outb(m, 0x20, 0x0a); /* read IRR */
    g_assert_cmphex(qtest_inb(m, 0x20), ==, 1 << 3);
    qtest_quit(m);
}

static void test_intercept_out(void)
{
    QTest *m = qtest_start("-m 16");

    qtest_irq_intercept_out(m, "acpi-pm"); /* its SCI */
    qtest_outw(m, 0x602, 0x100);           /* PWRBTN_EN */
    g_assert_false(qtest_get_irq(m, 0));
    qtest_qmp_ok(m, "system_powerdown", NULL);
    json_object_put(qtest_event(m, "POWERDOWN"));
    g_assert_true(qtest_get_irq(m, 0)); /* by QMP, and heard all the same */
    qtest_outw(m, 0x600, 0x100);
    g_assert_false(qtest_get_irq(m, 0));
    qtest_quit(m);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qt = qtest_start("-m 128");
    g_test_add_func("/protocol/memory", test_memory);
    g_test_add_func("/protocol/ports", test_ports);
    g_test_add_func("/protocol/wrong-lines", test_wrong_lines);
    g_test_add_func("/protocol/long-lines", test_long_lines);
    g_test_add_func("/protocol/blocks", test_blocks);
    g_test_add_func("/protocol/clock", test_clock);
    g_test_add_func("/protocol/busy-clock", test_busy_clock);
    g_test_add_func("/protocol/intercept-in", test_intercept_in);
    g_test_add_func("/protocol/intercept-forwards", test_intercept_forwards);
    g_test_add_func("/protocol/intercept-out", test_intercept_out);
    int status = g_test_run();
    qtest_quit(qt);
    return status;
}
