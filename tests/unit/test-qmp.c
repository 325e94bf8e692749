/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QMP sessions: negotiation, framing of JSON at any split, malformed input, errors, events,
 * descriptors, several sessions at once.
 */
#include <sys/un.h>

#include "chardev/chardev.h"
#include "monitor/json-stream.h"
#include "qapi/qapi-events.h"
#include "tests/unit/qmp-client.h"
#include "util/fdset.h"
#include "util/main-loop.h"

/* ---- sessions ---- */

static void test_negotiation(void)
{
    Client client = session_new(false);

    g_assert_true(g_str_has_prefix(client.got->str, "{\"QMP\": {\"version\": {\"qemu\": {"));
    g_assert_true(g_str_has_suffix(client.got->str, "\"capabilities\": [\"oob\"]}}\r\n"));
    g_string_set_size(client.got, 0);
    client_send(&client, "{\"execute\": \"query-version\", \"id\": 7}");
    expect_error(&client, "CommandNotFound", "*qmp_capabilities*first*");
    qapi_event_send_stop();
    expect_nothing(&client);
    client_send(&client, "{'execute': 'qmp_capabilities', 'arguments': {'enable': ['ooh']}}");
    expect_error(&client, "GenericError", "*enable*oob*");
    client_send(&client, "{'execute': 'qmp_capabilities', 'arguments': {'enable': []}}");
    expect_return(&client, "{\"return\":{}}");
    client_send(&client, "{'execute': 'qmp_capabilities'}");
    expect_error(&client, "CommandNotFound", "*already*");
    client_send(&client, "{'execute': 'query-version', 'id': [1, {'a': null}]}");
    client_settle(&client);
    g_assert_true(g_str_has_suffix(client.got->str, "\"id\": [1, {\"a\": null}]}\r\n"));
    session_free(&client);
}

static void test_requests(void)
{
    static const struct {
        const char *request, *class_name, *pattern;
    } cases[] = {
        { "{}", "GenericError", "*'execute' is missing*" },
        { "{'execute': 1}", "GenericError", "*'execute' must be a string*" },
        { "{'execute': null}", "GenericError", "*'execute' must be a string*" },
        { "{'execute': 'stop', 'arguments': []}", "GenericError",
          "*'arguments' must be an object*" },
        { "{'execute': 'stop', 'bogus': 1}", "GenericError", "*'bogus'*" },
        { "{'exec-oob': 'query-yank'}", "GenericError", "*'exec-oob'*qmp_capabilities*" },
        { "{'execute': 'bogus'}", "CommandNotFound", "*'bogus'*" },
        { "{'execute': 'stop', 'arguments': {'a': 1}}", "GenericError", "*'a'*" },
        { "{'execute': 'qom-get', 'arguments': {'path': '/'}}", "GenericError", "*property*" },
        { "{'execute': 'qom-get', 'arguments': {'path': 1, 'property': ''}}", "GenericError",
          "*path*" },
        { "{'execute': 'qom-list', 'arguments': {'path': '/nowhere'}}", "DeviceNotFound",
          "*'/nowhere'*" },
        { "{'execute': 'device_del', 'arguments': {'id': 'nobody'}}", "DeviceNotFound",
          "*'nobody'*" },
        { "{'execute': 'object-del', 'arguments': {'id': 'nobody'}}", "GenericError",
          "*'nobody'*" },
        { "{'execute': 'device-list-properties', 'arguments': {'typename': 'bogus'}}",
          "DeviceNotFound", "*'bogus'*" },
        { "{'execute': 'device-list-properties', 'arguments': {'typename': 'object'}}",
          "GenericError", "*'object'*device type*" },
        { "{'execute': 'human-monitor-command', 'arguments': {'command-line': 'stop',"
          " 'cpu-index': -1}}",
          "GenericError", "*cpu-index*" },
    };
    Client client = session_new(false);

    negotiate(&client);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        client_send(&client, cases[i].request);
        expect_error(&client, cases[i].class_name, cases[i].pattern);
        expect_nothing(&client);
    }
    session_free(&client);
}

