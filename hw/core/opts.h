/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading the JSON object that keyval_parse() makes of "key=value,...".
 */
#ifndef HW_CORE_OPTS_H
#define HW_CORE_OPTS_H

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>

/* False, with an error that names the key and lists those there are, if @opts has a key that is not
 * in @known (NULL-terminated). */
bool opts_check_keys(struct json_object *opts, const char *const *known, GError **errp);

/* The value as text, borrowed; NULL if the key is not there. */
const char *opts_get(struct json_object *opts, const char *key);

#endif
