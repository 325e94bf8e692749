/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Internal snapshots of qcow2: a copy of the L1 table, which has all that this one has, so that
 * each L2 table and cluster of data has a user more. Steps are ordered so that a program that is
 * killed leaves at worst clusters that are counted too often.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "block/qcow2.h"
#include "util/clock.h"
#include "util/error.h"

enum {
    AT_SIZE = 24,
    AT_SNAPSHOTS = 60,
    MAX_SNAPSHOTS = 65536,
    ENTRY_HEADER = 40, /* bytes of an entry before its extra data */
    MAX_EXTRA = 1024,
    FULL_EXTRA = 16, /* with the disk's size */
    KNOWN_EXTRA = 24,
};
#define MAX_BYTES (64u << 20) /* of the table of snapshots */

typedef struct Entry {
    uint64_t l1_offset, clock_ns, vm_state_size, disk_size;
    uint32_t l1_size, sec, nsec;
    char *id, *name;
    GByteArray *extra; /* as it is written */
} Entry;

/* ---- the table ---- */

static void entry_free(gpointer p)
{
    Entry *e = p;

    g_free(e->id);
    g_free(e->name);
    g_byte_array_unref(e->extra);
    g_free(e);
}

static uint64_t get(const uint8_t *bytes, unsigned count)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < count; i++) {
        value = value << 8 | bytes[i];
    }
    return value;
}

static void put(GByteArray *out, uint64_t value, unsigned count)
{
    for (unsigned i = count; i-- > 0;) {
        const uint8_t byte = (uint8_t)(value >> (8 * i));

        g_byte_array_append(out, &byte, 1);
    }
}

/* The one at @offset of the file, and its length. */
static int read_entry(Qcow2 *s, uint64_t offset, Entry *e, uint64_t *bytes)
{
    uint8_t head[ENTRY_HEADER];
    int err = block_node_pread(s->node->file.node, offset, head, sizeof(head));
    uint32_t id_len = (uint32_t)get(head + 12, 2), name_len = (uint32_t)get(head + 14, 2),
             extra = (uint32_t)get(head + 36, 4);
    g_autofree char *texts = g_malloc0((size_t)id_len + name_len);

    if (err || extra > MAX_EXTRA) {
        return err ? err : EFBIG;
    }
    e->l1_offset = get(head, 8);
    e->l1_size = (uint32_t)get(head + 8, 4);
    e->sec = (uint32_t)get(head + 16, 4);
    e->nsec = (uint32_t)get(head + 20, 4);
    e->clock_ns = get(head + 24, 8);
    e->vm_state_size = get(head + 32, 4);
    g_byte_array_set_size(e->extra, extra);
    err = block_node_pread(s->node->file.node, offset + sizeof(head), e->extra->data, extra);
    err = err ? err
              : block_node_pread(s->node->file.node, offset + sizeof(head) + extra, texts,
                                 id_len + name_len);
    e->vm_state_size = extra >= 8 ? get(e->extra->data, 8) : e->vm_state_size;
    e->disk_size = extra >= 16 ? get(e->extra->data + 8, 8) : s->size;
    e->id = g_strndup(texts, id_len);
    e->name = g_strndup(texts + id_len, name_len);
    *bytes = (sizeof(head) + extra + id_len + name_len + 7) / 8 * 8;
    if (!err && (e->l1_size > QCOW2_MAX_L1 / 8 || e->l1_offset % s->cluster)) {
        err = EIO;
    }
    return err;
}

/* All of them, and the length of the table. */
static GPtrArray *read_all(Qcow2 *s, uint64_t *bytes, GError **errp)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(entry_free);
    int err = s->snapshot_count > MAX_SNAPSHOTS ? EFBIG : 0;

    *bytes = 0;
    for (uint32_t i = 0; i < s->snapshot_count && !err; i++) {
        Entry *e = g_new0(Entry, 1);
        uint64_t length = 0;

        e->extra = g_byte_array_new();
        g_ptr_array_add(list, e);
        err = read_entry(s, s->snapshots_offset + *bytes, e, &length);
        *bytes += length;
        err = *bytes > MAX_BYTES ? EFBIG : err;
    }
    if (err) {
        error_set_errno(errp, err, "%s: its snapshots cannot be read", s->node->filename);
        return NULL;
    }
    return g_steal_pointer(&list);
}

