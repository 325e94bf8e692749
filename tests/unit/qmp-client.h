/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For tests of QMP: a session with a client in the same process, and what it expects. */
#ifndef TESTS_UNIT_QMP_CLIENT_H
#define TESTS_UNIT_QMP_CLIENT_H

#include <json-c/json.h>

#include "chardev/chardev.h"
#include "monitor/monitor.h"
#include "tests/unit/client.h"
#include "util/main-loop.h"

static inline Client session_on(const char *id, const char *options, bool pretty)
{
    Client client = client_new(id, options);
    GError *err = NULL;

    monitor_new(chardev_find(id), true, pretty, &err);
    g_assert_no_error(err);
    client_settle(&client);
    return client;
}

static inline Client session_new(bool pretty)
{
    return session_on("q", "", pretty);
}

static inline void session_free(Client *client)
{
    monitor_cleanup();
    client_free(client);
    client_remove_chardev("q");
}

/* The next line that came; new reference. NULL if there is none. */
static inline struct json_object *next_reply(Client *client)
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

static inline const char *member(struct json_object *obj, const char *a, const char *b)
{
    struct json_object *value = json_object_object_get(obj, a);

    return json_object_get_string(b ? json_object_object_get(value, b) : value);
}

static inline void expect_return(Client *client, const char *text)
{
    struct json_object *reply = next_reply(client);

    g_assert_nonnull(reply);
    g_assert_cmpstr(json_object_to_json_string_ext(reply, JSON_C_TO_STRING_PLAIN), ==, text);
    json_object_put(reply);
}

static inline void expect_error(Client *client, const char *class_name, const char *pattern)
{
    struct json_object *reply = next_reply(client);

    g_assert_nonnull(reply);
    g_assert_cmpstr(member(reply, "error", "class"), ==, class_name);
    if (!g_pattern_match_simple(pattern, member(reply, "error", "desc"))) {
        g_error("unexpected: %s", member(reply, "error", "desc"));
    }
    json_object_put(reply);
}

static inline void expect_nothing(Client *client)
{
    g_assert_null(next_reply(client));
}

static inline void negotiate_oob(Client *client)
{
    json_object_put(next_reply(client));
    client_send(client, "{'execute': 'qmp_capabilities', 'arguments': {'enable': ['oob']}}");
    expect_return(client, "{\"return\":{}}");
}

static inline void negotiate(Client *client)
{
    struct json_object *greeting = next_reply(client);
    struct json_object *qmp = json_object_object_get(greeting, "QMP");

    g_assert_cmpstr(member(qmp, "version", "package"), ==, "dimmable-" DIMMABLE_VERSION);
    g_assert_cmpstr(member(qmp, "capabilities", NULL), ==, "[ \"oob\" ]");
    json_object_put(greeting);
    client_send(client, "{\"execute\": \"qmp_capabilities\"}");
    expect_return(client, "{\"return\":{}}");
}

static inline void expect_id(Client *client, int id)
{
    struct json_object *reply = next_reply(client);

    g_assert_nonnull(reply);
    g_assert_cmpint(json_object_get_int(json_object_object_get(reply, "id")), ==, id);
    json_object_put(reply);
}

/* A client that asks but does not read gets its answers later, and none is lost. */
static inline void expect_no_answer_lost(Client *client)
{
    const char request[] = "{\"execute\": \"query-qmp-schema\"}\n";
    int sent = 0, answers = 0;

    while (sent < 80 && write(client->fd, request, strlen(request)) > 0) {
        sent++;
        main_loop_iterate(false);
    }
    client_settle(client);
    for (const char *p = client->got->str; (p = strstr(p, "\r\n")); p += 2) {
        answers++;
    }
    g_assert_cmpint(answers, ==, sent);
}

#endif
