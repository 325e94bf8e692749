/* SPDX-License-Identifier: GPL-2.0-or-later */
/* libqtest: QMP and its events. */
#include <string.h>

#include "tests/qtest/libqtest-internal.h"

/* The next object from the monitor, or NULL at @deadline. */
static json_object *qmp_receive(QTest *qt, int64_t deadline)
{
    g_autofree char *line = libqtest_line(qt, &qt->qmp, deadline);

    if (!line) {
        return NULL;
    }
    json_object *object = json_tokener_parse(line);
    if (!json_object_is_type(object, json_type_object)) {
        libqtest_die(qt, "QMP sent '%.200s'", line);
    }
    return object;
}

json_object *qtest_qmp_raw(QTest *qt, json_object *object)
{
    int64_t deadline = libqtest_deadline(QTEST_TIMEOUT_MS);
    g_autoptr(json_object) command = object;
    const char *text = json_object_to_json_string_ext(command, JSON_C_TO_STRING_PLAIN);
    json_object *id = qtest_get(command, "id");

    libqtest_send_line(qt, &qt->qmp, text);
    for (;;) {
        json_object *reply = qmp_receive(qt, deadline);
        if (!reply) {
            libqtest_die(qt, "no answer to %.500s", text);
        }
        if (qtest_get(reply, "event")) {
            g_queue_push_tail(&qt->events, reply);
            continue;
        }
        if (!json_object_equal(qtest_get(reply, "id"), id)) {
            libqtest_die(qt, "%.500s was answered by %.500s, which has not its id", text,
                         json_object_to_json_string(reply));
        }
        return reply;
    }
}

static json_object *qmp_vreply(QTest *qt, const char *command, const char *arguments, va_list ap)
{
    json_object *object = json_object_new_object();

    json_object_object_add(object, "execute", json_object_new_string(command));
    if (arguments) {
        json_object_object_add(object, "arguments", qtest_vjson(arguments, ap));
    }
    json_object_object_add(object, "id", json_object_new_int64(++qt->last_id));
    return qtest_qmp_raw(qt, object);
}

/* @member of the reply, with a reference. */
static json_object *qmp_vcommand(QTest *qt, const char *member, const char *command,
                                 const char *arguments, va_list ap)
{
    g_autoptr(json_object) reply = qmp_vreply(qt, command, arguments, ap);
    json_object *value = NULL;

    if (!json_object_object_get_ex(reply, member, &value)) {
        libqtest_die(qt, "%s %s: wanted %s, got %s", command, arguments ? arguments : "", member,
                     json_object_to_json_string(reply));
    }
    return json_object_get(value);
}

json_object *qtest_qmp(QTest *qt, const char *command, const char *arguments, ...)
{
    va_list ap;

    va_start(ap, arguments);
    json_object *value = qmp_vcommand(qt, "return", command, arguments, ap);
    va_end(ap);
    return value;
}

void qtest_qmp_ok(QTest *qt, const char *command, const char *arguments, ...)
{
    va_list ap;

    va_start(ap, arguments);
    json_object_put(qmp_vcommand(qt, "return", command, arguments, ap));
    va_end(ap);
}

json_object *qtest_qmp_error(QTest *qt, const char *command, const char *arguments, ...)
{
    va_list ap;

    va_start(ap, arguments);
    json_object *value = qmp_vcommand(qt, "error", command, arguments, ap);
    va_end(ap);
    return value;
}

json_object *qtest_qmp_reply(QTest *qt, const char *command, const char *arguments, ...)
{
    va_list ap;

    va_start(ap, arguments);
    json_object *reply = qmp_vreply(qt, command, arguments, ap);
    va_end(ap);
    return reply;
}

char *qtest_hmp(QTest *qt, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    g_autofree char *line = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    g_autoptr(json_object) value =
        qtest_qmp(qt, "human-monitor-command", "{'command-line': %s}", line);
    g_auto(GStrv) parts = g_strsplit(json_object_get_string(value), "\r\n", -1);
    return g_strjoinv("\n", parts);
}

/* ---- events ---- */

