/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Dirty bitmaps: what of a node was written. Each belongs to a node; those of users have a name,
 * by which the commands find them. One that is enabled is marked at the end of each write, write of
 * zeros and discard of its node, whether that went well or not; so who clears a place first and
 * reads it then misses nothing: a write that comes in between is there anew.
 *
 * Making, ending, names and flags belong to the main thread with the machine lock; bits may be
 * asked for and changed by any thread. While one is made or enabled there are no requests
 * (block_hold_all()): those that are under way then need not be marked.
 */
#ifndef BLOCK_DIRTY_BITMAP_H
#define BLOCK_DIRTY_BITMAP_H

#include "block/dirty-bits.h"
#include "block/node.h"

#define BLOCK_DIRTY_BITMAP_GRANULARITY_MIN 512
#define BLOCK_DIRTY_BITMAP_NAME_MAX        1023 /* bytes */

typedef struct BlockDirtyBitmap {
    BlockNode *node; /* that it is of */
    char *name;      /* NULL: not a user's, only found by its pointer */
    uint32_t granularity;
    bool persistent;   /* it is kept in the image */
    bool comes;        /* with a machine: it is persistent as soon as its image can be written */
    bool inconsistent; /* the image's, of which nobody knows what was written since */
    unsigned busy;     /* jobs and exports that use it: users may not */
    /* Under the node's mutex: */
    bool enabled;
    uint64_t size;        /* bytes of the node */
    DirtyBits *bits;      /* one a @granularity bytes */
    DirtyBits *successor; /* frozen: what is written since; else NULL */
} BlockDirtyBitmap;

/* ---- making ---- */

/* One bit a @granularity bytes (a power of 2; 0: what fits @node); it is enabled. @name may be
 * NULL. Errors: the name is there or too long, the granularity makes no sense or is too small for
 * the size of the node. */
BlockDirtyBitmap *block_dirty_bitmap_new(BlockNode *node, const char *name, uint32_t granularity,
                                         GError **errp);
/* Nobody uses it. NULL is fine. Those that are left when their node goes, go with it. */
void block_dirty_bitmap_free(BlockDirtyBitmap *bitmap);
/* By name; borrowed. */
BlockDirtyBitmap *block_dirty_bitmap_find(BlockNode *node, const char *name, GError **errp);
/* The same of @node or, if it has none of that name, of a node from which it has what is not in it:
 * the nearest. */
BlockDirtyBitmap *block_dirty_bitmap_find_below(BlockNode *node, const char *name, GError **errp);
/* Call @fn for each of @node that has a name, the newest first. */
void block_dirty_bitmap_foreach(BlockNode *node, void (*fn)(BlockDirtyBitmap *bitmap, void *opaque),
                                void *opaque);

/* What a command does with it, for block_dirty_bitmap_check(). */
typedef enum BlockDirtyBitmapUse {
    BLOCK_DIRTY_BITMAP_REMOVE, /* inconsistent ones, too */
    BLOCK_DIRTY_BITMAP_READ,   /* its bits; also while jobs use it */
    BLOCK_DIRTY_BITMAP_CHANGE, /* its bits, or whether it is enabled; and a job that uses it */
} BlockDirtyBitmapUse;

/* Those that came to @node, whose image can be written from now on. One that the image cannot keep
 * stays, without that, and a warning says why. */
void block_dirty_bitmap_keep_all(BlockNode *node);

/* May a user do that now? Errors: a job uses it, it is inconsistent, its image is only read. */
bool block_dirty_bitmap_check(const BlockDirtyBitmap *bitmap, BlockDirtyBitmapUse use,
                              GError **errp);

/* ---- bits: any thread ---- */

void block_dirty_bitmap_set_enabled(BlockDirtyBitmap *bitmap, bool enabled);
/* Mark all of what [@offset, @offset + @bytes) touches, within the node. */
void block_dirty_bitmap_set(BlockDirtyBitmap *bitmap, uint64_t offset, uint64_t bytes);
/* Clear what lies within that as a whole. */
void block_dirty_bitmap_reset(BlockDirtyBitmap *bitmap, uint64_t offset, uint64_t bytes);
/* Clear all of it. */
void block_dirty_bitmap_clear(BlockDirtyBitmap *bitmap);
bool block_dirty_bitmap_get(BlockDirtyBitmap *bitmap, uint64_t offset);
/* Bytes that are marked: whole granules, also at the end of the node. */
uint64_t block_dirty_bitmap_count(BlockDirtyBitmap *bitmap);
/* The first place from *@offset on, before @end, that is marked: *@offset is set to it, and *@bytes
 * to how much of it is, at most @max, and not beyond the end of the node. False: there is none. */
bool block_dirty_bitmap_next(BlockDirtyBitmap *bitmap, uint64_t *offset, uint64_t end, uint64_t max,
                             uint64_t *bytes);
/* The same, and clear it at once. @max is at least one granule. */
bool block_dirty_bitmap_take(BlockDirtyBitmap *bitmap, uint64_t *offset, uint64_t end, uint64_t max,
                             uint64_t *bytes);
/* Mark in @to what is marked in @from, of any granularities and, but for what is beyond the end,
 * sizes. */
void block_dirty_bitmap_merge(BlockDirtyBitmap *to, BlockDirtyBitmap *from);
/* All that it has, also while it is frozen. The caller's. */
DirtyBits *block_dirty_bitmap_all(BlockDirtyBitmap *bitmap);
/* For undoing: its bits; and those instead, which are taken. */
DirtyBits *block_dirty_bitmap_save(BlockDirtyBitmap *bitmap);
void block_dirty_bitmap_restore(BlockDirtyBitmap *bitmap, DirtyBits *bits);

/* ---- jobs ---- */

/* A job or an export begins, or ends, to use it. */
void block_dirty_bitmap_set_busy(BlockDirtyBitmap *bitmap, bool busy);
/* A job begins to copy what is marked: from now on that is not changed by what is written, which is
 * remembered beside it if it is enabled. The job is the one that changes it: it may, for example,
 * reset what it copied. There are no requests. */
void block_dirty_bitmap_freeze(BlockDirtyBitmap *bitmap);
/* It is over. All went well: only what was written since is marked. */
void block_dirty_bitmap_thaw_done(BlockDirtyBitmap *bitmap);
/* Or not: what is still marked is so, and what was written since, too. */
void block_dirty_bitmap_thaw_failed(BlockDirtyBitmap *bitmap);

/* ---- for node.c and node-io.c ---- */

/* Is there one that is enabled? Then a request has to end with block_dirty_bitmap_mark(). */
static inline bool block_dirty_bitmap_records(const BlockNode *node)
{
    return __atomic_load_n(&node->recording, __ATOMIC_RELAXED);
}
/* [@offset, @offset + @bytes) of @node was written, or may have been; @grows: it was, and so the
 * node is as long. */
void block_dirty_bitmap_mark(BlockNode *node, uint64_t offset, uint64_t bytes, bool grows);
/* The node has @size bytes now. What has come is not marked. */
void block_dirty_bitmap_resized(BlockNode *node, uint64_t size);
/* Can all of its bitmaps be of a node of @size bytes? */
bool block_dirty_bitmap_check_size(const BlockNode *node, uint64_t size);
void block_dirty_bitmap_free_all(BlockNode *node);

#endif
