/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bitmaps of a qcow2 image: storing. New tables and a new directory are written beside the old
 * ones; the header names them then, at once; and what was there before is free after that. A
 * program that is killed leaves the old directory, in use, or the new one.
 */
#include <errno.h>
#include <string.h>

#include "block/dirty-bitmap.h"
#include "block/qcow2-bitmap.h"
#include "util/error.h"

/* ---- one bitmap ---- */

/* Bits [@first, ...) of one cluster; *@entry is for the table. */
static int store_piece(Qcow2 *s, const DirtyBits *bits, uint64_t first, uint8_t *buf,
                       uint64_t *entry)
{
    uint64_t offset = 0;
    int err = 0;

    if (dirty_bits_store(bits, first, buf, s->cluster)) {
        err = qcow2_cluster_alloc(s, &offset);
        err = err ? err : block_node_pwrite(s->node->file.node, offset, buf, s->cluster);
    }
    *entry = GUINT64_TO_BE(offset);
    return err;
}

static int store_bits(Qcow2 *s, Qcow2Bitmap *b, const DirtyBits *bits)
{
    uint64_t clusters = qcow2_bitmap_clusters(s, b->granularity_bits), bytes = clusters * 8;
    g_autofree uint64_t *table = g_new0(uint64_t, clusters + 1);
    g_autofree uint8_t *buf = g_malloc(s->cluster);
    int err = 0;

    b->table_size = (uint32_t)clusters;
    b->table_offset = 0;
    for (uint64_t i = 0; i < clusters && !err; i++) {
        err = store_piece(s, bits, i * s->cluster * 8, buf, &table[i]);
    }
    if (err || !clusters) {
        return err;
    }
    err = qcow2_clusters_alloc(s, (bytes + s->cluster - 1) >> s->cluster_bits, &b->table_offset);
    return err ? err : block_node_pwrite(s->node->file.node, b->table_offset, table, bytes);
}

static Qcow2Bitmap *entry_copy(const Qcow2Bitmap *b)
{
    Qcow2Bitmap *copy = g_new0(Qcow2Bitmap, 1);

    *copy = *b;
    copy->name = g_strdup(b->name);
    copy->extra = g_byte_array_ref(b->extra);
    copy->bits = NULL;
    return copy;
}

static Qcow2Bitmap *entry_new(const BlockDirtyBitmap *bitmap)
{
    Qcow2Bitmap *b = g_new0(Qcow2Bitmap, 1);

    b->name = g_strdup(bitmap->name);
    b->type = QCOW2_BITMAP_DIRTY;
    b->granularity_bits = (uint8_t)__builtin_ctz(bitmap->granularity);
    b->extra = g_byte_array_new();
    return b;
}

static int store_one(Qcow2 *s, Qcow2Bitmap *b, BlockDirtyBitmap *bitmap)
{
    g_autoptr(DirtyBits) bits = block_dirty_bitmap_all(bitmap);

    b->flags = (b->flags & QCOW2_BITMAP_EXTRA) | (bitmap->enabled ? QCOW2_BITMAP_AUTO : 0);
    return store_bits(s, b, bits);
}

/* ---- the directory ---- */

static void put(GByteArray *out, uint64_t value, unsigned count)
{
    for (unsigned i = count; i-- > 0;) {
        const uint8_t byte = (uint8_t)(value >> (8 * i));

        g_byte_array_append(out, &byte, 1);
    }
}

static void put_entry(GByteArray *out, Qcow2Bitmap *b, uint64_t directory)
{
    static const uint8_t zeros[8];
    size_t len = strlen(b->name);

    put(out, b->table_offset, 8);
    put(out, b->table_size, 4);
    b->flags_at = directory + out->len;
    put(out, b->flags, 4);
    put(out, b->type, 1);
    put(out, b->granularity_bits, 1);
    put(out, len, 2);
    put(out, b->extra->len, 4);
    g_byte_array_append(out, b->extra->data, b->extra->len);
    g_byte_array_append(out, (const uint8_t *)b->name, (guint)len);
    g_byte_array_append(out, zeros, (8 - out->len % 8) % 8);
}

static uint64_t directory_bytes(const GPtrArray *list)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < list->len; i++) {
        const Qcow2Bitmap *b = list->pdata[i];

        bytes += (24 + b->extra->len + strlen(b->name) + 7) / 8 * 8;
    }
    return bytes;
}

static int release(Qcow2 *s, uint64_t offset, uint64_t bytes, void *opaque)
{
    return qcow2_cluster_release(s, offset, bytes);
}

/* Let the image have those of @list, which is taken. The old directory is free then. */
static int write_directory(Qcow2 *s, GPtrArray *list)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    uint64_t offset = 0, bytes = directory_bytes(list), old = s->bitmaps_offset,
             old_bytes = s->bitmap_count ? s->bitmaps_bytes : 0;
    int err = 0;

    if (list->len) {
        err = qcow2_clusters_alloc(s, (bytes + s->cluster - 1) >> s->cluster_bits, &offset);
    }
    for (unsigned i = 0; i < list->len && !err; i++) {
        put_entry(out, list->pdata[i], offset);
    }
    err = err || !list->len ? err
                            : block_node_pwrite(s->node->file.node, offset, out->data, out->len);
    err = err ? err : block_node_flush(s->node->file.node);
    err = err ? err : qcow2_header_set_bitmaps(s, list->len, offset, bytes);
    err = err ? err : block_node_flush(s->node->file.node);
    if (err) {
        g_ptr_array_unref(list);
        return err;
    }
    g_ptr_array_unref(s->bitmaps);
    s->bitmaps = list;
    return old_bytes ? qcow2_cluster_release(s, old, old_bytes) : 0;
}