static json_object *take_event(QTest *qt, const char *name, QTestEventMatch *match, void *opaque)
{
    for (GList *link = qt->events.head; link; link = link->next) {
        json_object *event = link->data;
        if (strcmp(qtest_get_str(event, "event"), name) == 0 && (!match || match(event, opaque))) {
            g_queue_delete_link(&qt->events, link);
            return event;
        }
    }
    return NULL;
}

json_object *qtest_event_match(QTest *qt, const char *name, QTestEventMatch *match, void *opaque,
                               int timeout_ms)
{
    int64_t deadline = libqtest_deadline(timeout_ms);

    for (;;) {
        json_object *event = take_event(qt, name, match, opaque);
        if (event) {
            return event;
        }
        event = qmp_receive(qt, deadline);
        if (!event) {
            return NULL;
        }
        if (!qtest_get(event, "event")) {
            libqtest_die(qt, "QMP sent, unasked, %s", json_object_to_json_string(event));
        }
        g_queue_push_tail(&qt->events, event);
    }
}

static json_object *event_or_die(QTest *qt, const char *name, QTestEventMatch *match, void *opaque)
{
    json_object *event = qtest_event_match(qt, name, match, opaque, QTEST_TIMEOUT_MS);

    if (!event) {
        g_autoptr(GString) seen = g_string_new(NULL);
        for (GList *link = qt->events.head; link; link = link->next) {
            g_string_append_printf(seen, " %s", json_object_to_json_string(link->data));
        }
        libqtest_die(qt, "no event %s as wanted; there were:%s", name, seen->str);
    }
    return event;
}

json_object *qtest_event(QTest *qt, const char *name)
{
    return event_or_die(qt, name, NULL, NULL);
}

typedef struct KeyValue {
    const char *key, *value;
} KeyValue;

static bool match_key(json_object *event, void *opaque)
{
    const KeyValue *wanted = opaque;
    json_object *value = NULL;

    return json_object_object_get_ex(qtest_get(event, "data"), wanted->key, &value) &&
           g_strcmp0(json_object_get_string(value), wanted->value) == 0;
}

json_object *qtest_event_with(QTest *qt, const char *name, const char *key, const char *value)
{
    KeyValue wanted = { key, value };

    return event_or_die(qt, name, match_key, &wanted);
}

void qtest_save(QTest *qt, const char *path)
{
    g_autofree char *uri = g_strdup_printf("file:%s", path);

    qtest_qmp_ok(qt, "migrate-set-capabilities",
                 "{'capabilities': [{'capability': 'events', 'state': true}]}");
    qtest_qmp_ok(qt, "migrate", "{'uri': %s}", uri);
    json_object_put(qtest_event_with(qt, "MIGRATION", "status", "completed"));
}

void qtest_assert_state(QTest *qt, const char *state)
{
    g_autoptr(json_object) status = qtest_qmp(qt, "query-status", NULL);

    g_assert_cmpstr(qtest_get_str(status, "status"), ==, state);
}

void qtest_wait_running(QTest *qt)
{
    g_autoptr(json_object) status = qtest_qmp(qt, "query-status", NULL);

    /* Who has asked hears of what comes. */
    if (!qtest_get_bool(status, "running")) {
        g_queue_push_tail(&qt->events, qtest_event(qt, "RESUME"));
    }
}

void qtest_wait_loaded(QTest *qt)
{
    bool loaded = false;

    while (!loaded) {
        g_autoptr(json_object) status = qtest_qmp(qt, "query-status", "{}");

        loaded = strcmp(qtest_get_str(status, "status"), "inmigrate") != 0;
    }
}

unsigned qtest_event_count(QTest *qt, const char *name)
{
    unsigned count = 0;

    qtest_qmp_ok(qt, "query-status", NULL);
    for (GList *link = qt->events.head; link; link = link->next) {
        count += strcmp(qtest_get_str(link->data, "event"), name) == 0;
    }
    return count;
}

void qtest_events_clear(QTest *qt)
{
    while (!g_queue_is_empty(&qt->events)) {
        json_object_put(g_queue_pop_head(&qt->events));
    }
}
