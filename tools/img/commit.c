/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dimmable-img commit: what an image has goes to its backing file. */
#include <inttypes.h>
#include <string.h>

#include "block/image-info.h"
#include "tools/img/copy.h"
#include "tools/img/open.h"
#include "tools/img/output.h"
#include "util/error.h"

enum { SPARSE = 4096, THREADS = 8 };

/* Which file is below, and of which format it is. */
static bool find_base(const ImgArgs *args, const ImageInfo *info, GError **errp)
{
    const char *name = args->files[0], *base = info->full_backing_filename;

    if (!base) {
        error_set(errp, "%s has no backing file: there is nothing that it could be written to",
                  name);
        return false;
    }
    if (!info->backing_filename_format) {
        error_set(errp,
                  "%s does not say what format its backing file has: 'dimmable-img rebase -u' can "
                  "write it there",
                  name);
        return false;
    }
    if (args->backing && strcmp(args->backing, base) != 0 &&
        strcmp(args->backing, info->backing_filename) != 0) {
        error_set(errp, "commit: -b %s is not possible: only the backing file %s itself is written",
                  args->backing, base);
        return false;
    }
    return true;
}

static bool copy_down(BlockNode *node, ImgImage *base, const ImgArgs *args, GError **errp)
{
    int64_t length = block_node_length(node), old = block_node_length(base->edge.node);
    ImgCopy copy = { .from = node,
                     .to = base->edge.node,
                     .bytes = (uint64_t)MAX(length, 0),
                     .total = (uint64_t)MAX(length, 0),
                     .above = true,
                     .sparse = SPARSE,
                     .threads = THREADS,
                     .args = args };
    int err = length < 0     ? (int)-length
              : old < 0      ? (int)-old
              : old < length ? block_node_truncate(copy.to, copy.bytes)
                             : 0;

    if (err) {
        error_set_errno(errp, err, "%s cannot have %" PRIu64 " bytes", copy.to->filename,
                        copy.bytes);
        return false;
    }
    img_progress(args, 0, copy.total);
    if (!img_copy(&copy, errp) || !img_close(base, errp)) {
        return false;
    }
    img_progress(args, copy.total, copy.total);
    img_progress_end(args);
    return true;
}

/* It is open without a backing file: clusters that are discarded are nowhere then. */
static bool make_empty(ImgImage *image, GError **errp)
{
    BlockNode *node = image->edge.node;
    int err = block_node_discard(node, 0, (uint64_t)block_node_length(node));

    if (err) {
        error_set_errno(errp, err, "%s: what was committed cannot be taken out of it",
                        node->filename);
        return false;
    }
    return img_close(image, errp);
}

static bool commit(ImgImage *image, const ImgArgs *args, GError **errp)
{
    g_autoptr(ImageInfo) info = block_image_info(image->edge.node, false);
    g_auto(ImgImage) base = { 0 };
    ImgOpen how = { .cache = args->cache, .flags = IMG_OPEN_WRITE | IMG_OPEN_RESIZE };

    if (!find_base(args, info, errp)) {
        return false;
    }
    how.name = info->full_backing_filename;
    how.format = info->backing_filename_format;
    return img_open(&base, &how, errp) && copy_down(image->edge.node, &base, args, errp) &&
           (args->keep || make_empty(image, errp));
}

static int run(ImgArgs *args)
{
    g_auto(ImgImage) image = { 0 };
    GError *err = NULL;
    const ImgOpen how = { .name = args->files[0],
                          .format = args->format,
                          .cache = args->cache,
                          .flags = IMG_OPEN_WRITE | IMG_OPEN_NO_BACKING |
                                   (args->image_opts ? IMG_OPEN_OPTIONS : 0) };

    if (!img_open(&image, &how, &err) || !commit(&image, args, &err)) {
        return img_fail(err);
    }
    img_say(args, "Image committed.\n");
    return IMG_OK;
}

static const ImgOption options[] = {
    IMG_OPTION_FORMAT,
    IMG_OPTION('b', NULL, IMG_TEXT, "FILE", backing, "the backing file, as without it"),
    IMG_OPTION('d', NULL, IMG_FLAG, NULL, keep, "leave in the image what it has"),
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