static void test_events(void)
{
    Client client = session_new(false);
    struct json_object *event;

    negotiate(&client);
    qapi_event_send_shutdown(true, SHUTDOWN_CAUSE_GUEST_SHUTDOWN);
    event = next_reply(&client);
    g_assert_cmpstr(member(event, "event", NULL), ==, "SHUTDOWN");
    g_assert_cmpstr(member(event, "data", "reason"), ==, "guest-shutdown");
    g_assert_nonnull(member(event, "timestamp", "seconds"));
    g_assert_nonnull(member(event, "timestamp", "microseconds"));
    json_object_put(event);
    session_free(&client);
}

/* ---- JSON ---- */

static const char odd_requests[] =
    "{'execute': 'qmp_capabilities', 'id': 'it\\'s \"a\" \\\\'}\n"
    "{\"execute\":\"query-commands\",\r\n\t\"id\":\n{\"n\": -1.5e3}}"
    "{ \"execute\" : \"bogus\", \"id\" : \"\\u00e4\xc3\xa4\xe2\x82\xac\" }";

/* The answers are the same wherever the input is split. */
static void test_split(void)
{
    g_autofree char *whole = NULL;

    for (size_t cut = 0; cut <= strlen(odd_requests); cut++) {
        Client client = session_new(false);

        client_send_len(&client, odd_requests, cut);
        client_send(&client, odd_requests + cut);
        if (!whole) {
            whole = g_strdup(client.got->str);
            g_assert_nonnull(strstr(whole, "\"id\": \"it's \\\"a\\\" \\\\\"}\r\n"));
            g_assert_nonnull(strstr(whole, "\"id\": {\"n\": -1.5e3}}\r\n"));
            g_assert_nonnull(strstr(whole, "\"id\": \"\xc3\xa4\xc3\xa4\xe2\x82\xac\"}\r\n"));
        } else {
            g_assert_cmpstr(client.got->str, ==, whole);
        }
        session_free(&client);
    }
}

static void test_bytes_alone(void)
{
    Client client = session_new(false);

    json_object_put(next_reply(&client)); /* the greeting */
    for (const char *p = odd_requests; *p; p++) {
        client_send_len(&client, p, 1);
    }
    expect_return(&client, "{\"return\":{},\"id\":\"it's \\\"a\\\" \\\\\"}");
    session_free(&client);
}

/* What is malformed, with its length where there are NULs in it. */
typedef struct Malformed {
    const char *text, *what; /* NULL: any error */
    size_t len;
} Malformed;

