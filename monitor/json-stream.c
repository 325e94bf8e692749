/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "monitor/json-stream.h"

#include <string.h>

#include "util/error.h"
#include "util/json.h"

struct JsonStream {
    JsonStreamFn *fn;
    void *opaque;
    JsonParser *parser;
    size_t size, items; /* of this object until now */
    bool line_start;
    bool paused; /* leave the rest of this feed */
    /* after an error, until what is malformed is over */
    bool skipping;
    unsigned depth; /* of its brackets */
    uint8_t quote;  /* in a string: its quote; else 0 */
    bool backslash; /* ... and after a backslash */
    bool loose;     /* there was garbage: brackets and quotes mean nothing until the line's end */
};

JsonStream *json_stream_new(JsonStreamFn *fn, void *opaque)
{
    JsonStream *stream = g_new0(JsonStream, 1);

    stream->fn = fn;
    stream->opaque = opaque;
    stream->parser = json_parser_new(JSON_STREAM_MAX_DEPTH);
    json_stream_reset(stream);
    return stream;
}

void json_stream_free(JsonStream *stream)
{
    if (stream) {
        json_parser_free(stream->parser);
        g_free(stream);
    }
}

/* Ready for a new object. */
static void begin(JsonStream *stream)
{
    json_parser_reset(stream->parser);
    stream->size = stream->items = 0;
    stream->skipping = stream->loose = false;
}

void json_stream_reset(JsonStream *stream)
{
    begin(stream);
    stream->line_start = true;
}

/* Report an error and begin to skip, from where the parser is. */
static void fail(JsonStream *stream, const char *what)
{
    GError *err = NULL;

    stream->depth = json_parser_depth(stream->parser);
    stream->quote = json_parser_quote(stream->parser, &stream->backslash);
    begin(stream);
    stream->skipping = true;
    error_set(&err, "JSON: %s", what);
    stream->fn(NULL, err, stream->opaque);
}

/* ---- skipping ---- */

/* Bytes that cannot be in JSON: what was begun is over. */
static bool is_garbage(uint8_t c, bool in_string)
{
    if (in_string) {
        return c < 0x20;
    }
    return !g_ascii_isalnum(c) && (!c || !strchr(",\"'{}[]:+-._ \t\r\n", c));
}

static void skip_string_byte(JsonStream *stream, uint8_t c)
{
    if (stream->backslash) {
        stream->backslash = false;
    } else if (c == '\\') {
        stream->backslash = true;
    } else if (c == stream->quote) {
        stream->quote = 0;
    }
}

/* A byte of what is malformed. */
static void skip_byte(JsonStream *stream, uint8_t c)
{
    if (is_garbage(c, stream->quote)) {
        stream->loose = true;
        stream->quote = 0;
        stream->depth = 0;
    }
    if (stream->quote) {
        skip_string_byte(stream, c);
    } else if (c == '\n' && !stream->depth) {
        begin(stream);
    } else if (stream->loose) {
        return;
    } else if (c == '"' || c == '\'') {
        stream->quote = c;
    } else if (c == '{' || c == '[') {
        stream->depth++;
    } else if ((c == '}' || c == ']') && stream->depth && --stream->depth == 0) {
        begin(stream);
    }
}

/* ---- objects ---- */

/* The next byte to the parser. False after an error, from which @c is still to be skipped. */
static bool put(JsonStream *stream, uint8_t c)
{
    g_autoptr(GError) err = NULL;
    JsonState state = json_parser_put(stream->parser, c, &err);

    if (state == JSON_DONE) {
        struct json_object *value = json_parser_take(stream->parser);

        begin(stream);
        stream->fn(value, NULL, stream->opaque);
    } else if (state == JSON_ERROR) {
        fail(stream, err->message);
    }
    return state != JSON_ERROR;
}

/* Between objects. False after an error. */
static bool idle_byte(JsonStream *stream, uint8_t c)
{
    if (c == '{') {
        return put(stream, c);
    }
    if (c && strchr(" \t\r\n", c)) {
        return true;
    }
    fail(stream, c == '[' ? "a command must be an object, {...}, not a list"
                          : "a command must be an object, {...}");
    return false;
}

/* Within an object. False after an error. */
static bool object_byte(JsonStream *stream, uint8_t c)
{
    bool backslash, in_string = json_parser_quote(stream->parser, &backslash);

    stream->size++;
    stream->items += !in_string && strchr("{[,", c) && c;
    if (stream->size > JSON_STREAM_MAX_SIZE || stream->items > JSON_STREAM_MAX_ITEMS) {
        fail(stream, "too large; a command may have 64 MiB and 2 million values");
        return false;
    }
    return put(stream, c);
}

/* A byte of what is not malformed until now. False after an error. */
static bool good_byte(JsonStream *stream, uint8_t c)
{
    return json_parser_depth(stream->parser) ? object_byte(stream, c) : idle_byte(stream, c);
}

static void feed_byte(JsonStream *stream, uint8_t c)
{
    bool brace = c == '{', line_start = stream->line_start;

    stream->line_start = c == '\n';
    if (c == 0xff) { /* never in UTF-8: a client uses it to start over */
        fail(stream, "broken off by a byte 0xFF");
        begin(stream);
        return;
    }
    /* A new command, where the last one is broken. */
    if (stream->skipping && brace && !stream->quote && (line_start || !stream->depth)) {
        begin(stream);
    }
    if (stream->skipping) {
        skip_byte(stream, c);
    } else if (!good_byte(stream, c)) {
        if (brace && line_start) { /* it broke here, being not complete */
            begin(stream);
            good_byte(stream, c);
        } else {
            skip_byte(stream, c);
        }
    }
}

/* A piece of a string, or a byte. */
static size_t feed_some(JsonStream *stream, const uint8_t *buf, size_t len)
{
    size_t plain = stream->skipping
                       ? 0
                       : json_parser_put_plain(stream->parser, buf,
                                               MIN(len, JSON_STREAM_MAX_SIZE - stream->size));

    if (plain) {
        stream->size += plain;
        stream->line_start = false;
        return plain;
    }
    feed_byte(stream, *buf);
    return 1;
}

size_t json_stream_feed(JsonStream *stream, const uint8_t *buf, size_t len)
{
    size_t taken = 0;

    stream->paused = false;
    while (taken < len && !stream->paused) {
        taken += feed_some(stream, buf + taken, len - taken);
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
