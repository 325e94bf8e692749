/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The cache of tables, and the users of the file's clusters. */
#include <errno.h>
#include <string.h>

#include "block/qcow2-bitmap.h"

enum { HEADER_TABLE = 48, MAX_TABLE = 8 << 20 }; /* bytes of the refcount table, at most */

/* ---- the cache ---- */

/* That of the cluster at @offset, or the one that was not used for longest. */
static Qcow2Slot *find_slot(Qcow2 *s, uint64_t offset)
{
    Qcow2Slot *oldest = &s->slots[0];

    for (unsigned i = 0; i < s->slot_count; i++) {
        if (s->slots[i].offset == offset) {
            return &s->slots[i];
        }
        if (s->slots[i].used < oldest->used) {
            oldest = &s->slots[i];
        }
    }
    return oldest;
}

static int write_late(Qcow2 *s, Qcow2Slot *slot)
{
    int err = slot->late
                  ? block_node_pwrite(s->node->file.node, slot->offset, slot->data, s->cluster)
                  : 0;

    slot->late = slot->late && err;
    return err;
}

static int load(Qcow2 *s, uint64_t offset, Qcow2Slot **slot)
{
    int err = 0;

    *slot = find_slot(s, offset);
    if ((*slot)->offset != offset) {
        err = write_late(s, *slot);
        if (err) {
            return err;
        }
        (*slot)->data = (*slot)->data ? (*slot)->data : g_malloc(s->cluster);
        err = block_node_pread(s->node->file.node, offset, (*slot)->data, s->cluster);
        (*slot)->offset = err ? 0 : offset;
    }
    (*slot)->used = ++s->clock;
    return err;
}

int qcow2_table_read(Qcow2 *s, uint64_t offset, uint64_t at, void *buf, size_t len)
{
    Qcow2Slot *slot;
    int err;

    g_mutex_lock(&s->cache_mutex);
    err = load(s, offset, &slot);
    if (!err) {
        memcpy(buf, slot->data + at, len);
    }
    g_mutex_unlock(&s->cache_mutex);
    return err;
}

bool qcow2_table_peek(Qcow2 *s, uint64_t offset, uint64_t at, void *buf, size_t len)
{
    Qcow2Slot *slot;
    bool there;

    if (!g_mutex_trylock(&s->cache_mutex)) {
        return false;
    }
    slot = find_slot(s, offset);
    there = slot->offset == offset;
    if (there) {
        memcpy(buf, slot->data + at, len);
        slot->used = ++s->clock;
    }
    g_mutex_unlock(&s->cache_mutex);
    return there;
}

int qcow2_table_write(Qcow2 *s, uint64_t offset, uint64_t at, const void *buf, size_t len)
{
    Qcow2Slot *slot;
    int err;

    g_mutex_lock(&s->cache_mutex);
    err = load(s, offset, &slot);
    if (!err) {
        err = block_node_pwrite(s->node->file.node, offset + at, buf, len);
        if (err) {
            slot->offset = 0; /* nobody knows what is there */
        } else {
            memcpy(slot->data + at, buf, len);
        }
    }
    g_mutex_unlock(&s->cache_mutex);
    return err;
}

void qcow2_table_forget(Qcow2 *s, uint64_t offset)
{
    g_mutex_lock(&s->cache_mutex);
    for (unsigned i = 0; i < s->slot_count; i++) {
        if (s->slots[i].offset == offset) {
            s->slots[i].offset = 0;
            s->slots[i].late = false;
        }
    }
    g_mutex_unlock(&s->cache_mutex);
}

/* To a refcount block. */
static int write_count(Qcow2 *s, uint64_t offset, uint64_t at, const void *buf, size_t len)
{
    Qcow2Slot *slot;
    int err;

    if (!s->counts_late) {
        return qcow2_table_write(s, offset, at, buf, len);
    }
    g_mutex_lock(&s->cache_mutex);
    err = load(s, offset, &slot);
    if (!err) {
        memcpy(slot->data + at, buf, len);
        slot->late = true;
    }
    g_mutex_unlock(&s->cache_mutex);
    return err;
}

