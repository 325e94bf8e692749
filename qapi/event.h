/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Events: generated qapi_event_send_NAME() functions build them, one emitter (the monitor) takes
 * them. Machine lock.
 */
#ifndef QAPI_EVENT_H
#define QAPI_EVENT_H

#include <json-c/json.h>

/* @emit gets the whole event, borrowed: {"timestamp": {...}, "event": NAME, "data": {...}}, with no
 * "data" where the schema gives none. NULL: events are dropped (the state at start).
 * Forgets limited events that wait. */
void qapi_event_set_emitter(void (*emit)(const char *name, struct json_object *event));

/* @hear is told the name of each event when it happens, also of those that wait or that nobody
 * takes; by the thread that it happens in. NULL: nobody is (the state at start). */
void qapi_event_set_listener(void (*hear)(const char *name));

/* Used by generated code. Takes @data, which may be NULL. */
void qapi_event_emit(const char *name, struct json_object *data);
/* The same for events with a "rate-limit-ms": the first goes out at once; of those that come less
 * than @ms milliseconds (of the host's time) after it, only the last, when that time is over. @by:
 * the member of @data that tells apart what is limited on its own ("rate-limit-by"), or NULL. */
void qapi_event_emit_limited(const char *name, struct json_object *data, unsigned ms,
                             const char *by);

#endif
