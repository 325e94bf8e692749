/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/img/open.h"

#include <string.h>

#include "block/filename.h"
#include "block/driver.h"
#include "block/guess.h"
#include "block/raw.h"
#include "block/snapshot-internal.h"
#include "util/error.h"
#include "util/keyval.h"
#include "util/parse.h"

const char *img_guess(const char *name, GError **errp)
{
    const char *format = NULL;

    name += name && g_str_has_prefix(name, "file:") ? strlen("file:") : 0;
    return !block_guess_format(name, &format, errp) ? NULL : format ? format : "raw";
}

/* -drive's names of cache modes. */
static bool set_cache(struct json_object *json, const char *mode, GError **errp)
{
    struct json_object *cache = json_object_new_object();
    bool direct = g_strcmp0(mode, "none") == 0 || g_strcmp0(mode, "directsync") == 0;
    bool known = direct || !mode || !strcmp(mode, "writeback") || !strcmp(mode, "writethrough") ||
                 !strcmp(mode, "unsafe");

    if (!known) {
        error_set(errp,
                  "there is no cache mode '%s': use none, writeback, writethrough, directsync or "
                  "unsafe",
                  mode);
    }
    keyval_default_flag(cache, "direct", direct);
    keyval_default_flag(cache, "no-flush", g_strcmp0(mode, "unsafe") == 0);
    json_object_object_add(json, "cache", cache);
    return known;
}

static bool is_format(const char *driver)
{
    static const char *const formats[] = { "raw", "qcow2", "blkdebug", NULL };

    return g_strv_contains(formats, driver);
}

/* Options of the file, and of the format on top of it, unless the name has that too ("json:"). */
static bool describe(const ImgOpen *how, struct json_object *json, GError **errp)
{
    struct json_object *file = json_object_new_object();
    const char *driver;

    if (!block_filename_options(file, how->name, errp)) {
        json_object_put(file);
        return false;
    }
    driver = keyval_get_text(file, "driver");
    if (driver && is_format(driver) && !how->format) {
        bool ok = keyval_merge(json, file, errp);

        json_object_put(file);
        return ok;
    }
    driver = how->format ? how->format : img_guess(keyval_get_text(file, "filename"), errp);
    if (driver) {
        json_object_object_add(json, "driver", keyval_text_new(driver));
    }
    json_object_object_add(json, "file", file);
    return driver != NULL;
}

/* The file itself, at the bottom of what is described here, has no locks. */
static void set_unlocked(struct json_object *json)
{
    struct json_object *file;

    while (json_object_object_get_ex(json, "file", &file) &&
           json_object_is_type(file, json_type_object)) {
        json = file;
    }
    if (g_strcmp0(keyval_get_text(json, "driver"), "file") == 0) {
        json_object_object_add(json, "locking", keyval_text_new("off"));
    }
}

static struct json_object *options_of(const ImgOpen *how, GError **errp)
{
    struct json_object *json, *file;
    bool ok = true;

