/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/bitmap-change.h"

#include "block/driver.h"
#include "util/error.h"

/* ---- images that nobody writes ---- */

/* Write to @node, whose bitmaps are kept in it, over @edge, unless somebody does already. Bitmaps
 * may be others after that: what the image has is read again. */
static bool begin(BlockEdge *edge, BlockNode *node, GError **errp)
{
    if (node->file.uses & BLOCK_PERM_WRITE) {
        return true;
    }
    if (!block_node_is_active()) {
        error_set(errp, "the images of a machine that migrates are not written here");
        return false;
    }
    return block_edge_attach(edge, node, "a change of bitmaps", BLOCK_PERM_READ | BLOCK_PERM_WRITE,
                             BLOCK_PERM_ALL, errp);
}

static bool end(BlockEdge *edge, bool ok, GError **errp)
{
    BlockNode *node = edge->node;
    int err = node ? node->driver->settle(node) : 0;

    if (err && ok) {
        error_set_errno(errp, err, "the bitmaps of block node '%s' cannot be stored", node->name);
    }
    block_edge_detach(edge);
    return ok && !err;
}

/* ---- one that is there ---- */

typedef struct Change {
    BlockEdge edge;
    BlockDirtyBitmap *bitmap;
} Change;

static bool find(Change *change, BlockNode *node, const char *name, BlockDirtyBitmapUse use,
                 GError **errp)
{
    *change = (Change){ .bitmap = block_dirty_bitmap_find(node, name, errp) };
    if (!change->bitmap || !block_dirty_bitmap_check(change->bitmap, use, errp)) {
        return false;
    }
    if (!change->bitmap->persistent) {
        return true;
    }
    if (!begin(&change->edge, node, errp)) {
        return false;
    }
    change->bitmap = block_dirty_bitmap_find(node, name, errp);
    if (!change->bitmap || !block_dirty_bitmap_check(change->bitmap, use, errp)) {
        return end(&change->edge, false, NULL);
    }
    return true;
}

bool block_bitmap_remove(BlockNode *node, const char *name, GError **errp)
{
    Change c;
    bool ok;

    if (!find(&c, node, name, BLOCK_DIRTY_BITMAP_REMOVE, errp)) {
        return false;
    }
    ok = !c.bitmap->persistent || node->driver->bitmap_remove(node, name, errp);
    if (ok) {
        block_dirty_bitmap_free(c.bitmap);
    }
    return end(&c.edge, ok, errp);
}

bool block_bitmap_clear(BlockNode *node, const char *name, GError **errp)
{
    Change c;

    if (!find(&c, node, name, BLOCK_DIRTY_BITMAP_CHANGE, errp)) {
        return false;
    }
    block_dirty_bitmap_clear(c.bitmap);
    return end(&c.edge, true, errp);
}

bool block_bitmap_restore(BlockNode *node, const char *name, DirtyBits *bits, GError **errp)
{
    Change c;

    if (!find(&c, node, name, BLOCK_DIRTY_BITMAP_CHANGE, errp)) {
        dirty_bits_free(bits);
        return false;
    }
    block_dirty_bitmap_restore(c.bitmap, bits);
    return end(&c.edge, true, errp);
}

bool block_bitmap_set_enabled(BlockNode *node, const char *name, bool enabled, GError **errp)
{
    Change c;

    if (!find(&c, node, name, BLOCK_DIRTY_BITMAP_CHANGE, errp)) {
        return false;
    }
    block_dirty_bitmap_set_enabled(c.bitmap, enabled);
    return end(&c.edge, true, errp);
}

/* Others of the node's image may be read again when the change begins: they are copied first. */
static BlockDirtyBitmap *collect(BlockNode *node, const char *name, const GPtrArray *sources,
                                 GError **errp)
{
    const BlockDirtyBitmap *to = block_dirty_bitmap_find(node, name, errp);
    BlockDirtyBitmap *all = to ? block_dirty_bitmap_new(node, NULL, to->granularity, errp) : NULL;

    for (unsigned i = 0; all && i < sources->len; i++) {
        block_dirty_bitmap_merge(all, sources->pdata[i]);
    }
    return all;
}

bool block_bitmap_merge(BlockNode *node, const char *name, const GPtrArray *sources, GError **errp)
{
    BlockDirtyBitmap *all;
    Change c;
    bool ok;

    for (unsigned i = 0; i < sources->len; i++) {
        const BlockDirtyBitmap *source = sources->pdata[i];

        if (!block_dirty_bitmap_check(source, BLOCK_DIRTY_BITMAP_READ, errp)) {
            return false;
        }
        if (source->size != (uint64_t)block_node_length(node)) {
            error_set(errp, "bitmap '%s' is of a disk of another size", source->name);
            return false;
        }
    }
    all = collect(node, name, sources, errp);
    ok = all && find(&c, node, name, BLOCK_DIRTY_BITMAP_CHANGE, errp);
    if (ok) {
        block_dirty_bitmap_merge(c.bitmap, all);
        ok = end(&c.edge, true, errp);
    }
    block_dirty_bitmap_free(all);
    return ok;
}

/* ---- new ones ---- */

static bool add_now(BlockNode *node, const BlockBitmapAdd *add, GError **errp)
{
    BlockDirtyBitmap *bitmap;

    if (add->has_granularity && !add->granularity) {
        error_set(errp, "granularity=0 has to be a power of 2, and at least %d",
                  BLOCK_DIRTY_BITMAP_GRANULARITY_MIN);
        return false;
    }
    if (add->persistent &&
        !node->driver->bitmap_possible(node, add->name, add->granularity, errp)) {
        return false;
    }
    bitmap = block_dirty_bitmap_new(node, add->name, add->granularity, errp);
    if (bitmap) {
        bitmap->persistent = add->persistent;
        block_dirty_bitmap_set_enabled(bitmap, !add->disabled);
    }
    return bitmap;
}

bool block_bitmap_add(BlockNode *node, const BlockBitmapAdd *add, GError **errp)
{
    BlockEdge edge = { 0 };
    bool ok;

    if (!add->persistent) {
        return add_now(node, add, errp);
    }
    if (!node->driver->bitmap_possible) {
        error_set(errp, "block node '%s' (%s) keeps no bitmaps: qcow2 images do", node->name,
                  BlockdevDriver_str(node->driver->id));
        return false;
    }
    if (node->read_only) {
        error_set(errp, "block node '%s' is read-only, and keeps no new bitmap", node->name);
        return false;
    }
    if (!begin(&edge, node, errp)) {
        return false;
    }
    ok = add_now(node, add, errp);
    return end(&edge, ok, errp);
}
