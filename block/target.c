/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/target.h"

#include <string.h>

#include "block/commit.h"
#include "block/create.h"
#include "block/driver.h"
#include "block/filename.h"
#include "block/guess.h"
#include "util/error.h"

/* What has that which is not copied; NULL: nothing. */
static BlockNode *backing_for(const BlockTarget *target, BlockNode *source)
{
    return target->sync == MIRROR_SYNC_MODE_TOP    ? block_skip_filters(source)->backing.node
           : target->sync == MIRROR_SYNC_MODE_NONE ? source
                                                   : NULL;
}

/* NULL, and an error: one that there is no driver of. */
static const char *format_for(const BlockTarget *target, const BlockNode *source, GError **errp)
{
    const char *guessed = NULL;

    if (target->format) {
        return target->format;
    }
    if (target->existing && !block_guess_format(target->path, &guessed, errp)) {
        return NULL;
    }
    return target->existing ? (guessed ? guessed : "raw") : block_chain_format(source);
}

static bool make(const BlockTarget *target, const char *format, BlockNode *source, GError **errp)
{
    BlockNode *backing = backing_for(target, source);
    int64_t size = block_node_length(source);
    g_autofree char *full = NULL, *cwd = g_get_current_dir();

    if (size < 0) {
        error_set_errno(errp, (int)-size, "the size of block node '%s' is not known", source->name);
        return false;
    }
    if (strcmp(format, "raw") == 0) {
        return block_create_raw(target->path, (uint64_t)size, BLOCK_PREALLOCATION_OFF, NULL, errp);
    }
    full = backing && backing->filename ? g_canonicalize_filename(backing->filename, cwd) : NULL;
    const BlockQcow2Create create = { BLOCK_QCOW2_DEFAULTS, .size = (uint64_t)size, .backing = full,
                                      .backing_format = full ? block_chain_format(backing) : NULL };
    return block_create_qcow2(target->path, &create, errp);
}

static void set_text(struct json_object *json, const char *key, const char *value)
{
    json_object_object_add(json, key, json_object_new_string(value));
}

/* The node's options: as those of the source, where they are not of its image. */
static struct json_object *options_for(const BlockTarget *target, const char *format,
                                       BlockNode *source, GError **errp)
{
    struct json_object *json = json_object_new_object(), *file = json_object_new_object(),
                       *cache = json_object_new_object();
    const BlockNode *backing = backing_for(target, source);

    json_object_object_add(json, "file", file);
    json_object_object_add(json, "cache", cache);
    if (!block_filename_options(file, target->path, errp)) {
        json_object_put(json);
        return NULL;
    }
    set_text(json, "driver", format);
    if (target->node_name) {
        set_text(json, "node-name", target->node_name);
    }
    set_text(json, "discard", "unmap");
    set_text(json, "detect-zeroes", BlockdevDetectZeroesOptions_str(source->detect_zeroes));
    json_object_object_add(cache, "direct", json_object_new_boolean(source->direct));
    json_object_object_add(cache, "no-flush", json_object_new_boolean(source->no_flush));
    if (strcmp(format, "qcow2") == 0 && (backing || target->sync != MIRROR_SYNC_MODE_FULL)) {
        set_text(json, "backing", backing ? backing->name : "");
    }
    return json;
}

/* What is not copied is not in the target: only an image with a backing file has it then. */
static bool check_raw(const BlockTarget *target, const BlockNode *source, const BlockNode *backing,
                      GError **errp)
{
    bool is_read = target->backup && target->sync == MIRROR_SYNC_MODE_NONE;

    if (backing && (!target->existing || is_read)) {
        error_set(errp,
                  "format raw has no backing files, and sync=%s does not copy all that block node "
                  "'%s' has: use format=qcow2 or sync=full",
                  MirrorSyncMode_str(target->sync), source->name);
        return false;
    }
    return true;
}

BlockNode *block_target_open(const BlockTarget *target, BlockNode *source, GError **errp)
{
    const char *format = format_for(target, source, errp);
    g_autoptr(BlockdevOptions) options = NULL;
    struct json_object *json;

    if (!format) {
        return NULL;
    }
    if (strcmp(format, "raw") != 0 && strcmp(format, "qcow2") != 0) {
        error_set(errp, "format '%s' cannot be written: use raw or qcow2", format);
        return NULL;
    }
    if (strcmp(format, "raw") == 0 &&
        !check_raw(target, source, backing_for(target, source), errp)) {
        return NULL;
    }
    if (target->node_name && !block_node_check_name(target->node_name, errp)) {
        return NULL;
    }
    if (!target->existing && !make(target, format, source, errp)) {
        return NULL;
    }
    json = options_for(target, format, source, errp);
    options = json ? BlockdevOptions_from_json(json, NULL, errp) : NULL;
    json_object_put(json);
    return options ? block_node_open(options, errp) : NULL;
}