    if (how->flags & IMG_OPEN_OPTIONS) {
        if (how->format) {
            error_set(errp, "a format does not go with --image-opts: give driver= there");
            return NULL;
        }
        json = keyval_or_json_parse(how->name, "driver", errp);
        if (!json) {
            return NULL;
        }
        if (!keyval_get_text(json, "driver")) {
            const char *driver = img_guess(json_object_object_get_ex(json, "file", &file)
                                               ? keyval_get_text(file, "filename")
                                               : NULL,
                                           errp);

            if (!driver) {
                json_object_put(json);
                return NULL;
            }
            json_object_object_add(json, "driver", keyval_text_new(driver));
        }
        if (json_object_object_get_ex(json, "file", &file) && keyval_get_text(file, "filename") &&
            !keyval_get_text(file, "driver")) {
            json_object_object_add(file, "driver", keyval_text_new("file"));
        }
    } else {
        json = json_object_new_object();
        ok = describe(how, json, errp);
    }
    if (how->aio && json_object_object_get_ex(json, "file", &file) &&
        json_object_is_type(file, json_type_object)) {
        json_object_object_add(file, "aio", keyval_text_new(how->aio));
    }
    keyval_default_flag(json, "read-only", !(how->flags & IMG_OPEN_WRITE));
    if (how->flags & IMG_OPEN_SHARE) {
        set_unlocked(json);
    }
    if (how->flags & IMG_OPEN_WRITE_FILE && json_object_object_get_ex(json, "file", &file) &&
        json_object_is_type(file, json_type_object)) {
        keyval_default_flag(file, "read-only", false);
    }
    if (how->flags & IMG_OPEN_NO_BACKING &&
        g_strcmp0(keyval_get_text(json, "driver"), "qcow2") == 0) {
        json_object_object_add(json, "backing", keyval_text_new(""));
    }
    if (how->flags & IMG_OPEN_WRITE) {
        json_object_object_add(json, "discard", keyval_text_new("unmap"));
    }
    if (!json_object_object_get_ex(json, "cache", NULL)) {
        ok = ok && set_cache(json, how->cache, errp);
    }
    if (!ok) {
        g_clear_pointer(&json, json_object_put);
    }
    return json;
}

/* ---- what errors call them ---- */

static GHashTable *files; /* of the names of nodes: what they are to users */

/* What users call the one that is opened, and of those below it the file. */
typedef struct Naming {
    const BlockNode *top;
    const char *name;
} Naming;

static void name_node(BlockNode *node, void *opaque)
{
    const Naming *naming = opaque;
    const char *name = node == naming->top ? naming->name : node->filename;

    if (*node->name == '#' && name && !g_hash_table_contains(files, node->name)) {
        g_hash_table_insert(files, g_strdup(node->name), g_strdup(name));
    }
}

static gboolean replace(const GMatchInfo *match, GString *out, gpointer other)
{
    g_autofree char *whole = g_match_info_fetch(match, 0), *node = g_match_info_fetch(match, 1);
    const char *name = files ? g_hash_table_lookup(files, node) : NULL;

    name = name ? name : other;
    g_string_append(out, name ? name : whole);
    return FALSE;
}

char *img_name_files(const char *text, const char *other)
{
    g_autoptr(GRegex) regex = g_regex_new("(?:(?:block )?node )?'(#block[0-9]+)'", 0, 0, NULL);
    char *named = g_regex_replace_eval(regex, text, -1, 0, 0, replace, (gpointer)other, NULL);

    return named ? named : g_strdup(text); /* it is no UTF-8 */
}

/* It is open, or not: an error speaks of it then. */
static void name_image(const ImgOpen *how, BlockNode *node, GError **errp)
{
    bool plain = !(how->flags & IMG_OPEN_OPTIONS) && !g_str_has_prefix(how->name, "json:");
    const Naming naming = { node, plain ? how->name : node ? node->filename : NULL };
    char *text;

    files = files ? files : g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    if (node) {
        block_node_foreach(name_node, (void *)&naming);
    }
    if (errp && *errp) {
        text = img_name_files((*errp)->message, plain ? how->name : NULL);
        g_free((*errp)->message);
        (*errp)->message = text;
    }
}

bool img_open(ImgImage *image, const ImgOpen *how, GError **errp)
{
    struct json_object *json = options_of(how, errp);
    g_autoptr(BlockdevOptions) options = json ? BlockdevOptions_from_json(json, NULL, errp) : NULL;
    BlockNode *node = options ? block_node_open(options, errp) : NULL;
    unsigned writes = BLOCK_PERM_WRITE | BLOCK_PERM_RESIZE, uses = BLOCK_PERM_READ;
    bool ok;

    if (how->flags & IMG_OPEN_WRITE) {
        uses |= how->flags & IMG_OPEN_RESIZE ? writes : BLOCK_PERM_WRITE;
    }
    json_object_put(json);
    if (node && !how->format && !(how->flags & IMG_OPEN_OPTIONS) && !node->read_only &&
        node->options->driver == BLOCKDEV_DRIVER_RAW && !g_str_has_prefix(how->name, "json:")) {
        error_warn("%s is taken for raw: what would make it look like another format is not "
                   "written; say -f raw",
                   how->name);
        raw_forbid_formats(node);
    }
    ok = node && block_edge_attach(
                     &image->edge, node, "dimmable-img", uses,
                     how->flags & IMG_OPEN_SHARE ? BLOCK_PERM_ALL : BLOCK_PERM_ALL & ~writes, errp);
    name_image(how, node, errp);
    block_node_unref(node);
    return ok;
}

