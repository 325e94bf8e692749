/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What users do with dirty bitmaps, by commands and dimmable-img. Main thread; there are no
 * requests (block_hold_all()). Bitmaps that are kept in an image which nobody writes are there, as
 * they are then, when such a function returns.
 */
#ifndef BLOCK_BITMAP_CHANGE_H
#define BLOCK_BITMAP_CHANGE_H

#include "block/dirty-bitmap.h"

typedef struct BlockBitmapAdd {
    const char *name;
    bool has_granularity;
    uint32_t granularity;
    bool persistent, disabled;
} BlockBitmapAdd;

/* Errors: those of block_dirty_bitmap_new(), and an image that keeps no bitmaps, or is read-only.
 */
bool block_bitmap_add(BlockNode *node, const BlockBitmapAdd *add, GError **errp);
/* Errors: none such, in use, inconsistent, read-only. */
bool block_bitmap_remove(BlockNode *node, const char *name, GError **errp);
bool block_bitmap_clear(BlockNode *node, const char *name, GError **errp);
bool block_bitmap_set_enabled(BlockNode *node, const char *name, bool enabled, GError **errp);
/* For undoing a change: these are its bits, which are taken. */
bool block_bitmap_restore(BlockNode *node, const char *name, DirtyBits *bits, GError **errp);
/* Mark what is marked in @sources (of BlockDirtyBitmap), all of them or none. */
bool block_bitmap_merge(BlockNode *node, const char *name, const GPtrArray *sources, GError **errp);

#endif