static const Malformed malformed[] = {
    { "{'execute': foo}", "'foo' is not a value" },
    { "{'execute': 'stop',}", "a key in quotes, got '}'" },
    { "{'execute': 'stop' 'id': 1}", "','" },
    { "{'execute': [1,]}" },
    { "{'a': NaN}", "'NaN'" },
    { "{'a': Infinity}" },
    { "{'a': -Infinity}" },
    { "{'a': TRUE}", "'TRUE'" },
    { "{'a': tru}", "'tru'" },
    { "{'a': truefalse}" },
    { "{'a': null1}" },
    { "{'a': 1 /* comment */}", "'/'" },
    { "{'a': 0x10}" },
    { "{'a': 01}", "'01' is not a number" },
    { "{'a': 1.}", "'1.' is not a number" },
    { "{'a': .5}" },
    { "{'a': +5}" },
    { "{'a': -}", "'-' is not a number" },
    { "{'a': 1e}" },
    { "{'a': 1-2}", "'1-2' is not a number" },
    { "{'a': '\\x'}", "backslash" },
    { "{'a': '\t'}", "control" },
    { "{'a': '\xc3('}", "UTF-8" },
    { "{'a': '\xc0\x80'}", "UTF-8" },
    { "{'a': '\xed\xa0\x80'}", "UTF-8" },
    { "{'a': '\xf4\x90\x80\x80'}", "UTF-8" },
    { "{'a': '\xc3\\u00a4'}", "UTF-8" },
    { "{'\xc3': 1}", "UTF-8" },
    { "{'a' 1}", "':'" },
    { "{1: 2}", "a key" },
    { "{'a': 1]" },
    { "{]" },
    { "{'a': [1}\n" },
    { "hello\n", "must be an object" },
    { "42\n" },
    { "'text'\n" },
    { "\"{'execute': 'stop'}\"\n" },
    { "null\n" },
    { "[]", "not a list" },
    { "[{'execute': 'stop'}]", "not a list" },
    { "}\n" },
    { "}}}\n" },
    { "]" },
    { "{'execute': 'stop'\n" },
    { "{'execute': 'stop\n" },
    { "{'a': {'b': 1\n" },
    { "{'a': [1\n" },
    /* Bytes that no JSON has end what was begun. */
    { "{\x01", "the byte 0x01" },
    { "{\x01\n" },
    { "{\x01 'a': [\r\n" },
    { "{'a': [[{'b': \x1b" },
    { "{'execute': 'stop', \x02}" },
    { "{'a\x01", "control" },
    { "{'a': 'b\x1f c'}" },
    { "{\x7f" },
    { "{\x80" },
    { "{'a': \xfe" },
    { "%p" },
    { "{'a': %p}" },
    { "{\0", "0x00", 2 },
    { "\0", NULL, 1 },
    { "{'a': '\0'}", "control", 10 },
    /* 0xFF is answered, whatever was begun. */
    { "{'half\xff", "0xFF" },
    { "{'half': {\xff", "0xFF" },
    { "{\xff", "0xFF" },
    { "\xff", "0xFF" },
    { "{'a': '\\u12\xff", "0xFF" },
    /* What would be taken for something else. */
    { "{'execute': 'stop\\u0000x'}", "\\u0000" },
    { "{'execute': 'stop', 'id': ['\\u0000']}", "\\u0000" },
    { "{'execute': 'stop', 'id': {'a\\u0000': 1}}", "\\u0000" },
    { "{'execute\\u0000x': 'stop'}", "\\u0000" },
    { "{'execute': 'stop', 'id': '\\ud800'}", "\\ud800" },
    { "{'execute': 'stop', 'id': '\\ud800x'}", "\\ud800" },
    { "{'execute': 'stop', 'id': '\\ud800\\n'}", "\\ud800" },
    { "{'execute': 'stop', 'id': '\\ud800\\u0041'}", "\\ud800" },
    { "{'execute': 'stop', 'id': '\\ud800\\ud800'}", "\\ud800" },
    { "{'execute': 'stop', 'id': [[{'\\udc00\\ud800': 1}]]}", "\\udc00" },
    { "{'a': '\\u12g4'}", "four hexadecimal digits" },
    { "{'execute': 'query-status', 'execute': 'stop'}", "'execute' is there twice" },
    { "{'execute': 'stop', 'id': 1, \"id\": 1}", "'id' is there twice" },
    { "{'execute': 'stop', 'id': [{'x': {'y': 1, 'z': {}, 'y': 1}}]}", "'y' is there twice" },
    { "{'execute': 'stop', 'arguments': {'a': 1, '\\u0061': 2}}", "'a' is there twice" },
};

/* Each is answered with one error, and what follows works, behind it and on the next line, however
 * the bytes come. */
static void check_malformed(const Malformed *m, const char *between, size_t piece)
{
    size_t len = m->len ? m->len : strlen(m->text);
    Client client = session_new(false);
    g_autofree char *pattern = NULL;

    negotiate(&client);
    pattern = g_strdup_printf("JSON: *%s*", m->what ? m->what : "");
    for (size_t at = 0; at < len; at += piece) {
        client_send_len(&client, m->text + at, MIN(piece, len - at));
    }
    client_send(&client, between);
    client_send(&client, "{'execute': 'qom-list', 'arguments': {'path': '/nowhere'}, 'id': 1}\n");
    expect_error(&client, "GenericError", pattern);
    expect_error(&client, "DeviceNotFound", "*nowhere*");
    expect_nothing(&client);
    session_free(&client);
}

