/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bitmaps of a qcow2 image: the directory that lists them, and loading. While the image may be
 * written, those of the node are right, and each entry says that its bitmap is in use: so it stays
 * if the program is killed, and nobody trusts it. They are stored when nobody writes any more
 * (qcow2-bitmap-store.c). Entries that are in use when they are loaded, or of kinds that are not
 * known here, are kept, in use.
 */
#include "block/qcow2-bitmap.h"

#include <errno.h>
#include <string.h>

#include "block/dirty-bitmap.h"
#include "util/error.h"
#include "util/units.h"

#define MAX_DIRECTORY (64 * MIB)
#define ENTRY_HEADER  24 /* bytes of an entry before its extra data */
#define AT_FLAGS      12
#define MIN_BITS      9 /* of a granularity */
#define MAX_BITS      31
#define ALL_SET       UINT64_C(1) /* an entry of a table without a cluster */

/* ---- entries ---- */

void qcow2_bitmap_free(gpointer p)
{
    Qcow2Bitmap *b = p;

    g_free(b->name);
    if (b->extra) {
        g_byte_array_unref(b->extra);
    }
    dirty_bits_free(b->bits);
    g_free(b);
}

static uint64_t get(const uint8_t *bytes, unsigned count)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < count; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

/* The entry at *@at of the directory, which then is that of the next. NULL: it is none. */
static Qcow2Bitmap *parse_entry(const Qcow2 *s, const uint8_t *dir, uint64_t *at)
{
    const uint8_t *e = dir + *at;
    uint64_t left = s->bitmaps_bytes - *at, name_len, extra;
    Qcow2Bitmap *b;

    if (left < ENTRY_HEADER) {
        return NULL;
    }
    name_len = get(e + 18, 2);
    extra = get(e + 20, 4);
    if (name_len > BLOCK_DIRTY_BITMAP_NAME_MAX || !name_len || extra > left ||
        ENTRY_HEADER + extra + name_len > left) {
        return NULL;
    }
    b = g_new0(Qcow2Bitmap, 1);
    b->table_offset = get(e, 8);
    b->table_size = (uint32_t)get(e + 8, 4);
    b->flags = (uint32_t)get(e + AT_FLAGS, 4);
    b->type = e[16];
    b->granularity_bits = e[17];
    b->flags_at = s->bitmaps_offset + *at + AT_FLAGS;
    b->extra = g_byte_array_new();
    g_byte_array_append(b->extra, e + ENTRY_HEADER, (guint)extra);
    b->name = g_strndup((const char *)e + ENTRY_HEADER + extra, name_len);
    *at = MIN(*at + (ENTRY_HEADER + extra + name_len + 7) / 8 * 8, s->bitmaps_bytes);
    return b;
}

/* Can it be used here? */
static bool is_known(const Qcow2Bitmap *b)
{
    return b->type == QCOW2_BITMAP_DIRTY && !(b->flags & ~QCOW2_BITMAP_FLAGS) &&
           b->granularity_bits >= MIN_BITS && b->granularity_bits <= MAX_BITS &&
           (!b->extra->len || b->flags & QCOW2_BITMAP_EXTRA);
}

uint64_t qcow2_bitmap_clusters(const Qcow2 *s, unsigned granularity_bits)
{
    uint64_t granules =
        (s->size >> granularity_bits) + ((s->size & ((UINT64_C(1) << granularity_bits) - 1)) != 0);

    return (granules + 8 * s->cluster - 1) / (8 * s->cluster);
}

/* ---- loading ---- */

/* Is it all in the file? */
static bool is_there(const Qcow2 *s, uint64_t offset, uint64_t bytes)
{
    int64_t length = block_node_length(s->node->file.node);
    uint64_t end = length < 0 ? 0 : ((uint64_t)length + s->cluster - 1) & ~(s->cluster - 1);

    return offset % s->cluster == 0 && offset <= end && bytes <= end - offset;
}

/* What table entry @i says. */
static int load_piece(Qcow2 *s, Qcow2Bitmap *b, uint64_t i, uint64_t entry, uint8_t *buf)
{
    uint64_t offset = entry & QCOW2_OFFSET, first = i * s->cluster * 8;
    int err;

    if (entry & ~(QCOW2_OFFSET | ALL_SET) || (offset && entry & ALL_SET) ||
        !is_there(s, offset, s->cluster)) {
        return EIO;
    }
    if (!offset) {
        if (entry & ALL_SET) {
            dirty_bits_set(b->bits, first, MIN(s->cluster * 8, b->bits->size - first));
        }
        return 0;
    }
    err = block_node_pread(s->node->file.node, offset, buf, s->cluster);
    if (!err) {
        dirty_bits_load(b->bits, first, buf, s->cluster);
    }
    return err;
}

