/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/dirty-bitmap.h"

#include <string.h>

#include "block/driver.h"
#include "util/error.h"
#include "util/units.h"

#define GRANULARITY_DEFAULT_MIN (4 * KIB) /* whatever the clusters of the image are */
#define GRANULARITY_DEFAULT     (64 * KIB)

/* ---- granules ---- */

static uint64_t granules(uint64_t bytes, uint32_t granularity)
{
    return bytes / granularity + (bytes % granularity != 0);
}

/* Of those that [@offset, @offset + @bytes) touches, within @bits: the first; how many to *@n. */
static uint64_t touched(const BlockDirtyBitmap *bitmap, const DirtyBits *bits, uint64_t offset,
                        uint64_t bytes, uint64_t *n)
{
    uint64_t first = offset / bitmap->granularity;
    uint64_t end = MIN(granules(offset + bytes, bitmap->granularity), bits->size);

    *n = bytes && end > first ? end - first : 0;
    return *n ? first : 0;
}

static uint32_t default_granularity(BlockNode *node)
{
    uint64_t cluster = block_node_cluster_size(node);

    return cluster ? (uint32_t)CLAMP(cluster, GRANULARITY_DEFAULT_MIN, GRANULARITY_DEFAULT)
                   : GRANULARITY_DEFAULT;
}

/* ---- making ---- */

static BlockDirtyBitmap *find(const BlockNode *node, const char *name)
{
    for (unsigned i = 0; node->bitmaps && i < node->bitmaps->len; i++) {
        BlockDirtyBitmap *bitmap = node->bitmaps->pdata[i];

        if (g_strcmp0(bitmap->name, name) == 0) {
            return bitmap;
        }
    }
    return NULL;
}

static bool check_name(const BlockNode *node, const char *name, GError **errp)
{
    if (!*name) {
        error_set(errp, "the name of a bitmap cannot be empty");
        return false;
    }
    if (strlen(name) > BLOCK_DIRTY_BITMAP_NAME_MAX) {
        error_set(errp, "the name of a bitmap has at most %d bytes", BLOCK_DIRTY_BITMAP_NAME_MAX);
        return false;
    }
    if (find(node, name)) {
        error_set(errp, "block node '%s' has a bitmap '%s' already", node->name, name);
        return false;
    }
    return true;
}

static bool check_granularity(uint32_t granularity, uint64_t size, GError **errp)
{
    if (granularity < BLOCK_DIRTY_BITMAP_GRANULARITY_MIN ||
        (granularity & (granularity - 1)) != 0) {
        error_set(errp, "granularity=%u has to be a power of 2, and at least %d", granularity,
                  BLOCK_DIRTY_BITMAP_GRANULARITY_MIN);
        return false;
    }
    if (granules(size, granularity) > DIRTY_BITS_MAX) {
        error_set(errp, "granularity=%u is too small for a disk of this size", granularity);
        return false;
    }
    return true;
}

BlockDirtyBitmap *block_dirty_bitmap_new(BlockNode *node, const char *name, uint32_t granularity,
                                         GError **errp)
{
    int64_t length = block_node_length(node);
    BlockDirtyBitmap *bitmap;

    if (length < 0) {
        error_set_errno(errp, (int)-length, "the size of block node '%s' is not known", node->name);
        return NULL;
    }
    granularity = granularity ? granularity : default_granularity(node);
    if ((name && !check_name(node, name, errp)) ||
        !check_granularity(granularity, (uint64_t)length, errp)) {
        return NULL;
    }
    bitmap = g_new0(BlockDirtyBitmap, 1);
    bitmap->node = node;
    bitmap->name = g_strdup(name);
    bitmap->granularity = granularity;
    bitmap->enabled = true;
    bitmap->size = (uint64_t)length;
    bitmap->bits = dirty_bits_new(granules(bitmap->size, granularity));
    g_mutex_lock(&node->bitmaps_mutex);
    node->bitmaps = node->bitmaps ? node->bitmaps : g_ptr_array_new();
    g_ptr_array_insert(node->bitmaps, 0, bitmap);
    __atomic_add_fetch(&node->recording, 1, __ATOMIC_RELAXED);
    g_mutex_unlock(&node->bitmaps_mutex);
    return bitmap;
}

