/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A parser of JSON (RFC 8259), fed byte by byte, that takes nothing for what it is not. json-c has
 * the values; its own parser keeps the last of two equal keys, cuts strings at U+0000, replaces
 * half surrogate pairs, passes what is no UTF-8 and makes the nearest 64-bit number of a longer
 * one. Here the first four are errors, and an integer that does not fit is a json_type_double with
 * its digits kept, as fractions have: it prints as it was written and is no integer to anyone.
 *
 * One extension: strings may be in single quotes, with \' in them.
 *
 * Not thread safe: each parser is used by one thread at a time.
 */
#ifndef UTIL_JSON_H
#define UTIL_JSON_H

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct JsonParser JsonParser;

typedef enum JsonState {
    JSON_MORE,  /* the value is not complete */
    JSON_DONE,  /* it is: json_parser_take() */
    JSON_ERROR, /* it never will be: json_parser_reset() */
} JsonState;

/* @max_depth: of brackets. */
JsonParser *json_parser_new(unsigned max_depth);
void json_parser_free(JsonParser *parser); /* NULL is fine */
/* Forget what is half there; for the next value. */
void json_parser_reset(JsonParser *parser);

/* The next byte. Blanks before a value are JSON_MORE. A number outside of brackets ends with the
 * blank behind it. @errp is set with JSON_ERROR. Not to be called after JSON_DONE or JSON_ERROR. */
JsonState json_parser_put(JsonParser *parser, uint8_t c, GError **errp);
/* In a string: take of @bytes what is nothing but its characters, from the beginning on. The number
 * of those that were taken, perhaps 0; the next goes to json_parser_put(). */
size_t json_parser_put_plain(JsonParser *parser, const uint8_t *bytes, size_t len);
/* After JSON_DONE, once: the value (new reference; NULL is JSON's null). Resets. */
struct json_object *json_parser_take(JsonParser *parser);

/* Brackets that are open. */
unsigned json_parser_depth(const JsonParser *parser);
/* The quote that ends the string that the last byte was in, or 0; *@backslash: and it is escaped.
 */
uint8_t json_parser_quote(const JsonParser *parser, bool *backslash);

/* All of @text is one object, with blanks around it perhaps. New reference, or NULL with an error
 * that tells where. */
struct json_object *json_parse_object(const char *text, GError **errp);

/* Is @value an integer of more than 64 bits? */
bool json_is_long_integer(struct json_object *value);

#endif