static int load_bits(Qcow2 *s, Qcow2Bitmap *b)
{
    uint64_t clusters = qcow2_bitmap_clusters(s, b->granularity_bits);
    uint64_t granules = (s->size >> b->granularity_bits) + 1;
    g_autofree uint64_t *table = NULL;
    g_autofree uint8_t *buf = NULL;
    int err;

    if (granules > DIRTY_BITS_MAX || b->table_size != clusters ||
        !is_there(s, b->table_offset, clusters * 8)) {
        return EIO;
    }
    table = g_new(uint64_t, clusters + 1);
    buf = g_malloc(s->cluster);
    err = block_node_pread(s->node->file.node, b->table_offset, table, clusters * 8);
    b->bits =
        dirty_bits_new((s->size + (UINT64_C(1) << b->granularity_bits) - 1) >> b->granularity_bits);
    for (uint64_t i = 0; i < clusters && !err; i++) {
        err = load_piece(s, b, i, GUINT64_FROM_BE(table[i]), buf);
    }
    return err;
}

static bool has_name(const GPtrArray *list, const char *name)
{
    for (unsigned i = 0; i < list->len; i++) {
        if (strcmp(((const Qcow2Bitmap *)list->pdata[i])->name, name) == 0) {
            return true;
        }
    }
    return false;
}

static bool parse_directory(Qcow2 *s, const uint8_t *dir)
{
    uint64_t at = 0;

    for (uint32_t i = 0; i < s->bitmap_count; i++) {
        Qcow2Bitmap *b = parse_entry(s, dir, &at);

        if (!b || has_name(s->bitmaps, b->name)) {
            if (b) {
                qcow2_bitmap_free(b);
            }
            return false;
        }
        g_ptr_array_add(s->bitmaps, b);
    }
    return true;
}

bool qcow2_bitmaps_load(Qcow2 *s, GError **errp)
{
    g_autofree uint8_t *dir = NULL;
    int err;

    s->bitmaps = g_ptr_array_new_with_free_func(qcow2_bitmap_free);
    if (!s->bitmap_count) {
        return true;
    }
    if (s->bitmap_count > QCOW2_BITMAPS_MAX || s->bitmaps_bytes > MAX_DIRECTORY ||
        s->bitmaps_offset % s->cluster || !s->bitmaps_offset) {
        error_set(errp, "%s: its directory of bitmaps is not where it can be", s->node->filename);
        return false;
    }
    dir = g_malloc(s->bitmaps_bytes + 1);
    err = block_node_pread(s->node->file.node, s->bitmaps_offset, dir, s->bitmaps_bytes);
    if (err || !parse_directory(s, dir)) {
        error_set_errno(errp, err ? err : EIO, "%s: its directory of bitmaps cannot be read",
                        s->node->filename);
        return false;
    }
    for (unsigned i = 0; i < s->bitmaps->len; i++) {
        Qcow2Bitmap *b = s->bitmaps->pdata[i];

        if (is_known(b) && !(b->flags & QCOW2_BITMAP_IN_USE) && load_bits(s, b)) {
            g_clear_pointer(&b->bits, dirty_bits_free); /* nobody knows what it said */
        }
    }
    return true;
}

/* ---- the node's ---- */

static BlockDirtyBitmap *bitmap_of(BlockNode *node, const Qcow2Bitmap *b)
{
    BlockDirtyBitmap *bitmap = block_dirty_bitmap_find(node, b->name, NULL);

    bitmap =
        bitmap ? bitmap : block_dirty_bitmap_new(node, b->name, 1u << b->granularity_bits, NULL);
    if (bitmap && !bitmap->persistent && bitmap->busy) {
        return NULL; /* a job's, which has the name */
    }
    return bitmap && bitmap->granularity == 1u << b->granularity_bits ? bitmap : NULL;
}