static void put_entry(GByteArray *out, const Entry *e)
{
    static const uint8_t zeros[8];

    put(out, e->l1_offset, 8);
    put(out, e->l1_size, 4);
    put(out, strlen(e->id), 2);
    put(out, strlen(e->name), 2);
    put(out, e->sec, 4);
    put(out, e->nsec, 4);
    put(out, e->clock_ns, 8);
    put(out, e->vm_state_size > UINT32_MAX ? 0 : e->vm_state_size, 4);
    put(out, e->extra->len, 4);
    g_byte_array_append(out, e->extra->data, e->extra->len);
    g_byte_array_append(out, (const uint8_t *)e->id, (guint)strlen(e->id));
    g_byte_array_append(out, (const uint8_t *)e->name, (guint)strlen(e->name));
    g_byte_array_append(out, zeros, (8 - out->len % 8) % 8);
}

/* Let the header name a new table, and let go of the old one, of @old_bytes. */
static int write_all(Qcow2 *s, const GPtrArray *list, uint64_t old_bytes)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    uint64_t offset = 0, old = s->snapshots_offset;
    struct __attribute__((packed)) {
        uint32_t count;
        uint64_t offset;
    } header;
    int err = 0;

    for (unsigned i = 0; i < list->len; i++) {
        put_entry(out, list->pdata[i]);
    }
    if (out->len) {
        err = qcow2_clusters_alloc(s, (out->len + s->cluster - 1) >> s->cluster_bits, &offset);
        err = err ? err : block_node_pwrite(s->node->file.node, offset, out->data, out->len);
        err = err ? err : block_node_flush(s->node->file.node);
    }
    header.count = GUINT32_TO_BE(list->len);
    header.offset = GUINT64_TO_BE(offset);
    err = err ? err : block_node_pwrite(s->node->file.node, AT_SNAPSHOTS, &header, sizeof(header));
    if (err) {
        return err;
    }
    s->snapshot_count = list->len;
    s->snapshots_offset = offset;
    return old_bytes ? qcow2_cluster_release(s, old, old_bytes) : 0;
}

static Entry *find(const GPtrArray *list, const char *id, unsigned *index)
{
    for (unsigned by_id = 0; by_id < 2; by_id++) {
        for (unsigned i = 0; i < list->len; i++) {
            Entry *e = list->pdata[i];

            if (strcmp(by_id ? e->id : e->name, id) == 0) {
                *index = i;
                return e;
            }
        }
    }
    return NULL;
}

static Entry *find_or_error(const Qcow2 *s, const GPtrArray *list, const char *id, unsigned *index,
                            GError **errp)
{
    Entry *e = find(list, id, index);

    if (!e) {
        error_set(errp, "%s has no snapshot '%s'", s->node->filename, id);
    }
    return e;
}

/* ---- trees: an L1 table and all that it leads to ---- */

/* What of the file an L2 entry uses. */
static void used_by(const Qcow2 *s, uint64_t entry, uint64_t *offset, uint64_t *bytes)
{
    if (entry & QCOW2_PACKED) {
        qcow2_packed_place(s, entry, offset, bytes);
    } else {
        *offset = entry & QCOW2_OFFSET;
        *bytes = *offset ? s->cluster : 0;
    }
}

static int read_l2(Qcow2 *s, uint64_t l1_entry, uint64_t *table)
{
    uint64_t offset = l1_entry & QCOW2_OFFSET;

    return offset % s->cluster ? EIO : qcow2_table_read(s, offset, 0, table, s->cluster);
}

