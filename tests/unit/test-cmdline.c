/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The option table, its parser, and the qtest protocol. */
#include <errno.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "memory/memory.h"
#include "system/cmdline.h"
#include "system/option-groups.h"
#include "system/qtest.h"
#include "system/sandbox.h"
#include "util/main-loop.h"

#define PARSE(errp, ...)                                                  \
    cmdline_parse(G_N_ELEMENTS(((char *[]){ (char *)"x", __VA_ARGS__ })), \
                  (char *[]){ (char *)"x", __VA_ARGS__ }, errp)

static char a_m[] = "-m", a_mm[] = "--m", a_2g[] = "2G,slots=1,maxmem=4G", a_s[] = "-S",
            a_help[] = "-help", a_dev[] = "-device", a_devhelp[] = "help",
            a_typehelp[] = "no-such-thing,help", a_dimm[] = "pc-dimm,id=d0", a_disk[] = "disk.img";

static void test_table(void)
{
    for (const Option *o = options; o->name || o->help; o++) {
        g_assert_nonnull(o->help);
        if (!o->name) {
            continue;
        }
        g_assert_true(o->handle || o->apply || o->text || o->expand);
        g_assert_true(!o->apply || (o->type && !o->handle));
        for (const Option *other = o + 1; other->name || other->help; other++) {
            g_assert_cmpstr(o->name, !=, other->name);
        }
    }
}

static void test_parse(void)
{
    g_autoptr(GError) err = NULL;
    g_autoptr(GArray) uses = PARSE(&err, a_m, a_2g, a_s, a_mm, a_2g, a_disk);

    g_assert_no_error(err);
    g_assert_cmpuint(uses->len, ==, 4);
    const OptionUse *use = &g_array_index(uses, OptionUse, 2);
    g_autofree char *text = cmdline_use_text(use);
    g_assert_cmpstr(text, ==, "-m 2G,slots=1,maxmem=4G");
    use = &g_array_index(uses, OptionUse, 1);
    g_autofree char *stop = cmdline_use_text(use);
    g_assert_cmpstr(stop, ==, "-S");
    use = &g_array_index(uses, OptionUse, 3);
    g_autofree char *disk = cmdline_use_text(use);
    g_assert_cmpstr(disk, ==, "-hda disk.img");
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
    assert_error("", NULL, "''");
    assert_error("-", NULL, "'-'");
}