/* The mark is on the disk before anything that depends on it. */
static int mark_dirty(Qcow2 *s)
{
    int err = qcow2_header_set_incompatible(s, s->incompatible | QCOW2_DIRTY);

    err = err ? err : block_node_flush(s->node->file.node);
    s->counts_late = !err;
    return err;
}

int qcow2_begin_writing(Qcow2 *s)
{
    uint64_t keep = s->bitmap_count ? QCOW2_BITMAPS : 0;
    int err = s->autoclear & ~keep ? qcow2_header_set_autoclear(s, s->autoclear & keep) : 0;

    err = err ? err : qcow2_bitmaps_mark(s);
    return err || !s->lazy || s->counts_late ? err : mark_dirty(s);
}

int qcow2_settle(Qcow2 *s)
{
    int err = 0;

    if (!s->counts_late) {
        return 0;
    }
    g_mutex_lock(&s->cache_mutex);
    for (unsigned i = 0; i < s->slot_count && !err; i++) {
        err = write_late(s, &s->slots[i]);
    }
    g_mutex_unlock(&s->cache_mutex);
    err = err ? err : block_node_flush(s->node->file.node);
    err = err ? err : qcow2_header_set_incompatible(s, s->incompatible & ~QCOW2_DIRTY);
    s->counts_late = err;
    return err;
}

/* ---- counts in a block ---- */