static void test_malformed(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(malformed); i++) {
        g_autofree char *shown = g_strescape(malformed[i].text, NULL);
        g_test_message("case %zu: %s", i, shown);
        check_malformed(&malformed[i], "", SIZE_MAX / 2);
        check_malformed(&malformed[i], "\n", SIZE_MAX / 2);
        check_malformed(&malformed[i], "", 1);
    }
}

/* Any value comes back as it was sent. */
static void test_ids(void)
{
    static const char *const ids[] = {
        "0",
        "-0",
        "9223372036854775807",
        "-9223372036854775808",
        "-9223372036854775809",
        "18446744073709551615",
        "18446744073709551616",
        "123456789012345678901234567890123456789012345678901234567890",
        "-123456789012345678901234567890",
        "1.0",
        "1.50",
        "-0.0",
        "1e400",
        "1E+05",
        "0.1000000000000000055511151231257827",
        "null",
        "true",
        "\"\"",
        "\"\xf0\x9f\x98\x80\x7f\"",
        "[1, [], {\"a\": {\"\": [18446744073709551616, -0, 2.50]}}, null, false]",
    };
    Client client = session_new(false);

    negotiate(&client);
    for (size_t i = 0; i < G_N_ELEMENTS(ids); i++) {
        g_autofree char *request = g_strdup_printf("{'execute': 'query-name', 'id': %s}", ids[i]);
        g_autofree char *want = g_strdup_printf("{\"return\": {}, \"id\": %s}\r\n", ids[i]);

        g_string_set_size(client.got, 0);
        client_send(&client, request);
        client_settle(&client);
        g_assert_cmpstr(client.got->str, ==, want);
    }
    g_string_set_size(client.got, 0);
    client_send(&client, "{'execute': 'query-name', 'id': '\\ud834\\udd1e\\u00e4\\/\\''}");
    client_settle(&client);
    g_assert_cmpstr(client.got->str, ==,
                    "{\"return\": {}, \"id\": \"\xf0\x9d\x84\x9e\xc3\xa4/'\"}\r\n");
    session_free(&client);
}

/* Elsewhere, an error with the number that was given. */
static void test_long_integers(void)
{
    static const char *const requests[] = {
        "{'execute': 'memsave', 'arguments': {'val': 18446744073709551616, 'size': 1, 'filename': "
        "''}}",
        "{'execute': 'memsave', 'arguments': {'val': 0, 'size': -18446744073709551616, 'filename': "
        "''}}",
        "{'execute': 'human-monitor-command', 'arguments': {'command-line': '',"
        " 'cpu-index': 18446744073709551616}}",
        "{'execute': 'object-add', 'arguments': {'qom-type': 'memory-backend-ram', 'id': 'm',"
        " 'size': 18446744073709551616}}",
        "{'execute': 'object-add', 'arguments': {'qom-type': 'memory-backend-ram', 'id': 'm', "
        "'size': 4096,"
        " 'host-nodes': [18446744073709551616]}}",
        "{'execute': 'device_add', 'arguments': {'driver': 'pc-dimm', 'slot': "
        "18446744073709551616}}",
        "{'execute': 'device_add', 'arguments': {'driver': 'pc-dimm', 'addr': "
        "18446744073709551616}}",
        "{'execute': 'device_add', 'arguments': {'driver': 'pc-dimm', 'addr': "
        "'18446744073709551616'}}",
    };
    Client client = session_new(false);

    negotiate(&client);
    for (size_t i = 0; i < G_N_ELEMENTS(requests); i++) {
        client_send(&client, requests[i]);
        expect_error(&client, "GenericError", "*18446744073709551616*");
    }
    session_free(&client);
}

static void test_depth(void)
{
    Client client = session_new(false);
    GString *deep = g_string_new("{'execute': 'stop', 'id': ");

    negotiate(&client);
    for (int i = 0; i < 100000; i++) {
        g_string_append_c(deep, '[');
    }
    client_send(&client, deep->str);
    expect_error(&client, "GenericError", "*deep*1024*");
    g_string_truncate(deep, 0);
    for (int i = 0; i < 100000; i++) {
        g_string_append_c(deep, ']');
    }
    g_string_append(deep, "}{'execute': 'bogus'}");
    client_send(&client, deep->str);
    expect_error(&client, "CommandNotFound", "*bogus*");
    expect_nothing(&client);
    g_string_free(deep, TRUE);
    session_free(&client);
}