int qcow2_walk_tree(Qcow2 *s, const uint64_t *l1, uint64_t size, Qcow2Visit *visit, void *opaque)
{
    g_autofree uint64_t *table = g_malloc(s->cluster);
    const uint64_t entries = s->cluster / 8;
    int err = 0;

    for (uint64_t i = 0; i < size && !err; i++) {
        if (!(l1[i] & QCOW2_OFFSET)) {
            continue;
        }
        err = read_l2(s, l1[i], table);
        for (uint64_t j = 0; j < entries && !err; j++) {
            uint64_t offset, bytes;

            used_by(s, GUINT64_FROM_BE(table[j]), &offset, &bytes);
            err = bytes ? visit(s, offset, bytes, opaque) : 0;
        }
        err = err ? err : visit(s, l1[i] & QCOW2_OFFSET, s->cluster, opaque);
    }
    return err;
}

/* Of the first `limit` things a user more or less. */
typedef struct Counting {
    bool share;
    uint64_t limit, done;
} Counting;

static int count_one(Qcow2 *s, uint64_t offset, uint64_t bytes, void *opaque)
{
    Counting *counting = opaque;
    int err;

    if (counting->done == counting->limit) {
        return 0;
    }
    err = counting->share ? qcow2_cluster_share(s, offset, bytes)
                          : qcow2_cluster_release(s, offset, bytes);
    counting->done += !err;
    return err;
}

/* All or nothing. */
static int share_tree(Qcow2 *s, const uint64_t *l1, uint64_t size)
{
    Counting counting = { true, UINT64_MAX, 0 };
    int err = qcow2_walk_tree(s, l1, size, count_one, &counting);

    if (err) {
        counting = (Counting){ false, counting.done, 0 };
        qcow2_walk_tree(s, l1, size, count_one, &counting);
    }
    return err;
}

static int release_tree(Qcow2 *s, const uint64_t *l1, uint64_t size)
{
    Counting counting = { false, UINT64_MAX, 0 };

    return qcow2_walk_tree(s, l1, size, count_one, &counting);
}

static int set_flag(Qcow2 *s, uint64_t *entry, uint64_t offset, bool *changed)
{
    uint64_t count, before = *entry;
    int err = qcow2_cluster_count(s, offset, &count);

    if (!err) {
        *entry = count == 1 ? *entry | QCOW2_COPIED : *entry & ~QCOW2_COPIED;
        *changed |= *entry != before;
    }
    return err;
}

static int flag_l2(Qcow2 *s, uint64_t l1_entry)
{
    g_autofree uint64_t *table = g_malloc(s->cluster);
    bool changed = false;
    int err = read_l2(s, l1_entry, table);

    for (uint64_t j = 0; j < s->cluster / 8 && !err; j++) {
        uint64_t entry = GUINT64_FROM_BE(table[j]);

        if (!(entry & QCOW2_PACKED) && entry & QCOW2_OFFSET) {
            err = set_flag(s, &entry, entry & QCOW2_OFFSET, &changed);
            table[j] = GUINT64_TO_BE(entry);
        }
    }
    return err || !changed ? err
                           : qcow2_table_write(s, l1_entry & QCOW2_OFFSET, 0, table, s->cluster);
}

int qcow2_flag_tree(Qcow2 *s)
{
    int err = 0;

    for (uint64_t i = 0; i < s->l1_size && !err; i++) {
        uint64_t raw, entry = s->l1[i];
        bool changed = false;

        if (!(entry & QCOW2_OFFSET)) {
            continue;
        }
        err = flag_l2(s, entry);
        err = err ? err : set_flag(s, &entry, entry & QCOW2_OFFSET, &changed);
        if (!err && changed) {
            raw = GUINT64_TO_BE(entry);
            err = block_node_pwrite(s->node->file.node, s->l1_offset + i * 8, &raw, 8);
            s->l1[i] = err ? s->l1[i] : entry;
        }
    }
    return err;
}

static int read_l1(Qcow2 *s, const Entry *e, uint64_t **l1)
{
    int err;

    *l1 = g_new0(uint64_t, (uint64_t)e->l1_size + 1);
    err = block_node_pread(s->node->file.node, e->l1_offset, *l1, (uint64_t)e->l1_size * 8);
    for (uint64_t i = 0; i < e->l1_size; i++) {
        (*l1)[i] = GUINT64_FROM_BE((*l1)[i]);
    }
    return err;
}

