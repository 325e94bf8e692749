/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/filename.h"

#include <string.h>
#include <sys/stat.h>

#include "util/error.h"
#include "util/keyval.h"

static void set_text(struct json_object *json, const char *key, const char *value)
{
    if (!json_object_object_get_ex(json, key, NULL)) {
        json_object_object_add(json, key, keyval_text_new(value));
    }
}

bool block_filename_options(struct json_object *json, const char *name, GError **errp)
{
    struct stat st;

    if (g_str_has_prefix(name, "json:")) {
        struct json_object *given = keyval_or_json_parse(name + strlen("json:"), NULL, errp);
        bool ok = given && keyval_merge(json, given, errp);

        json_object_put(given);
        return ok;
    }
    if (strcmp(name, "null-co://") == 0) {
        set_text(json, "driver", "null-co");
        return true;
    }
    name += g_str_has_prefix(name, "file:") ? strlen("file:") : 0;
    set_text(json, "driver", stat(name, &st) == 0 && S_ISBLK(st.st_mode) ? "host_device" : "file");
    set_text(json, "filename", name);
    return true;
}

/* "json:..." and "file:..." have a meaning to users, which a colon behind a slash has not. */
static bool is_special(const char *name)
{
    const char *colon = strchr(name, ':'), *slash = strchr(name, '/');

    return colon && (!slash || colon < slash);
}

char *block_filename_relative(const char *name, const char *base)
{
    g_autofree char *dir = NULL;

    if (g_path_is_absolute(name) || (!strchr(base, '/') && !is_special(name))) {
        return g_strdup(name);
    }
    dir = g_path_get_dirname(base);
    return g_build_filename(dir, name, NULL);
}
