/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A stream of bytes in, JSON objects out (RFC 8259, with 'single-quoted' strings as QMP allows).
 *
 * What is malformed is reported once and then passed over: up to the bracket that closes it, a byte
 * 0xFF, or a line that begins with "{", whichever comes first. Memory is bounded.
 */
#ifndef MONITOR_JSON_STREAM_H
#define MONITOR_JSON_STREAM_H

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>

#define JSON_STREAM_MAX_SIZE  (64u << 20) /* bytes of one object */
#define JSON_STREAM_MAX_DEPTH 1024
#define JSON_STREAM_MAX_ITEMS (2u << 20) /* values in one object */

typedef struct JsonStream JsonStream;

/* @fn gets each object (its own reference), or NULL with an error (its own too). It must not free
 * the stream, but may json_stream_pause() it. */
typedef void JsonStreamFn(struct json_object *value, GError *err, void *opaque);

JsonStream *json_stream_new(JsonStreamFn *fn, void *opaque);
void json_stream_free(JsonStream *stream);
/* Forget what is half there. */
void json_stream_reset(JsonStream *stream);
/* Returns how many of the bytes were taken: all, unless it was paused. */
size_t json_stream_feed(JsonStream *stream, const uint8_t *buf, size_t len);
/* From JsonStreamFn: take no more of this feed. */
void json_stream_pause(JsonStream *stream);

/* @value on one line as QMP writes it ({"a": 1, "b": []}), or indented if @pretty. Strings that are
 * not UTF-8 are repaired. */
GString *json_print(struct json_object *value, bool pretty);

#endif
