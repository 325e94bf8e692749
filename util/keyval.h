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
 * Parse @text into a JSON object. "," separates, ",," is a comma in a value. A first element
 * without
 * "=" is the value of @implied_key, if that is not NULL; other elements without "=" mean key=on
 * ("nokey" is not special). "a.b=1" is member b of the object a; "a.0=1,a.1=2" is the list a, whose
 * elements are numbered from 0 without a gap. Of a key that comes again the last value counts, but
 * keyval_texts() has them all, for lists. Values are texts, in the sense below. New reference; an
 * error names the key.
 */
struct json_object *keyval_parse(const char *text, const char *implied_key, GError **errp);

/* As keyval_parse(), but text that begins with "{" is JSON, with values that have types. */
struct json_object *keyval_or_json_parse(const char *text, const char *implied_key, GError **errp);

/* The same for a device, whose type is `driver`, which may come first: properties of devices have
 * names with dots ("zoned", and "zoned.zone_size"), so that "a.b=1" is the member "a.b"; "a.0=1" is
 * an element of the list a even so. */
struct json_object *keyval_device_parse(const char *text, GError **errp);

/* Add the members of @from to @into: those of an object that both have to that of @into, others in
 * place of what @into has. An error, with some of it done perhaps, if one has an object where the
 * other has not. */
bool keyval_merge(struct json_object *into, struct json_object *from, GError **errp);

/*
 * A text is a JSON string that says that it was typed where JSON has types too: the QAPI visitor
 * (qapi/visit.h), and with it every property, makes of it a number, a size, a truth value or a
 * list, as the schema asks for. To everything else it is a string.
 */
struct json_object *keyval_text_new(const char *text); /* new reference */
/* The string that member @key of @obj is, or NULL; borrowed. */
const char *keyval_get_text(struct json_object *obj, const char *key);
/* Member @key of @obj is @value, if there is none. */
void keyval_default_flag(struct json_object *obj, const char *key, bool value);
/* What was given for its key, in order, the last one being the string itself; ends with NULL;
 * borrowed. NULL if @value is no text. */
const char *const *keyval_texts(struct json_object *value);
/* If member @key of @obj is a text that ends in a digit, put @suffix behind it, but for hexadecimal
 * numbers: for options whose sizes are in another unit than bytes where none is given. */
void keyval_default_suffix(struct json_object *obj, const char *key, const char *suffix);
/* Each string in @value becomes a text: for JSON from users who may write "3" for 3. */
void keyval_mark_texts(struct json_object *value);

#endif