void block_dirty_bitmap_free(BlockDirtyBitmap *bitmap)
{
    BlockNode *node = bitmap ? bitmap->node : NULL;

    if (!node) {
        return;
    }
    g_mutex_lock(&node->bitmaps_mutex);
    g_ptr_array_remove(node->bitmaps, bitmap);
    if (bitmap->enabled) {
        __atomic_sub_fetch(&node->recording, 1, __ATOMIC_RELAXED);
    }
    g_mutex_unlock(&node->bitmaps_mutex);
    dirty_bits_free(bitmap->bits);
    dirty_bits_free(bitmap->successor);
    g_free(bitmap->name);
    g_free(bitmap);
}

void block_dirty_bitmap_keep_all(BlockNode *node)
{
    for (unsigned i = 0; node->bitmaps && i < node->bitmaps->len; i++) {
        BlockDirtyBitmap *bitmap = node->bitmaps->pdata[i];
        g_autoptr(GError) err = NULL;

        if (!bitmap->comes) {
            continue;
        }
        bitmap->comes = false;
        bitmap->persistent =
            bitmap->persistent ||
            (node->driver->bitmap_possible &&
             node->driver->bitmap_possible(node, bitmap->name, bitmap->granularity, &err));
        if (!bitmap->persistent) {
            error_warn("block node '%s' cannot keep dirty bitmap '%s', which came with the "
                       "machine: %s",
                       node->name, bitmap->name, err ? err->message : "it is no qcow2 image");
        }
    }
}

void block_dirty_bitmap_free_all(BlockNode *node)
{
    while (node->bitmaps && node->bitmaps->len) {
        block_dirty_bitmap_free(node->bitmaps->pdata[0]);
    }
    g_clear_pointer(&node->bitmaps, g_ptr_array_unref);
}

BlockDirtyBitmap *block_dirty_bitmap_find(BlockNode *node, const char *name, GError **errp)
{
    BlockDirtyBitmap *bitmap = find(node, name);

    if (!bitmap) {
        error_set(errp, "block node '%s' has no bitmap '%s'", node->name, name);
    }
    return bitmap;
}

BlockDirtyBitmap *block_dirty_bitmap_find_below(BlockNode *node, const char *name, GError **errp)
{
    BlockNode *below = node;

    while (below && !find(below, name)) {
        bool filter = below->file.node && !below->driver->length;

        below = below->backing.node ? below->backing.node : filter ? below->file.node : NULL;
    }
    return block_dirty_bitmap_find(below ? below : node, name, errp);
}

void block_dirty_bitmap_foreach(BlockNode *node, void (*fn)(BlockDirtyBitmap *bitmap, void *opaque),
                                void *opaque)
{
    for (unsigned i = 0; node->bitmaps && i < node->bitmaps->len; i++) {
        BlockDirtyBitmap *bitmap = node->bitmaps->pdata[i];

        if (bitmap->name) {
            fn(bitmap, opaque);
        }
    }
}

bool block_dirty_bitmap_check(const BlockDirtyBitmap *bitmap, BlockDirtyBitmapUse use,
                              GError **errp)
{
    if (bitmap->busy && use != BLOCK_DIRTY_BITMAP_READ) {
        error_set(errp, "bitmap '%s' is in use by a job or an export", bitmap->name);
    } else if (bitmap->inconsistent && use != BLOCK_DIRTY_BITMAP_REMOVE) {
        error_set(errp,
                  "bitmap '%s' is inconsistent: its image was not closed, and nobody knows what "
                  "was written; it can only be removed",
                  bitmap->name);
    } else if (bitmap->persistent && bitmap->node->read_only && use != BLOCK_DIRTY_BITMAP_READ) {
        error_set(errp, "bitmap '%s' is kept in an image that is read-only", bitmap->name);
    } else {
        return true;
    }
    return false;
}

/* ---- bits ---- */

void block_dirty_bitmap_set_enabled(BlockDirtyBitmap *bitmap, bool enabled)
{
    g_mutex_lock(&bitmap->node->bitmaps_mutex);
    __atomic_add_fetch(&bitmap->node->recording, enabled - bitmap->enabled, __ATOMIC_RELAXED);
    bitmap->enabled = enabled;
    g_mutex_unlock(&bitmap->node->bitmaps_mutex);
}

void block_dirty_bitmap_set(BlockDirtyBitmap *bitmap, uint64_t offset, uint64_t bytes)
{
    uint64_t first, n;

    g_mutex_lock(&bitmap->node->bitmaps_mutex);
    first = touched(bitmap, bitmap->bits, offset, bytes, &n);
    dirty_bits_set(bitmap->bits, first, n);
    g_mutex_unlock(&bitmap->node->bitmaps_mutex);
}

