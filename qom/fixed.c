/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qom/fixed.h"

#include "util/error.h"

static bool refuse(const Property *prop, const char *given, const char *possible, GError **errp)
{
    error_set(errp, "%s=%s: %s; only %s possible", prop->name, given, prop->description, possible);
    return false;
}

bool fixed_check(Object *obj, const Property *prop, struct json_object *value, GError **errp)
{
    return json_object_get_boolean(value) == prop->default_int ||
           refuse(prop, prop->default_int ? "off" : "on", prop->default_int ? "on is" : "off is",
                  errp);
}

struct json_object *fixed_get(Object *obj, const Property *prop, GError **errp)
{
    return json_object_new_string(prop->default_str);
}

bool fixed_set(Object *obj, const Property *prop, struct json_object *value, GError **errp)
{
    bool there = g_str_equal(prop->default_str, "auto");
    const char *text = value ? json_object_get_string(value) : "null"; /* of a truth value, too */

    return g_str_equal(text, "auto") || g_str_equal(text, there ? "on" : "off") ||
           g_str_equal(text, there ? "true" : "false") ||
           refuse(prop, text, there ? "on and auto are" : "off and auto are", errp);
}
