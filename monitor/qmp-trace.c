/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands as a log may have them: others read logs, so what is secret is not in them. */
#include <string.h>

#include "monitor/monitor-internal.h"

#define HIDDEN "***"

static bool begins(struct json_object *obj, const char *key, const char *prefix)
{
    const char *text = json_object_get_string(json_object_object_get(obj, key));

    return text && g_str_has_prefix(text, prefix);
}

/* A password, the data of a secret, or a line of HMP with one of these. */
static bool is_secret(struct json_object *obj, const char *key, const char *text)
{
    return !strcmp(key, "password") ||
           (!strcmp(key, "data") && begins(obj, "qom-type", "secret")) ||
           (!strcmp(key, "command-line") && (strstr(text, "password") || strstr(text, "secret")));
}

static void hide(struct json_object *json)
{
    if (json_object_is_type(json, json_type_array)) {
        for (size_t i = 0; i < json_object_array_length(json); i++) {
            hide(json_object_array_get_idx(json, i));
        }
    } else if (json_object_is_type(json, json_type_object)) {
        json_object_object_foreach(json, key, value)
        {
            if (json_object_is_type(value, json_type_string) &&
                is_secret(json, key, json_object_get_string(value))) {
                json_object_set_string(value, HIDDEN);
            } else {
                hide(value);
            }
        }
    }
}

char *qmp_trace_text(struct json_object *command)
{
    struct json_object *copy = NULL;
    char *text;

    json_object_deep_copy(command, &copy, NULL);
    hide(copy);
    text = g_strdup(json_object_to_json_string(copy));
    json_object_put(copy);
    return text;
}