/* With the mutex. */
static void reset(BlockDirtyBitmap *bitmap, uint64_t offset, uint64_t bytes)
{
    uint64_t end = offset + bytes, first = granules(offset, bitmap->granularity);
    uint64_t last = end >= bitmap->size ? bitmap->bits->size : end / bitmap->granularity;

    if (last > first) {
        dirty_bits_reset(bitmap->bits, first, last - first);
    }
}

void block_dirty_bitmap_reset(BlockDirtyBitmap *bitmap, uint64_t offset, uint64_t bytes)
{
    g_mutex_lock(&bitmap->node->bitmaps_mutex);
    reset(bitmap, offset, bytes);
    g_mutex_unlock(&bitmap->node->bitmaps_mutex);
}

void block_dirty_bitmap_clear(BlockDirtyBitmap *bitmap)
{
    g_mutex_lock(&bitmap->node->bitmaps_mutex);
    dirty_bits_reset(bitmap->bits, 0, bitmap->bits->size);
    g_mutex_unlock(&bitmap->node->bitmaps_mutex);
}

bool block_dirty_bitmap_get(BlockDirtyBitmap *bitmap, uint64_t offset)
{
    uint64_t bit = offset / bitmap->granularity;
    bool set;

    g_mutex_lock(&bitmap->node->bitmaps_mutex);
    set = bit < bitmap->bits->size && dirty_bits_get(bitmap->bits, bit);
    g_mutex_unlock(&bitmap->node->bitmaps_mutex);
    return set;
}

uint64_t block_dirty_bitmap_count(BlockDirtyBitmap *bitmap)
{
    uint64_t count;

    g_mutex_lock(&bitmap->node->bitmaps_mutex);
    count = bitmap->bits->count;
    g_mutex_unlock(&bitmap->node->bitmaps_mutex);
    return count * bitmap->granularity;
}

/* With the mutex. */
static bool next(BlockDirtyBitmap *bitmap, uint64_t *offset, uint64_t end, uint64_t max,
                 uint64_t *bytes)
{
    uint64_t first = *offset / bitmap->granularity;
    uint64_t from = dirty_bits_next(bitmap->bits, first, true), to;

    end = MIN(end, bitmap->size);
    if (from >= bitmap->bits->size || MAX(*offset, from * bitmap->granularity) >= end) {
        return false;
    }
    to = dirty_bits_next(bitmap->bits, from, false) * bitmap->granularity;
    *offset = MAX(*offset, from * bitmap->granularity);
    *bytes = MIN(MIN(to, end) - *offset, max);
    return true;
}

bool block_dirty_bitmap_next(BlockDirtyBitmap *bitmap, uint64_t *offset, uint64_t end, uint64_t max,
                             uint64_t *bytes)
{
    bool found;

    g_mutex_lock(&bitmap->node->bitmaps_mutex);
    found = next(bitmap, offset, end, max, bytes);
    g_mutex_unlock(&bitmap->node->bitmaps_mutex);
    return found;
}

bool block_dirty_bitmap_take(BlockDirtyBitmap *bitmap, uint64_t *offset, uint64_t end, uint64_t max,
                             uint64_t *bytes)
{
    uint32_t granularity = bitmap->granularity;
    bool found;

    g_assert(max >= granularity);
    *offset -= *offset % granularity;
    g_mutex_lock(&bitmap->node->bitmaps_mutex);
    end = MIN(end, bitmap->size);
    end = MIN(granules(end, granularity) * granularity, bitmap->size);
    found = next(bitmap, offset, end, max - max % granularity, bytes);
    if (found) {
        reset(bitmap, *offset, *bytes);
    }
    g_mutex_unlock(&bitmap->node->bitmaps_mutex);
    return found;
}

void block_dirty_bitmap_merge(BlockDirtyBitmap *to, BlockDirtyBitmap *from)
{
    DirtyBits *bits = block_dirty_bitmap_save(from); /* the mutexes one after the other */
    uint64_t granularity = from->granularity, first = 0;

    while ((first = dirty_bits_next(bits, first, true)) < bits->size) {
        uint64_t end = dirty_bits_next(bits, first, false);

        block_dirty_bitmap_set(to, first * granularity, (end - first) * granularity);
        first = end;
    }
    dirty_bits_free(bits);
}

/* Mark in @to what is marked in @from, of the same size. */
static void add_bits(DirtyBits *to, const DirtyBits *from)
{
    uint64_t first = 0;

    while ((first = dirty_bits_next(from, first, true)) < from->size) {
        uint64_t end = dirty_bits_next(from, first, false);

        dirty_bits_set(to, first, end - first);
        first = end;
    }
}

