/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line's "key=value,key=value" form, and JSON in its place.
 */
#ifndef UTIL_KEYVAL_H
#define UTIL_KEYVAL_H

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>

/*
 * Parse @text into a JSON object of strings. "," separates, ",," is a comma in a value. A first
 * element without "=" is the value of @implied_key, if that is not NULL; other elements without
 * "=" mean key=on ("nokey" is not special). A later key replaces an earlier one, but lists of host
 * nodes and CPUs add up: host-nodes=0,host-nodes=2-3 is "0,2-3". New reference.
 */
struct json_object *keyval_parse(const char *text, const char *implied_key, GError **errp);

/* Set "a.b.c" of @obj to the string @text: member c of member b of member a, which are objects and
 * are made if they are not there. An error if a part of the key is empty, one of them is a string,
 * or the last an object. */
bool keyval_add_nested(struct json_object *obj, const char *key, const char *text, GError **errp);

/* As keyval_parse(), but text that begins with "{" is JSON with typed values; *@from_text tells
 * which it was, in the sense of object_set_properties(). */
struct json_object *keyval_or_json_parse(const char *text, const char *implied_key, bool *from_text,
                                         GError **errp);

/* Sizes: digits with an optional suffix B k M G T P E (1024-based, fraction allowed: "1.5G").
 * A bare number is multiplied by @default_unit. */
bool size_parse(const char *text, uint64_t default_unit, uint64_t *out, GError **errp);
bool bool_parse(const char *text, bool *out);                   /* on/off yes/no true/false y/n */
bool uint_parse(const char *text, uint64_t max, uint64_t *out); /* decimal or 0x, at most @max */

#endif
