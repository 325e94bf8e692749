/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HMP: help, arguments, errors, typing of lines, sharing a terminal with a console. */
#include "backends/host-memory-backend.h"
#include "chardev/chardev.h"
#include "memory/memory.h"
#include "monitor/hmp-complete.h"
#include "monitor/hmp.h"
#include "monitor/monitor.h"
#include "qapi/qapi-commands.h"
#include "tests/unit/client.h"
#include "util/error.h"
#include "util/log.h"
#include "util/main-loop.h"

#define PROMPT "(dimmable) "

/* What it prints; lines end in CR LF, and here in LF. */
static char *output_of(const char *line)
{
    GError *err = NULL;
    g_autofree char *out = qmp_human_monitor_command(line, false, 0, &err);
    g_auto(GStrv) lines = NULL;

    g_assert_no_error(err);
    g_assert_true(!*out || g_str_has_suffix(out, "\r\n"));
    lines = g_strsplit(out, "\r\n", -1);
    for (char **one = lines; *one; one++) {
        g_assert_null(strchr(*one, '\n'));
    }
    return g_strjoinv("\n", lines);
}

static void expect(const char *line, const char *pattern)
{
    g_autofree char *out = output_of(line);

    if (!g_pattern_match_simple(pattern, out)) {
        g_error("'%s' printed: %s", line, out);
    }
}

