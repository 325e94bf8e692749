/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dimmable-img compare: have two images the same disk? */
#include <inttypes.h>
#include <string.h>

#include "block/status.h"
#include "tools/img/open.h"
#include "tools/img/output.h"
#include "util/error.h"

enum { CHUNK = 1 << 20, ALIGN = 4096 };
enum { COMPARE_DIFFERS = 1, COMPARE_NOT_OPEN = 2, COMPARE_NO_STATUS = 3, COMPARE_NOT_READ = 4 };

typedef struct Side {
    const char *name;
    ImgImage image;
    uint64_t length, sectors; /* bytes of the file, and of whole sectors */
    BlockStatus status;
    uint8_t *buf;
} Side;

static bool open_side(Side *side, const ImgArgs *args, unsigned which, GError **errp)
{
    const ImgOpen how = { .name = args->files[which],
                          .format = which ? args->second_format : args->format,
                          .cache = args->src_cache,
                          .flags = (args->image_opts ? IMG_OPEN_OPTIONS : 0) |
                                   (args->force_share ? IMG_OPEN_SHARE : 0) };
    int64_t length;

    side->name = args->files[which];
    if (!img_open(&side->image, &how, errp)) {
        return false;
    }
    length = block_node_length(side->image.edge.node);
    if (length < 0) {
        error_set(errp, "the size of %s is not known", side->name);
        return false;
    }
    side->length = (uint64_t)length;
    side->sectors = side->length + (BLOCK_SECTOR - side->length % BLOCK_SECTOR) % BLOCK_SECTOR;
    side->buf = g_aligned_alloc(1, CHUNK, ALIGN);
    return true;
}

static void close_side(Side *side)
{
    img_image_clear(&side->image);
    g_aligned_free(side->buf);
}

/* Behind the end there are zeros. */
static int look(Side *side, uint64_t at, uint64_t bytes)
{
    side->status = (BlockStatus){ .bytes = bytes, .zero = true };
    return at < side->length ? block_status_chain(side->image.edge.node, NULL, at,
                                                  MIN(bytes, side->length - at), &side->status)
                             : 0;
}

static int load(Side *side, uint64_t at, size_t len)
{
    if (side->status.zero) {
        memset(side->buf, 0, len);
        return 0;
    }
    return block_node_pread(side->image.edge.node, at, side->buf, len);
}

static bool is_alike(const BlockStatus *a, const BlockStatus *b)
{
    return a->allocated == b->allocated && a->data == b->data && a->zero == b->zero;
}

/* The first sector that is not the same. */
static uint64_t first_difference(const Side *sides, size_t len)
{
    uint64_t at = 0;

    while (!memcmp(sides[0].buf + at, sides[1].buf + at, MIN(BLOCK_SECTOR, len - at))) {
        at += BLOCK_SECTOR;
    }
    return at;
}

/* [@from, @end), which one of them may not have. IMG_OK: they are the same. */
static int compare(Side *sides, const ImgArgs *args, uint64_t from, uint64_t end)
{
    uint64_t total = MAX(sides[0].sectors, sides[1].sectors), bytes;

    for (uint64_t at = from; at < end; at += bytes) {
        for (unsigned i = 0; i < 2; i++) {
            if (look(&sides[i], at, end - at)) {
                img_error("%s: the bytes from %" PRIu64 " on are not known", sides[i].name, at);
                return COMPARE_NO_STATUS;
            }
        }
        bytes = MIN(sides[0].status.bytes, sides[1].status.bytes);
        if (args->strict && !is_alike(&sides[0].status, &sides[1].status)) {
            img_say(args, "Strict mode: Offset %" PRIu64 " block status mismatch!\n", at);
            return COMPARE_DIFFERS;
        }
        if (!sides[0].status.zero || !sides[1].status.zero) {
            bytes = MIN(bytes, CHUNK);
            for (unsigned i = 0; i < 2; i++) {
                if (load(&sides[i], at, bytes)) {
                    img_error("%s: %" PRIu64 " bytes at %" PRIu64 " cannot be read", sides[i].name,
                              bytes, at);
                    return COMPARE_NOT_READ;
                }
            }
            if (memcmp(sides[0].buf, sides[1].buf, bytes)) {
                img_say(args, "Content mismatch at offset %" PRIu64 "!\n",
                        at + first_difference(sides, bytes));
                return COMPARE_DIFFERS;
            }
        }
        img_progress(args, at + bytes, total);
    }
    return IMG_OK;
}

static int compare_all(Side *sides, const ImgArgs *args)
{
    uint64_t both = MIN(sides[0].sectors, sides[1].sectors),
             all = MAX(sides[0].sectors, sides[1].sectors);
    int status;

    if (args->strict && both < all) {
        img_say(args, "Strict mode: Image size mismatch!\n");
        return COMPARE_DIFFERS;
    }
    img_progress(args, 0, all);
    status = compare(sides, args, 0, both);
    if (status == IMG_OK && both < all) {
        img_say(args, "Warning: Image size mismatch!\n");
        status = compare(sides, args, both, all);
    }
    if (status == IMG_OK) {
        img_say(args, "Images are identical.\n");
    }
    img_progress_end(args);
    return status;
}

static int run(ImgArgs *args)
{
    Side sides[2] = { 0 };
    GError *err = NULL;
    int status;

    if (open_side(&sides[0], args, 0, &err) && open_side(&sides[1], args, 1, &err)) {
        status = compare_all(sides, args);
    } else {
        img_fail(err);
        status = COMPARE_NOT_OPEN;
    }
    close_side(&sides[0]);
    close_side(&sides[1]);
    return status;
}

static const ImgOption options[] = {
    IMG_OPTION_FORMAT,
    IMG_OPTION('F', NULL, IMG_TEXT, "FORMAT", second_format, "format of the second image"),
    IMG_OPTION('s', NULL, IMG_FLAG, NULL, strict,
               "sizes, and what is data, zeros or nowhere, have to be the same, too"),
    IMG_OPTION_SRC_CACHE,
    IMG_OPTION_PROGRESS,
    IMG_OPTION_QUIET,
    IMG_OPTION_SHARE,
    IMG_OPTION_IMAGE_OPTS,
    IMG_OPTION_OBJECT,
    IMG_OPTION_END,
};
const ImgCommand img_compare = {
    "compare",
    "FILE FILE",
    "Compare two disks. Status 0: they are the same, 1: they are not, more: an error",
    options,
    2,
    2,
    false,
    run,
};
