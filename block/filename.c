/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/filename.h"

#include <string.h>
#include <sys/stat.h>

#include "block/blkdebug-file.h"
#include "block/nbd-uri.h"
#include "util/error.h"
#include "util/keyval.h"

static void set_text(struct json_object *json, const char *key, const char *value)
{
    if (!json_object_object_get_ex(json, key, NULL)) {
        json_object_object_add(json, key, keyval_text_new(value));
    }
}

/* @text is RULES:IMAGE, the first of which may be empty. */
static bool blkdebug_options(struct json_object *json, const char *text, GError **errp)
{
    const char *colon = strchr(text, ':');
    g_autofree char *rules = colon ? g_strndup(text, (size_t)(colon - text)) : NULL;
    struct json_object *image = json_object_new_object();

    set_text(json, "driver", "blkdebug");
    json_object_object_add(json, "image", image);
    if (!colon) {
        error_set(errp, "blkdebug:%s: wanted is blkdebug:RULES:IMAGE, the first of which is a file",
                  text);
        return false;
    }
    return (!*rules || blkdebug_read_file(json, rules, errp)) &&
           block_filename_options(image, colon + 1, errp);
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
    if (g_str_has_prefix(name, "blkdebug:")) {
        return blkdebug_options(json, name + strlen("blkdebug:"), errp);
    }
    if (strcmp(name, "null-co://") == 0) {
        set_text(json, "driver", "null-co");
        return true;
    }
    if (nbd_uri_is(name)) {
        return nbd_uri_options(json, name, errp);
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
