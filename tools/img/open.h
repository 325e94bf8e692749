/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Images that commands use. */
#ifndef TOOLS_IMG_OPEN_H
#define TOOLS_IMG_OPEN_H

#include "block/node.h"
#include "tools/img/img.h"

enum {
    IMG_OPEN_WRITE = 1 << 0,
    IMG_OPEN_RESIZE = 1 << 1,     /* with WRITE: its size may change */
    IMG_OPEN_NO_BACKING = 1 << 2, /* without the backing file */
    IMG_OPEN_SHARE = 1 << 3,      /* -U */
    IMG_OPEN_OPTIONS = 1 << 4,    /* the name is options of a node: --image-opts */
    IMG_OPEN_WRITE_FILE = 1 << 5, /* for block_check(): only the file is written */
};

typedef struct ImgOpen {
    const char *name, *format, *cache, *aio; /* but for the first, they may be NULL */
    unsigned flags;
} ImgOpen;

typedef struct ImgImage {
    BlockEdge edge; /* edge.node is the image's; NULL: none */
} ImgImage;

/* Open it, with the locks that go with that. Errors: not there, no such format, in use. */
bool img_open(ImgImage *image, const ImgOpen *how, GError **errp);
/* For block_check(): nobody else has the file of an image that is mended (@fix). */
bool img_lock_file(ImgImage *image, bool fix, GError **errp);
/* Flushes what was written, unless its cache is unsafe. False, and an error: that failed. Harmless
 * if it is not open. */
bool img_close(ImgImage *image, GError **errp);
void img_image_clear(ImgImage *image);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ImgImage, img_image_clear)

/* It is as it was at a snapshot within it: @which is an id or, if none has it, a name; or
 * "snapshot.id=ID,snapshot.name=NAME", of which one is enough. It is only read. */
bool img_load_snapshot(const ImgImage *image, const char *which, GError **errp);

/* @text with files in place of nodes of images that were opened, which have names that nobody gave
 * them; of others, @other (NULL: as they are). g_free. Any thread that opens none. */
char *img_name_files(const char *text, const char *other);

/* A name's format, as its first bytes say it. NULL, and an error: one that there is no driver of.
 */
const char *img_guess(const char *name, GError **errp);
/* The option -r, bytes a second; 0: it is not given. */
bool img_parse_rate(const ImgArgs *args, const char *command, uint64_t *rate, GError **errp);
/* A size as users write it, such as 1.5G. */
bool img_parse_size(const char *what, const char *text, uint64_t *size, GError **errp);

#endif
