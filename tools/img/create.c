/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dimmable-img create: new images. */
#include <string.h>

#include "tools/img/backing.h"
#include "tools/img/new-image.h"
#include "tools/img/open.h"
#include "util/error.h"

/* The size of the disk: as it is given, or the backing file's. */
static bool find_size(ImgNew *image, const ImgArgs *args, GError **errp)
{
    g_auto(ImgImage) backing = { 0 };
    int64_t length;

    if (args->count_files > 1) {
        if (!img_parse_size("the size", args->files[1], &image->qcow2.size, errp)) {
            return false;
        }
        image->has_size = true;
    }
    if (image->backing && !(args->unsafe && image->has_size)) {
        if (!img_open_backing(&backing, args->files[0], image->backing, image->backing_format,
                              false, errp)) {
            return false;
        }
        length = block_node_length(backing.edge.node);
        image->qcow2.size = image->has_size ? image->qcow2.size : (uint64_t)MAX(length, 0);
    } else if (!image->has_size) {
        error_set(errp,
                  "create: give the size of the disk, as in: dimmable-img create -f %s %s 10G",
                  image->format, args->files[0]);
        return false;
    }
    return true;
}

static bool take_backing(ImgNew *image, const ImgArgs *args, GError **errp)
{
    if (args->backing || args->second_format) {
        if (strcmp(image->format, "qcow2") != 0) {
            error_set(errp, "create: images of format %s have no backing file: qcow2 ones have",
                      image->format);
            return false;
        }
        if (args->backing) {
            g_free(image->backing);
            image->backing = g_strdup(args->backing);
        }
        if (args->second_format) {
            g_free(image->backing_format);
            image->backing_format = g_strdup(args->second_format);
        }
    }
    return img_check_backing(args->files[0], image->backing, image->backing_format, errp);
}

static int run(ImgArgs *args)
{
    g_auto(ImgNew) image = { 0 };
    g_autofree char *told = NULL;
    GError *err = NULL;

    if (img_new_help(args->format, args->options)) {
        return IMG_OK;
    }
    if (!args->count_files) {
        return img_error("create: what is needed is: dimmable-img create [options] FILE SIZE");
    }
    if (!img_new_parse(&image, args->format, args->options, &err) ||
        !take_backing(&image, args, &err) || !find_size(&image, args, &err)) {
        return img_fail(err);
    }
    told = img_new_describe(&image, args->files[0]);
    img_say(args, "%s\n", told);
    return img_new_create(&image, args->files[0], &err) ? IMG_OK : img_fail(err);
}

static const ImgOption options[] = {
    IMG_OPTION('f', NULL, IMG_TEXT, "FORMAT", format, "format of the image: raw, or qcow2"),
    IMG_OPTION('b', NULL, IMG_TEXT, "FILE", backing, "backing file, relative to the new image"),
    IMG_OPTION('F', NULL, IMG_TEXT, "FORMAT", second_format, "format of the backing file"),
    IMG_OPTION('u', NULL, IMG_FLAG, NULL, unsafe, "do not open the backing file"),
    IMG_OPTION_OPTIONS,
    IMG_OPTION_QUIET,
    IMG_OPTION_OBJECT,
    IMG_OPTION_END,
};
const ImgCommand img_create = {
    "create", "FILE [SIZE]", "Make a new image", options, 0, 2, false, run,
};
