/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HMP: help, arguments, errors, typing of lines, sharing a terminal with a console. */
#include "monitor/hmp.h"
#include "monitor/monitor.h"
#include "qapi/qapi-commands.h"
#include "tests/unit/client.h"

#define PROMPT "(dimmable) "

static void expect(const char *line, const char *pattern)
{
    GError *err = NULL;
    g_autofree char *out = qmp_human_monitor_command(line, false, 0, &err);

    g_assert_no_error(err);
    if (!g_pattern_match_simple(pattern, out)) {
        g_error("'%s' printed: %s", line, out);
    }
}

static void expect_in_help(const HmpCommand *table, const char *help, const char *what)
{
    g_autofree char *out = qmp_human_monitor_command(help, false, 0, NULL);
    g_auto(GStrv) lines = g_strsplit(out, "\n", -1);
    int n = 0;

    for (; table->name; table++) {
        g_auto(GStrv) names = g_strsplit(table->name, "|", -1);

        for (int i = 0; names[i]; i++) {
            g_autofree char *one = g_strdup_printf("help %s%s", what, names[i]);
            g_autofree char *text = qmp_human_monitor_command(one, false, 0, NULL);

            if (strcmp(one, "help info")) { /* which lists the subcommands */
                g_assert_cmpstr(g_strchomp(text), ==, lines[n]);
            }
        }
        g_assert_true(g_str_has_prefix(lines[n], what));
        g_assert_true(g_str_has_prefix(lines[n] + strlen(what), names[0]));
        g_assert_nonnull(strstr(lines[n++], " -- "));
    }
    g_assert_cmpstr(lines[n], ==, "");
}

static void test_help(void)
{
    expect_in_help(hmp_commands, "help", "");
    expect_in_help(hmp_info_commands, "info", "info ");
    expect_in_help(hmp_info_commands, "help info", "info ");
    expect("help bogus", "Error: *'bogus'*");
    expect("help info bogus", "Error: *'info bogus'*");
    expect("help stop now", "Error: *");
}

static void test_commands(void)
{
    expect("", "");
    expect("   ", "");
    expect("bogus", "Error: *'bogus'*`help`*");
    expect("info bogus", "Error: *'info bogus'*`help info`*");
    expect("info version", "7.2.0 (dimmable-*)\n");
    expect("info status", "VM status: *\n");
    expect("info uuid", "00000000-0000-0000-0000-000000000000\n");
    expect("info registers", "Error: *no CPU 0*");
    expect("info registers -x", "Error: *-a*");
    expect("info memory-devices", "");
    expect("info memdev", "");
    expect("info cpus", "");
    expect("info qom-tree", "/ (*)\n*");
    expect("info qom-tree /nowhere", "Error: */nowhere*");
    expect("qom-list", "type (*)\n*");
    expect("qom-list /nowhere", "Error: *'/nowhere'*");
    expect("qom-get / type", "\"*\"\n");
    expect("qom-get /", "Error: too few*qom-get PATH PROPERTY\n");
    expect("qom-set / type x", "Error: *");
    expect("qom-set /nowhere type x", "Error: */nowhere*");
    expect("device_add", "Error: too few*device_add TYPE*");
    expect("device_add help", "*");
    expect("device_add bogus", "Error: *'bogus'*");
    expect("device_add bogus,help", "Error: *bogus*");
    expect("device_del nobody", "Error: *'nobody'*");
    expect("device_del a b", "Error: too many*device_del ID\n");
    expect("device_del \"a b\"", "Error: *'a b'*");
    expect("object_add help", "*");
    expect("object_add memory-backend-ram", "Error: id= is missing*");
    expect("object_add id=x", "Error: the type is missing*");
    expect("object_add bogus,id=x", "Error: *'bogus'*");
    expect("object_del nobody", "Error: *'nobody'*");
}

static void test_object(void)
{
    expect("object_add memory-backend-ram,id=hm0,size=2M", "");
    expect("qom-get /objects/hm0 size", "2097152\n");
    expect("qom-list /objects", "*hm0 (child<memory-backend-ram>)\n*");
    expect("info memdev", "memory backend: hm0\n  size:  2097152\n*policy: default\n*");
    expect("object_add memory-backend-ram,id=hm0,size=2M", "Error: *hm0*");
    expect("object_add {\"qom-type\":\"memory-backend-ram\",\"id\":\"hm1\",\"size\":4096}", "");
    expect("object_del hm0", "");
    expect("object_del hm1", "");
    expect("info memdev", "");
}

/* ---- sessions ---- */

static Client session_new(void)
{
    Client client = client_new("h", "");
    GError *err = NULL;

    monitor_new(chardev_find("h"), false, false, &err);
    g_assert_no_error(err);
    client_settle(&client);
    return client;
}

static void session_free(Client *client)
{
    monitor_cleanup();
    client_free(client);
    client_remove_chardev("h");
}

static void test_typing(void)
{
    Client client = session_new();

    g_assert_true(g_str_has_suffix(client.got->str, "`help` lists the commands\r\n" PROMPT));
    g_string_set_size(client.got, 0);
    client_send(&client, "info x\x7fversion\r\n");
    client_expect(&client,
                  "info x\b \bversion\r\n7.2.0 (dimmable-" DIMMABLE_VERSION ")\r\n" PROMPT);
    client_send(&client, "ab\x15\n");
    client_expect(&client, "ab\b \b\b \b\r\n" PROMPT);
    client_send(&client, "a bc \x17\r");
    client_expect(&client, "a bc \b \b\b \b\b \b\r\nError: there is no command 'a'; `help` lists "
                           "those there are\r\n" PROMPT);
    client_send(&client, "\x7f\x1b[A\x1bOP\x1b[1;5C\xc3\xa4\x7f\n");
    client_expect(&client, "\xc3\xa4\b \b\r\n" PROMPT);
    session_free(&client);
}

static void test_long_line(void)
{
    Client client = session_new();
    g_autofree char *text = g_strnfill(100000, 'a');

    client_send(&client, text);
    g_string_set_size(client.got, 0);
    client_send(&client, "\n");
    client_expect(&client, "\r\nError: the line is too long; 65536 bytes are allowed\r\n" PROMPT);
    session_free(&client);
}

/* The console has the input first, the monitor after Ctrl-A c. */
static void test_mux(void)
{
    Client client = client_new("h", ",mux=on");
    CharFrontend console = { 0 };

    g_assert_true(monitor_new(chardev_find("h"), false, false, NULL));
    g_assert_true(char_attach(chardev_find("h"), &console, NULL));
    client_settle(&client);
    client_expect(&client, "");
    client_send(&client, "stop\n");
    client_expect(&client, "");
    client_send(&client, "\001c");
    client_settle(&client);
    g_assert_true(g_str_has_suffix(client.got->str, "\r\n" PROMPT));
    g_string_set_size(client.got, 0);
    client_send(&client, "info\001c");
    client_expect(&client, "info\r\n");
    client_send(&client, "x\001c");
    client_expect(&client, "\r\n" PROMPT "info");
    client_send(&client, " uuid\n");
    client_expect(&client, " uuid\r\n00000000-0000-0000-0000-000000000000\r\n" PROMPT);
    char_detach(&console);
    session_free(&client);
    client_remove_chardev("h-base");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    g_test_add_func("/hmp/help", test_help);
    g_test_add_func("/hmp/commands", test_commands);
    g_test_add_func("/hmp/object", test_object);
    g_test_add_func("/hmp/typing", test_typing);
    g_test_add_func("/hmp/long-line", test_long_line);
    g_test_add_func("/hmp/mux", test_mux);
    return g_test_run();
}
