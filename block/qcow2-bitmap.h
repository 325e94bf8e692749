/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bitmaps of a qcow2 image, as the file has them (docs/dirty-bitmaps.md). */
#ifndef BLOCK_QCOW2_BITMAP_H
#define BLOCK_QCOW2_BITMAP_H

#include "block/dirty-bits.h"
#include "block/qcow2.h"

#define QCOW2_BITMAPS_MAX   65535
#define QCOW2_BITMAP_IN_USE (1u << 0) /* it was not stored: nobody knows what was written */
#define QCOW2_BITMAP_AUTO   (1u << 1) /* it is enabled */
#define QCOW2_BITMAP_EXTRA  (1u << 2) /* who does not know the extra data may use it */
#define QCOW2_BITMAP_FLAGS  (QCOW2_BITMAP_IN_USE | QCOW2_BITMAP_AUTO | QCOW2_BITMAP_EXTRA)
#define QCOW2_BITMAP_DIRTY  1 /* type */

/* An entry of the directory. */
typedef struct Qcow2Bitmap {
    char *name;
    uint64_t table_offset;
    uint32_t table_size; /* entries */
    uint32_t flags;
    uint8_t type, granularity_bits;
    uint64_t flags_at; /* where in the file the flags are */
    GByteArray *extra;
    DirtyBits *bits; /* from loading until the node has them; NULL: they are not to be trusted */
} Qcow2Bitmap;

void qcow2_bitmap_free(gpointer bitmap);
/* Clusters of bits of a bitmap. */
uint64_t qcow2_bitmap_clusters(const Qcow2 *s, unsigned granularity_bits);

/* Read the directory and the bits. Main thread. */
bool qcow2_bitmaps_load(Qcow2 *s, GError **errp);
/* Let the node have what was loaded, and no other persistent bitmaps. */
void qcow2_bitmaps_attach(BlockNode *node);

/* Do all entries say that they are in use, or are there none? */
static inline bool qcow2_bitmaps_marked(const Qcow2 *s)
{
    return s->bitmaps_in_use || !s->bitmap_count;
}
/* From now on they do. 0 or a positive errno value; `lock` for writing. */
int qcow2_bitmaps_mark(Qcow2 *s);
/* Is each of them one that follows a change of the disk's size? */
bool qcow2_bitmaps_all_usable(Qcow2 *s);

/* Let the file have the node's persistent bitmaps, if it has not. 0 or a positive errno value; no
 * requests. */
int qcow2_bitmaps_store(BlockNode *node);
/* The driver's bitmap_possible and bitmap_remove. */
bool qcow2_bitmap_possible(BlockNode *node, const char *name, uint32_t granularity, GError **errp);
bool qcow2_bitmap_remove(BlockNode *node, const char *name, GError **errp);

/* Call @visit of each part of the file that one, or all with the directory, use. */
int qcow2_walk_bitmap(Qcow2 *s, const Qcow2Bitmap *bitmap, Qcow2Visit *visit, void *opaque);
int qcow2_walk_bitmaps(Qcow2 *s, Qcow2Visit *visit, void *opaque);

#endif