static int stream_values, stream_errors;
static char *stream_error;

static void count_values(struct json_object *value, GError *err, void *opaque)
{
    if (err) {
        stream_errors++;
        g_free(stream_error);
        stream_error = g_strdup(err->message);
        g_error_free(err);
    } else {
        stream_values++;
        json_object_put(value);
    }
}

/* A string, and a list, without an end. */
static void test_size(void)
{
    static const char *const beginnings[] = { "{\"a\": \"", "{\"a\": [0" };
    static const char fill[] = "aaaaaaaaaaaaaaa", more[] = ",0,0,0,0,0,0,0,0";
    JsonStream *stream = json_stream_new(count_values, NULL);

    for (int n = 0; n < 2; n++) {
        const char *piece = n ? more : fill;
        GString *block = g_string_new(NULL);

        while (block->len < 1 << 20) {
            g_string_append(block, piece);
        }
        stream_values = stream_errors = 0;
        json_stream_feed(stream, (const uint8_t *)beginnings[n], strlen(beginnings[n]));
        for (int i = 0; i < 66; i++) {
            json_stream_feed(stream, (const uint8_t *)block->str, block->len);
        }
        g_assert_cmpint(stream_errors, ==, 1);
        g_assert_nonnull(strstr(stream_error, "too large"));
        json_stream_feed(stream, (const uint8_t *)"\n{}\n{\"a\": 1}", 12);
        json_stream_reset(stream);
        json_stream_feed(stream, (const uint8_t *)"{}", 2);
        g_assert_cmpint(stream_values, >=, 1);
        g_assert_cmpint(stream_errors, ==, 1);
        g_string_free(block, TRUE);
    }
    json_stream_free(stream);
    g_clear_pointer(&stream_error, g_free);
}

/* Whatever comes, no byte of it harms, and the next client is served. */
static void test_noise(void)
{
    static const char alphabet[] = "{}[]'\":,\\ \n\r\t0123456789eE+-.truefalsn\xff\xc3\xa4/*u";
    JsonStream *stream = json_stream_new(count_values, NULL);

    for (int round = 0; round < 20000; round++) {
        uint8_t buf[64];
        int len = g_test_rand_int_range(1, sizeof(buf));

        for (int i = 0; i < len; i++) {
            buf[i] = (uint8_t)alphabet[g_test_rand_int_range(0, sizeof(alphabet))];
        }
        json_stream_feed(stream, buf, len);
    }
    json_stream_reset(stream);
    stream_values = 0;
    json_stream_feed(stream, (const uint8_t *)"{\"a\": []}", 9);
    g_assert_cmpint(stream_values, ==, 1);
    json_stream_free(stream);
    g_clear_pointer(&stream_error, g_free);
}

static void test_print(void)
{
    struct json_object *value =
        json_tokener_parse("{\"a\": [1, {\"b\": null}, \"x/y\"], \"c\": {}, \"d\": []}");
    GString *text = json_print(value, false);

    g_assert_cmpstr(text->str, ==, "{\"a\": [1, {\"b\": null}, \"x/y\"], \"c\": {}, \"d\": []}");
    g_string_free(text, TRUE);
    text = json_print(value, true);
    g_assert_cmpstr(text->str, ==,
                    "{\n    \"a\": [\n        1,\n        {\n            \"b\": null\n        },\n"
                    "        \"x/y\"\n    ],\n    \"c\": {},\n    \"d\": []\n}");
    g_string_free(text, TRUE);
    json_object_put(value);
    value = json_object_new_string("a\xff");
    text = json_print(value, false);
    g_assert_true(g_utf8_validate(text->str, -1, NULL));
    g_string_free(text, TRUE);
    json_object_put(value);
}

/* ---- clients ---- */