static bool wants_text(GArray *uses, char **text, GError **errp)
{
    return cmdline_use_wants_text(&g_array_index(uses, OptionUse, 0), text, errp);
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

/* ---- -readconfig and -set ---- */

/* The uses as text, one a line, after a file with @text and then "-set @set" (may be NULL). */
static char *expand(const char *text, const char *set, GError **errp)
{
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp("test-config-XXXXXX", &path, NULL);
    g_autoptr(GString) all = g_string_new(NULL);
    g_autoptr(GArray) uses = NULL;
    char *argv[] = { (char *)"x", (char *)"-readconfig", path, (char *)"-set", (char *)set };

    g_assert_cmpint(fd, >=, 0);
    g_close(fd, NULL);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    uses = cmdline_parse(set ? 5 : 3, argv, NULL);
    bool ok = cmdline_expand(uses, errp);
    g_unlink(path);
    for (unsigned i = 0; ok && i < uses->len; i++) {
        const OptionUse *use = &g_array_index(uses, OptionUse, i);
        g_string_append_printf(all, "-%s %s\n", use->option->name, use->arg);
    }
    return ok ? g_strdup(all->str) : NULL;
}

static void test_config(void)
{
    g_autoptr(GError) err = NULL;
    g_autofree char *all = expand("# comment\n\n"
                                  "[machine]\n  type = \"pc\"\n"
                                  "[memory]\nsize=\"2G\"\r\n"
                                  "[ device \"d.0\" ]\ndriver = \"pc-dimm\"\nmemdev = \"a,b\"\n"
                                  "[numa]\n type = \"node\"\n",
                                  "device.d.0.slot=1,2", &err);

    g_assert_no_error(err);
    g_assert_cmpstr(all, ==,
                    "-machine type=pc\n-m size=2G\n"
                    "-device id=d.0,driver=pc-dimm,memdev=a,,b,slot=1,,2\n-numa type=node\n");
}

/* -set on what was typed, whose first element has no key. */
static void test_set(void)
{
    g_autoptr(GError) err = NULL;
    char obj[] = "-object", ram[] = "memory-backend-ram,id=m0,size=1M", set[] = "-set",
         size[] = "object.m0.size=2M";
    g_autoptr(GArray) uses = PARSE(&err, obj, ram, obj, ram, set, size);

    g_assert_true(cmdline_expand(uses, &err));
    g_assert_cmpuint(uses->len, ==, 2);
    g_assert_cmpstr(g_array_index(uses, OptionUse, 0).arg, ==, ram);
    g_assert_cmpstr(g_array_index(uses, OptionUse, 1).arg, ==,
                    "memory-backend-ram,id=m0,size=1M,size=2M");
}

typedef struct ConfigCase {
    const char *text, *set;
    const char *error;
} ConfigCase;

static const ConfigCase config_cases[] = {
    { "x = \"y\"", NULL, ":1: " },
    { "\n[colour]", NULL, ":2: there is no group 'colour'" },
    { "[device", NULL, "] is missing" },
    { "[]", NULL, "there is no group ''" },
    { "[device d0]", NULL, "double quotes" },
    { "[device \"0d\"]", NULL, "id in double quotes" },
    { "[memory \"m0\"]", NULL, "has no id" },
    { "[memory]\nsize = 2G", NULL, ":2: the value of 'size' must be in double quotes" },
    { "[memory]\nsize = \"2G", NULL, "double quotes" },
    { "[memory]\nsize", NULL, "'size' is neither" },
    { "[memory]\na,b = \"1\"", NULL, "'a,b' is not a key" },
    { "[memory]\n = \"1\"", NULL, "is not a key" },
    { "", "device.d0.slot=1", "no -device with id=d0" },
    { "", "device.d0=1", "GROUP.ID.KEY=VALUE" },
    { "", "device..slot=1", "GROUP.ID.KEY=VALUE" },
    { "", "x", "GROUP.ID.KEY=VALUE" },
    { "", "colour.d0.slot=1", "no group 'colour'" },
    { "", "memory.d0.size=1", "has no id" },
};

static void test_config_errors(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(config_cases); i++) {
        const ConfigCase *c = &config_cases[i];
        g_autoptr(GError) err = NULL;

        g_assert_null(expand(c->text, c->set, &err));
        if (!strstr(err->message, c->error)) {
            g_test_message("'%s' is not in: %s", c->error, err->message);
            g_test_fail();
        }
    }
}

/* Each group has an option, and each of its parameters has words for it. */
static void test_groups(void)
{
    g_autoptr(GPtrArray) groups = option_groups_list();
    for (unsigned i = 0; i < groups->len; i++) {
        const CommandLineOptionInfo *g = groups->pdata[i];

        g_assert_nonnull(option_group_find(g->option, NULL));
        for (unsigned n = 0; n < g->parameters->len; n++) {
            g_assert_nonnull(((const CommandLineParameterInfo *)g->parameters->pdata[n])->help);
        }
    }
}

static void test_sandbox(void)
{
    g_autoptr(GError) err = NULL;
    Sandbox sandbox;

    g_assert_true(sandbox_parse(&sandbox, "off", &err));
    g_assert_false(sandbox.enable);
    g_assert_true(sandbox_parse(&sandbox, "on,spawn=deny,elevateprivileges=children", &err));
    g_assert_true(sandbox.enable && sandbox.deny_obsolete && sandbox.deny_spawn);
    g_assert_false(sandbox.deny_resource_control);
    g_assert_cmpint(sandbox.privileges, ==, SANDBOX_PRIVILEGES_CHILDREN);
    g_assert_false(sandbox_parse(&sandbox, "on,obsolete=maybe", &err));
    g_assert_nonnull(strstr(err->message, "obsolete=maybe"));
}

/* What the filter does, each in a process of its own. */
static void sandbox_try(const char *option)
{
    g_autoptr(GError) err = NULL;
    Sandbox sandbox;

    g_assert_true(sandbox_parse(&sandbox, option, &err));
    sandbox_install(&sandbox, &err);
    g_assert_no_error(err);
}

static gpointer thread_main(gpointer data)
{
    return data;
}

