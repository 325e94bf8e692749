/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/bitmaps.h"

#include <inttypes.h>
#include <json-c/json.h>
#include <string.h>

#include "block/backend.h"
#include "block/dirty-bitmap.h"
#include "migration/migration.h"
#include "util/error.h"
#include "util/units.h"

/* Bytes of bits in a record, at most. */
#define PART ((size_t)(8 * MIB))

/* What a record begins with, after its length: 4 bytes, little endian. */
typedef struct Head {
    const char *node, *name; /* borrowed */
    uint32_t granularity;
    uint64_t size;  /* bytes of the node */
    uint64_t first; /* the bit with which the record begins */
    bool recording, persistent;
} Head;

typedef struct SavedBitmap {
    char *node, *name;
    Head head;
    DirtyBits *bits;
} SavedBitmap;

static void saved_bitmap_free(gpointer p)
{
    SavedBitmap *saved = p;

    g_free(saved->node);
    g_free(saved->name);
    dirty_bits_free(saved->bits);
    g_free(saved);
}

/* ---- saving ---- */

static void find_lost(BlockDirtyBitmap *bitmap, void *opaque)
{
    BlockDirtyBitmap **lost = opaque;

    if (!bitmap->persistent) {
        *lost = bitmap;
    }
}

static void look_at(BlockNode *node, void *lost)
{
    block_dirty_bitmap_foreach(node, find_lost, lost);
}

bool saved_bitmaps_check(GError **errp)
{
    BlockDirtyBitmap *lost = NULL;

    if (!migration_dirty_bitmaps) {
        block_node_foreach(look_at, &lost);
    }
    if (lost) {
        error_set(errp,
                  "block node '%s': no image keeps dirty bitmap '%s', and it would be lost: let it "
                  "go along by the capability dirty-bitmaps, or remove it by "
                  "block-dirty-bitmap-remove",
                  lost->node->name, lost->name);
    }
    return !lost;
}

static void take(BlockDirtyBitmap *bitmap, void *list)
{
    SavedBitmap *saved;

    if (!migration_dirty_bitmaps || bitmap->inconsistent) {
        return; /* they are in the image */
    }
    saved = g_new0(SavedBitmap, 1);
    saved->node = g_strdup(bitmap->node->name);
    saved->name = g_strdup(bitmap->name);
    saved->head = (Head){ .node = saved->node,
                          .name = saved->name,
                          .granularity = bitmap->granularity,
                          .size = bitmap->size,
                          .recording = bitmap->enabled,
                          .persistent = bitmap->persistent };
    saved->bits = block_dirty_bitmap_save(bitmap);
    g_ptr_array_add(list, saved);
}

static void take_of(BlockNode *node, void *list)
{
    block_dirty_bitmap_foreach(node, take, list);
}

GPtrArray *saved_bitmaps_take(void)
{
    GPtrArray *list = g_ptr_array_new_with_free_func(saved_bitmap_free);

    block_node_foreach(take_of, list);
    return list;
}

static struct json_object *head_to_json(const Head *head)
{
    struct json_object *json = json_object_new_object();

    json_object_object_add(json, "node", json_object_new_string(head->node));
    json_object_object_add(json, "name", json_object_new_string(head->name));
    json_object_object_add(json, "granularity", json_object_new_uint64(head->granularity));
    json_object_object_add(json, "size", json_object_new_uint64(head->size));
    json_object_object_add(json, "first", json_object_new_uint64(head->first));
    json_object_object_add(json, "recording", json_object_new_boolean(head->recording));
    json_object_object_add(json, "persistent", json_object_new_boolean(head->persistent));
    return json;
}

static bool write_part(const Head *head, const uint8_t *bits, size_t len, Stream *stream,
                       GError **errp)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    struct json_object *json = head_to_json(head);
    const char *text = json_object_to_json_string_ext(json, JSON_C_TO_STRING_PLAIN);
    uint32_t length = GUINT32_TO_LE((uint32_t)strlen(text));

    g_byte_array_append(out, (const uint8_t *)&length, sizeof(length));
    g_byte_array_append(out, (const uint8_t *)text, (guint)strlen(text));
    g_byte_array_append(out, bits, (guint)len);
    json_object_put(json);
    return stream_put_record(stream, RECORD_BITMAP, "bitmap", out->data, out->len, errp);
}

/* The first record says that it is there; parts that are clear have none. */
static bool write_bitmap(const SavedBitmap *saved, Stream *stream, GError **errp)
{
    g_autofree uint8_t *part = g_malloc(PART);
    Head head = saved->head;

    if (!write_part(&head, part, 0, stream, errp)) {
        return false;
    }
    for (; head.first < saved->bits->size; head.first += PART * 8) {
        size_t len = (size_t)MIN(PART, (saved->bits->size - head.first + 63) / 64 * 8);

        if (dirty_bits_store(saved->bits, head.first, part, len) &&
            !write_part(&head, part, len, stream, errp)) {
            return false;
        }
    }
    return true;
}