static void test_slow_client(void)
{
    Client client = session_new(false);

    negotiate(&client);
    expect_no_answer_lost(&client);
    session_free(&client);
}

static void test_pretty(void)
{
    Client client = session_new(true);

    g_assert_true(g_str_has_prefix(client.got->str, "{\n    \"QMP\": {\n"));
    session_free(&client);
}

/* Two sessions on two devices: what one negotiates or breaks is its own; both get events. */
static void test_two_sessions(void)
{
    Client a = session_new(false), b = session_on("b", "", false);

    negotiate_oob(&a);
    client_send(&a, "{'execute': 'qom-list', 'argum");
    json_object_put(next_reply(&b));
    client_send(&b, "{'execute': 'query-name'}");
    expect_error(&b, "CommandNotFound", "*qmp_capabilities*");
    client_send(&b, "{'execute': 'qmp_capabilities'}");
    expect_return(&b, "{\"return\":{}}");
    client_send(&b, "{'exec-oob': 'query-yank'}");
    expect_error(&b, "GenericError", "*'exec-oob'*");
    client_send(&a, "ents': {'path': '/nowhere'}}");
    expect_error(&a, "DeviceNotFound", "*nowhere*");
    qapi_event_send_stop();
    json_object_put(next_reply(&a));
    json_object_put(next_reply(&b));
    expect_nothing(&a);
    expect_nothing(&b);
    session_free(&a);
    client_free(&b);
    client_remove_chardev("b");
}

/* A client that goes in the middle of a command leaves nothing for the next one. */
static void test_vanish(void)
{
    char path[] = "/tmp/test-qmp-XXXXXX";
    g_autofree char *text = NULL;
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    GError *err = NULL;

    g_assert_nonnull(mkdtemp(path));
    g_snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/s", path);
    text = g_strdup_printf("socket,id=q,path=%s,server=on,wait=off", addr.sun_path);
    chardev_new_from_opts(text, &err);
    g_assert_no_error(err);
    monitor_new(chardev_find("q"), true, false, &err);
    g_assert_no_error(err);
    for (int i = 0; i < 3; i++) {
        Client client = { .fd = socket(AF_UNIX, SOCK_STREAM, 0), .got = g_string_new(NULL) };

        g_assert_cmpint(connect(client.fd, (struct sockaddr *)&addr, sizeof(addr)), ==, 0);
        fcntl(client.fd, F_SETFL, O_NONBLOCK);
        client_settle(&client);
        negotiate_oob(&client);
        client_send(&client, "{'execute': 'query-name'}{'execute': 'query-na");
        expect_return(&client, "{\"return\":{}}");
        if (i == 1) { /* with commands that wait */
            g_assert_cmpint(write(client.fd, "me'}{'execute': 'stop'}", 22), ==, 22);
        }
        client_free(&client);
        while (main_loop_iterate(false)) {
        }
    }
    monitor_cleanup();
    client_remove_chardev("q");
    g_assert_cmpint(rmdir(path), ==, 0);
}

/* ---- descriptors ---- */

/* @text, with a new descriptor of /dev/zero. */
static void send_with_fd(Client *client, const char *text)
{
    int fd = open("/dev/zero", O_RDONLY);
    struct iovec iov = { (char *)text, strlen(text) };
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = { .header = { .cmsg_len = CMSG_LEN(sizeof(int)),
                              .cmsg_level = SOL_SOCKET,
                              .cmsg_type = SCM_RIGHTS } };
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
    };

    memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
    g_assert_cmpint(sendmsg(client->fd, &msg, 0), ==, iov.iov_len);
    close(fd);
    client_settle(client);
}

static unsigned count_fds(void)
{
    GDir *dir = g_dir_open("/proc/self/fd", 0, NULL);
    unsigned count = 0;

    while (g_dir_read_name(dir)) {
        count++;
    }
    g_dir_close(dir);
    return count;
}