int qcow2_walk_snapshots(Qcow2 *s, Qcow2Visit *visit, void *opaque)
{
    uint64_t bytes;
    g_autoptr(GPtrArray) list = read_all(s, &bytes, NULL);
    int err = !list ? EIO : bytes ? visit(s, s->snapshots_offset, bytes, opaque) : 0;

    for (unsigned i = 0; list && i < list->len && !err; i++) {
        const Entry *e = list->pdata[i];
        uint64_t *l1;

        err = read_l1(s, e, &l1);
        err = err ? err : qcow2_walk_tree(s, l1, e->l1_size, visit, opaque);
        err = err ? err : visit(s, e->l1_offset, MAX((uint64_t)e->l1_size * 8, 1), opaque);
        g_free(l1);
    }
    return err;
}

bool qcow2_snapshots_foreach(Qcow2 *s, Qcow2VisitSnapshot *visit, void *opaque, uint64_t *offset,
                             uint64_t *bytes, GError **errp)
{
    g_autoptr(GPtrArray) list = read_all(s, bytes, errp);
    int err = 0;

    *offset = s->snapshots_offset;
    for (unsigned i = 0; list && i < list->len && !err; i++) {
        const Entry *e = list->pdata[i];
        uint64_t *l1;

        err = read_l1(s, e, &l1);
        if (!err) {
            visit(s, e->l1_offset, l1, e->l1_size, opaque);
        }
        g_free(l1);
    }
    if (err) {
        error_set_errno(errp, err, "%s: the table of a snapshot cannot be read", s->node->filename);
    }
    return list && !err;
}

/* A copy of @l1 in clusters of its own; as others use the same, nothing is its alone. */
static int write_l1_copy(Qcow2 *s, const uint64_t *l1, uint64_t size, uint64_t *offset)
{
    g_autofree uint64_t *raw = g_new0(uint64_t, size + 1);
    int err;

    for (uint64_t i = 0; i < size; i++) {
        raw[i] = GUINT64_TO_BE(l1[i] & ~QCOW2_COPIED);
    }
    err = qcow2_clusters_alloc(s, MAX((size * 8 + s->cluster - 1) >> s->cluster_bits, 1), offset);
    return err ? err : block_node_pwrite(s->node->file.node, *offset, raw, size * 8);
}

static void release_l1(Qcow2 *s, uint64_t offset, uint64_t size)
{
    qcow2_cluster_release(s, offset, MAX(size * 8, 1));
}

/* ---- for users ---- */

static bool fail(const Qcow2 *s, int err, const char *what, GError **errp)
{
    if (err == ERANGE) {
        error_set(errp, "%s cannot count more users of a cluster: its refcount_bits are %u",
                  s->node->filename, 1u << s->refcount_order);
    } else if (err) {
        error_set_errno(errp, err, "%s: %s", s->node->filename, what);
    }
    return !err;
}

int qcow2_drop_vm_state(Qcow2 *s)
{
    int err = 0;

    for (uint64_t i = qcow2_l1_needed(s, s->size); i < s->l1_size && !err; i++) {
        const uint64_t old = s->l1[i], none = 0;

        if (old & QCOW2_OFFSET) {
            err = block_node_pwrite(s->node->file.node, s->l1_offset + i * 8, &none, 8);
            s->l1[i] = err ? old : 0;
            err = err ? err : release_tree(s, &old, 1);
        }
    }
    return err;
}

static Entry *new_entry(const Qcow2 *s, const GPtrArray *list, const BlockSnapshot *snapshot)
{
    Entry *e = g_new0(Entry, 1);
    guint64 most = 0;

    for (unsigned i = 0; i < list->len; i++) {
        most = MAX(most, g_ascii_strtoull(((Entry *)list->pdata[i])->id, NULL, 10));
    }
    e->l1_size = (uint32_t)s->l1_size;
    e->sec = (uint32_t)(snapshot->date_ns / NS_PER_SEC);
    e->nsec = (uint32_t)(snapshot->date_ns % NS_PER_SEC);
    e->clock_ns = (uint64_t)snapshot->clock_ns;
    e->vm_state_size = snapshot->vm_state_size;
    e->disk_size = s->size;
    e->id = g_strdup_printf("%" PRIu64, (uint64_t)most + 1);
    e->name = g_strdup(snapshot->name);
    e->extra = g_byte_array_new();
    put(e->extra, e->vm_state_size, 8);
    put(e->extra, e->disk_size, 8);
    put(e->extra, UINT64_MAX, 8); /* it does not count instructions */
    return e;
}