bool img_lock_file(ImgImage *image, bool fix, GError **errp)
{
    const unsigned writes = BLOCK_PERM_WRITE | BLOCK_PERM_RESIZE;

    return !fix || block_edge_change(&image->edge.node->file, BLOCK_PERM_READ | writes,
                                     BLOCK_PERM_ALL & ~writes, errp);
}

bool img_close(ImgImage *image, GError **errp)
{
    BlockNode *node = image->edge.node;
    g_autofree char *name = node ? g_strdup(node->filename) : NULL;
    int err = node && !node->read_only ? block_node_flush(node) : 0;

    block_edge_detach(&image->edge);
    if (err) {
        error_set_errno(errp, err, "%s: what was written may not be on the disk", name);
    }
    return !err;
}

void img_image_clear(ImgImage *image)
{
    img_close(image, NULL);
}

static bool is_id(BlockNode *node, const char *text)
{
    g_autoptr(GPtrArray) all =
        node->driver->snapshot_list ? node->driver->snapshot_list(node, NULL) : NULL;

    for (unsigned i = 0; all && i < all->len; i++) {
        if (strcmp(((const SnapshotInfo *)all->pdata[i])->id, text) == 0) {
            return true;
        }
    }
    return false;
}

/* Has @json only members that say which snapshot? */
static bool says_which(struct json_object *json, struct json_object **which)
{
    bool known = json_object_object_get_ex(json, "snapshot", which) &&
                 json_object_is_type(*which, json_type_object);

    if (known) {
        json_object_object_foreach(*which, key, value)
        {
            known = known && value && (!strcmp(key, "id") || !strcmp(key, "name")) &&
                    json_object_is_type(value, json_type_string);
        }
    }
    return known && json_object_object_length(json) == 1;
}

bool img_load_snapshot(const ImgImage *image, const char *which, GError **errp)
{
    BlockNode *node = image->edge.node;
    struct json_object *json, *members;
    bool ok;

    if (!g_str_has_prefix(which, "snapshot.")) {
        ok = is_id(node, which);
        return block_snapshot_load(node, ok ? which : NULL, ok ? NULL : which, errp);
    }
    json = keyval_parse(which, NULL, errp);
    if (!json) {
        return false;
    }
    ok = says_which(json, &members);
    if (ok) {
        ok = block_snapshot_load(node, keyval_get_text(members, "id"),
                                 keyval_get_text(members, "name"), errp);
    } else {
        error_set(errp,
                  "-l %s says no snapshot: give its id or name, or snapshot.id=ID, "
                  "snapshot.name=NAME, or both with a comma between them",
                  which);
    }
    json_object_put(json);
    return ok;
}

bool img_parse_rate(const ImgArgs *args, const char *command, uint64_t *rate, GError **errp)
{
    *rate = 0;
    if (args->rate && (!img_parse_size("-r", args->rate, rate, errp) || !*rate)) {
        g_clear_error(errp);
        error_set(errp, "%s: -r %s is not possible: use bytes a second, such as 100M", command,
                  args->rate);
        return false;
    }
    return true;
}

bool img_parse_size(const char *what, const char *text, uint64_t *size, GError **errp)
{
    g_autoptr(GError) err = NULL;

    if (parse_size(text, 1, size, &err) && *size <= BLOCK_MAX_SIZE) {
        return true;
    }
    error_set(errp, "%s '%s' is no size: bytes, or with k, M, G, T, P or E, at most 2^63 - 1024",
              what, text);
    return false;
}
