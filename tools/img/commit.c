/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dimmable-img commit: what an image has goes to its backing file. */
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

#include "block/image-info.h"
#include "tools/img/copy.h"
#include "tools/img/open.h"
#include "tools/img/output.h"
#include "util/error.h"

enum { SPARSE = 4096, THREADS = 8, LAYERS_MAX = 200 };

/* An image that is written to the base, open without its backing file. */
typedef struct Layer {
    ImgImage image;
    ImageInfo *info;
} Layer;

static void layer_free(gpointer opaque)
{
    Layer *layer = opaque;

    img_image_clear(&layer->image);
    g_clear_pointer(&layer->info, ImageInfo_free);
    g_free(layer);
}

/* ---- which images ---- */

static bool is_same_file(const char *one, const char *other)
{
    struct stat a, b;

    return stat(one, &a) == 0 && stat(other, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

/* Does @info say of its backing file that it is @name? */
static bool is_above(const ImageInfo *info, const char *name)
{
    return strcmp(name, info->full_backing_filename) == 0 ||
           strcmp(name, info->backing_filename) == 0 ||
           is_same_file(name, info->full_backing_filename);
}

/* @layer says which file is below, and of which format it is. */
static bool check_backing(const Layer *layer, const ImgArgs *args, GError **errp)
{
    const char *name = layer->info->filename;

    if (!layer->info->full_backing_filename) {
        if (args->backing) {
            error_set(errp,
                      "commit: -b %s is not below %s: %s, the last image there, is another one",
                      args->backing, args->files[0], name);
        } else {
            error_set(errp, "%s has no backing file: there is nothing that it could be written to",
                      name);
        }
        return false;
    }
    if (!layer->info->backing_filename_format) {
        error_set(errp,
                  "%s does not say what format its backing file has: 'dimmable-img rebase -u' can "
                  "write it there",
                  name);
        return false;
    }
    return true;
}

/* Into @layers, from @how on down to the one above the base. */
static bool open_layers(const ImgOpen *how, const ImgArgs *args, GPtrArray *layers, GError **errp)
{
    ImgOpen next = *how;

    for (;;) {
        Layer *layer = g_new0(Layer, 1);

        g_ptr_array_add(layers, layer);
        if (!img_open(&layer->image, &next, errp)) {
            return false;
        }
        layer->info = block_image_info(layer->image.edge.node, false);
        if (!check_backing(layer, args, errp)) {
            return false;
        }
        if (!args->backing || is_above(layer->info, args->backing)) {
            return true;
        }
        if (layers->len == LAYERS_MAX) {
            error_set(errp, "commit: -b %s is not one of the %d images from %s on down",
                      args->backing, LAYERS_MAX, args->files[0]);
            return false;
        }
        next.name = layer->info->full_backing_filename;
        next.format = layer->info->backing_filename_format;
        next.flags = IMG_OPEN_NO_BACKING;
    }
}

/* ---- writing ---- */

/* @from's contents, over what @to has; it becomes as long at least. */
static bool copy_down(BlockNode *from, BlockNode *to, const ImgArgs *args, uint64_t rate,
                      GError **errp)
{
    int64_t length = block_node_length(from), old = block_node_length(to);
    ImgCopy copy = { .from = from,
                     .to = to,
                     .bytes = (uint64_t)MAX(length, 0),
                     .total = (uint64_t)MAX(length, 0),
                     .above = true,
                     .sparse = SPARSE,
                     .rate = rate,
                     .threads = THREADS,
                     .args = args };
    int err = length < 0     ? (int)-length
              : old < 0      ? (int)-old
              : old < length ? block_node_truncate(to, copy.bytes)
                             : 0;

    if (err) {
        error_set_errno(errp, err, "%s cannot have %" PRIu64 " bytes", to->filename, copy.bytes);
        return false;
    }
    img_progress(args, 0, copy.total);
    if (!img_copy(&copy, errp)) {
        return false;
    }
    img_progress(args, copy.total, copy.total);
    img_progress_end(args);
    return true;
}

/* What is behind the end of @from is zeros for the images above it. */
static bool clear_end(BlockNode *from, BlockNode *to, GError **errp)
{
    int64_t length = block_node_length(from), end = block_node_length(to);
    int err = length < end ? block_node_write_zeroes(to, (uint64_t)length, (uint64_t)(end - length),
                                                     BLOCK_UNMAP)
                           : 0;

    if (err) {
        error_set_errno(errp, err, "%s cannot be written behind %" PRId64 " bytes", to->filename,
                        length);
    }
    return !err;
}

/* From the lowest one up. */
static bool copy_all(GPtrArray *layers, BlockNode *to, const ImgArgs *args, uint64_t rate,
                     GError **errp)
{
    for (guint i = layers->len; i-- > 0;) {
        BlockNode *from = ((Layer *)layers->pdata[i])->image.edge.node;

        if (!copy_down(from, to, args, rate, errp) || (i && !clear_end(from, to, errp))) {
            return false;
        }
    }
    return true;
}

/* It is open without a backing file: clusters that are discarded are nowhere then. */
static bool make_empty(ImgImage *image, GError **errp)
{
    BlockNode *node = image->edge.node;
    int err = block_node_discard(node, 0, (uint64_t)block_node_length(node), 0);

    if (err) {
        error_set_errno(errp, err, "%s: what was committed cannot be taken out of it",
                        node->filename);
        return false;
    }
    return img_close(image, errp);
}

/* What is between the image and its base has another disk then, so the image is not made empty if
 * there is something. */
static bool commit(GPtrArray *layers, const ImgArgs *args, uint64_t rate, GError **errp)
{
    const Layer *last = layers->pdata[layers->len - 1];
    Layer *first = layers->pdata[0];
    g_auto(ImgImage) base = { 0 };
    const ImgOpen how = { .name = last->info->full_backing_filename,
                          .format = last->info->backing_filename_format,
                          .cache = args->cache,
                          .flags = IMG_OPEN_WRITE | IMG_OPEN_RESIZE };

    return img_open(&base, &how, errp) && copy_all(layers, base.edge.node, args, rate, errp) &&
           img_close(&base, errp) &&
           (args->keep || layers->len > 1 || make_empty(&first->image, errp));
}

static int run(ImgArgs *args)
{
    g_autoptr(GPtrArray) layers = g_ptr_array_new_with_free_func(layer_free);
    GError *err = NULL;
    uint64_t rate;
    const ImgOpen how = { .name = args->files[0],
                          .format = args->format,
                          .cache = args->cache,
                          .flags = IMG_OPEN_WRITE | IMG_OPEN_NO_BACKING |
                                   (args->image_opts ? IMG_OPEN_OPTIONS : 0) };

    if (!img_parse_rate(args, "commit", &rate, &err) || !open_layers(&how, args, layers, &err) ||
        !commit(layers, args, rate, &err)) {
        return img_fail(err);
    }
    img_say(args, "Image committed.\n");
    return IMG_OK;
}

static const ImgOption options[] = {
    IMG_OPTION_FORMAT,
    IMG_OPTION('b', NULL, IMG_TEXT, "FILE", backing,
               "an image further down: the backing file, as without it"),
    IMG_OPTION('d', NULL, IMG_FLAG, NULL, keep, "leave in the image what it has"),
    IMG_OPTION_RATE,
    IMG_OPTION_CACHE,
    IMG_OPTION_PROGRESS,
    IMG_OPTION_QUIET,
    IMG_OPTION_IMAGE_OPTS,
    IMG_OPTION_OBJECT,
    IMG_OPTION_END,
};
const ImgCommand img_commit = {
    "commit", "FILE", "Write what an image has to its backing file, and let it be empty",
    options,  1,      1,
    false,    run,
};
