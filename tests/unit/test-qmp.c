/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP sessions: negotiation, framing of JSON at any split, malformed input, errors, events. */
#include <json-c/json.h>

#include "monitor/json-stream.h"
#include "monitor/monitor.h"
#include "qapi/qapi-events.h"
#include "tests/unit/client.h"

static Client session_new(bool pretty)
{
    Client client = client_new("q", "");
    GError *err = NULL;

    monitor_new(chardev_find("q"), true, pretty, &err);
    g_assert_no_error(err);
    client_settle(&client);
    return client;
}

static void session_free(Client *client)
{
    monitor_cleanup();
    client_free(client);
    client_remove_chardev("q");
}

/* The next line that came; new reference. NULL if there is none. */
static struct json_object *next_reply(Client *client)
{
    struct json_object *reply;
    char *end;

    client_settle(client);
    end = strstr(client->got->str, "\r\n");
    if (!end) {
        g_assert_cmpstr(client->got->str, ==, "");
        return NULL;
    }
    *end = '\0';
    reply = json_tokener_parse(client->got->str);
    g_assert_nonnull(reply);
    g_string_erase(client->got, 0, end + 2 - client->got->str);
    return reply;
}

static const char *member(struct json_object *obj, const char *a, const char *b)
{
    struct json_object *value = json_object_object_get(obj, a);

    return json_object_get_string(b ? json_object_object_get(value, b) : value);
}

static void expect_return(Client *client, const char *text)
{
    struct json_object *reply = next_reply(client);

    g_assert_nonnull(reply);
    g_assert_cmpstr(json_object_to_json_string_ext(reply, JSON_C_TO_STRING_PLAIN), ==, text);
    json_object_put(reply);
}

static void expect_error(Client *client, const char *class_name, const char *pattern)
{
    struct json_object *reply = next_reply(client);

    g_assert_nonnull(reply);
    g_assert_cmpstr(member(reply, "error", "class"), ==, class_name);
    if (!g_pattern_match_simple(pattern, member(reply, "error", "desc"))) {
        g_error("unexpected: %s", member(reply, "error", "desc"));
    }
    json_object_put(reply);
}

static void expect_nothing(Client *client)
{
    g_assert_null(next_reply(client));
}

static void negotiate(Client *client)
{
    struct json_object *greeting = next_reply(client);
    struct json_object *qmp = json_object_object_get(greeting, "QMP");

    g_assert_cmpstr(member(qmp, "version", "package"), ==, "dimmable-" DIMMABLE_VERSION);
    g_assert_cmpstr(member(qmp, "capabilities", NULL), ==, "[ ]");
    json_object_put(greeting);
    client_send(client, "{\"execute\": \"qmp_capabilities\"}");
    expect_return(client, "{\"return\":{}}");
}

/* ---- sessions ---- */

static void test_negotiation(void)
{
    Client client = session_new(false);

    g_assert_true(g_str_has_prefix(client.got->str, "{\"QMP\": {\"version\": {\"qemu\": {"));
    g_assert_true(g_str_has_suffix(client.got->str, "\"capabilities\": []}}\r\n"));
    g_string_set_size(client.got, 0);
    client_send(&client, "{\"execute\": \"query-version\", \"id\": 7}");
    expect_error(&client, "CommandNotFound", "*qmp_capabilities*first*");
    qapi_event_send_stop();
    expect_nothing(&client);
    client_send(&client, "{'execute': 'qmp_capabilities', 'arguments': {'enable': ['oob']}}");
    expect_error(&client, "GenericError", "*oob*not offered*");
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
        { "{'exec-oob': 'stop'}", "GenericError", "*oob*" },
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

/* Each is answered with one error, and what follows works. */
static void test_malformed(void)
{
    static const char *const cases[] = {
        "{'execute': foo}",
        "{'execute': 'stop',}",
        "{'execute': 'stop' 'id': 1}",
        "{'execute': [1,]}",
        "{'a': NaN}",
        "{'a': Infinity}",
        "{'a': -Infinity}",
        "{'a': TRUE}",
        "{'a': 1 /* comment */}",
        "{'a': 0x10}",
        "{'a': '\\x'}",
        "{'a': '\t'}",
        "{'a': '\xc3('}",
        "{'a' 1}",
        "{1: 2}",
        "hello\n",
        "42\n",
        "'text'\n",
        "null\n",
        "[]",
        "[{'execute': 'stop'}]",
        "}",
        "]",
        "{'execute': 'stop'\n",
        "{'execute': 'stop\n",
        "{'a': {'b': 1\n",
        "{'a': [1\n",
        "{'half\xff",
        "{'half': {\xff",
    };
    Client client = session_new(false);

    negotiate(&client);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        client_send(&client, cases[i]);
        client_send(&client,
                    "{'execute': 'qom-list', 'arguments': {'path': '/nowhere'}, 'id': 1}\n");
        g_test_message("case %zu", i);
        expect_error(&client, "GenericError", "JSON: *");
        expect_error(&client, "DeviceNotFound", "*nowhere*");
        expect_nothing(&client);
    }
    client_send(&client, "\xff\xff  \r\n\n");
    expect_nothing(&client);
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

/* A client that asks but does not read gets its answers later, and none is lost. */
static void test_slow_client(void)
{
    Client client = session_new(false);
    const char request[] = "{\"execute\": \"query-qmp-schema\"}\n";
    int sent = 0, answers = 0;

    negotiate(&client);
    while (sent < 200 && write(client.fd, request, strlen(request)) > 0) {
        sent++;
        main_loop_iterate(false);
    }
    client_settle(&client);
    for (const char *p = client.got->str; (p = strstr(p, "\r\n")); p += 2) {
        answers++;
    }
    g_assert_cmpint(answers, ==, sent);
    session_free(&client);
}

static void test_pretty(void)
{
    Client client = session_new(true);

    g_assert_true(g_str_has_prefix(client.got->str, "{\n    \"QMP\": {\n"));
    session_free(&client);
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
    g_test_add_func("/qmp/json/depth", test_depth);
    g_test_add_func("/qmp/json/size", test_size);
    g_test_add_func("/qmp/json/noise", test_noise);
    g_test_add_func("/qmp/json/print", test_print);
    g_test_add_func("/qmp/slow-client", test_slow_client);
    g_test_add_func("/qmp/pretty", test_pretty);
    return g_test_run();
}