DirtyBits *block_dirty_bitmap_all(BlockDirtyBitmap *bitmap)
{
    DirtyBits *bits;

    g_mutex_lock(&bitmap->node->bitmaps_mutex);
    bits = dirty_bits_copy(bitmap->bits);
    if (bitmap->successor) {
        add_bits(bits, bitmap->successor);
    }
    g_mutex_unlock(&bitmap->node->bitmaps_mutex);
    return bits;
}

DirtyBits *block_dirty_bitmap_save(BlockDirtyBitmap *bitmap)
{
    DirtyBits *bits;

    g_mutex_lock(&bitmap->node->bitmaps_mutex);
    bits = dirty_bits_copy(bitmap->bits);
    g_mutex_unlock(&bitmap->node->bitmaps_mutex);
    return bits;
}

void block_dirty_bitmap_restore(BlockDirtyBitmap *bitmap, DirtyBits *bits)
{
    g_mutex_lock(&bitmap->node->bitmaps_mutex);
    dirty_bits_free(bitmap->bits);
    bitmap->bits = bits;
    dirty_bits_resize(bits, granules(bitmap->size, bitmap->granularity));
    g_mutex_unlock(&bitmap->node->bitmaps_mutex);
}

/* ---- jobs ---- */

void block_dirty_bitmap_set_busy(BlockDirtyBitmap *bitmap, bool busy)
{
    bitmap->busy = busy ? bitmap->busy + 1 : bitmap->busy - 1;
}

void block_dirty_bitmap_freeze(BlockDirtyBitmap *bitmap)
{
    g_mutex_lock(&bitmap->node->bitmaps_mutex);
    g_assert(!bitmap->successor);
    bitmap->successor = dirty_bits_new(bitmap->bits->size);
    g_mutex_unlock(&bitmap->node->bitmaps_mutex);
}

static void thaw(BlockDirtyBitmap *bitmap, bool keep)
{
    g_mutex_lock(&bitmap->node->bitmaps_mutex);
    g_assert(bitmap->successor);
    if (!keep) {
        dirty_bits_reset(bitmap->bits, 0, bitmap->bits->size);
    }
    add_bits(bitmap->bits, bitmap->successor);
    g_clear_pointer(&bitmap->successor, dirty_bits_free);
    g_mutex_unlock(&bitmap->node->bitmaps_mutex);
}

void block_dirty_bitmap_thaw_done(BlockDirtyBitmap *bitmap)
{
    thaw(bitmap, false);
}

void block_dirty_bitmap_thaw_failed(BlockDirtyBitmap *bitmap)
{
    thaw(bitmap, true);
}

/* ---- requests ---- */

/* With the mutex. */
static void resize(BlockDirtyBitmap *bitmap, uint64_t size)
{
    uint64_t n = MIN(granules(size, bitmap->granularity), DIRTY_BITS_MAX);

    bitmap->size = size;
    if (n != bitmap->bits->size) {
        dirty_bits_resize(bitmap->bits, n);
        if (bitmap->successor) {
            dirty_bits_resize(bitmap->successor, n);
        }
    }
}

void block_dirty_bitmap_mark(BlockNode *node, uint64_t offset, uint64_t bytes, bool grows)
{
    g_mutex_lock(&node->bitmaps_mutex);
    for (unsigned i = 0; i < node->bitmaps->len; i++) {
        BlockDirtyBitmap *bitmap = node->bitmaps->pdata[i];
        DirtyBits *bits = bitmap->successor ? bitmap->successor : bitmap->bits;
        uint64_t first, n;

        if (grows && offset + bytes > bitmap->size) { /* files do, by writes */
            resize(bitmap, offset + bytes);
        }
        first = touched(bitmap, bits, offset, bytes, &n);
        if (bitmap->enabled) {
            dirty_bits_set(bits, first, n);
        }
    }
    g_mutex_unlock(&node->bitmaps_mutex);
}

bool block_dirty_bitmap_check_size(const BlockNode *node, uint64_t size)
{
    for (unsigned i = 0; node->bitmaps && i < node->bitmaps->len; i++) {
        const BlockDirtyBitmap *bitmap = node->bitmaps->pdata[i];

        if (granules(size, bitmap->granularity) > DIRTY_BITS_MAX) {
            return false;
        }
    }
    return true;
}

void block_dirty_bitmap_resized(BlockNode *node, uint64_t size)
{
    g_mutex_lock(&node->bitmaps_mutex);
    for (unsigned i = 0; node->bitmaps && i < node->bitmaps->len; i++) {
        resize(node->bitmaps->pdata[i], size);
    }
    g_mutex_unlock(&node->bitmaps_mutex);
}
