/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about dirty bitmaps (qapi/block-bitmap.json). */
#include "block/backend.h"
#include "block/bitmap-change.h"
#include "monitor/bitmap.h"
#include "monitor/block-info.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"

/* Clients call nodes by their names, or by those of drives. */
static BlockNode *find_node(const char *name, GError **errp)
{
    const BlockBackend *backend = block_backend_find(name);

    return backend ? block_backend_image(backend) : block_node_find(name, errp);
}

BlockDirtyBitmap *bitmap_find(const char *node_name, const char *name, GError **errp)
{
    BlockNode *node = find_node(node_name, errp);

    return node ? block_dirty_bitmap_find(node, name, errp) : NULL;
}

bool qmp_block_dirty_bitmap_add(const BlockDirtyBitmapAdd *args, GError **errp)
{
    const BlockBitmapAdd add = { args->name, args->has_granularity, args->granularity,
                                 args->persistent, args->disabled };
    BlockNode *node = find_node(args->node, errp);
    bool ok;

    if (!node) {
        return false;
    }
    block_hold_all();
    ok = block_bitmap_add(node, &add, errp);
    block_resume_all();
    return ok;
}

bool qmp_block_dirty_bitmap_remove(const BlockDirtyBitmapRef *args, GError **errp)
{
    BlockNode *node = find_node(args->node, errp);
    bool ok;

    if (!node) {
        return false;
    }
    block_hold_all();
    ok = block_bitmap_remove(node, args->name, errp);
    block_resume_all();
    return ok;
}

bool qmp_block_dirty_bitmap_clear(const BlockDirtyBitmapRef *args, GError **errp)
{
    BlockNode *node = find_node(args->node, errp);
    bool ok;

    if (!node) {
        return false;
    }
    block_hold_all();
    ok = block_bitmap_clear(node, args->name, errp);
    block_resume_all();
    return ok;
}

static bool set_enabled(const BlockDirtyBitmapRef *args, bool enabled, GError **errp)
{
    BlockNode *node = find_node(args->node, errp);
    bool ok;

    if (!node) {
        return false;
    }
    block_hold_all();
    ok = block_bitmap_set_enabled(node, args->name, enabled, errp);
    block_resume_all();
    return ok;
}

bool qmp_block_dirty_bitmap_enable(const BlockDirtyBitmapRef *args, GError **errp)
{
    return set_enabled(args, true, errp);
}

bool qmp_block_dirty_bitmap_disable(const BlockDirtyBitmapRef *args, GError **errp)
{
    return set_enabled(args, false, errp);
}

/* A name of one of @node, or an object that names the node, too. */
static BlockDirtyBitmap *find_source(BlockNode *node, struct json_object *json, GError **errp)
{
    g_autoptr(BlockDirtyBitmapRef) ref = NULL;

    if (json_object_is_type(json, json_type_string)) {
        return block_dirty_bitmap_find(node, json_object_get_string(json), errp);
    }
    ref = BlockDirtyBitmapRef_from_json(json, "bitmaps", errp);
    return ref ? bitmap_find(ref->node, ref->name, errp) : NULL;
}

bool qmp_block_dirty_bitmap_merge(const BlockDirtyBitmapMerge *args, GError **errp)
{
    BlockNode *node = find_node(args->node, errp);
    g_autoptr(GPtrArray) sources = g_ptr_array_new();
    bool ok = node;

    for (unsigned i = 0; i < args->bitmaps->len && ok; i++) {
        BlockDirtyBitmap *source = find_source(node, args->bitmaps->pdata[i], errp);

        ok = source;
        g_ptr_array_add(sources, source);
    }
    if (!ok) {
        return false;
    }
    block_hold_all();
    ok = block_bitmap_merge(node, args->target, sources, errp);
    block_resume_all();
    return ok;
}

BlockDirtyBitmapSha256 *qmp_x_debug_block_dirty_bitmap_sha256(const char *node_name,
                                                              const char *name, GError **errp)
{
    BlockDirtyBitmap *bitmap = bitmap_find(node_name, name, errp);
    g_autofree uint8_t *bytes = NULL;
    BlockDirtyBitmapSha256 *result;
    size_t len;

    if (!bitmap || !block_dirty_bitmap_check(bitmap, BLOCK_DIRTY_BITMAP_READ, errp)) {
        return NULL;
    }
    g_autoptr(DirtyBits) bits = block_dirty_bitmap_save(bitmap);
    len = (bits->size + 63) / 64 * 8;
    bytes = g_malloc(len + 1);
    dirty_bits_store(bits, 0, bytes, len);
    result = g_new0(BlockDirtyBitmapSha256, 1);
    result->sha256 = g_compute_checksum_for_data(G_CHECKSUM_SHA256, bytes, len);
    return result;
}