static int create(Qcow2 *s, GPtrArray *list, uint64_t bytes, Entry *e)
{
    int err = write_l1_copy(s, s->l1, s->l1_size, &e->l1_offset);

    if (err) {
        return err;
    }
    err = share_tree(s, s->l1, s->l1_size);
    if (err) {
        release_l1(s, e->l1_offset, s->l1_size);
        return err;
    }
    err = qcow2_flag_tree(s);
    err = err ? err : block_node_flush(s->node->file.node);
    err = err ? err : write_all(s, list, bytes);
    if (err) { /* as it was */
        release_tree(s, s->l1, s->l1_size);
        qcow2_flag_tree(s);
        release_l1(s, e->l1_offset, s->l1_size);
    }
    return err ? err : qcow2_drop_vm_state(s); /* it is the snapshot's now */
}

/* While counts and flags do not go together, the image is marked: whoever opens it counts anew.
 * Those of version 2 have no such mark. */
static int begin(Qcow2 *s)
{
    int err = qcow2_begin_writing(s);

    err = err ? err : qcow2_settle(s);
    if (!err && s->incompatible & QCOW2_DIRTY) {
        err = qcow2_repair(s, NULL) ? 0 : EIO; /* the last one failed */
    }
    return err || s->version == 2 ? err
                                  : qcow2_header_set_incompatible(s, s->incompatible | QCOW2_DIRTY);
}

/* @err is what it went like. */
static int end(Qcow2 *s, int err)
{
    if (s->version == 2 || !(s->incompatible & QCOW2_DIRTY)) {
        return err;
    }
    if (err) {
        qcow2_repair(s, NULL);
        return err;
    }
    err = block_node_flush(s->node->file.node);
    return err ? err : qcow2_header_set_incompatible(s, s->incompatible & ~QCOW2_DIRTY);
}

bool qcow2_snapshot_create(BlockNode *node, const BlockSnapshot *snapshot, GError **errp)
{
    Qcow2 *s = node->state;
    g_autoptr(GPtrArray) list = NULL;
    uint64_t bytes;
    int err = 0;

    g_rw_lock_writer_lock(&s->lock);
    list = read_all(s, &bytes, errp);
    if (list && (list->len >= MAX_SNAPSHOTS || strlen(snapshot->name) > UINT16_MAX)) {
        error_set(errp, "%s: too many snapshots, or too long a name", node->filename);
        g_clear_pointer(&list, g_ptr_array_unref);
    }
    if (list) {
        Entry *e = new_entry(s, list, snapshot);

        g_ptr_array_add(list, e);
        err = begin(s);
        err = end(s, err ? err : create(s, list, bytes, e));
    }
    g_rw_lock_writer_unlock(&s->lock);
    return list && fail(s, err, "the snapshot cannot be written", errp);
}

bool qcow2_snapshot_delete(BlockNode *node, const char *id, GError **errp)
{
    Qcow2 *s = node->state;
    g_autoptr(GPtrArray) list = NULL;
    g_autofree uint64_t *l1 = NULL;
    uint64_t bytes;
    unsigned index;
    bool found;
    Entry *e;
    int err = 0;

    g_rw_lock_writer_lock(&s->lock);
    list = read_all(s, &bytes, errp);
    e = list ? find_or_error(s, list, id, &index, errp) : NULL;
    found = e;
    if (found) {
        err = read_l1(s, e, &l1);
        err = err ? err : begin(s);
        g_ptr_array_steal_index(list, index);
        err = err ? err : write_all(s, list, bytes);
        err = err ? err : release_tree(s, l1, e->l1_size);
        if (!err) {
            release_l1(s, e->l1_offset, e->l1_size);
            err = qcow2_flag_tree(s);
        }
        err = end(s, err);
        entry_free(e);
    }
    g_rw_lock_writer_unlock(&s->lock);
    return found && fail(s, err, "the snapshot cannot be deleted", errp);
}