static void test_sandbox_allows(void)
{
    if (g_test_subprocess()) {
        sandbox_try("on,spawn=deny,elevateprivileges=deny,resourcecontrol=deny");
        g_assert_true(g_thread_join(g_thread_new("t", thread_main, &sandbox_try)) == &sandbox_try);
        g_assert_cmpint(setpriority(PRIO_PROCESS, 0, 0), ==, -1);
        g_assert_cmpint(errno, ==, EPERM);
        _exit(0); /* no leak check, which makes a process */
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
}

static void pool_main(gpointer data, gpointer opaque)
{
    g_async_queue_push(opaque, data);
}

/* Threads of a pool that was there before: GLib would complain, which ends this. */
static void test_sandbox_pool(void)
{
    if (g_test_subprocess()) {
        GAsyncQueue *done = g_async_queue_new();
        GThreadPool *pool = g_thread_pool_new(pool_main, done, 2, FALSE, NULL);

        sandbox_try("on,spawn=deny,elevateprivileges=deny,resourcecontrol=deny");
        g_thread_pool_push(pool, done, NULL);
        g_assert_true(g_async_queue_pop(done) == done);
        _exit(0);
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
}

static void test_sandbox_spawn(void)
{
    if (g_test_subprocess()) {
        sandbox_try("on,spawn=deny");
        if (fork() == 0) {
            _exit(0);
        }
        return; /* passes, which is wrong */
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_assert_false(g_test_trap_has_passed());
}

/* Threads that were there before the filter have it too. */
static gpointer thread_setuid(gpointer data)
{
    g_mutex_lock(data);
    return GINT_TO_POINTER(syscall(SYS_setuid, getuid()));
}

static void test_sandbox_threads(void)
{
    if (g_test_subprocess()) {
        GMutex mutex;

        g_mutex_init(&mutex);
        g_mutex_lock(&mutex);
        GThread *thread = g_thread_new("t", thread_setuid, &mutex);
        sandbox_try("on,elevateprivileges=deny");
        g_mutex_unlock(&mutex);
        g_thread_join(thread);
        return; /* passes, which is wrong */
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_assert_false(g_test_trap_has_passed());
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
    const char *line, *reply; /* reply "FAIL", "ERR": any failure */
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
    { "", "ERR" },
    { "jump 1", "FAIL unknown command 'jump'" },
    { "inb", "ERR 'inb' takes 1 arguments, not 0" },
    { "inb x", "ERR 'x' is not a number" },
    { "inb 1 2", "ERR 'inb' takes 1 arguments, not 2" },
    { "a b c d e", "FAIL" },
    { "read 0 0", "ERR" },
    { "read 0 0xffffffffffffffff", "ERR" },
    { "write 0 2 0x00", "ERR" },
    { "write 0 1 0xzz", "ERR" },
    { "b64write 0 2 AQID", "ERR" },
    { "clock_step", "FAIL" }, /* not under this engine */
};

static void test_qtest(void)
{
    MemoryRegion ram = { 0 }, port = { 0 };
    RamBlock *block = ram_block_new("ram", 0x10000, -1, false, true, 0, NULL);

    memory_init();
    memory_region_init_ram(&ram, "ram", block);
    memory_region_add(memory_system(), 0, &ram);
    memory_region_init_io(&port, &port_ops, NULL, "port", 4);
    memory_region_add(memory_io(), 0x500, &port);
    for (size_t i = 0; i < G_N_ELEMENTS(qtest_cases); i++) {
        g_autofree char *reply = qtest_command(qtest_cases[i].line);
        if (strcmp(qtest_cases[i].reply, "FAIL") == 0 || strcmp(qtest_cases[i].reply, "ERR") == 0) {
            g_assert_true(g_str_has_prefix(reply, qtest_cases[i].reply));
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
    g_test_add_func("/cmdline/config", test_config);
    g_test_add_func("/cmdline/set", test_set);
    g_test_add_func("/cmdline/config-errors", test_config_errors);
    g_test_add_func("/cmdline/groups", test_groups);
    g_test_add_func("/cmdline/sandbox", test_sandbox);
    g_test_add_func("/cmdline/sandbox/allows", test_sandbox_allows);
    g_test_add_func("/cmdline/sandbox/pool", test_sandbox_pool);
    g_test_add_func("/cmdline/sandbox/spawn", test_sandbox_spawn);
    g_test_add_func("/cmdline/sandbox/threads", test_sandbox_threads);
    g_test_add_func("/cmdline/qtest-protocol", test_qtest);
    return g_test_run();
}
