/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qapi/event.h"

#include <glib.h>

static void (*emitter)(const char *name, struct json_object *event);

void qapi_event_set_emitter(void (*emit)(const char *name, struct json_object *event))
{
    emitter = emit;
}

static struct json_object *timestamp(void)
{
    int64_t now = g_get_real_time();
    struct json_object *obj = json_object_new_object();

    json_object_object_add(obj, "seconds", json_object_new_int64(now / G_USEC_PER_SEC));
    json_object_object_add(obj, "microseconds", json_object_new_int64(now % G_USEC_PER_SEC));
    return obj;
}

void qapi_event_emit(const char *name, struct json_object *data)
{
    struct json_object *event;

    if (!emitter) {
        json_object_put(data);
        return;
    }
    event = json_object_new_object();
    json_object_object_add(event, "timestamp", timestamp());
    json_object_object_add(event, "event", json_object_new_string(name));
    if (data) {
        json_object_object_add(event, "data", data);
    }
    emitter(name, event);
    json_object_put(event);
}