/* The disk is what @l1, of @size entries, leads to, which has one user more already. */
static int switch_l1(Qcow2 *s, const uint64_t *l1, uint64_t size, uint64_t disk_size)
{
    uint64_t old_offset = s->l1_offset, old_size = s->l1_size, offset;
    g_autofree uint64_t *old = NULL;
    struct __attribute__((packed)) {
        uint64_t disk_size;
        uint32_t crypt, size;
        uint64_t offset;
    } header;
    int err = write_l1_copy(s, l1, size, &offset);

    header.disk_size = GUINT64_TO_BE(disk_size);
    header.crypt = 0;
    header.size = GUINT32_TO_BE((uint32_t)size);
    header.offset = GUINT64_TO_BE(offset);
    err = err ? err : block_node_flush(s->node->file.node);
    err = err ? err : block_node_pwrite(s->node->file.node, AT_SIZE, &header, sizeof(header));
    if (err) {
        release_tree(s, l1, size);
        return err;
    }
    old = s->l1;
    s->l1 = g_new0(uint64_t, size + 1);
    for (uint64_t i = 0; i < size; i++) {
        s->l1[i] = l1[i] & ~QCOW2_COPIED;
    }
    s->l1_size = size;
    s->l1_offset = offset;
    s->size = disk_size;
    err = release_tree(s, old, old_size);
    release_l1(s, old_offset, old_size);
    return err ? err : qcow2_flag_tree(s);
}

/* What the disk had, *@needed entries. */
static int read_disk(Qcow2 *s, const Entry *e, uint64_t **l1, uint64_t *needed)
{
    *needed = qcow2_l1_needed(s, e->disk_size);
    return e->disk_size > BLOCK_MAX_SIZE || *needed > e->l1_size ? EIO : read_l1(s, e, l1);
}

static int go_to(Qcow2 *s, const Entry *e)
{
    uint64_t needed;
    g_autofree uint64_t *l1 = NULL;
    int err = read_disk(s, e, &l1, &needed);

    err = err ? err : begin(s);
    err = err ? err : share_tree(s, l1, needed);
    return err ? err : switch_l1(s, l1, needed, e->disk_size);
}

bool qcow2_snapshot_goto(BlockNode *node, const char *id, GError **errp)
{
    Qcow2 *s = node->state;
    g_autoptr(GPtrArray) list = NULL;
    const Entry *e = NULL;
    uint64_t bytes;
    unsigned index;
    int err = 0;

    g_rw_lock_writer_lock(&s->lock);
    list = read_all(s, &bytes, errp);
    e = list ? find_or_error(s, list, id, &index, errp) : NULL;
    err = e ? end(s, go_to(s, e)) : 0;
    g_rw_lock_writer_unlock(&s->lock);
    return e && fail(s, err, "the disk cannot go back to the snapshot", errp);
}

bool qcow2_snapshots_are_full(Qcow2 *s, GError **errp)
{
    uint64_t bytes;
    g_autoptr(GPtrArray) list = read_all(s, &bytes, errp);

    for (unsigned i = 0; list && i < list->len; i++) {
        const Entry *e = list->pdata[i];

        if (e->extra->len < FULL_EXTRA) {
            error_set(errp,
                      "%s: its snapshot '%s' (id %s) does not say how large the disk was, as those "
                      "of version 3 do: delete it first",
                      s->node->filename, e->name, e->id);
            return false;
        }
    }
    return list;
}

static const Entry *find_exactly(const GPtrArray *list, const char *id, const char *name)
{
    for (unsigned i = 0; i < list->len; i++) {
        const Entry *e = list->pdata[i];

        if ((!id || strcmp(e->id, id) == 0) && (!name || strcmp(e->name, name) == 0)) {
            return e;
        }
    }
    return NULL;
}

