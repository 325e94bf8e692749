/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Images that commands make: what users say of them, and making them. */
#ifndef TOOLS_IMG_NEW_IMAGE_H
#define TOOLS_IMG_NEW_IMAGE_H

#include "block/create.h"
#include "tools/img/img.h"

typedef struct ImgNew {
    const char *format; /* "raw" or "qcow2" */
    char *backing, *backing_format;
    bool has_size, has_compat;
    BlockQcow2Create qcow2; /* `size` and `preallocation` are of raw, too; no backing file */
} ImgNew;

/* @format and the options -o, of which there may be none (NULL). Errors: no such format or option,
 * one that is refused, with the reason. */
bool img_new_parse(ImgNew *image, const char *format, const GPtrArray *options, GError **errp);
void img_new_clear(ImgNew *image);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(ImgNew, img_new_clear)
/* Is one of @options "help"? Then those of @format are printed. */
bool img_new_help(const char *format, const GPtrArray *options);
/* Make it; its disk has whole sectors. */
bool img_new_create(const ImgNew *image, const char *name, GError **errp);
/* Does what was made as @name read as zeros? Devices have what was there. */
bool img_new_is_zero(const char *name);
/* How "Formatting" tells of it; g_free. */
char *img_new_describe(const ImgNew *image, const char *name);

#endif
