/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dimmable-img info: what an image says of itself. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "block/image-info.h"
#include "block/image-text.h"
#include "tools/img/open.h"
#include "tools/img/output.h"
#include "util/error.h"

/* An image, and what only its format has. */
typedef struct Found {
    ImageInfo *info;
    bool qcow2;
    BlockQcow2Facts facts;
    struct json_object *bitmaps; /* an array; NULL: it is none of version 3 */
    GString *text;               /* for people */
} Found;

static void found_free(gpointer p)
{
    Found *found = p;

    ImageInfo_free(found->info);
    json_object_put(found->bitmaps);
    g_string_free(found->text, TRUE);
    g_free(found);
}

static const char *compat(const Found *found)
{
    return found->facts.version == 2 ? "0.10" : "1.1";
}

static const char *compression(const Found *found)
{
    return found->facts.zstd ? "zstd" : "zlib";
}

static void add_bitmap(const char *name, uint32_t granularity, bool in_use, bool enabled,
                       void *opaque)
{
    struct json_object *json = json_object_new_object(), *flags = json_object_new_array();

    if (in_use) {
        json_object_array_add(flags, json_object_new_string("in-use"));
    }
    if (enabled) {
        json_object_array_add(flags, json_object_new_string("auto"));
    }
    json_object_object_add(json, "flags", flags);
    json_object_object_add(json, "name", json_object_new_string(name));
    img_add_number(json, "granularity", granularity);
    json_object_array_add(opaque, json);
}

static void add_bool(struct json_object *json, const char *key, bool value)
{
    json_object_object_add(json, key, json_object_new_boolean(value));
}

static struct json_object *json_of(const Found *found)
{
    struct json_object *json = ImageInfo_to_json(found->info), *specific, *data;

    if (!found->qcow2) {
        return json;
    }
    specific = json_object_new_object();
    data = json_object_new_object();
    json_object_object_add(specific, "type", json_object_new_string("qcow2"));
    json_object_object_add(specific, "data", data);
    json_object_object_add(data, "compat", json_object_new_string(compat(found)));
    json_object_object_add(data, "compression-type", json_object_new_string(compression(found)));
    img_add_number(data, "refcount-bits", found->facts.refcount_bits);
    if (found->facts.version == 3) {
        add_bool(data, "lazy-refcounts", found->facts.lazy_refcounts);
        if (json_object_array_length(found->bitmaps)) {
            json_object_object_add(data, "bitmaps", json_object_get(found->bitmaps));
        }
        add_bool(data, "corrupt", found->facts.corrupt);
        add_bool(data, "extended-l2", false);
    }
    json_object_object_add(json, "format-specific", specific);
    return json;
}

/* Of one image: NULL, and an error. */
static Found *find_out(const ImgArgs *args, const char *name, const char *format, bool first,
                       GError **errp)
{
    g_auto(ImgImage) image = { 0 };
    Found *found;
    const ImgOpen how = { .name = name,
                          .format = format,
                          .flags = IMG_OPEN_NO_BACKING |
                                   (args->image_opts && first ? IMG_OPEN_OPTIONS : 0) |
                                   (args->force_share ? IMG_OPEN_SHARE : 0) };

    if (!img_open(&image, &how, errp)) {
        return NULL;
    }
    found = g_new0(Found, 1);
    found->info = block_image_info(image.edge.node, false);
    found->info->has_dirty_flag = true;
    if (!found->info->filename) {
        found->info->filename = g_strdup(name);
    }
    found->text = g_string_new(NULL);
    block_image_text(found->text, image.edge.node, found->info);
    found->qcow2 = block_qcow2_facts(image.edge.node, &found->facts);
    if (found->qcow2 && found->facts.version == 3) {
        found->bitmaps = json_object_new_array();
        block_qcow2_bitmaps(image.edge.node, add_bitmap, found->bitmaps);
    }
    return found;
}

/* The image, and with --backing-chain those below it. */
static GPtrArray *collect(const ImgArgs *args, GError **errp)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(found_free);
    const char *name = args->files[0], *format = args->format;

    while (name) {
        Found *found;

        if (!g_hash_table_add(seen, g_strdup(name))) {
            error_set(errp, "%s is in its own chain of backing files", name);
            return NULL;
        }
        found = find_out(args, name, format, list->len == 0, errp);
        if (!found) {
            return NULL;
        }
        g_ptr_array_add(list, found);
        name = args->chain ? found->info->full_backing_filename : NULL;
        format = found->info->backing_filename_format;
    }
    return g_steal_pointer(&list);
}

static void print_json(const GPtrArray *list, bool chain)
{
    struct json_object *all = json_object_new_array();

    for (unsigned i = 0; i < list->len; i++) {
        json_object_array_add(all, json_of(list->pdata[i]));
    }
    if (!chain) {
        struct json_object *one = json_object_get(json_object_array_get_idx(all, 0));

        json_object_put(all);
        all = one;
    }
    img_print_json(all);
}

static int run(ImgArgs *args)
{
    g_autoptr(GPtrArray) list = NULL;
    GError *err = NULL;
    bool json;

    if (!img_output_is_json(args, &json, &err) || !(list = collect(args, &err))) {
        return img_fail(err);
    }
    if (json) {
        print_json(list, args->chain);
        return IMG_OK;
    }
    for (unsigned i = 0; i < list->len; i++) {
        printf("%s", i ? "\n" : "");
        fputs(((const Found *)list->pdata[i])->text->str, stdout);
    }
    return IMG_OK;
}

static const ImgOption options[] = {
    IMG_OPTION_FORMAT,
    IMG_OPTION_OUTPUT,
    IMG_OPTION(0, "backing-chain", IMG_FLAG, NULL, chain, "the images below it, too"),
    IMG_OPTION_SHARE,
    IMG_OPTION_IMAGE_OPTS,
    IMG_OPTION_OBJECT,
    IMG_OPTION_END,
};
const ImgCommand img_info = {
    "info", "FILE", "Tell size, format, backing file and snapshots of an image", options, 1, 1,
    false,  run,
};