static void expect_in_help(const HmpCommand *table, const char *help, const char *what)
{
    g_autofree char *out = output_of(help);
    g_auto(GStrv) lines = g_strsplit(out, "\n", -1);
    int n = 0;

    for (; table->name; table++) {
        g_auto(GStrv) names = g_strsplit(table->name, "|", -1);

        for (int i = 0; names[i]; i++) {
            g_autofree char *one = g_strdup_printf("help %s%s", what, names[i]);
            g_autofree char *text = output_of(one);

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
    expect("info registers -x", "Error: *'-x'*[-a]*");
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
    expect("device_add", "Error: too few*device_add DEVICE-TYPE*");
    expect("device_add help", "*");
    expect("device_add bogus", "Error: *'bogus'*");
    expect("device_add bogus,help", "Error: *bogus*");
    expect("device_del nobody", "Error: *'nobody'*");
    expect("device_del a b", "Error: SECONDS: 'b' is not a number\n");
    expect("device_del a 1 b", "Error: too many*DEVICE [SECONDS]\n");
    expect("device_del \"a b\"", "Error: *'a b'*");
    expect("object_add help", "*");
    expect("object_add memory-backend-ram", "Error: id= is missing*");
    expect("object_add id=x", "Error: the type is missing*");
    expect("object_add bogus,id=x", "Error: *'bogus'*");
    expect("object_del nobody", "Error: *'nobody'*");
}

/* ---- expressions and formats ---- */

static void test_expressions(void)
{
    expect("p 1+2", "0x3\n");
    expect("p 1 + 2 * 3", "0x7\n");
    expect("p (1 + 2) * 3", "0x9\n");
    expect("p 7/2", "0x3\n");
    expect("p 7 % 4", "0x3\n");
    expect("p 1+2&4", "0x1\n"); /* & is stronger than + */
    expect("p 0xf0|0x0f^0xff", "0x0\n");
    expect("p ~0", "0xffffffffffffffff\n");
    expect("p/d -5", "-5\n");
    expect("p/d --5", "5\n");
    expect("p/u 0xffffffffffffffff", "18446744073709551615\n");
    expect("p/o 8", "010\n");
    expect("p /xb 0x1234", "0x34\n");
    expect("p/dh 0xffff", "-1\n");
    expect("p/c 0x41", "'A'\n");
    expect("p/c 0x27", "'\\''\n");
    expect("p/c 1", "'\\x01'\n");
    expect("p 'A'", "0x41\n");
    expect("p 017", "0xf\n");
    expect("print 12", "0xc\n");
    expect("p", "Error: too few*");
    expect("p /x", "Error: too few*");
    expect("p 1 +", "Error: EXPRESSION: a number*missing*");
    expect("p (1", "Error: EXPRESSION: a ')'*missing*");
    expect("p 1 2", "Error: EXPRESSION: an operator*'2'*");
    expect("p 12ab", "Error: EXPRESSION: '12ab'*");
    expect("p 1/0", "Error: EXPRESSION: *zero*");
    expect("p 1%(2-2)", "Error: EXPRESSION: *zero*");
    expect("p 0x10000000000000000", "Error: EXPRESSION: *64 bits*");
    expect("p $rip", "Error: EXPRESSION: $rip: there is no CPU 0\n");
    expect("p/i 1", "Error: the format /i *x d u o c*");
    expect("p/2x 1", "Error: *one value*");
    expect("p/xx 1", "Error: 'x' is wrong*");
    expect("p/q 1", "Error: 'q' is wrong*");
    expect("p/0 1", "Error: the count*");
    expect("xp/65537 0", "Error: the count*65536\n");
    expect("xp/99999999999999999999 0", "Error: the count*");
    expect("xp 0", "Error: cannot read 0x0: no RAM*");
    expect("x 0", "Error: *no CPU 0*");
    expect("stop/x", "Error: there is no command 'stop/x'*");
    expect("gva2gpa 0", "Error: *no CPU 0*");
    expect("gpa2hva x", "Error: ADDRESS: *'x'*");
    expect("gpa2hva 0x1000", "No memory is mapped at address 0x1000\n");
    expect("memsave 0 16 /nowhere/file", "Error: *no CPU 0*");
    expect("pmemsave q 16 /nowhere/file", "Error: ADDRESS: *'q'*");
    expect("pmemsave 0 -1 /nowhere/file", "Error: SIZE: *too large*");
    expect("pmemsave 0 16 /nowhere/file", "Error: */nowhere/file*");
    expect("cpu 0", "Error: INDEX: there is no CPU 0*");
    expect("cpu x", "Error: INDEX: there is no CPU x*");
    expect("i 0x10000", "Error: PORT: 0x10000 is too large*0xffff\n");
    expect("i/w 0xfffd", "Error: PORT: *0xfffc\n");
    expect("i/g 0", "Error: a port has no 8 bytes*");
    expect("i 0xffff 1", "Error: PORT: *");
    expect("o/b 0x80 0x100", "Error: VALUE: *0xff\n");
    expect("o 0x80", "Error: too few*");
}

static void test_quotes(void)
{
    expect("qom-list \"/machine", "Error: a quote (\") is not closed; usage: qom-list *\n");
    expect("qom-get \"/\" \"type\\\"", "Error: a quote (\") is not closed; usage: qom-get *\n");
    expect("info \"version", "Error: a quote (\") is not closed *\n");
    expect("\"info version", "Error: a quote (\") is not closed *\n");
    expect("\"info\" \"version\"", "*");
    expect("qom-get \"/\" \"type\"", "\"container\"\n");
}

static void test_deep_expression(void)
{
    g_autofree char *open = g_strnfill(60000, '('), *minus = g_strnfill(60000, '-');
    g_autofree char *a = g_strdup_printf("p %s", open), *b = g_strdup_printf("p %s1", minus);

    expect(a, "Error: EXPRESSION: *too deeply*");
    expect(b, "Error: EXPRESSION: *too deeply*");
}

static void test_log(void)
{
    expect("log help", "Log items*guest_errors*");
    expect("log int,bogus", "Error: *'bogus'*");
    expect("log int", "");
    g_assert_cmpuint(log_mask, ==, LOG_INT);
    expect("log none", "");
    g_assert_cmpuint(log_mask, ==, 0);
    expect("logfile /nowhere/log", "Error: */nowhere/log*");
}

/* What is reported while a command runs, is its output. */
static bool warn_and_fail(Object *obj, GError **errp)
{
    error_warn("mind the gap");
    error_set(errp, "it fell");
    return false;
}

static const ObjectType noisy_type = {
    .name = "noisy",
    .parent = "object",
    .user_creatable = true,
    .complete = warn_and_fail,
};
OBJECT_TYPE_REGISTER(noisy_type)

static void test_reports(void)
{
    expect("object_add noisy,id=n0", "warning: mind the gap\nError: it fell\n");
}

/* No line does more harm than an error message. */
static void test_random_lines(void)
{
    static const char *const pieces[] = {
        "info ",       "help ",
        "x",           "xp",
        "p ",          "i ",
        "/4xb",        "/i",
        " ",           "\"",
        "\\",          "0x",
        "-",           "-f ",
        "1",           "(",
        ")",           "$pc",
        "~",           ",",
        "=",           "help",
        "id=",         "mtree",
        "qom-get",     "qom-list ",
        "/",           "/objects",
        "\t",          "'",
        "device_add ", "pc-dimm",
        "object_add ", "memory-backend-ram",
        "log ",        "cpu ",
        "device_del ", "gpa2hva ",
        "\x7f",        "\xc3",
        "[",           "{",
        "\"driver\":", "lapic ",
        "registers ",  "9999999999999999999999",
    };
    g_autoptr(GRand) rand = g_rand_new_with_seed(1);

    for (int i = 0; i < 3000; i++) {
        GString *line = g_string_new(NULL);
        HmpCompletion completion;

        for (int n = g_rand_int_range(rand, 0, 8); n > 0; n--) {
            g_string_append(line, pieces[g_rand_int_range(rand, 0, G_N_ELEMENTS(pieces))]);
        }
        g_free(qmp_human_monitor_command(line->str, false, 0, NULL));
        hmp_complete(line->str, &completion);
        hmp_completion_clear(&completion);
        g_string_free(line, TRUE);
    }
}

/* ---- completion ---- */

/* @line can be completed to @words, after which @append comes if it is one. */
static void expect_completion(const char *line, const char *words, char append)
{
    HmpCompletion completion;
    g_autofree char *got = NULL;

    hmp_complete(line, &completion);
    g_ptr_array_add(completion.words, NULL);
    got = g_strjoinv(" ", (char **)completion.words->pdata);
    if (strcmp(got, words)) {
        g_error("'%s' is completed to: %s", line, got);
    }
    if (*words) {
        g_assert_cmpint(completion.append, ==, append);
    }
    hmp_completion_clear(&completion);
}

static void test_completion(void)
{
    HmpCompletion completion;

    expect("object_add memory-backend-ram,id=hm0,size=2M", "");
    expect("object_add memory-backend-ram,id=hm1,size=2M", "");
    HostMemoryBackend *backend = MEMORY_BACKEND(object_resolve("/objects/hm0", NULL));
    expect_completion("sto", "stop stopcapture", ' ');
    expect_completion("stopc", "stopcapture", ' ');
    expect_completion("  stopc", "stopcapture", ' ');
    expect_completion("system_r", "system_reset", ' ');
    expect_completion("bogus", "", 0);
    expect_completion("bogus ", "", 0);
    expect_completion("stop ", "", 0);
    expect_completion("info memory", "memory-devices memory-target memory_size_summary", ' ');
    expect_completion("help inf", "info", ' ');
    expect_completion("help info na", "name", ' ');
    expect_completion("help stop na", "", 0);
    expect_completion("info mtree -", "-D -d -f -o", ' ');
    expect_completion("info mtree -f ", "", 0);
    expect_completion("info trace-events mhp", "mhp_acpi_read mhp_acpi_write", ' ');
    expect_completion("trace-event mhp_acpi_read o", "off on", ' ');
    expect_completion("watchdog_action p", "pause poweroff", ' ');
    expect_completion("info stats v", "vcpu vm", ' ');
    expect_completion("info virtio-status ", "", 0);
    expect_completion("object_del ", "hm0 hm1", ' ');
    expect_completion("object_del hm0 ", "", 0);
    expect_completion("object_add memory-backend-r", "memory-backend-ram", ',');
    expect_completion("object_add memory-backend-ram,",
                      "dump host-nodes id merge policy prealloc prealloc-context prealloc-threads "
                      "reserve share size x-use-canonical-path-for-ramblock-id",
                      '=');
    expect_completion("object_add memory-backend-ram,po", "policy", '=');
    expect_completion("object_add memory-backend-ram,policy=b", "bind", 0);
    expect_completion("object_add memory-backend-ram,share=", "off on", 0);
    expect_completion("object_add bogus,", "", 0);
    expect_completion("device_add pc-d", "pc-dimm", ',');
    expect_completion("device_add pc-dimm,memdev=h", "hm0 hm1", 0);
    expect_completion("device_add driver=pc-dimm,memdev=h", "hm0 hm1", 0);
    expect_completion("device_add pc-dimm,id=a,memd", "memdev", '=');
    host_memory_backend_set_mapped(backend, OBJECT(backend));
    expect_completion("device_add pc-dimm,memdev=h", "hm1", 0);
    expect_completion("object_del h", "hm1", ' ');
    host_memory_backend_set_mapped(backend, NULL);
    expect("chardev-add ringbuf,id=hmr", "");
    expect("chardev-add null,id=hmn", "");
    expect_completion("chardev-remove hm", "hmn hmr", ' ');
    expect_completion("ringbuf_read hm", "hmr", ' ');
    expect_completion("chardev-send-break hm", "", 0);
    expect("chardev-remove hmr", "");
    expect("chardev-remove hmn", "");
    expect_completion("chardev-add nul", "null", ',');
    expect_completion("qom-get /obj", "/objects/", 0);
    expect_completion("qom-get /objects/hm1", "/objects/hm1", ' ');
    expect_completion("qom-get /objects/hm1 pol", "policy", ' ');
    expect_completion("qom-get obj", "", 0);
    expect_completion("x/4", "", 0);
    expect_completion("p /x ", "", 0);
    hmp_complete("logfile /et", &completion);
    g_assert_true(completion.files);
    hmp_completion_clear(&completion);
    hmp_complete("dump-guest-memory -p ", &completion);
    g_assert_true(completion.files);
    hmp_completion_clear(&completion);
    expect("object_del hm0", "");
    expect("object_del hm1", "");
}

static void test_object(void)
{
    expect("object_add memory-backend-ram,id=hm0,size=2M", "");
    expect("qom-get /objects/hm0 size", "2097152\n");
    expect("qom-list /objects", "*hm0 (child<memory-backend-ram>)\n*");
    expect("info memdev", "memory backend: hm0\n  size:  2097152\n*policy: default\n*");
    expect("object_add memory-backend-ram,id=hm0,size=2M", "Error: *hm0*");
    expect("object_add {\"qom-type\":\"memory-backend-ram\",\"id\":\"hm1\",\"size\":4096}", "");
    expect("object_add  { 'qom-type': 'memory-backend-ram', 'id': 'hm2', 'size': 4096 } ", "");
    expect("object_add \"memory-backend-ram,id=hm3,size=2M\"", "");
    expect("object_add memory-backend-ram,\"id=hm4\",size=\"2M\"", "");
    expect("object_add \"memory-backend-file,id=hm5,size=4096,mem-path=/nonexistent/a b\\\"c\"",
           "Error: */nonexistent/a b\"c*");
    expect("object_add memory-backend-ram,id=hm6,size=2M more", "Error: too many*");
    expect("object_add \"memory-backend-ram,id=hm6,size=2M", "Error: a quote*");
    expect("device_add \"pc-dimm,memdev=a b\"", "Error: *'a b'*");
    expect("chardev-add \"null,id=hmq\"", "");
    expect("chardev-remove \"hmq\"", "");
    expect("qom-set /objects/hm3 \"merge\" \"off\"", "");
    expect("qom-get /objects/hm3 merge", "false\n");
    expect("object_del hm2", "");
    expect("object_del \"hm3\"", "");
    expect("object_del hm4", "");
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

/* Whatever is typed, the editor survives, and the next client finds it as it should be. */
static void test_editor_noise(void)
{
    Client client = session_new();
    g_autoptr(GRand) rand = g_rand_new_with_seed(2);
    uint8_t noise[64];

    for (int i = 0; i < 200; i++) {
        for (size_t n = 0; n < sizeof(noise); n++) {
            bool control = g_rand_boolean(rand);

            noise[n] = (uint8_t)g_rand_int_range(rand, 0, control ? 32 : 256);
        }
        client_send_len(&client, noise, sizeof(noise));
        g_string_set_size(client.got, 0);
    }
    client_send(&client, "\033999999999x\007\n");
    session_free(&client);
    client = session_new();
    g_string_set_size(client.got, 0);
    client_send(&client, "info uuid\n");
    client_settle(&client);
    g_assert_nonnull(strstr(client.got->str, "\r\n00000000-0000-0000-0000-000000000000\r\n"));
    session_free(&client);
}

/* A session without the editor, which the one that came before it on "h" has. */
static Client second_session_new(Client *first)
{
    Client client;

    *first = session_new();
    client = client_new("h2", "");
    g_assert_true(monitor_new(chardev_find("h2"), false, false, NULL));
    client_settle(&client);
    return client;
}

static void second_session_free(Client *first, Client *client)
{
    session_free(first);
    client_free(client);
    client_remove_chardev("h2");
}

static void test_typing(void)
{
    Client first, client = second_session_new(&first);

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
    second_session_free(&first, &client);
}

static void test_long_line(void)
{
    Client first, client = second_session_new(&first);
    g_autofree char *text = g_strnfill(100000, 'a');

    client_send(&client, text);
    g_string_set_size(client.got, 0);
    client_send(&client, "\n");
    client_expect(&client, "\r\nError: the line is too long; 65536 bytes are allowed\r\n" PROMPT);
    second_session_free(&first, &client);
}

/* What readline does of a line: move, insert, erase, search the history, complete. */
static void test_editor(void)
{
    Client client = session_new();
    g_autofree char *text = g_strnfill(100000, 'a');

    g_string_set_size(client.got, 0);
    client_send(&client, "info version\n");
    client_expect(&client, "info version\r\n7.2.0 (dimmable-" DIMMABLE_VERSION ")\r\n" PROMPT);
    client_send(&client, "\x1b[A\r"); /* up */
    client_expect(&client, "info version\r\n7.2.0 (dimmable-" DIMMABLE_VERSION ")\r\n" PROMPT);
    client_send(&client, "o uuid\x01inf\n"); /* to the beginning */
    client_settle(&client);
    g_assert_nonnull(strstr(client.got->str, "\r\n00000000-0000-0000-0000-000000000000\r\n"));
    g_string_set_size(client.got, 0);
    client_send(&client, "info ver\t");
    client_expect(&client, "info version ");
    client_send(&client, "\x15"); /* all of it away */
    client_settle(&client);
    g_string_set_size(client.got, 0);
    client_send(&client, "info memory\t\t");
    client_settle(&client);
    g_assert_nonnull(strstr(client.got->str, "memory-devices"));
    g_assert_nonnull(strstr(client.got->str, "memory_size_summary"));
    client_send(&client, "\x15info v\x12\r"); /* search */
    client_settle(&client);
    g_assert_true(
        g_str_has_suffix(client.got->str, "7.2.0 (dimmable-" DIMMABLE_VERSION ")\r\n" PROMPT));
    client_send(&client, "\x15\x12\x16\x1b\x07\x04\x03\n"); /* search, quote, give up, ... */
    client_settle(&client);
    client_send(&client, text);
    g_string_set_size(client.got, 0);
    client_send(&client, "\n");
    client_settle(&client);
    g_assert_nonnull(strstr(client.got->str, "Error: the line is too long; 65536 bytes"));
    g_string_set_size(client.got, 0);
    client_send(&client, "info uuid\n");
    client_settle(&client);
    g_assert_nonnull(strstr(client.got->str, "\r\n00000000-0000-0000-0000-000000000000\r\n"));
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
    memory_init();
    g_test_add_func("/hmp/help", test_help);
    g_test_add_func("/hmp/commands", test_commands);
    g_test_add_func("/hmp/object", test_object);
    g_test_add_func("/hmp/expressions", test_expressions);
    g_test_add_func("/hmp/quotes", test_quotes);
    g_test_add_func("/hmp/deep-expression", test_deep_expression);
    g_test_add_func("/hmp/log", test_log);
    g_test_add_func("/hmp/reports", test_reports);
    g_test_add_func("/hmp/random-lines", test_random_lines);
    g_test_add_func("/hmp/completion", test_completion);
    g_test_add_func("/hmp/editor", test_editor);
    g_test_add_func("/hmp/editor-noise", test_editor_noise);
    g_test_add_func("/hmp/typing", test_typing);
    g_test_add_func("/hmp/long-line", test_long_line);
    g_test_add_func("/hmp/mux", test_mux);
    return g_test_run();
}
