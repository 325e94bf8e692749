/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/drive-node.h"

#include <string.h>

#include "block/filename.h"
#include "block/guess.h"
#include "block/raw.h"
#include "util/error.h"
#include "util/keyval.h"

/* ---- its options ---- */

/* "file" is a text, and "file.locking" a member of an object of this name: the text gets a name of
 * its own, which no user can mean. */
#define FILE_TEXT "file/text"

/* @text with that name for each element "file=TEXT"; g_free. */
static char *rename_file(const char *text)
{
    GString *out = g_string_new(NULL);
    bool begin = true;

    for (const char *p = text; *p; p++) {
        if (begin && g_str_has_prefix(p, "file=")) {
            g_string_append(out, FILE_TEXT);
            p += strlen("file") - 1;
        } else {
            g_string_append_c(out, *p);
        }
        begin = p[0] == ',' && p[1] != ',';
        if (p[0] == ',' && p[1] == ',') {
            g_string_append_c(out, *++p);
        }
    }
    return g_string_free(out, FALSE);
}

static void move_member(struct json_object *from, const char *key, struct json_object *to,
                        const char *new_key)
{
    struct json_object *value;

    if (json_object_object_get_ex(from, key, &value)) {
        json_object_object_add(to, new_key, json_object_get(value));
        json_object_object_del(from, key);
    }
}

/* A member of -drive's own, and not an object where that has a plain value ("cache.direct"). */
static bool is_own(const char *key, struct json_object *value)
{
    for (const QapiMember *m = DriveOptions_type.members; m->name; m++) {
        if (strcmp(key, m->name) == 0) {
            return !json_object_is_type(value, json_type_object) || strcmp(key, "throttling") == 0;
        }
    }
    return false;
}

DriveArg *drive_parse(const char *text, GError **errp)
{
    g_autofree char *renamed = rename_file(text);
    struct json_object *own = keyval_or_json_parse(renamed, NULL, errp);
    g_autoptr(DriveArg) arg = g_new0(DriveArg, 1);
    g_autoptr(GPtrArray) others = g_ptr_array_new_with_free_func(g_free);

    if (!own) {
        return NULL;
    }
    json_object_object_foreach(own, key, value)
    {
        if (!is_own(key, value) && strcmp(key, FILE_TEXT) != 0) {
            g_ptr_array_add(others, g_strdup(key));
        }
    }
    arg->node = json_object_new_object();
    for (unsigned i = 0; i < others->len; i++) {
        move_member(own, others->pdata[i], arg->node, others->pdata[i]);
    }
    move_member(own, FILE_TEXT, own, "file");
    arg->options = DriveOptions_from_json(own, NULL, errp);
    json_object_put(own);
    if (arg->options && !arg->options->has_q_if) {
        arg->options->q_if = DRIVE_INTERFACE_IDE;
    }
    return arg->options ? g_steal_pointer(&arg) : NULL;
}

void drive_arg_free(DriveArg *arg)
{
    if (arg) {
        DriveOptions_free(arg->options);
        json_object_put(arg->node);
        g_free(arg);
    }
}

/* ---- the node ---- */

static void set_text(struct json_object *json, const char *key, const char *value)
{
    if (value && !json_object_object_get_ex(json, key, NULL)) {
        json_object_object_add(json, key, keyval_text_new(value));
    }
}

/* A driver that has the bytes itself, and no node below. */
static bool has_bytes(const char *driver)
{
    static const char *const drivers[] = { "file", "host_device", "nbd", "null-co", NULL };

    return g_strv_contains(drivers, driver);
}

/* A file need not say that it is one, however far below it is. */
static void default_drivers(struct json_object *json)
{
    static const char *const below[] = { "file", "backing" };

    if (keyval_get_text(json, "filename")) {
        set_text(json, "driver", "file");
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(below); i++) {
        struct json_object *node;

        if (json_object_object_get_ex(json, below[i], &node) &&
            json_object_is_type(node, json_type_object)) {
            default_drivers(node);
        }
    }
}

/* The driver of the node on top: as it is given. NULL without @errp: it is not. */
static const char *given_driver(const DriveArg *arg, GError **errp)
{
    const char *driver = keyval_get_text(arg->node, "driver"), *format = arg->options->format;

    if (driver && format && strcmp(driver, format) != 0) {
        error_set(errp, "driver=%s and format=%s are the same thing: give one", driver, format);
    }
    return driver ? driver : format;
}

