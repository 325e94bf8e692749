/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dimmable-img resize: disks become longer or shorter. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "block/create.h"
#include "tools/img/open.h"
#include "util/error.h"

/* "+1G", "-1G", "1G": the new size. */
static bool new_size(const char *text, uint64_t old, uint64_t *size, GError **errp)
{
    bool more = *text == '+', less = *text == '-';
    uint64_t value;

    if (!img_parse_size("the size", text + (more || less), &value, errp)) {
        return false;
    }
    if (less && value > old) {
        error_set(errp, "the image has %" PRIu64 " bytes: it cannot become %" PRIu64 " shorter",
                  old, value);
        return false;
    }
    *size = more ? old + value : less ? old - value : value;
    *size += (BLOCK_SECTOR - *size % BLOCK_SECTOR) % BLOCK_SECTOR;
    return true;
}

static bool resize(BlockNode *node, const ImgArgs *args, const char *text, GError **errp)
{
    int64_t old = block_node_length(node);
    BlockPreallocation preallocation = BLOCK_PREALLOCATION_OFF;
    uint64_t size;
    int err;

    if (!new_size(text, (uint64_t)MAX(old, 0), &size, errp) ||
        !block_preallocation_parse(args->preallocation, &preallocation, errp)) {
        return false;
    }
    if (size < (uint64_t)old && !args->shrink) {
        error_set(errp, "the image would become shorter, and lose what is behind its new end: say "
                        "--shrink if that is wanted");
        return false;
    }
    if (old >= 0 && size > (uint64_t)old) {
        return block_grow(node, (uint64_t)old, size, preallocation, errp);
    }
    err = old < 0 ? (int)-old : block_node_truncate(node, size);
    if (err) {
        error_set_errno(errp, err, "%s cannot have %" PRIu64 " bytes%s", node->filename, size,
                        err == ENOTSUP ? " (an image of version 2 with snapshots, or a device)"
                                       : "");
    }
    return !err;
}

static int run(ImgArgs *args)
{
    g_auto(ImgImage) image = { 0 };
    GError *err = NULL;
    const ImgOpen how = { .name = args->files[0],
                          .format = args->format,
                          .flags = IMG_OPEN_WRITE | IMG_OPEN_RESIZE |
                                   (args->image_opts ? IMG_OPEN_OPTIONS : 0) };

    if (!img_open(&image, &how, &err) || !resize(image.edge.node, args, args->files[1], &err) ||
        !img_close(&image, &err)) {
        return img_fail(err);
    }
    img_say(args, "Image resized.\n");
    return IMG_OK;
}

static const ImgOption options[] = {
    IMG_OPTION_FORMAT,
    IMG_OPTION(0, "preallocation", IMG_TEXT, "off|metadata|falloc|full", preallocation,
               "what of the new end takes place on the host: off"),
    IMG_OPTION(0, "shrink", IMG_FLAG, NULL, shrink, "let it become shorter, too"),
    IMG_OPTION_QUIET,
    IMG_OPTION_IMAGE_OPTS,
    IMG_OPTION_OBJECT,
    IMG_OPTION_END,
};
const ImgCommand img_resize = {
    "resize", "FILE [+|-]SIZE", "Make a disk longer or shorter", options, 2, 2, true, run,
};