bool saved_bitmaps_write(const GPtrArray *bitmaps, Stream *stream, GError **errp)
{
    for (unsigned i = 0; bitmaps && i < bitmaps->len; i++) {
        if (!write_bitmap(bitmaps->pdata[i], stream, errp)) {
            return false;
        }
    }
    return true;
}

/* ---- loading ---- */

static struct json_object *member(struct json_object *json, const char *key, json_type type)
{
    struct json_object *value = NULL;

    json_object_object_get_ex(json, key, &value);
    return value && json_object_is_type(value, type) ? value : NULL;
}

/* @head's texts are @json's. */
static bool head_from_json(struct json_object *json, Head *head)
{
    struct json_object *node, *name, *granularity, *size, *first, *recording, *persistent;

    if (!json_object_is_type(json, json_type_object)) {
        return false;
    }
    node = member(json, "node", json_type_string);
    name = member(json, "name", json_type_string);
    granularity = member(json, "granularity", json_type_int);
    size = member(json, "size", json_type_int);
    first = member(json, "first", json_type_int);
    recording = member(json, "recording", json_type_boolean);
    persistent = member(json, "persistent", json_type_boolean);
    if (!node || !name || !granularity || !size || !first || !recording || !persistent) {
        return false;
    }
    *head = (Head){ .node = json_object_get_string(node),
                    .name = json_object_get_string(name),
                    .granularity = (uint32_t)json_object_get_uint64(granularity),
                    .size = json_object_get_uint64(size),
                    .first = json_object_get_uint64(first),
                    .recording = json_object_get_boolean(recording),
                    .persistent = json_object_get_boolean(persistent) };
    return true;
}

/* What the image had when it was opened, which the other machine has written to since. */
static void forget_old(BlockNode *node, const Head *head)
{
    BlockDirtyBitmap *old = block_dirty_bitmap_find(node, head->name, NULL);

    if (old && head->persistent && old->persistent && !old->busy) {
        block_dirty_bitmap_free(old);
    }
}

/* The one that @head makes, or, if that was done by the record before, the one that is there. */
static BlockDirtyBitmap *make_or_find(const Head *head, BlockDirtyBitmap *before, GError **errp)
{
    BlockNode *node = block_node_find(head->node, errp);
    BlockDirtyBitmap *bitmap;

    if (!node) {
        return NULL;
    }
    if (before && before->node == node && strcmp(before->name, head->name) == 0) {
        return before;
    }
    forget_old(node, head);
    bitmap = block_dirty_bitmap_new(node, head->name, head->granularity, errp);
    if (bitmap && (bitmap->size != head->size || bitmap->granularity != head->granularity)) {
        error_set(errp, "it is of %" PRIu64 " bytes, and block node '%s' has %" PRIu64, head->size,
                  node->name, bitmap->size);
        block_dirty_bitmap_free(bitmap);
        return NULL;
    }
    if (bitmap) {
        block_dirty_bitmap_set_enabled(bitmap, head->recording);
        bitmap->comes = head->persistent;
    }
    return bitmap;
}

static BlockDirtyBitmap *load_part(const Head *head, const uint8_t *bits, size_t len,
                                   BlockDirtyBitmap *before, GError **errp)
{
    BlockDirtyBitmap *bitmap = make_or_find(head, before, errp);
    DirtyBits *all;

    if (!bitmap) {
        g_prefix_error(errp, "dirty bitmap '%s' of block node '%s': ", head->name, head->node);
        return NULL;
    }
    all = block_dirty_bitmap_save(bitmap);
    dirty_bits_load(all, head->first, bits, len);
    block_dirty_bitmap_restore(bitmap, all);
    return bitmap;
}

static BlockDirtyBitmap *load(GBytes *record, BlockDirtyBitmap *before, GError **errp)
{
    size_t size;
    const uint8_t *data = g_bytes_get_data(record, &size);
    struct json_object *json = NULL;
    BlockDirtyBitmap *bitmap = NULL;
    uint32_t length = 0;
    Head head;

    if (size >= sizeof(length)) {
        memcpy(&length, data, sizeof(length));
        length = GUINT32_FROM_LE(length);
        data += sizeof(length);
        size -= sizeof(length);
    }
    if (length && length <= size) {
        g_autofree char *text = g_strndup((const char *)data, length);

        json = json_tokener_parse(text);
        size -= length;
    }
    if (!json || !head_from_json(json, &head) || size % 8 || head.first % 64) {
        error_set(errp, "the record of a dirty bitmap makes no sense");
    } else {
        bitmap = load_part(&head, data + length, size, before, errp);
    }
    json_object_put(json);
    return bitmap;
}

bool saved_bitmaps_load(const GPtrArray *records, GError **errp)
{
    BlockDirtyBitmap *bitmap = NULL;
    bool ok = true;

    if (!records) {
        return true;
    }
    block_hold_all();
    for (unsigned i = 0; i < records->len && ok; i++) {
        bitmap = load(records->pdata[i], bitmap, errp);
        ok = bitmap;
    }
    block_resume_all();
    return ok;
}