/* ---- all of them ---- */

static const Qcow2Bitmap *find_entry(const Qcow2 *s, const char *name)
{
    for (unsigned i = 0; i < s->bitmaps->len; i++) {
        const Qcow2Bitmap *b = s->bitmaps->pdata[i];

        if (strcmp(b->name, name) == 0) {
            return b;
        }
    }
    return NULL;
}

/* Is there one to be stored that the image does not know? */
static bool has_new(const Qcow2 *s)
{
    const GPtrArray *bitmaps = s->node->bitmaps;

    for (unsigned i = 0; bitmaps && i < bitmaps->len; i++) {
        const BlockDirtyBitmap *bitmap = bitmaps->pdata[i];

        if (bitmap->persistent && !find_entry(s, bitmap->name)) {
            return true;
        }
    }
    return false;
}

static BlockDirtyBitmap *to_store(const Qcow2 *s, const char *name)
{
    BlockDirtyBitmap *bitmap = block_dirty_bitmap_find(s->node, name, NULL);

    return bitmap && bitmap->persistent && !bitmap->inconsistent ? bitmap : NULL;
}

/* Entries of a new directory, and in @old those that they replace. */
static int store_all(Qcow2 *s, GPtrArray *list, GPtrArray *old)
{
    const GPtrArray *bitmaps = s->node->bitmaps;
    int err = 0;

    for (unsigned i = 0; i < s->bitmaps->len && !err; i++) {
        Qcow2Bitmap *b = entry_copy(s->bitmaps->pdata[i]);
        BlockDirtyBitmap *bitmap = to_store(s, b->name);

        g_ptr_array_add(list, b);
        if (bitmap) {
            g_ptr_array_add(old, entry_copy(b));
            err = store_one(s, b, bitmap);
        }
    }
    for (unsigned i = bitmaps ? bitmaps->len : 0; i-- > 0 && !err;) { /* the oldest first */
        BlockDirtyBitmap *bitmap = bitmaps->pdata[i];

        if (bitmap->persistent && !find_entry(s, bitmap->name)) {
            Qcow2Bitmap *b = entry_new(bitmap);

            g_ptr_array_add(list, b);
            err = store_one(s, b, bitmap);
        }
    }
    return err;
}

static int release_all(Qcow2 *s, const GPtrArray *old)
{
    int err = 0;

    for (unsigned i = 0; i < old->len && !err; i++) {
        err = qcow2_walk_bitmap(s, old->pdata[i], release, NULL);
    }
    return err;
}

int qcow2_bitmaps_store(BlockNode *node)
{
    Qcow2 *s = node->state;
    g_autoptr(GPtrArray) old = g_ptr_array_new_with_free_func(qcow2_bitmap_free);
    GPtrArray *list;
    int err;

    if (!s->bitmaps || (!s->bitmaps_in_use && !has_new(s))) {
        return 0;
    }
    list = g_ptr_array_new_with_free_func(qcow2_bitmap_free);
    g_rw_lock_writer_lock(&s->lock);
    err = qcow2_begin_writing(s);
    err = err ? err : store_all(s, list, old);
    if (err) {
        g_ptr_array_unref(list);
    } else {
        err = write_directory(s, list);
        s->bitmaps_in_use = s->bitmaps_in_use && err;
        err = err ? err : release_all(s, old);
    }
    g_rw_lock_writer_unlock(&s->lock);
    return err;
}

/* ---- coming and going ---- */

bool qcow2_bitmap_possible(BlockNode *node, const char *name, uint32_t granularity, GError **errp)
{
    const Qcow2 *s = node->state;

    if (s->version == 2) {
        error_set(errp,
                  "%s is of version 2, which keeps no bitmaps: 'dimmable-img amend -o compat=1.1' "
                  "makes it one of version 3",
                  node->filename);
    } else if (s->bitmaps->len >= QCOW2_BITMAPS_MAX) {
        error_set(errp, "%s has %u bitmaps: that is as many as there can be", node->filename,
                  s->bitmaps->len);
    } else if (find_entry(s, name)) {
        error_set(errp, "%s has a bitmap '%s' already", node->filename, name);
    } else {
        return true;
    }
    return false;
}

bool qcow2_bitmap_remove(BlockNode *node, const char *name, GError **errp)
{
    Qcow2 *s = node->state;
    const Qcow2Bitmap *found = find_entry(s, name);
    g_autoptr(GPtrArray) old = g_ptr_array_new_with_free_func(qcow2_bitmap_free);
    GPtrArray *list;
    int err;

    if (!found) {
        return true; /* it was not stored yet */
    }
    g_ptr_array_add(old, entry_copy(found));
    list = g_ptr_array_new_with_free_func(qcow2_bitmap_free);
    for (unsigned i = 0; i < s->bitmaps->len; i++) {
        if (s->bitmaps->pdata[i] != found) {
            g_ptr_array_add(list, entry_copy(s->bitmaps->pdata[i]));
        }
    }
    g_rw_lock_writer_lock(&s->lock);
    err = qcow2_begin_writing(s);
    for (unsigned i = 0; i < list->len; i++) { /* as it is now */
        ((Qcow2Bitmap *)list->pdata[i])->flags |= QCOW2_BITMAP_IN_USE;
    }
    if (err) {
        g_ptr_array_unref(list);
    } else {
        err = write_directory(s, list);
        err = err ? err : release_all(s, old);
    }
    g_rw_lock_writer_unlock(&s->lock);
    if (err) {
        error_set_errno(errp, err, "%s: bitmap '%s' cannot be removed", node->filename, name);
    }
    return !err;
}
