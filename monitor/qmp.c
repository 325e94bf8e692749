/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QMP: greeting, negotiation of capabilities, then commands and events. Each client that connects
 * begins anew.
 */
#include <string.h>

#include "monitor/json-stream.h"
#include "monitor/monitor-internal.h"
#include "qapi/dispatch.h"
#include "qapi/event.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"

#define READ_SIZE 4096
/* Commands of a client that does not read its replies wait; events for it are dropped later on. */
#define UNSENT_FOR_COMMANDS (1u << 20)
#define UNSENT_FOR_EVENTS   (16u << 20)

struct QmpMonitor {
    CharFrontend fe;
    JsonStream *input;
    bool pretty;
    bool negotiated; /* the client has left the greeting */
    bool warned;     /* that events were dropped */
};

static GPtrArray *monitors; /* of QmpMonitor *, not owned */
static QmpMonitor *current; /* whose command runs */

static void send(QmpMonitor *mon, struct json_object *value)
{
    GString *text = json_print(value, mon->pretty);

    g_string_append(text, "\r\n");
    char_write(&mon->fe, text->str, text->len);
    g_string_free(text, TRUE);
}

/* ---- events ---- */

static void emit_event(const char *name, struct json_object *event)
{
    for (guint i = 0; i < monitors->len; i++) {
        QmpMonitor *mon = g_ptr_array_index(monitors, i);

        if (!mon->negotiated) {
            continue;
        }
        if (char_unsent(&mon->fe) <= UNSENT_FOR_EVENTS) {
            send(mon, event);
        } else if (!mon->warned) {
            mon->warned = true;
            warn_report("a QMP client does not read; events for it are dropped");
        }
    }
}

/* ---- commands ---- */

static struct json_object *error_reply(const GError *err)
{
    struct json_object *reply = json_object_new_object(), *info = json_object_new_object();

    json_object_object_add(info, "class", json_object_new_string(error_class_name(err)));
    json_object_object_add(info, "desc", json_object_new_string(err->message));
    json_object_object_add(reply, "error", info);
    return reply;
}

static bool check_request(struct json_object *request, GError **errp)
{
    struct json_object *value;

    json_object_object_foreach(request, key, member)
    {
        if (!strcmp(key, "exec-oob")) {
            error_set(errp, "'exec-oob' is not available: the capability oob is not offered");
            return false;
        }
        if (strcmp(key, "execute") && strcmp(key, "arguments") && strcmp(key, "id")) {
            error_set(errp, "unknown member '%s'; a command has 'execute', 'arguments' and 'id'",
                      key);
            return false;
        }
        if (!strcmp(key, "arguments") && !json_object_is_type(member, json_type_object)) {
            error_set(errp, "'arguments' must be an object");
            return false;
        }
    }
    if (!json_object_object_get_ex(request, "execute", &value)) {
        error_set(errp, "'execute' is missing: the name of the command");
        return false;
    }
    if (!json_object_is_type(value, json_type_string)) {
        error_set(errp, "'execute' must be a string: the name of the command");
        return false;
    }
    return true;
}

static struct json_object *run(QmpMonitor *mon, struct json_object *request, GError **errp)
{
    struct json_object *result;
    const char *name;

    if (!check_request(request, errp)) {
        return NULL;
    }
    name = json_object_get_string(json_object_object_get(request, "execute"));
    if (!mon->negotiated && strcmp(name, "qmp_capabilities")) {
        error_set_class(errp, ERROR_CLASS_COMMAND_NOT_FOUND,
                        "'%s' works only after capabilities were negotiated: send "
                        "'qmp_capabilities' first",
                        name);
        return NULL;
    }
    current = mon;
    result = qmp_dispatch(name, json_object_object_get(request, "arguments"), errp);
    current = NULL;
    return result;
}

static void receive_object(struct json_object *request, GError *parse_error, void *opaque)
{
    QmpMonitor *mon = opaque;
    g_autoptr(GError) err = parse_error;
    struct json_object *result = NULL, *reply, *id;

    if (request) {
        result = run(mon, request, &err);
    }
    if (err) {
        reply = error_reply(err);
        json_object_put(result);
    } else {
        reply = json_object_new_object();
        json_object_object_add(reply, "return", result);
    }
    if (request && json_object_object_get_ex(request, "id", &id)) {
        json_object_object_add(reply, "id", json_object_get(id));
    }
    send(mon, reply);
    json_object_put(reply);
    json_object_put(request);
}

bool qmp_monitor_negotiated(GError **errp)
{
    if (!current) {
        error_set(errp, "'qmp_capabilities' is for QMP sessions only");
        return false;
    }
    if (current->negotiated) {
        error_set_class(errp, ERROR_CLASS_COMMAND_NOT_FOUND,
                        "capabilities were negotiated already in this session");
        return false;
    }
    current->negotiated = true;
    return true;
}

/* ---- the character device ---- */

static void greet(QmpMonitor *mon)
{
    struct json_object *greeting = json_object_new_object(), *qmp = json_object_new_object();
    VersionInfo *version = qmp_query_version(NULL);

    json_object_object_add(qmp, "version", VersionInfo_to_json(version));
    json_object_object_add(qmp, "capabilities", json_object_new_array());
    json_object_object_add(greeting, "QMP", qmp);
    send(mon, greeting);
    json_object_put(greeting);
    VersionInfo_free(version);
}

static int can_receive(void *opaque)
{
    QmpMonitor *mon = opaque;

    return char_unsent(&mon->fe) <= UNSENT_FOR_COMMANDS ? READ_SIZE : 0;
}

static void receive(void *opaque, const uint8_t *buf, int len)
{
    json_stream_feed(((QmpMonitor *)opaque)->input, buf, len);
}

static void event(void *opaque, CharEvent what)
{
    QmpMonitor *mon = opaque;

    if (what == CHAR_EVENT_OPENED || what == CHAR_EVENT_CLOSED) { /* a fresh session */
        mon->negotiated = mon->warned = false;
        json_stream_reset(mon->input);
        if (what == CHAR_EVENT_OPENED) {
            greet(mon);
        }
    }
}

QmpMonitor *qmp_monitor_new(Chardev *chr, bool pretty, GError **errp)
{
    QmpMonitor *mon = g_new0(QmpMonitor, 1);

    mon->pretty = pretty;
    mon->input = json_stream_new(receive_object, mon);
    mon->fe = (CharFrontend){
        .can_receive = can_receive,
        .receive = receive,
        .event = event,
        .opaque = mon,
        .keep_output = true,
        .background = true,
    };
    if (!monitors) {
        monitors = g_ptr_array_new();
        qapi_event_set_emitter(emit_event);
    }
    if (!char_attach(chr, &mon->fe, errp)) {
        json_stream_free(mon->input);
        g_free(mon);
        return NULL;
    }
    g_ptr_array_add(monitors, mon);
    return mon;
}

void qmp_monitor_free(QmpMonitor *mon)
{
    g_ptr_array_remove(monitors, mon);
    char_detach(&mon->fe);
    json_stream_free(mon->input);
    g_free(mon);
}