void qcow2_bitmaps_attach(BlockNode *node)
{
    const Qcow2 *s = node->state;

    for (unsigned i = node->bitmaps ? node->bitmaps->len : 0; i-- > 0;) {
        BlockDirtyBitmap *bitmap = node->bitmaps->pdata[i];

        if (bitmap->persistent && !has_name(s->bitmaps, bitmap->name) && !bitmap->busy) {
            block_dirty_bitmap_free(bitmap);
        }
    }
    for (unsigned i = 0; i < s->bitmaps->len; i++) {
        Qcow2Bitmap *b = s->bitmaps->pdata[i];
        BlockDirtyBitmap *bitmap = is_known(b) ? bitmap_of(node, b) : NULL;

        if (bitmap && bitmap->comes) {
            bitmap->persistent = true; /* what came with the machine is newer */
        } else if (bitmap) {
            bitmap->persistent = true;
            bitmap->inconsistent = !b->bits;
            block_dirty_bitmap_set_enabled(bitmap, b->bits && b->flags & QCOW2_BITMAP_AUTO);
            if (b->bits) {
                block_dirty_bitmap_restore(bitmap, g_steal_pointer(&b->bits));
            }
        }
    }
}

/* ---- in use ---- */

int qcow2_bitmaps_mark(Qcow2 *s)
{
    int err = 0;

    if (qcow2_bitmaps_marked(s)) {
        return 0;
    }
    for (unsigned i = 0; i < s->bitmaps->len && !err; i++) {
        Qcow2Bitmap *b = s->bitmaps->pdata[i];
        uint32_t raw = GUINT32_TO_BE(b->flags | QCOW2_BITMAP_IN_USE);

        err = block_node_pwrite(s->node->file.node, b->flags_at, &raw, 4);
        b->flags |= err ? 0 : QCOW2_BITMAP_IN_USE;
    }
    err = err ? err : block_node_flush(s->node->file.node);
    s->bitmaps_in_use = !err;
    return err;
}

bool qcow2_bitmaps_all_usable(Qcow2 *s)
{
    for (unsigned i = 0; i < s->bitmaps->len; i++) {
        const Qcow2Bitmap *b = s->bitmaps->pdata[i];
        const BlockDirtyBitmap *bitmap = block_dirty_bitmap_find(s->node, b->name, NULL);

        if (!is_known(b) || !bitmap || bitmap->inconsistent) {
            return false;
        }
    }
    return true;
}

/* ---- what the file has of them ---- */

void block_qcow2_bitmaps(const BlockNode *node, BlockQcow2BitmapFn *fn, void *opaque)
{
    const Qcow2 *s = node->state;

    for (unsigned i = 0; i < s->bitmaps->len; i++) {
        const Qcow2Bitmap *b = s->bitmaps->pdata[i];

        if (is_known(b)) {
            fn(b->name, 1u << b->granularity_bits, b->flags & QCOW2_BITMAP_IN_USE,
               b->flags & QCOW2_BITMAP_AUTO, opaque);
        }
    }
}

int qcow2_walk_bitmap(Qcow2 *s, const Qcow2Bitmap *b, Qcow2Visit *visit, void *opaque)
{
    uint64_t chunk = s->cluster / 8, count;
    g_autofree uint64_t *table = g_new(uint64_t, chunk);
    int err = b->table_size ? visit(s, b->table_offset, (uint64_t)b->table_size * 8, opaque) : 0;

    err = err || is_there(s, b->table_offset, (uint64_t)b->table_size * 8) ? err : EIO;
    for (uint64_t i = 0; i < b->table_size && !err; i += count) {
        count = MIN(chunk, b->table_size - i);
        err = block_node_pread(s->node->file.node, b->table_offset + i * 8, table, count * 8);
        for (uint64_t j = 0; j < count && !err; j++) {
            uint64_t offset = GUINT64_FROM_BE(table[j]) & QCOW2_OFFSET;

            err = offset ? visit(s, offset, s->cluster, opaque) : 0;
        }
    }
    return err;
}

int qcow2_walk_bitmaps(Qcow2 *s, Qcow2Visit *visit, void *opaque)
{
    int err = s->bitmap_count ? visit(s, s->bitmaps_offset, s->bitmaps_bytes, opaque) : 0;

    for (unsigned i = 0; i < s->bitmaps->len && !err; i++) {
        err = qcow2_walk_bitmap(s, s->bitmaps->pdata[i], visit, opaque);
    }
    return err;
}
