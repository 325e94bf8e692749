/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "monitor/json-stream.h"

#include <string.h>

#include "util/error.h"

struct JsonStream {
    JsonStreamFn *fn;
    void *opaque;
    struct json_tokener *tokener; /* parses; what is below only finds the borders of things */
    GString *ready;               /* checked and converted, for the tokener */
    size_t size, items;           /* of this object until now */
    unsigned depth;               /* of brackets */
    uint8_t quote;                /* in a string: its quote; else 0 */
    bool backslash;               /* ... and after a backslash */
    bool line_start;
    bool skipping; /* after an error */
    bool paused;   /* leave the rest of this feed */
};

JsonStream *json_stream_new(JsonStreamFn *fn, void *opaque)
{
    JsonStream *stream = g_new0(JsonStream, 1);

    stream->fn = fn;
    stream->opaque = opaque;
    stream->tokener = json_tokener_new_ex(JSON_STREAM_MAX_DEPTH);
    json_tokener_set_flags(stream->tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    stream->ready = g_string_new(NULL);
    json_stream_reset(stream);
    return stream;
}

void json_stream_free(JsonStream *stream)
{
    if (stream) {
        json_tokener_free(stream->tokener);
        g_string_free(stream->ready, TRUE);
        g_free(stream);
    }
}

/* Ready for a new object. */
static void begin(JsonStream *stream)
{
    json_tokener_reset(stream->tokener);
    g_string_set_size(stream->ready, 0);
    stream->size = stream->items = 0;
    stream->depth = 0;
    stream->quote = 0;
    stream->backslash = false;
    stream->skipping = false;
}

void json_stream_reset(JsonStream *stream)
{
    begin(stream);
    stream->line_start = true;
}

/* Report an error, once, and begin to skip. */
static void fail(JsonStream *stream, const char *what)
{
    GError *err = NULL;

    if (stream->skipping) {
        return;
    }
    stream->skipping = true;
    json_tokener_reset(stream->tokener);
    g_string_set_size(stream->ready, 0);
    error_set(&err, "JSON: %s", what);
    stream->fn(NULL, err, stream->opaque);
}

/* Give what is ready to the tokener. False after an error. */
static bool flush(JsonStream *stream)
{
    struct json_object *value;
    enum json_tokener_error rc;

    if (stream->skipping || !stream->ready->len) {
        return !stream->skipping;
    }
    value = json_tokener_parse_ex(stream->tokener, stream->ready->str, (int)stream->ready->len);
    rc = json_tokener_get_error(stream->tokener);
    if (rc == json_tokener_continue) {
        g_string_set_size(stream->ready, 0);
        return true;
    }
    if (rc != json_tokener_success) {
        fail(stream, rc == json_tokener_error_depth ? "nested too deep; 1024 levels are allowed"
                                                    : json_tokener_error_desc(rc));
        return false;
    }
    begin(stream);
    stream->fn(value, NULL, stream->opaque);
    return true;
}

/* A byte inside a string. */
static void string_byte(JsonStream *stream, uint8_t c)
{
    GString *out = stream->ready;

    if (c < 0x20) {
        if (c == '\n') { /* the closing quote was forgotten, most likely */
            stream->quote = 0;
        }
        stream->backslash = false;
        fail(stream, "control characters in a string must be written with a backslash");
        return;
    }
    if (stream->backslash) {
        stream->backslash = false;
        if (c == '\'') {
            g_string_truncate(out, out->len - 1); /* \' is ' in JSON */
        }
        g_string_append_c(out, c);
    } else if (c == stream->quote) {
        stream->quote = 0;
        g_string_append_c(out, '"');
    } else {
        if (c == '"') {
            g_string_append_c(out, '\\');
        }
        stream->backslash = c == '\\';
        g_string_append_c(out, c);
    }
}

/* A byte outside strings, within an object. */
static void value_byte(JsonStream *stream, uint8_t c)
{
    switch (c) {
    case '"':
    case '\'':
        stream->quote = c;
        c = '"';
        break;
    case '{':
    case '[':
        stream->depth++;
        stream->items++;
        break;
    case ',':
        stream->items++;
        break;
    case '}':
    case ']':
        stream->depth--;
        break;
    default:
        /* json-c would take comments, NaN and others. */
        if (!c || !strchr(" \t\r\n:+-.0123456789eEtrufalsn", c)) {
            fail(stream, "unexpected character");
        }
    }
    g_string_append_c(stream->ready, c);
}

/* Between objects. */
static void idle_byte(JsonStream *stream, uint8_t c)
{
    if (c == '{' || c == '[') {
        begin(stream);
        value_byte(stream, c);
        if (c == '[') {
            fail(stream, "a command must be an object, {...}, not a list");
        }
    } else if (!strchr(" \t\r\n", c) || !c) {
        fail(stream, "a command must be an object, {...}");
    }
}

static void feed_byte(JsonStream *stream, uint8_t c)
{
    bool line_start = stream->line_start;

    stream->line_start = c == '\n';
    if (c == 0xff) { /* never in UTF-8: a client uses it to start over */
        if (stream->depth) {
            fail(stream, "broken off by a byte 0xFF");
        }
        begin(stream);
        return;
    }
    if (line_start && c == '{' && stream->depth && !stream->quote) {
        /* A new command, if the last one is broken or can go on with anything but "{". */
        unsigned depth = stream->depth;

        if (!flush(stream)) {
            begin(stream);
        } else {
            g_string_append_c(stream->ready, c);
            if (flush(stream)) {
                stream->depth = depth + 1;
                stream->items++;
                stream->size++;
                return;
            }
            begin(stream);
        }
    }
    if (!stream->depth) {
        if (c == '\n') {
            begin(stream);
        }
        idle_byte(stream, c);
        return;
    }
    if (stream->quote) {
        string_byte(stream, c);
    } else {
        value_byte(stream, c);
    }
    stream->size++;
    if (stream->size > JSON_STREAM_MAX_SIZE || stream->items > JSON_STREAM_MAX_ITEMS) {
        fail(stream, "too large; a command may have 64 MiB and 2 million values");
    }
    if (stream->skipping) {
        g_string_set_size(stream->ready, 0);
    }
    if (!stream->depth && !stream->quote) {
        flush(stream);
        begin(stream);
    } else if (c == '\n') {
        flush(stream);
    }
}

size_t json_stream_feed(JsonStream *stream, const uint8_t *buf, size_t len)
{
    size_t taken = 0;

    stream->paused = false;
    while (taken < len && !stream->paused) {
        feed_byte(stream, buf[taken++]);
    }
    if (!stream->quote) { /* the tokener wants characters of several bytes in one piece */
        flush(stream);
    }
    return taken;
}

void json_stream_pause(JsonStream *stream)
{
    stream->paused = true;
}

/* ---- printing ---- */

static void print_string(GString *out, const char *text, int len)
{
    g_autofree char *valid = g_utf8_validate(text, len, NULL) ? NULL : g_utf8_make_valid(text, len);
    struct json_object *obj =
        valid ? json_object_new_string(valid) : json_object_new_string_len(text, len);

    g_string_append(out, json_object_to_json_string_ext(obj, JSON_C_TO_STRING_PLAIN |
                                                                 JSON_C_TO_STRING_NOSLASHESCAPE));
    json_object_put(obj);
}

/* Before an element, and before the closing bracket. */
static void print_break(GString *out, bool pretty, unsigned depth, bool first)
{
    if (pretty) {
        g_string_append_printf(out, "\n%*s", (int)(depth * 4), "");
    } else if (!first) {
        g_string_append_c(out, ' ');
    }
}

static void print_value(GString *out, struct json_object *value, bool pretty, unsigned depth)
{
    bool first = true;

    switch (json_object_get_type(value)) {
    case json_type_object:
        g_string_append_c(out, '{');
        json_object_object_foreach(value, key, member)
        {
            g_string_append(out, first ? "" : ",");
            print_break(out, pretty, depth + 1, first);
            print_string(out, key, (int)strlen(key));
            g_string_append(out, ": ");
            print_value(out, member, pretty, depth + 1);
            first = false;
        }
        if (!first) {
            print_break(out, pretty, depth, true);
        }
        g_string_append_c(out, '}');
        break;
    case json_type_array:
        g_string_append_c(out, '[');
        for (size_t i = 0; i < json_object_array_length(value); i++) {
            g_string_append(out, first ? "" : ",");
            print_break(out, pretty, depth + 1, first);
            print_value(out, json_object_array_get_idx(value, i), pretty, depth + 1);
            first = false;
        }
        if (!first) {
            print_break(out, pretty, depth, true);
        }
        g_string_append_c(out, ']');
        break;
    case json_type_string:
        print_string(out, json_object_get_string(value), json_object_get_string_len(value));
        break;
    default:
        g_string_append(out, json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN));
    }
}

GString *json_print(struct json_object *value, bool pretty)
{
    GString *out = g_string_new(NULL);

    print_value(out, value, pretty, 0);
    return out;
}