static void test_getfd(void)
{
    Client client = session_new(false);
    unsigned before = count_fds();

    negotiate(&client);
    client_send(&client, "{'execute': 'getfd', 'arguments': {'fdname': 'a'}}");
    expect_error(&client, "GenericError", "*SCM_RIGHTS*");
    send_with_fd(&client, "{'execute': 'getfd', 'arguments': {'fdname': '1a'}}");
    expect_error(&client, "GenericError", "*'1a'*digit*");
    /* the descriptor is still there for a better command */
    client_send(&client, "{'execute': 'getfd', 'arguments': {'fdname': 'a'}}");
    expect_return(&client, "{\"return\":{}}");
    send_with_fd(&client, "{'execute': 'getfd', 'arguments': {'fdname': 'a'}}"); /* replaces it */
    expect_return(&client, "{\"return\":{}}");
    g_assert_cmpuint(count_fds(), ==, before + 1);
    send_with_fd(&client, " "); /* ahead of the command */
    send_with_fd(&client, " "); /* and replaced */
    client_send(&client, "{'execute': 'getfd', 'arguments': {'fdname': 'b'}}");
    expect_return(&client, "{\"return\":{}}");
    g_assert_cmpuint(count_fds(), ==, before + 2);
    client_send(&client, "{'execute': 'closefd', 'arguments': {'fdname': 'a'}}");
    expect_return(&client, "{\"return\":{}}");
    client_send(&client, "{'execute': 'closefd', 'arguments': {'fdname': 'a'}}");
    expect_error(&client, "GenericError", "*'a'*getfd*");
    client_send(&client, "{'execute': 'chardev-add', 'arguments': {'id': 'c', 'backend': {'type': "
                         "'socket', 'data': {'addr': {'type': 'fd', 'data': {'str': 'b'}}}}}}");
    expect_error(&client, "GenericError", "*'b'*no socket*");
    send_with_fd(&client, " ");
    g_assert_cmpuint(count_fds(), ==, before + 1);
    session_free(&client);
    g_assert_cmpuint(count_fds(), ==, before - 2); /* without the session's two ends */
}

static void test_fdsets(void)
{
    Client client = session_new(false);
    unsigned before = count_fds();
    g_autofree char *wanted = NULL;
    struct json_object *reply;
    char byte = 1;
    int fd;

    negotiate_oob(&client);
    client_send(&client, "{'execute': 'add-fd'}");
    expect_error(&client, "GenericError", "*SCM_RIGHTS*");
    send_with_fd(&client, "{'execute': 'add-fd', 'arguments': {'fdset-id': -1}}");
    expect_error(&client, "GenericError", "*fdset-id*");
    client_send(&client, "{'execute': 'add-fd', 'arguments': {'fdset-id': 3, 'opaque': 'z'}}");
    reply = next_reply(&client);
    g_assert_cmpstr(member(reply, "return", "fdset-id"), ==, "3");
    fd = json_object_get_int(json_object_object_get(json_object_object_get(reply, "return"), "fd"));
    json_object_put(reply);
    send_with_fd(&client, "{'execute': 'add-fd'}");
    reply = next_reply(&client);
    g_assert_cmpstr(member(reply, "return", "fdset-id"), ==, "0");
    json_object_put(reply);
    client_send(&client, "{'execute': 'remove-fd', 'arguments': {'fdset-id': 0}}");
    expect_return(&client, "{\"return\":{}}");
    client_send(&client, "{'execute': 'query-fdsets'}");
    wanted = g_strdup_printf(
        "{\"return\":[{\"fdset-id\":3,\"fds\":[{\"fd\":%d,\"opaque\":\"z\"}]}]}", fd);
    expect_return(&client, wanted);
    client_send(&client, "{'execute': 'remove-fd', 'arguments': {'fdset-id': 4}}");
    expect_error(&client, "GenericError", "*set of descriptors 4*");
    client_send(&client, "{'execute': 'remove-fd', 'arguments': {'fdset-id': 3, 'fd': 9999}}");
    expect_error(&client, "GenericError", "*9999*set 3*");

    g_assert_cmpint(fdset_open_path("/dev/fdset/4", O_RDONLY, 0), ==, -1);
    g_assert_cmpint(errno, ==, ENOENT);
    g_assert_cmpint(fdset_open_path("/dev/fdset/x", O_RDONLY, 0), ==, -1);
    g_assert_cmpint(errno, ==, ENOENT);
    g_assert_cmpint(fdset_open_path("/dev/fdset/3", O_WRONLY, 0), ==, -1);
    g_assert_cmpint(errno, ==, EACCES);
    g_assert_cmpint(fdset_open_path("/dev/fdset/3", O_RDONLY | O_CREAT | O_EXCL, 0), ==, -1);
    g_assert_cmpint(errno, ==, EEXIST);
    fd = fdset_open_path("/dev/fdset/3", O_RDONLY | O_CLOEXEC, 0);
    g_assert_cmpint(fd, >=, 0);
    g_assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    monitor_cleanup(); /* the last client goes: so does the set, but not what was opened */
    g_assert_cmpint(fdset_open_path("/dev/fdset/3", O_RDONLY, 0), ==, -1);
    g_assert_cmpint(read(fd, &byte, 1), ==, 1);
    g_assert_cmpint(byte, ==, 0);
    close(fd);
    session_free(&client);
    g_assert_cmpuint(count_fds(), ==, before - 2);
}

