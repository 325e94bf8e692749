/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/core/opts.h"

#include "util/error.h"

bool opts_check_keys(struct json_object *opts, const char *const *known, GError **errp)
{
    json_object_object_foreach(opts, key, value)
    {
        (void)value;
        if (!g_strv_contains(known, key)) {
            g_autofree char *list = g_strjoinv(", ", (char **)known);
            error_set(errp, "there is no key '%s'; use %s", key, list);
            return false;
        }
    }
    return true;
}

const char *opts_get(struct json_object *opts, const char *key)
{
    struct json_object *value;

    return json_object_object_get_ex(opts, key, &value) ? json_object_get_string(value) : NULL;
}
