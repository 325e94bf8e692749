/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dimmable-img rebase: another backing file. */
#include <inttypes.h>
#include <string.h>

#include "block/driver.h"
#include "tools/img/backing.h"
#include "block/status.h"
#include "tools/img/output.h"
#include "util/error.h"

enum { CHUNK = 1 << 20, BLOCK = 65536, ALIGN = 4096 };

/* Both may be of any length, or NULL: zeros are behind the end. */
static int load(BlockNode *node, uint64_t at, uint8_t *buf, size_t len)
{
    if (node) {
        return block_node_pread(node, at, buf, len);
    }
    memset(buf, 0, len);
    return 0;
}

/* What is not the same below, of [@at, @at + @len), becomes the image's own. */
static bool keep(BlockNode *node, BlockNode *below, uint64_t at, size_t len, uint8_t *buf,
                 GError **errp)
{
    uint8_t *other = buf + CHUNK;
    int err = load(node, at, buf, len);

    err = err ? err : load(below, at, other, len);
    if (err) {
        error_set_errno(errp, err, "%zu bytes at %" PRIu64 " cannot be read", len, at);
        return false;
    }
    for (size_t done = 0, some; done < len; done += some) {
        some = MIN(BLOCK - (at + done) % BLOCK, len - done);
        if (memcmp(buf + done, other + done, some)) {
            err = block_node_pwrite(node, at + done, buf + done, some);
        }
        if (err) {
            error_set_errno(errp, err, "%s: %zu bytes at %" PRIu64 " cannot be written",
                            node->filename, some, at + done);
            return false;
        }
    }
    return true;
}

static bool keep_all(BlockNode *node, BlockNode *below, const ImgArgs *args, GError **errp)
{
    int64_t length = block_node_length(node);
    uint64_t size = (uint64_t)MAX(length, 0), bytes;
    uint8_t *buf = g_aligned_alloc(2, CHUNK, ALIGN);
    bool ok = true;

    img_progress(args, 0, size);
    for (uint64_t at = 0; ok && at < size; at += bytes) {
        BlockStatus s;
        int err = block_status(node, at, size - at, &s);

        bytes = s.bytes;
        if (err) {
            error_set_errno(errp, err, "%s: the bytes from %" PRIu64 " on are not known",
                            node->filename, at);
            ok = false;
        } else if (!s.allocated) {
            bytes = MIN(bytes, CHUNK);
            ok = keep(node, below, at, bytes, buf, errp);
        }
        img_progress(args, MIN(at + bytes, size), size);
    }
    img_progress_end(args);
    g_aligned_free(buf);
    return ok;
}

/* @backing: NULL for none. */
static bool rebase(ImgImage *image, const ImgArgs *args, const char *backing, GError **errp)
{
    g_auto(ImgImage) below = { 0 };
    BlockNode *node = image->edge.node;
    const char *name = args->files[0];

    if (!node->driver->set_backing_name) {
        error_set(errp, "%s: images of format %s have no backing file: qcow2 ones have", name,
                  BlockdevDriver_str(node->options->driver));
        return false;
    }
    if (!img_check_backing(name, backing, args->second_format, errp) ||
        (backing && !args->unsafe &&
         !img_open_backing(&below, name, backing, args->second_format, args->force_share, errp)) ||
        (!args->unsafe && (!keep_all(node, below.edge.node, args, errp)))) {
        return false;
    }
    /* What was kept is on the disk before what it was is out of sight. */
    if (!args->unsafe && block_node_flush(node)) {
        error_set(errp, "%s: what was written may not be on the disk: it keeps its backing file",
                  name);
        return false;
    }
    return node->driver->set_backing_name(node, backing, args->second_format, errp) &&
           img_close(image, errp);
}

static int run(ImgArgs *args)
{
    g_auto(ImgImage) image = { 0 };
    GError *err = NULL;
    const ImgOpen how = { .name = args->files[0],
                          .format = args->format,
                          .cache = args->cache,
                          .flags = IMG_OPEN_WRITE | (args->unsafe ? IMG_OPEN_NO_BACKING : 0) |
                                   (args->image_opts ? IMG_OPEN_OPTIONS : 0) };

    if (!args->backing && !args->unsafe) {
        return img_error("rebase: give the new backing file, as -b FILE -F FORMAT; -b '' for none");
    }
    return img_open(&image, &how, &err) &&
                   rebase(&image, args, args->backing && *args->backing ? args->backing : NULL,
                          &err)
               ? IMG_OK
               : img_fail(err);
}

static const ImgOption options[] = {
    IMG_OPTION('b', NULL, IMG_TEXT, "FILE", backing,
               "new backing file, relative to the image; '': none"),
    IMG_OPTION('F', NULL, IMG_TEXT, "FORMAT", second_format, "format of the backing file"),
    IMG_OPTION('u', NULL, IMG_FLAG, NULL, unsafe,
               "only write its name: what it has is the same, or will be"),
    IMG_OPTION_FORMAT,
    IMG_OPTION_CACHE,
    IMG_OPTION_SRC_CACHE,
    IMG_OPTION_PROGRESS,
    IMG_OPTION_QUIET,
    IMG_OPTION('U', "force-share", IMG_FLAG, NULL, force_share,
               "read the new backing file also while another program writes to it"),
    IMG_OPTION_IMAGE_OPTS,
    IMG_OPTION_OBJECT,
    IMG_OPTION_END,
};
const ImgCommand img_rebase = {
    "rebase", "FILE", "Let an image have another backing file, and the same disk", options, 1, 1,
    false,    run,
};
