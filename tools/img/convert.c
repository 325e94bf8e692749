/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dimmable-img convert: another image with the same disk. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "tools/img/backing.h"
#include "block/driver.h"
#include "tools/img/copy.h"
#include "tools/img/copy-bitmaps.h"
#include "tools/img/new-image.h"
#include "tools/img/open.h"
#include "tools/img/output.h"
#include "util/error.h"
#include "util/parse.h"

enum { SPARSE = 4096, MAX_SPARSE = 16 << 20, THREADS = 8, MAX_THREADS = 16 };

typedef struct Convert {
    const ImgArgs *args;
    const char *name; /* of the new image */
    unsigned count;   /* of those that are read, one behind the other */
    ImgImage *from;
    ImgImage to;
    uint64_t size; /* of all of them */
    uint64_t sparse, rate;
    unsigned threads;
    bool made; /* the file was not there before */
    ImgNew image;
} Convert;

/* ---- what users gave ---- */

static bool check_options(const Convert *c, GError **errp)
{
    const ImgArgs *args = c->args;
    const char *wrong = NULL;

    if (args->target_is_zero && !args->no_create) {
        wrong = "--target-is-zero is only of use with -n";
    } else if (args->target_image_opts && !args->no_create) {
        wrong = "--target-image-opts needs -n: only a file's name is enough for a new image";
    } else if (args->target_image_opts && args->out_format) {
        wrong = "-O does not go with --target-image-opts: give driver= there";
    } else if (args->no_create && args->options) {
        wrong = "-o is of new images, and -n makes none";
    } else if (args->backing && c->count > 1) {
        wrong = "-B needs one image, which has a backing file like that";
    } else if (args->snapshot && c->count > 1) {
        wrong = "-l needs one image, which has the snapshot";
    } else if (args->bitmaps && c->count > 1) {
        wrong = "--bitmaps needs one image, which keeps them";
    } else if (args->skip_bitmaps && !args->bitmaps) {
        wrong = "--skip-broken-bitmaps is only of use with --bitmaps";
    } else if (args->salvage && args->offload) {
        wrong = "--salvage does not go with -C: what is read has to come by here";
    }
    if (wrong) {
        error_set(errp, "convert: %s", wrong);
    }
    return !wrong;
}

static bool parse_numbers(Convert *c, GError **errp)
{
    const ImgArgs *args = c->args;
    uint64_t threads = THREADS;

    c->sparse = SPARSE;
    if (args->sparse && (!img_parse_size("-S", args->sparse, &c->sparse, errp) ||
                         c->sparse % BLOCK_SECTOR || c->sparse > MAX_SPARSE)) {
        g_clear_error(errp);
        error_set(errp, "convert: -S %s is not possible: use a multiple of 512 up to 16M, or 0",
                  args->sparse);
        return false;
    }
    if (args->coroutines && (!parse_uint(args->coroutines, MAX_THREADS, &threads) || !threads)) {
        error_set(errp, "convert: -m %s is not possible: use 1 to 16", args->coroutines);
        return false;
    }
    c->threads = (unsigned)threads;
    return img_parse_rate(args, "convert", &c->rate, errp);
}

/* ---- both sides ---- */

/* Disks have whole sectors, where files may not. */
static uint64_t whole_sectors(uint64_t bytes)
{
    return bytes + (BLOCK_SECTOR - bytes % BLOCK_SECTOR) % BLOCK_SECTOR;
}

static bool open_sources(Convert *c, GError **errp)
{
    const ImgArgs *args = c->args;

    for (unsigned i = 0; i < c->count; i++) {
        const ImgOpen how = { .name = args->files[i],
                              .format = args->format,
                              .cache = args->src_cache,
                              .flags = (args->image_opts ? IMG_OPEN_OPTIONS : 0) |
                                       (args->force_share ? IMG_OPEN_SHARE : 0) };
        int64_t length;

        if (!img_open(&c->from[i], &how, errp) ||
            (args->snapshot && !img_load_snapshot(&c->from[i], args->snapshot, errp)) ||
            (args->bitmaps && !img_bitmaps_check(c->from[i].edge.node, args->skip_bitmaps, errp))) {
            return false;
        }
        length = block_node_length(c->from[i].edge.node);
        if (length < 0 || (uint64_t)length > BLOCK_MAX_SIZE - BLOCK_SECTOR - c->size) {
            error_set(errp, "the size of %s is not known, or too large", args->files[i]);
            return false;
        }
        c->size += whole_sectors((uint64_t)length);
    }
    return true;
}

