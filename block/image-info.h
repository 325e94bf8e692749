/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What there is to tell of an image. Main thread. */
#ifndef BLOCK_IMAGE_INFO_H
#define BLOCK_IMAGE_INFO_H

#include "block/node.h"

/* Freed by the caller. @chain: with the images below. */
ImageInfo *block_image_info(BlockNode *node, bool chain);

/* What only qcow2 images have. */
typedef struct BlockQcow2Facts {
    unsigned version, refcount_bits;
    bool lazy_refcounts, corrupt, zstd; /* zstd: clusters are compressed by that, not by zlib */
} BlockQcow2Facts;
/* Bitmaps that it keeps: called of each, in their order. */
typedef void BlockQcow2BitmapFn(const char *name, uint32_t granularity, bool in_use, bool enabled,
                                void *opaque);
void block_qcow2_bitmaps(const BlockNode *node, BlockQcow2BitmapFn *fn, void *opaque);
/* False: @node is none. */
bool block_qcow2_facts(const BlockNode *node, BlockQcow2Facts *facts);

#endif
