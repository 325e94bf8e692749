/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dimmable-img dd: a part of a disk becomes an image. */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "tools/img/copy.h"
#include "tools/img/new-image.h"
#include "tools/img/open.h"
#include "util/error.h"

enum { SPARSE = 4096, THREADS = 8 };

typedef struct Operands {
    const char *in, *out;
    uint64_t block, count, skip;
    bool has_count;
} Operands;

static bool parse(Operands *o, const ImgArgs *args, GError **errp)
{
    for (unsigned i = 0; i < args->count_files; i++) {
        const char *text = args->files[i], *value = strchr(text, '=');
        g_autofree char *key = g_strndup(text, value ? (size_t)(value - text) : 0);
        bool ok = true;

        if (strcmp(key, "if") == 0) {
            o->in = value + 1;
        } else if (strcmp(key, "of") == 0) {
            o->out = value + 1;
        } else if (strcmp(key, "bs") == 0) {
            ok = img_parse_size(key, value + 1, &o->block, errp);
        } else if (strcmp(key, "count") == 0) {
            ok = o->has_count = img_parse_size(key, value + 1, &o->count, errp);
        } else if (strcmp(key, "skip") == 0) {
            ok = img_parse_size(key, value + 1, &o->skip, errp);
        } else {
            error_set(errp, "dd: '%s' is not there: use if=, of=, bs=, count= and skip=", text);
            return false;
        }
        if (!ok) {
            return false;
        }
    }
    if (!o->in || !o->out) {
        error_set(errp, "dd: give the image that is read, if=, and the new one, of=");
        return false;
    }
    if (!o->block || o->block > INT32_MAX) {
        error_set(errp, "dd: bs=%" PRIu64 " is not possible: use 1 to 2147483647", o->block);
        return false;
    }
    return true;
}

/* @count blocks, but no more than @most. */
static uint64_t blocks(const Operands *o, uint64_t count, uint64_t most)
{
    return count > most / o->block ? most : count * o->block;
}

static int run(ImgArgs *args)
{
    g_auto(ImgImage) from = { 0 };
    g_auto(ImgImage) to = { 0 };
    g_auto(ImgNew) image = { 0 };
    Operands o = { .block = BLOCK_SECTOR };
    ImgCopy copy = { .args = args, .threads = THREADS, .sparse = SPARSE };
    GError *err = NULL;
    int64_t length;
    uint64_t end;
    bool made;

    if (!parse(&o, args, &err) || !img_new_parse(&image, args->out_format, NULL, &err)) {
        return img_fail(err);
    }
    const ImgOpen how = { .name = o.in,
                          .format = args->format,
                          .flags = (args->image_opts ? IMG_OPEN_OPTIONS : 0) |
                                   (args->force_share ? IMG_OPEN_SHARE : 0) },
                  how_to = { .name = o.out, .format = image.format, .flags = IMG_OPEN_WRITE };
    if (!img_open(&from, &how, &err)) {
        return img_fail(err);
    }
    length = block_node_length(from.edge.node);
    if (length < 0) {
        return img_error("the size of %s is not known", o.in);
    }
    /* Blocks are counted from the beginning of the image, as scripts know it. */
    end = o.has_count ? blocks(&o, o.count, (uint64_t)length) : (uint64_t)length;
    copy.start = blocks(&o, o.skip, end);
    copy.bytes = image.qcow2.size = end - copy.start;
    if (o.skip > (uint64_t)length / o.block) {
        img_error("%s: skip= is behind its end: the new image is empty", o.in);
    }
    made = access(o.out, F_OK) != 0;
    if (!img_new_create(&image, o.out, &err)) {
        return img_fail(err);
    }
    if (img_open(&to, &how_to, &err)) {
        copy.from = from.edge.node;
        copy.to = to.edge.node;
        copy.is_zero = img_new_is_zero(o.out);
        if (img_copy(&copy, &err) && img_close(&to, &err)) {
            return IMG_OK;
        }
    }
    if (made) {
        unlink(o.out);
    }
    return img_fail(err);
}

static const ImgOption options[] = {
    IMG_OPTION_FORMAT,
    IMG_OPTION('O', NULL, IMG_TEXT, "FORMAT", out_format, "format of the new image: raw, or qcow2"),
    IMG_OPTION_SHARE,
    IMG_OPTION_IMAGE_OPTS,
    IMG_OPTION_OBJECT,
    IMG_OPTION_END,
};
const ImgCommand img_dd = {
    "dd",
    "[bs=SIZE] [count=N] [skip=N] if=FILE of=NEW-FILE",
    "Copy a part of a disk to a new image: blocks of bs= bytes (512), without the first skip=",
    options,
    0,
    UINT_MAX,
    false,
    run,
};
