/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qapi/event.h"
#include "util/trace.h"

#include <glib.h>

/* A kind of event that was sent a moment ago: the next ones wait, and only the last is kept. */
typedef struct Limit {
    char *key; /* in `limits` */
    char *name;
    guint source;                /* ends the moment */
    struct json_object *pending; /* or NULL */
} Limit;

static void (*emitter)(const char *name, struct json_object *event);
static void (*listener)(const char *name);
static GHashTable *limits; /* key -> Limit */

static void limit_free(void *opaque)
{
    Limit *limit = opaque;

    if (limit->source) {
        g_source_remove(limit->source);
    }
    json_object_put(limit->pending);
    g_free(limit->key);
    g_free(limit->name);
    g_free(limit);
}

void qapi_event_set_emitter(void (*emit)(const char *name, struct json_object *event))
{
    emitter = emit;
    g_clear_pointer(&limits, g_hash_table_unref);
}

void qapi_event_set_listener(void (*hear)(const char *name))
{
    listener = hear;
}

static void tell_listener(const char *name)
{
    if (listener) {
        listener(name);
    }
}

static struct json_object *timestamp(void)
{
    int64_t now = g_get_real_time();
    struct json_object *obj = json_object_new_object();

    json_object_object_add(obj, "seconds", json_object_new_int64(now / G_USEC_PER_SEC));
    json_object_object_add(obj, "microseconds", json_object_new_int64(now % G_USEC_PER_SEC));
    return obj;
}

/* Takes @data. */
static struct json_object *event_new(const char *name, struct json_object *data)
{
    struct json_object *event = json_object_new_object();

    json_object_object_add(event, "timestamp", timestamp());
    json_object_object_add(event, "event", json_object_new_string(name));
    if (data) {
        json_object_object_add(event, "data", data);
    }
    return event;
}

/* Takes @event. */
static void emit(const char *name, struct json_object *event)
{
    trace(TRACE_QMP_EVENT, "%s", json_object_to_json_string(event));
    emitter(name, event);
    json_object_put(event);
}

void qapi_event_emit(const char *name, struct json_object *data)
{
    tell_listener(name);
    if (!emitter) {
        json_object_put(data);
        return;
    }
    emit(name, event_new(name, data));
}

static gboolean limit_over(gpointer opaque)
{
    Limit *limit = opaque;

    if (!limit->pending) {
        limit->source = 0;
        g_hash_table_remove(limits, limit->key);
        return G_SOURCE_REMOVE;
    }
    emit(limit->name, g_steal_pointer(&limit->pending));
    return G_SOURCE_CONTINUE;
}

void qapi_event_emit_limited(const char *name, struct json_object *data, unsigned ms,
                             const char *by)
{
    const char *which = by ? json_object_get_string(json_object_object_get(data, by)) : NULL;
    g_autofree char *key = g_strdup_printf("%s %s", name, which ? which : "");
    Limit *limit;

    tell_listener(name);
    if (!emitter) {
        json_object_put(data);
        return;
    }
    if (!limits) {
        limits = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, limit_free);
    }
    limit = g_hash_table_lookup(limits, key);
    if (limit) {
        json_object_put(limit->pending);
        limit->pending = event_new(name, data);
        return;
    }
    limit = g_new0(Limit, 1);
    limit->key = g_steal_pointer(&key);
    limit->name = g_strdup(name);
    limit->source = g_timeout_add(ms, limit_over, limit);
    g_hash_table_insert(limits, limit->key, limit);
    emit(name, event_new(name, data));
}