bool qcow2_snapshot_load(BlockNode *node, const char *id, const char *name, GError **errp)
{
    Qcow2 *s = node->state;
    uint64_t bytes, needed = 0;
    g_autofree uint64_t *l1 = NULL;
    g_autoptr(GPtrArray) list = read_all(s, &bytes, errp);
    const Entry *e = list ? find_exactly(list, id, name) : NULL;
    int err = e ? read_disk(s, e, &l1, &needed) : 0;

    if (list && !e) {
        error_set(errp, "%s has no snapshot with %s%s%s%s%s", node->filename, id ? "the id " : "",
                  id ? id : "", id && name ? " and " : "", name ? "the name " : "",
                  name ? name : "");
    }
    if (!e || err) {
        return e && fail(s, err, "the snapshot cannot be read", errp);
    }
    g_rw_lock_writer_lock(&s->lock);
    g_free(s->l1);
    s->l1 = g_steal_pointer(&l1);
    s->l1_size = needed;
    s->size = e->disk_size;
    g_rw_lock_writer_unlock(&s->lock);
    return true;
}

static SnapshotInfo *info_of(const Entry *e)
{
    SnapshotInfo *info = g_new0(SnapshotInfo, 1);

    info->id = g_strdup(e->id);
    info->name = g_strdup(e->name);
    info->vm_state_size = (int64_t)e->vm_state_size;
    info->date_sec = e->sec;
    info->date_nsec = e->nsec;
    info->vm_clock_sec = (int64_t)(e->clock_ns / NS_PER_SEC);
    info->vm_clock_nsec = (int64_t)(e->clock_ns % NS_PER_SEC);
    return info;
}

GPtrArray *qcow2_snapshot_list(BlockNode *node, GError **errp)
{
    Qcow2 *s = node->state;
    g_autoptr(GPtrArray) list = NULL;
    GPtrArray *infos = NULL;
    uint64_t bytes;

    g_rw_lock_reader_lock(&s->lock);
    list = read_all(s, &bytes, errp);
    if (list) {
        infos = SnapshotInfo_list_new();
        for (unsigned i = 0; i < list->len; i++) {
            g_ptr_array_add(infos, info_of(list->pdata[i]));
        }
    }
    g_rw_lock_reader_unlock(&s->lock);
    return infos;
}

/* ---- the machine's state: behind the disk, where L1 goes on ---- */

int qcow2_vm_state_write(BlockNode *node, uint64_t at, const void *buf, size_t len)
{
    Qcow2 *s = node->state;
    const struct iovec iov = { (void *)(uintptr_t)buf, len };
    unsigned bits = s->cluster_bits + s->l2_bits;
    uint64_t first = qcow2_l1_needed(s, s->size);
    int err;

    g_rw_lock_writer_lock(&s->lock);
    err = qcow2_l1_grow(s, first + ((at + len) >> bits) + 1);
    g_rw_lock_writer_unlock(&s->lock);
    return err ? err : qcow2_write_anywhere(s, (first << bits) + at, &iov, 1);
}

int qcow2_vm_state_read(BlockNode *node, const char *id, uint64_t at, void *buf, size_t len)
{
    Qcow2 *s = node->state;
    const struct iovec iov = { buf, len };
    unsigned bits = s->cluster_bits + s->l2_bits, index;
    uint64_t bytes, size = s->l1_size, first, *active = s->l1, *l1 = NULL;
    g_autoptr(GPtrArray) list = read_all(s, &bytes, NULL);
    const Entry *e = list ? find(list, id, &index) : NULL;
    int err = e ? read_l1(s, e, &l1) : ENOENT;

    if (!err) { /* there are no requests: nobody sees that */
        first = qcow2_l1_needed(s, e->disk_size);
        s->l1 = l1;
        s->l1_size = e->l1_size;
        err = first >= e->l1_size || at > e->vm_state_size
                  ? EIO
                  : qcow2_read_anywhere(s, (first << bits) + at, &iov, 1);
        s->l1 = active;
        s->l1_size = size;
    }
    g_free(l1);
    return err;
}