/* The image is there: is it large enough, and of which backing file is it? */
static bool check_target(Convert *c, GError **errp)
{
    BlockNode *node = c->to.edge.node;
    int64_t length = block_node_length(node);

    if (c->args->compressed && (c->args->backing || c->image.backing)) {
        error_set(errp,
                  "convert: -c does not go with a backing file here: compress first, and then "
                  "'rebase'");
        return false;
    }
    if (c->args->compressed && !node->driver->write_packed) {
        error_set(errp, "convert: -c is for qcow2: %s images have no compressed clusters",
                  BlockdevDriver_str(node->driver->id));
        return false;
    }
    if (c->args->bitmaps && !img_bitmaps_check_target(c->from[0].edge.node, node, errp)) {
        return false;
    }
    if (length < 0 || whole_sectors((uint64_t)length) < c->size) {
        error_set(errp,
                  "%s has %" PRId64 " bytes, and %" PRIu64
                  " are to be written: 'dimmable-img resize' makes it longer",
                  c->name, length, c->size);
        return false;
    }
    if (c->args->backing && !node->backing.node) {
        error_set(errp, "convert: %s has no backing file, and so -B would leave things out",
                  c->name);
        return false;
    }
    return true;
}

static bool make_target(Convert *c, GError **errp)
{
    const ImgArgs *args = c->args;
    ImgNew *image = &c->image;

    if (!img_new_parse(image, args->out_format, args->options, errp) ||
        (args->bitmaps && !img_bitmaps_check_new(image->format, &image->qcow2, errp))) {
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
    if (image->backing && strcmp(image->format, "qcow2") != 0) {
        error_set(errp, "convert: images of format %s have no backing file: qcow2 ones have",
                  image->format);
        return false;
    }
    if (!img_check_backing(c->name, image->backing, image->backing_format, errp)) {
        return false;
    }
    if (image->backing) { /* before anything is made */
        g_auto(ImgImage) backing = { 0 };

        if (!img_open_backing(&backing, c->name, image->backing, image->backing_format, false,
                              errp)) {
            return false;
        }
    }
    image->qcow2.size = image->has_size ? image->qcow2.size : c->size;
    if (image->qcow2.size < c->size) {
        error_set(errp, "convert: size=%" PRIu64 " is too small: there are %" PRIu64 " bytes",
                  image->qcow2.size, c->size);
        return false;
    }
    c->made = access(c->name, F_OK) != 0;
    return img_new_create(image, c->name, errp);
}

static bool open_target(Convert *c, GError **errp)
{
    const ImgArgs *args = c->args;
    const ImgOpen how = { .name = c->name,
                          .format = args->target_image_opts ? NULL
                                    : args->out_format      ? args->out_format
                                                            : "raw",
                          .cache = args->cache ? args->cache : "unsafe",
                          .flags =
                              IMG_OPEN_WRITE | (args->target_image_opts ? IMG_OPEN_OPTIONS : 0) };

    return (args->no_create || make_target(c, errp)) && img_open(&c->to, &how, errp) &&
           check_target(c, errp);
}

/* What is behind the end of an image, up to a whole sector. */
static bool clear(const ImgCopy *copy, uint64_t from, uint64_t end, GError **errp)
{
    int err =
        copy->is_zero || from == end ? 0 : block_node_write_zeroes(copy->to, from, end - from, 0);

    if (err) {
        error_set_errno(errp, err, "%s cannot be written", copy->to->filename);
    }
    return !err;
}

static bool copy_all(Convert *c, GError **errp)
{
    uint64_t end;
    ImgCopy copy = { .to = c->to.edge.node,
                     .is_zero = (c->args->no_create ? c->args->target_is_zero
                                                    : img_new_is_zero(c->name)) &&
                                !c->to.edge.node->backing.node,
                     .above = c->args->backing || c->image.backing,
                     .sparse = c->sparse,
                     .rate = c->rate,
                     .salvage = c->args->salvage,
                     .packed = c->args->compressed ? block_node_cluster_size(c->to.edge.node) : 0,
                     .threads = c->threads,
                     .args = c->args,
                     .total = c->size };

    img_progress(c->args, 0, c->size);
    for (unsigned i = 0; i < c->count; i++) {
        copy.from = c->from[i].edge.node;
        copy.bytes = (uint64_t)block_node_length(copy.from);
        end = copy.at + whole_sectors(copy.bytes);
        if (!img_copy(&copy, errp) || !clear(&copy, copy.at + copy.bytes, end, errp)) {
            return false;
        }
        copy.before = copy.at = end;
    }
    img_progress(c->args, c->size, c->size);
    img_progress_end(c->args);
    return !c->args->bitmaps || img_bitmaps_copy(c->from[0].edge.node, copy.to, errp);
}

static int run(ImgArgs *args)
{
    Convert c = { .args = args, .count = args->count_files - 1 };
    GError *err = NULL;
    bool ok;

    if (img_new_help(args->out_format, args->options)) {
        return IMG_OK;
    }
    if (args->count_files < 2) {
        return img_error("convert: give the image that is read, and the new one");
    }
    c.name = args->files[c.count];
    c.from = g_new0(ImgImage, c.count);
    ok = check_options(&c, &err) && parse_numbers(&c, &err) && open_sources(&c, &err) &&
         open_target(&c, &err) && copy_all(&c, &err) && img_close(&c.to, &err);
    img_image_clear(&c.to);
    for (unsigned i = 0; i < c.count; i++) {
        img_image_clear(&c.from[i]);
    }
    if (!ok && c.made) {
        unlink(c.name);
    }
    img_new_clear(&c.image);
    g_free(c.from);
    return ok ? IMG_OK : img_fail(err);
}

static const ImgOption options[] = {
    IMG_OPTION_FORMAT,
    IMG_OPTION('O', NULL, IMG_TEXT, "FORMAT", out_format, "format of the new image: raw, or qcow2"),
    IMG_OPTION_OPTIONS,
    IMG_OPTION('B', NULL, IMG_TEXT, "FILE", backing,
               "backing file of the new image, with what the image's own one has"),
    IMG_OPTION('F', NULL, IMG_TEXT, "FORMAT", second_format, "format of the backing file"),
    IMG_OPTION('c', NULL, IMG_FLAG, NULL, compressed, "compress clusters"),
    IMG_OPTION('n', NULL, IMG_FLAG, NULL, no_create, "write to an image that is there"),
    IMG_OPTION(0, "target-is-zero", IMG_FLAG, NULL, target_is_zero, "with -n: it is all zeros"),
    IMG_OPTION(0, "target-image-opts", IMG_FLAG, NULL, target_image_opts,
               "with -n: the last name is options of a block node"),
    IMG_OPTION('S', NULL, IMG_TEXT, "SIZE", sparse,
               "so many zeros become a hole: 4k; 0: none do, everything is written"),
    IMG_OPTION('m', NULL, IMG_TEXT, "NUMBER", coroutines, "requests at once: 8"),
    IMG_OPTION_RATE,
    IMG_OPTION_SNAPSHOT,
    IMG_OPTION(0, "bitmaps", IMG_FLAG, NULL, bitmaps, "copy the bitmaps that the image keeps, too"),
    IMG_OPTION(0, "skip-broken-bitmaps", IMG_FLAG, NULL, skip_bitmaps,
               "with --bitmaps: but for those that are inconsistent"),
    IMG_OPTION(0, "salvage", IMG_FLAG, NULL, salvage,
               "what cannot be read becomes zeros, with a warning"),
    IMG_OPTION('W', NULL, IMG_FLAG, NULL, unordered, "in any order, as it is done anyway"),
    IMG_OPTION('C', NULL, IMG_FLAG, NULL, offload, "nothing is done about it"),
    IMG_OPTION_PROGRESS,
    IMG_OPTION_QUIET,
    IMG_OPTION('t', NULL, IMG_TEXT, "CACHE", cache,
               "cache mode of the new image, as -drive's cache=: unsafe"),
    IMG_OPTION_SRC_CACHE,
    IMG_OPTION_SHARE,
    IMG_OPTION_IMAGE_OPTS,
    IMG_OPTION_OBJECT,
    IMG_OPTION_END,
};
const ImgCommand img_convert = {
    "convert",
    "FILE... NEW-FILE",
    "Copy images, one behind the other, to a new one",
    options,
    0,
    UINT_MAX,
    false,
    run,
};
