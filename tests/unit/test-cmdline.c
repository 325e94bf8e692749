/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The option table, its parser, and the qtest protocol. */
#include <glib.h>
#include <string.h>

#include "memory/memory.h"
#include "system/cmdline.h"
#include "system/qtest.h"
#include "util/main-loop.h"

#define PARSE(errp, ...)                                                  \
    cmdline_parse(G_N_ELEMENTS(((char *[]){ (char *)"x", __VA_ARGS__ })), \
                  (char *[]){ (char *)"x", __VA_ARGS__ }, errp)

static char a_m[] = "-m", a_mm[] = "--m", a_2g[] = "2G,slots=1,maxmem=4G", a_s[] = "-S",
            a_help[] = "-help", a_dev[] = "-device", a_devhelp[] = "help",
            a_typehelp[] = "no-such-thing,help", a_dimm[] = "pc-dimm,id=d0";

static void test_table(void)
{
    for (const Option *o = options; o->name || o->help; o++) {
        g_assert_nonnull(o->help);
        if (!o->name) {
            continue;
        }
        g_assert_true(o->handle || o->text);
        for (const Option *other = o + 1; other->name || other->help; other++) {
            g_assert_cmpstr(o->name, !=, other->name);
        }
    }
}

static void test_parse(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(GArray) uses = PARSE(&err, a_m, a_2g, a_s, a_mm, a_2g);

    g_assert_no_error(err);
    g_assert_cmpuint(uses->len, ==, 3);
    const OptionUse *use = &g_array_index(uses, OptionUse, 2);
    g_autofree char *text = option_use_text(use);
    g_assert_cmpstr(text, ==, "-m 2G,slots=1,maxmem=4G");
    use = &g_array_index(uses, OptionUse, 1);
    g_autofree char *stop = option_use_text(use);
    g_assert_cmpstr(stop, ==, "-S");
}

static void assert_error(const char *first, const char *second, const char *text)
{
    g_autoptr(GError) err = NULL;
    char *argv[] = { (char *)"x", (char *)first, (char *)second };

    g_assert_null(cmdline_parse(second ? 3 : 2, argv, &err));
    g_assert_nonnull(err);
    g_assert_nonnull(strstr(err->message, text));
}

static void test_errors(void)
{
    assert_error("-S", "-colour", "'-colour'");
    assert_error("-m", NULL, "-m needs an argument");
    assert_error("disk.img", NULL, "'disk.img'");
    assert_error("-", NULL, "'-'");
}

static bool wants_text(GArray *uses, char **text, GError **errp)
{
    return option_use_wants_text(&g_array_index(uses, OptionUse, 0), text, errp);
}

static void test_texts(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(GArray) help = PARSE(NULL, a_help);
    g_autoptr(GArray) list = PARSE(NULL, a_dev, a_devhelp);
    g_autoptr(GArray) type = PARSE(NULL, a_dev, a_typehelp);
    g_autoptr(GArray) dimm = PARSE(NULL, a_dev, a_dimm);
    char *text = NULL;

    g_assert_true(wants_text(help, &text, &err));
    g_assert_nonnull(strstr(text, "\n  -kernel FILE "));
    g_clear_pointer(&text, g_free);
    g_assert_true(wants_text(list, &text, &err));
    g_assert_nonnull(strstr(text, "devices:"));
    g_clear_pointer(&text, g_free);
    g_assert_true(wants_text(type, &text, &err));
    g_assert_null(text);
    g_assert_nonnull(strstr(err->message, "'no-such-thing'"));
    g_assert_false(wants_text(dimm, &text, NULL));
}

/* ---- qtest ---- */

static uint64_t port_value;

static uint64_t port_read(void *opaque, hwaddr addr, unsigned size)
{
    return port_value;
}

static void port_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    port_value = value;
}

static const MemoryRegionOps port_ops = { port_read, port_write, 1, 4 };

typedef struct QtestCase {
    const char *line, *reply; /* reply "FAIL": any failure */
} QtestCase;

static const QtestCase qtest_cases[] = {
    { "outb 0x500 0x42", "OK" },
    { "inb 0x500", "OK 0x0042" },
    { "outl 1280 0xdeadbeef", "OK" },
    { "inl 0x500", "OK 0xdeadbeef" },
    { "writeq 0x1000 0x1122334455667788", "OK" },
    { "readq 0x1000", "OK 0x1122334455667788" },
    { "readb 0x1001", "OK 0x0000000000000077" },
    { "read 0x1000 4", "OK 0x88776655" },
    { "write 0x1002 2 0xaBcD", "OK" },
    { "readl 0x1000", "OK 0x00000000cdab7788" },
    { "b64read 0x1000 3", "OK iHer" },
    { "b64write 0x1000 3 AQID", "OK" },
    { "read 0x1000 3", "OK 0x010203" },
    { "memset 0x1000 3 0xff", "OK" },
    { "read 0x1000 4\r", "OK 0xffffffcd" },
    { "endianness", "OK little" },
    { "", "FAIL" },
    { "jump 1", "FAIL unknown command 'jump'" },
    { "inb", "FAIL" },
    { "inb x", "FAIL 'x' is not a number" },
    { "inb 1 2", "FAIL" },
    { "a b c d e", "FAIL" },
    { "read 0 0", "FAIL" },
    { "read 0 0xffffffffffffffff", "FAIL" },
    { "write 0 2 0x00", "FAIL" },
    { "write 0 1 0xzz", "FAIL" },
    { "b64write 0 2 AQID", "FAIL" },
    { "clock_step", "FAIL" }, /* not under this engine */
};

static void test_qtest(void)
{
    MemoryRegion ram = { 0 }, port = { 0 };
    RamBlock *block = ram_block_new("ram", 0x10000, -1, false, true, 0, NULL);

    memory_init();
    memory_region_init_ram(&ram, "ram", block);
    memory_region_add(system_memory(), 0, &ram);
    memory_region_init_io(&port, &port_ops, NULL, "port", 4);
    memory_region_add(system_io(), 0x500, &port);
    for (size_t i = 0; i < G_N_ELEMENTS(qtest_cases); i++) {
        g_autofree char *reply = qtest_command(qtest_cases[i].line);
        if (strcmp(qtest_cases[i].reply, "FAIL") == 0) {
            g_assert_true(g_str_has_prefix(reply, "FAIL "));
        } else {
            g_assert_cmpstr(reply, ==, qtest_cases[i].reply);
        }
    }
    memory_region_remove(&ram);
    memory_region_remove(&port);
    memory_region_destroy(&ram);
    memory_region_destroy(&port);
    ram_block_unref(block);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    g_test_add_func("/cmdline/table", test_table);
    g_test_add_func("/cmdline/parse", test_parse);
    g_test_add_func("/cmdline/errors", test_errors);
    g_test_add_func("/cmdline/texts", test_texts);
    g_test_add_func("/cmdline/qtest-protocol", test_qtest);
    return g_test_run();
}
