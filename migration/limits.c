/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/limits.h"

#include <string.h>

#include "block/backend.h"
#include "util/error.h"

/* ---- saving ---- */

/* {"limits": ThrottleLimits, "group": the name} */
static struct json_object *limits_of(const ThrottleConfig *config, const char *group)
{
    ThrottleLimits *limits = throttle_config_to_limits(config);
    struct json_object *obj = json_object_new_object();

    json_object_object_add(obj, "limits", ThrottleLimits_to_json(limits));
    if (group) {
        json_object_object_add(obj, "group", json_object_new_string(group));
    }
    ThrottleLimits_free(limits);
    return obj;
}

static void add_drive(BlockBackend *backend, void *drives)
{
    ThrottleGroup *group = backend->limits ? throttle_member_group(backend->limits) : NULL;
    const ThrottleConfig config = group ? throttle_group_config(group) : (ThrottleConfig){ 0 };

    if (backend->device && backend->limits_origin != THROTTLE_STARTED) {
        json_object_object_add(drives, backend->device,
                               limits_of(&config, group ? throttle_group_name(group) : NULL));
    }
}

static void add_group(ThrottleGroup *group, void *groups)
{
    const ThrottleConfig config = throttle_group_config(group);

    json_object_object_add(groups, throttle_group_name(group), limits_of(&config, NULL));
}

struct json_object *saved_limits_take(void)
{
    struct json_object *obj = json_object_new_object(), *drives = json_object_new_object(),
                       *groups = json_object_new_object();

    json_object_object_add(obj, "drives", drives);
    json_object_object_add(obj, "groups", groups);
    block_backend_foreach(add_drive, drives);
    throttle_groups_foreach_changed(add_group, groups);
    if (!json_object_object_length(drives) && !json_object_object_length(groups)) {
        json_object_put(obj);
        return NULL;
    }
    return obj;
}

bool saved_limits_write(struct json_object *limits, Stream *stream, GError **errp)
{
    const char *text =
        limits ? json_object_to_json_string_ext(limits, JSON_C_TO_STRING_PLAIN) : NULL;

    return !text || stream_put_record(stream, RECORD_LIMITS, "limits", text, strlen(text), errp);
}

/* ---- loading ---- */

struct json_object *saved_limits_read(const Record *record, GError **errp)
{
    g_autofree char *text = g_strndup((const char *)record->data, record->size);
    struct json_object *obj = json_tokener_parse(text);

    if (!json_object_is_type(obj, json_type_object)) {
        error_set(errp, "the limits of the machine that was saved are no JSON object");
        g_clear_pointer(&obj, json_object_put);
    }
    return obj;
}

static bool parse(struct json_object *value, ThrottleConfig *config, const char **group,
                  GError **errp)
{
    struct json_object *member = NULL, *name = NULL;
    g_autoptr(ThrottleLimits) limits = NULL;

    *config = (ThrottleConfig){ 0 };
    *group = "";
    if (json_object_is_type(value, json_type_object)) {
        json_object_object_get_ex(value, "limits", &member);
        json_object_object_get_ex(value, "group", &name);
    }
    if (!json_object_is_type(member, json_type_object)) {
        error_set(errp, "they are no JSON object");
        return false;
    }
    if (name) {
        *group = json_object_get_string(name);
    }
    limits = ThrottleLimits_from_json(member, "limits", errp);
    if (limits) {
        throttle_config_update(config, limits);
    }
    return limits;
}

typedef struct Search {
    const char *path;
    BlockBackend *found;
} Search;

static void match(BlockBackend *backend, void *opaque)
{
    Search *search = opaque;

    if (g_strcmp0(backend->device, search->path) == 0) {
        search->found = backend;
    }
}

static bool load_drive(const char *path, struct json_object *value, GError **errp)
{
    Search search = { path, NULL };
    ThrottleConfig config;
    const char *group;

    block_backend_foreach(match, &search);
    if (!search.found) {
        error_set(errp, "there is no such device with a drive here");
        return false;
    }
    if (!parse(value, &config, &group, errp)) {
        return false;
    }
    if (search.found->limits_origin == THROTTLE_CHANGED) {
        return true;
    }
    search.found->limits_origin = THROTTLE_CAME;
    return block_backend_set_limits(search.found, &config, group, errp);
}

static bool load_group(const char *name, struct json_object *value, GError **errp)
{
    ThrottleConfig config;
    const char *unused;

    return parse(value, &config, &unused, errp) && throttle_group_came(name, &config, errp);
}

static bool load_each(struct json_object *limits, const char *kind, const char *what,
                      bool (*load)(const char *name, struct json_object *value, GError **errp),
                      GError **errp)
{
    struct json_object *list = NULL;

    json_object_object_get_ex(limits, kind, &list);
    if (!json_object_is_type(list, json_type_object)) {
        error_set(errp, "the limits of the machine that was saved have no '%s'", kind);
        return false;
    }
    json_object_object_foreach(list, name, value)
    {
        if (!load(name, value, errp)) {
            g_prefix_error(errp, "the limits of %s '%s': ", what, name);
            return false;
        }
    }
    return true;
}

bool saved_limits_load(struct json_object *limits, GError **errp)
{
    return !limits || (load_each(limits, "groups", "throttle group", load_group, errp) &&
                       load_each(limits, "drives", "device", load_drive, errp));
}