/* What all nodes have, as -drive has it, into @json. */
static void set_common(const DriveOptions *drive, bool temporary, struct json_object *json)
{
    struct json_object *cache;
    bool direct = drive->has_cache &&
                  (drive->cache == DRIVE_CACHE_NONE || drive->cache == DRIVE_CACHE_DIRECTSYNC);
    bool no_flush = drive->has_cache && drive->cache == DRIVE_CACHE_UNSAFE;
    bool unmap = drive->has_discard &&
                 (drive->discard == DRIVE_DISCARD_UNMAP || drive->discard == DRIVE_DISCARD_ON);

    keyval_default_flag(json, "read-only", drive_is_read_only(drive) || temporary);
    keyval_default_flag(json, "auto-read-only", drive->auto_read_only);
    if (!json_object_object_get_ex(json, "cache", &cache)) {
        cache = json_object_new_object();
        json_object_object_add(json, "cache", cache);
    }
    if (json_object_is_type(cache, json_type_object)) {
        keyval_default_flag(cache, "direct", direct);
        keyval_default_flag(cache, "no-flush", no_flush);
    }
    set_text(json, "discard", unmap ? "unmap" : "ignore");
    set_text(json, "detect-zeroes", BlockdevDetectZeroesOptions_str(drive->detect_zeroes));
}

/* The options of the node with the bytes into @json: @arg's `file`, as a text and as options. */
static bool set_bytes(const DriveArg *arg, struct json_object *json, GError **errp)
{
    const DriveOptions *drive = arg->options;

    if (drive->file && !block_filename_options(json, drive->file, errp)) {
        return false;
    }
    default_drivers(json);
    const char *driver = keyval_get_text(json, "driver");
    if (drive->has_aio && driver && (!strcmp(driver, "file") || !strcmp(driver, "host_device"))) {
        set_text(json, "aio", BlockdevAioOptions_str(drive->aio));
    }
    return true;
}

/* All options of the node on top: a new reference. @guessed: its driver is raw as nothing else was
 * said or seen. */
static struct json_object *node_options(const DriveArg *arg, bool temporary, bool *guessed,
                                        GError **errp)
{
    GError *err = NULL;
    const char *driver = given_driver(arg, &err);
    const char *seen = NULL;
    struct json_object *json, *below, *file = NULL;
    bool given = json_object_object_get_ex(arg->node, "file", &file);
    bool ok;

    if (err) {
        g_propagate_error(errp, err);
        return NULL;
    }
    if (!driver && !given && !arg->options->file) {
        error_set(errp, "file= is missing: what the drive holds");
        return NULL;
    }
    json = json_object_new_object();
    ok = keyval_merge(json, arg->node, errp);
    if (driver && has_bytes(driver)) {
        set_text(json, "driver", driver);
        ok = ok && set_bytes(arg, json, errp);
    } else if (ok && (arg->options->file || json_object_is_type(file, json_type_object))) {
        below = json_object_new_object();
        ok = (!given || keyval_merge(below, file, errp)) && set_bytes(arg, below, errp);
        json_object_object_add(json, "file", below);
        ok = ok && (driver || block_guess_format(keyval_get_text(below, "filename"), &seen, errp));
        *guessed = !driver && !seen;
    }
    set_text(json, "driver", driver ? driver : seen ? seen : "raw");
    set_common(arg->options, temporary, json);
    if (!ok) {
        g_clear_pointer(&json, json_object_put);
    }
    return json;
}

bool drive_is_empty(const DriveArg *arg)
{
    const DriveOptions *drive = arg->options;

    return (drive->q_if == DRIVE_INTERFACE_FLOPPY ||
            (drive->has_media && drive->media == DRIVE_MEDIA_CDROM)) &&
           !drive->file && !drive->format && json_object_object_length(arg->node) == 0;
}

BlockNode *drive_node_open(const DriveArg *arg, bool temporary, GError **errp)
{
    bool guessed = false;
    struct json_object *json = node_options(arg, temporary, &guessed, errp);
    g_autoptr(BlockdevOptions) parsed = json ? BlockdevOptions_from_json(json, NULL, errp) : NULL;
    BlockNode *node = parsed ? block_node_open(parsed, errp) : NULL;

    json_object_put(json);
    if (node && guessed && node->options->driver == BLOCKDEV_DRIVER_RAW && arg->options->file &&
        !drive_is_read_only(arg->options)) {
        error_warn("-drive file=%s has no format=: it is taken for raw, and the guest cannot write "
                   "what would make it look like another; say format=raw",
                   arg->options->file);
        raw_forbid_formats(node);
    }
    return node;
}

BlockNode *drive_node_copy_on_read(const DriveArg *arg, BlockNode *node, GError **errp)
{
    struct json_object *json = json_object_new_object();
    g_autoptr(BlockdevOptions) parsed = NULL;
    BlockNode *above;

    set_text(json, "driver", "copy-on-read");
    set_text(json, "file", node->name);
    set_common(arg->options, false, json);
    parsed = BlockdevOptions_from_json(json, NULL, errp);
    json_object_put(json);
    above = parsed ? block_node_open(parsed, errp) : NULL;
    if (above) {
        above->implicit = true;
    }
    block_node_unref(node); /* the edge has its own */
    return above;
}