/* Those of -add-fd stay when clients go; a fitting access mode is preferred. */
static void test_fdsets_stay(void)
{
    char path[] = "/tmp/test-qmp-XXXXXX";
    int both = g_mkstemp(path), only, fd;

    g_assert_cmpint(unlink(path), ==, 0);
    g_assert_cmpint(write(both, "xy", 2), ==, 2);
    only = open("/dev/null", O_WRONLY);
    g_assert_cmpint(fdset_add(FDSET_NEW, both, NULL, false), ==, 0);
    g_assert_cmpint(fdset_add(0, only, NULL, false), ==, 0);
    fdset_remove_from_clients();
    g_assert_cmpuint(fdset_list()->len, ==, 1);
    fd = fdset_open_path("/dev/fdset/0", O_RDONLY, 0); /* the file: for both */
    g_assert_cmpint(lseek(fd, 0, SEEK_END), ==, 2);
    close(fd);
    fd = fdset_open_path("/dev/fdset/0", O_RDWR | O_TRUNC | O_APPEND, 0);
    g_assert_cmpint(lseek(fd, 0, SEEK_END), ==, 0);
    g_assert_true(fcntl(fd, F_GETFL) & O_APPEND);
    close(fd);
    fd = fdset_open_path("/dev/fdset/0", O_WRONLY | O_TRUNC, 0); /* the one for writing only */
    g_assert_cmpint(fcntl(fd, F_GETFL) & O_ACCMODE, ==, O_WRONLY);
    close(fd);
    g_assert_true(fdset_remove(0, FDSET_ALL, NULL));
    g_assert_cmpuint(fdset_list()->len, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    main_loop_init();
    g_test_add_func("/qmp/negotiation", test_negotiation);
    g_test_add_func("/qmp/requests", test_requests);
    g_test_add_func("/qmp/events", test_events);
    g_test_add_func("/qmp/json/split", test_split);
    g_test_add_func("/qmp/json/bytes-alone", test_bytes_alone);
    g_test_add_func("/qmp/json/malformed", test_malformed);
    g_test_add_func("/qmp/json/ids", test_ids);
    g_test_add_func("/qmp/json/long-integers", test_long_integers);
    g_test_add_func("/qmp/json/depth", test_depth);
    g_test_add_func("/qmp/json/size", test_size);
    g_test_add_func("/qmp/json/noise", test_noise);
    g_test_add_func("/qmp/json/print", test_print);
    g_test_add_func("/qmp/slow-client", test_slow_client);
    g_test_add_func("/qmp/pretty", test_pretty);
    g_test_add_func("/qmp/two-sessions", test_two_sessions);
    g_test_add_func("/qmp/vanish", test_vanish);
    g_test_add_func("/qmp/fd/named", test_getfd);
    g_test_add_func("/qmp/fd/sets", test_fdsets);
    g_test_add_func("/qmp/fd/sets-stay", test_fdsets_stay);
    return g_test_run();
}