/* Entries are of 1 to 64 bits; those of less than a byte begin with the lowest bits. */
static uint64_t entry_get(const uint8_t *bytes, unsigned order, unsigned shift)
{
    uint64_t value = 0;

    if (order < 3) {
        return bytes[0] >> shift & ((1u << (1u << order)) - 1);
    }
    for (unsigned i = 0; i < 1u << (order - 3); i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

static void entry_set(uint8_t *bytes, unsigned order, unsigned shift, uint64_t value)
{
    unsigned size = order < 3 ? 1 : 1u << (order - 3);

    if (order < 3) {
        unsigned mask = ((1u << (1u << order)) - 1) << shift;

        bytes[0] = (uint8_t)((bytes[0] & ~mask) | (value << shift & mask));
        return;
    }
    for (unsigned i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(value >> (8 * (size - 1 - i)));
    }
}

typedef struct Place {
    uint64_t block; /* offset of it in the file; 0: there is none */
    uint64_t at;    /* byte in it */
    unsigned shift, size;
} Place;

static int place_of(const Qcow2 *s, uint64_t cluster, Place *place)
{
    uint64_t entry = cluster >> s->block_bits;
    uint64_t bit = (cluster & ((UINT64_C(1) << s->block_bits) - 1)) << s->refcount_order;

    place->block = entry < s->table_size ? s->table[entry] : 0;
    place->at = bit / 8;
    place->shift = bit % 8;
    place->size = s->refcount_order < 3 ? 1 : 1u << (s->refcount_order - 3);
    return place->block % s->cluster ? EIO : 0;
}

static int count_get(Qcow2 *s, uint64_t cluster, uint64_t *count)
{
    uint8_t bytes[8];
    Place place;
    int err = place_of(s, cluster, &place);

    *count = 0;
    if (!err && place.block) {
        err = qcow2_table_read(s, place.block, place.at, bytes, place.size);
        *count = err ? 0 : entry_get(bytes, s->refcount_order, place.shift);
    }
    return err;
}

/* Its block is there. */
static int count_set(Qcow2 *s, uint64_t cluster, uint64_t count)
{
    uint8_t bytes[8];
    Place place;
    int err = place_of(s, cluster, &place);

    if (err || !place.block) {
        return EIO;
    }
    err = qcow2_table_read(s, place.block, place.at, bytes, place.size);
    entry_set(bytes, s->refcount_order, place.shift, count);
    return err ? err : write_count(s, place.block, place.at, bytes, place.size);
}

/* ---- more blocks ---- */

static int write_table(Qcow2 *s, const uint64_t *table, uint64_t size, uint64_t offset)
{
    g_autofree uint64_t *raw = g_new(uint64_t, size);

    for (uint64_t i = 0; i < size; i++) {
        raw[i] = GUINT64_TO_BE(table[i]);
    }
    return block_node_pwrite(s->node->file.node, offset, raw, size * 8);
}

/* Let the header name the new table, and give the old one back. */
static int switch_table(Qcow2 *s, uint64_t *table, uint64_t size, uint64_t offset)
{
    uint64_t old_offset = s->table_offset, old_size = s->table_size;
    struct __attribute__((packed)) {
        uint64_t offset;
        uint32_t clusters;
    } header = { GUINT64_TO_BE(offset), GUINT32_TO_BE((uint32_t)(size * 8 / s->cluster)) };
    int err = write_table(s, table, size, offset);

    err = err ? err : block_node_pwrite(s->node->file.node, HEADER_TABLE, &header, sizeof(header));
    if (err) {
        g_free(table);
        return err;
    }
    g_free(s->table);
    s->table = table;
    s->table_size = size;
    s->table_offset = offset;
    return qcow2_cluster_release(s, old_offset, old_size * 8);
}

/* The first of blocks that are new, how many they are, and those of the table behind them; 0: it
 * stays where it is. @size: entries of the table. */
typedef struct NewBlocks {
    uint64_t entry, blocks, table_clusters, size;
} NewBlocks;

/* Enough to count themselves, the table, and @extra clusters. */
static int plan_blocks(const Qcow2 *s, uint64_t extra, NewBlocks *plan)
{
    const uint64_t per_block = UINT64_C(1) << s->block_bits, per_cluster = s->cluster / 8;

    plan->blocks = 1;
    do {
        plan->size = s->table_size;
        plan->table_clusters = 0;
        if (plan->entry + plan->blocks > s->table_size) {
            plan->size = MAX(plan->entry + plan->blocks, s->table_size + s->table_size / 2);
            plan->table_clusters = (plan->size + per_cluster - 1) / per_cluster;
            plan->size = plan->table_clusters * per_cluster;
        }
    } while (plan->blocks + plan->table_clusters + extra > plan->blocks * per_block &&
             ++plan->blocks);
    return plan->size * 8 > MAX_TABLE ? EFBIG : 0;
}

/* Let the table name the new blocks; a larger one comes behind them. */
static int name_blocks(Qcow2 *s, const NewBlocks *plan)
{
    uint64_t first = plan->entry << s->block_bits;
    g_autofree uint64_t *raw = g_new(uint64_t, plan->blocks);
    int err;

    if (plan->table_clusters) {
        uint64_t *table = g_new0(uint64_t, plan->size);

        memcpy(table, s->table, s->table_size * 8);
        for (uint64_t i = 0; i < plan->blocks; i++) {
            table[plan->entry + i] = (first + i) << s->cluster_bits;
        }
        return switch_table(s, table, plan->size, (first + plan->blocks) << s->cluster_bits);
    }
    for (uint64_t i = 0; i < plan->blocks; i++) {
        raw[i] = GUINT64_TO_BE((first + i) << s->cluster_bits);
    }
    err = block_node_pwrite(s->node->file.node, s->table_offset + plan->entry * 8, raw,
                            plan->blocks * 8);
    for (uint64_t i = 0; !err && i < plan->blocks; i++) {
        s->table[plan->entry + i] = (first + i) << s->cluster_bits;
    }
    return err;
}

/*
 * Make the block for table entry @entry, which is empty, so that all clusters that it counts are
 * free. It is the first of them itself. If the table is too small, a larger one comes behind it,
 * and as many blocks as are needed to count all of that; and @extra clusters, which are used once
 * from then on: the first of them is *@offset. With @extra, no later entry is in use.
 */
static int add_blocks(Qcow2 *s, uint64_t entry, uint64_t extra, uint64_t *offset)
{
    uint64_t first = entry << s->block_bits;
    NewBlocks plan = { .entry = entry };
    g_autofree uint8_t *data = NULL;
    int err = plan_blocks(s, extra, &plan);

    if (err) {
        return err;
    }
    data = g_malloc0(plan.blocks * s->cluster);
    for (uint64_t i = 0; i < plan.blocks + plan.table_clusters + extra; i++) {
        uint64_t bit = i << s->refcount_order; /* blocks follow each other, as entries do */

        entry_set(data + bit / 8, s->refcount_order, bit % 8, 1);
    }
    for (uint64_t i = 0; i < plan.blocks; i++) {
        qcow2_table_forget(s, (first + i) << s->cluster_bits);
    }
    if (extra) {
        *offset = (first + plan.blocks + plan.table_clusters) << s->cluster_bits;
    }
    err = block_node_pwrite(s->node->file.node, first << s->cluster_bits, data,
                            plan.blocks * s->cluster);
    return err ? err : name_blocks(s, &plan);
}

/* ---- clusters ---- */

int qcow2_cluster_alloc(Qcow2 *s, uint64_t *offset)
{
    int64_t length = block_node_length(s->node->file.node);
    uint64_t count, end;
    int err = 0;

    if (length < 0) {
        return (int)-length;
    }
    /* What is counted beyond the file's end is not there: the counts are wrong. A block that was
     * just made, and its table, may be. */
    end = ((uint64_t)length >> s->cluster_bits) + 1;
    for (uint64_t i = s->free_hint;; i++) {
        err = count_get(s, i, &count);
        if (!err && !count &&
            !(s->table_size > i >> s->block_bits && s->table[i >> s->block_bits])) {
            err = add_blocks(s, i >> s->block_bits, 0, NULL);
            err = err ? err : count_get(s, i, &count);
            end = MAX(end, i + (UINT64_C(1) << s->block_bits));
        }
        if (!err && !count) {
            err = count_set(s, i, 1);
            s->free_hint = i + 1;
            *offset = i << s->cluster_bits;
            return err;
        }
        if (err || i > end) {
            return err ? err : EIO;
        }
    }
}

/* @count clusters in a row that are free, and counted by blocks that are there. ENOSPC: there are
 * none. */
static int find_run(Qcow2 *s, uint64_t count, uint64_t *first)
{
    uint64_t run = 0, used;

    for (uint64_t i = s->free_hint; i >> s->block_bits < s->table_size; i++) {
        int err = s->table[i >> s->block_bits] ? count_get(s, i, &used) : ENOSPC;

        if (err) {
            return err;
        }
        run = used ? 0 : run + 1;
        if (run == count) {
            *first = i + 1 - count;
            return 0;
        }
    }
    return ENOSPC;
}

int qcow2_clusters_alloc(Qcow2 *s, uint64_t count, uint64_t *offset)
{
    uint64_t first, entry = s->table_size;
    int err = find_run(s, count, &first);

    if (err == ENOSPC) { /* behind all that there is */
        while (entry && !s->table[entry - 1]) {
            entry--;
        }
        return add_blocks(s, entry, count, offset);
    }
    for (uint64_t i = 0; !err && i < count; i++) {
        err = count_set(s, first + i, 1);
    }
    *offset = err ? 0 : first << s->cluster_bits;
    return err;
}

/* Clusters @first to @last, which one block counts, are used once. */
static int take_run(Qcow2 *s, uint64_t first, uint64_t last)
{
    Place begin, end;
    int err = place_of(s, first, &begin);
    g_autofree uint8_t *bytes = NULL;
    size_t len;

    err = err ? err : place_of(s, last, &end);
    if (err) {
        return err;
    }
    len = end.at - begin.at + end.size;
    bytes = g_malloc(len);
    err = qcow2_table_read(s, begin.block, begin.at, bytes, len);
    for (uint64_t i = first; i <= last; i++) {
        Place place;

        place_of(s, i, &place);
        entry_set(bytes + (place.at - begin.at), s->refcount_order, place.shift, 1);
    }
    return err ? err : write_count(s, begin.block, begin.at, bytes, len);
}

/* Let the file have @size bytes at least. */
static int make_longer(Qcow2 *s, uint64_t size)
{
    int64_t length = block_node_length(s->node->file.node);

    return length < 0                 ? (int)-length
           : (uint64_t)length >= size ? 0
                                      : block_node_truncate(s->node->file.node, size);
}

int qcow2_run_alloc(Qcow2 *s, uint64_t max, uint64_t *offset, uint64_t *count)
{
    int err = qcow2_cluster_alloc(s, offset);
    uint64_t first, next, used;

    if (err) {
        return err;
    }
    first = next = (*offset >> s->cluster_bits) + 1;
    while (!err && next - first + 1 < max && next >> s->block_bits == (next - 1) >> s->block_bits) {
        err = count_get(s, next, &used);
        if (err || used) {
            break;
        }
        next++;
    }
    if (!err && next > first) { /* first the file: none is counted that is not there */
        err = make_longer(s, next << s->cluster_bits);
        err = err ? err : take_run(s, first, next - 1);
        s->free_hint = err ? s->free_hint : next;
    }
    if (err) {
        qcow2_cluster_release(s, *offset, s->cluster);
        return err;
    }
    *count = next - first + 1;
    return 0;
}

int qcow2_cluster_count(Qcow2 *s, uint64_t offset, uint64_t *count)
{
    return count_get(s, offset >> s->cluster_bits, count);
}

int qcow2_cluster_set_count(Qcow2 *s, uint64_t offset, uint64_t count)
{
    s->free_hint = MIN(s->free_hint, offset >> s->cluster_bits);
    return count_set(s, offset >> s->cluster_bits, count);
}

int qcow2_cluster_share(Qcow2 *s, uint64_t offset, uint64_t bytes)
{
    uint64_t first = offset >> s->cluster_bits, last = (offset + bytes - 1) >> s->cluster_bits;
    uint64_t most =
        s->refcount_order == 6 ? UINT64_MAX : (UINT64_C(1) << (1u << s->refcount_order)) - 1;
    uint64_t count;

    for (uint64_t i = first; bytes && i <= last; i++) {
        int err = count_get(s, i, &count);

        err = err ? err : !count ? EIO : count == most ? ERANGE : count_set(s, i, count + 1);
        if (err) { /* as it was */
            return i > first && qcow2_cluster_release(s, offset, (i - first) << s->cluster_bits)
                       ? EIO
                       : err;
        }
    }
    return 0;
}

int qcow2_cluster_release(Qcow2 *s, uint64_t offset, uint64_t bytes)
{
    uint64_t first = offset >> s->cluster_bits, last = (offset + bytes - 1) >> s->cluster_bits;
    uint64_t pack = s->pack_at ? (s->pack_at - 1) >> s->cluster_bits : 0;
    uint64_t count;

    for (uint64_t i = first; bytes && i <= last; i++) {
        int err = count_get(s, i, &count);

        if (err || !count) {
            return err ? err : EIO; /* it was not counted */
        }
        err = count_set(s, i, count - 1);
        if (err) {
            return err;
        }
        if (count == 1) {
            s->free_hint = MIN(s->free_hint, i);
            s->pack_at = i == pack ? 0 : s->pack_at; /* it is no more ours */
            qcow2_table_forget(s, i << s->cluster_bits);
        }
    }
    return 0;
}

int qcow2_cluster_use(Qcow2 *s, uint64_t offset, const void *data, uint64_t bytes, uint64_t at,
                      const void *name, const void *old, size_t len)
{
    BlockNode *file = s->node->file.node;
    int err = block_node_pwrite(file, offset, data, bytes), undo = 0;

    if (!err) {
        err = block_node_pwrite(file, at, name, len);
        undo = err ? block_node_pwrite(file, at, old, len) : 0; /* it may have been written */
    }
    if (err && !undo) { /* nothing names them */
        qcow2_cluster_release(s, offset, bytes);
    }
    return err;
}
