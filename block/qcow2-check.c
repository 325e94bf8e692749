/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Faults of a qcow2 image. Whatever the tables lead to is counted, and compared with what the
 * refcount blocks say: a cluster that is counted too often is a leak, one that is counted too
 * seldom would be taken for free. An entry that leads to no cluster of the file is a fault, too.
 */
#include <errno.h>
#include <inttypes.h>

#include "block/check.h"
#include "block/driver.h"
#include "block/qcow2-bitmap.h"
#include "util/error.h"

#define MAX_CLUSTERS (UINT64_C(1) << 28) /* of a file: 1 GiB of memory */

typedef struct Walk {
    Qcow2 *s;
    BlockCheck *check;
    unsigned fix;
    void (*tell)(const char *text);
    uint64_t clusters; /* of the file */
    uint32_t *users;   /* of each */
    uint64_t expected; /* where the next cluster would not be a fragment; 0: anywhere */
} Walk;

static void G_GNUC_PRINTF(2, 3) tell(const Walk *w, const char *fmt, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, fmt);
    text = g_strdup_vprintf(fmt, args);
    va_end(args);
    w->tell(text);
}

/* A user more. False: [@offset, @offset + @bytes) is not in the file. */
static bool add(Walk *w, uint64_t offset, uint64_t bytes)
{
    unsigned bits = w->s->cluster_bits;

    if (!bytes) {
        return true;
    }
    if (bytes > INT64_MAX || offset > INT64_MAX || (offset + bytes - 1) >> bits >= w->clusters) {
        return false;
    }
    for (uint64_t i = offset >> bits; i <= (offset + bytes - 1) >> bits; i++) {
        w->users[i] += w->users[i] < UINT32_MAX;
    }
    return true;
}

/* The same of something that lies at the beginning of a cluster. */
static void add_table(Walk *w, const char *what, uint64_t offset, uint64_t bytes)
{
    if (offset % w->s->cluster || !add(w, offset, bytes)) {
        tell(w, "error: %s at 0x%" PRIx64 " is not within the file", what, offset);
        w->check->corruptions++;
    }
}

/* ---- entries ---- */

/* Is what @entry leads to in the file? It has a user more then. */
static bool add_entry(Walk *w, uint64_t entry)
{
    uint64_t offset = entry & QCOW2_OFFSET, bytes = w->s->cluster;

    if (entry & QCOW2_PACKED) {
        qcow2_packed_place(w->s, entry, &offset, &bytes);
        return bytes <= 2 * w->s->cluster && add(w, offset, bytes);
    }
    return !offset || (offset % w->s->cluster == 0 && add(w, offset, bytes));
}

static void count_entry(Walk *w, uint64_t entry)
{
    uint64_t offset = entry & QCOW2_OFFSET;

    if (entry & QCOW2_PACKED) {
        w->check->allocated_clusters++;
        w->check->compressed_clusters++;
        w->check->fragmented_clusters++;
        w->expected = 0;
    } else if (offset) {
        w->check->allocated_clusters++;
        w->check->fragmented_clusters += w->expected && offset != w->expected;
        w->expected = offset + w->s->cluster;
    }
}

/* A faulty entry of the table at @l2 is none any more: zeros are read there. */
static bool clear_entry(const Walk *w, uint64_t l2, uint64_t index)
{
    uint64_t raw = GUINT64_TO_BE(w->s->version == 3 ? QCOW2_ZERO : 0);

    return qcow2_table_write(w->s, l2, index * 8, &raw, 8) == 0;
}

/* @active: of the disk, not of a snapshot. */
static void walk_l2(Walk *w, uint64_t offset, uint64_t guest, bool active)
{
    g_autofree uint64_t *table = g_malloc(w->s->cluster);
    int err = qcow2_table_read(w->s, offset, 0, table, w->s->cluster);

    if (err) {
        tell(w, "error: the L2 table at 0x%" PRIx64 " cannot be read: %s", offset, g_strerror(err));
        w->check->check_errors++;
        return;
    }
    for (uint64_t i = 0; i < w->s->cluster / 8; i++) {
        uint64_t entry = GUINT64_FROM_BE(table[i]);

        if (!add_entry(w, entry)) {
            tell(w, "error: the disk's byte 0x%" PRIx64 " leads to 0x%" PRIx64 ": not in the file",
                 guest + (i << w->s->cluster_bits), entry & QCOW2_OFFSET);
            if (active && w->fix & BLOCK_CHECK_FIX_ERRORS && clear_entry(w, offset, i)) {
                w->check->corruptions_fixed++;
            } else {
                w->check->corruptions++;
            }
        } else if (active) {
            count_entry(w, entry);
        }
    }
}

static void walk_l1(Walk *w, const uint64_t *l1, uint64_t size, bool active)
{
    for (uint64_t i = 0; i < size; i++) {
        uint64_t offset = l1[i] & QCOW2_OFFSET;

        if (!offset) {
            continue;
        }
        if (offset % w->s->cluster || !add(w, offset, w->s->cluster)) {
            tell(w, "error: L1 entry %" PRIu64 " leads to 0x%" PRIx64 ": not in the file", i,
                 offset);
            w->check->corruptions++;
            continue;
        }
        walk_l2(w, offset, i << (w->s->cluster_bits + w->s->l2_bits), active);
    }
}

static void walk_snapshot(Qcow2 *s, uint64_t l1_offset, const uint64_t *l1, uint64_t size,
                          void *opaque)
{
    Walk *w = opaque;

    add_table(w, "the L1 table of a snapshot", l1_offset, MAX(size * 8, 1));
    walk_l1(w, l1, size, false);
}

static int add_bitmap_part(Qcow2 *s, uint64_t offset, uint64_t bytes, void *opaque)
{
    add_table(opaque, "a part of a bitmap", offset, bytes);
    return 0;
}

static bool count_all(Walk *w, GError **errp)
{
    Qcow2 *s = w->s;
    uint64_t offset, bytes;

    add(w, 0, s->cluster);
    add_table(w, "the refcount table", s->table_offset, s->table_size * 8);
    for (uint64_t i = 0; i < s->table_size; i++) {
        if (s->table[i]) {
            add_table(w, "a refcount block", s->table[i], s->cluster);
        }
    }
    add_table(w, "the L1 table", s->l1_offset, s->l1_size * 8);
    walk_l1(w, s->l1, s->l1_size, true);
    if (!qcow2_snapshots_foreach(s, walk_snapshot, w, &offset, &bytes, errp)) {
        return false;
    }
    add_table(w, "the table of snapshots", offset, bytes);
    w->check->check_errors += qcow2_walk_bitmaps(s, add_bitmap_part, w) != 0;
    return true;
}

/* ---- comparing ---- */

/* What the counts say of cluster @i is wrong. */
static void wrong_count(Walk *w, uint64_t i, uint64_t count)
{
    bool leak = count > w->users[i];
    bool fix = w->fix & (leak ? BLOCK_CHECK_FIX_LEAKS : BLOCK_CHECK_FIX_ERRORS);

    tell(w, "%s: cluster %" PRIu64 " is counted %" PRIu64 " times, and used %u times",
         leak ? "leak" : "error", i, count, w->users[i]);
    if (fix && qcow2_cluster_set_count(w->s, i << w->s->cluster_bits, w->users[i]) == 0) {
        *(leak ? &w->check->leaks_fixed : &w->check->corruptions_fixed) += 1;
    } else {
        *(leak ? &w->check->leaks : &w->check->corruptions) += 1;
    }
}

static void compare(Walk *w)
{
    for (uint64_t i = 0; i < w->clusters; i++) {
        uint64_t count;
        int err = qcow2_cluster_count(w->s, i << w->s->cluster_bits, &count);

        if (err) {
            w->check->check_errors++;
            continue;
        }
        if (count || w->users[i]) {
            w->check->image_end = (i + 1) << w->s->cluster_bits;
        }
        if (count != w->users[i]) {
            wrong_count(w, i, count);
        }
    }
}

/* Entries whose flag says that nobody else uses the cluster, or does not. */
static void compare_flag(Walk *w, uint64_t entry)
{
    uint64_t i = (entry & QCOW2_OFFSET) >> w->s->cluster_bits;

    if (entry & QCOW2_OFFSET && !(entry & QCOW2_PACKED) && i < w->clusters &&
        !!(entry & QCOW2_COPIED) != (w->users[i] == 1)) {
        tell(w, "error: the flag of cluster %" PRIu64 ", used %u times, is wrong", i, w->users[i]);
        w->check->corruptions++;
    }
}

static void compare_flags(Walk *w)
{
    g_autofree uint64_t *table = g_malloc(w->s->cluster);
    uint64_t before = w->check->corruptions;

    for (uint64_t i = 0; i < w->s->l1_size; i++) {
        uint64_t offset = w->s->l1[i] & QCOW2_OFFSET;

        compare_flag(w, w->s->l1[i]);
        if (!offset || offset % w->s->cluster ||
            qcow2_table_read(w->s, offset, 0, table, w->s->cluster)) {
            continue;
        }
        for (uint64_t j = 0; j < w->s->cluster / 8; j++) {
            compare_flag(w, GUINT64_FROM_BE(table[j]));
        }
    }
    if (w->check->corruptions > before && w->fix & BLOCK_CHECK_FIX_ERRORS &&
        qcow2_flag_tree(w->s) == 0) {
        w->check->corruptions_fixed += w->check->corruptions - before;
        w->check->corruptions = before;
    }
}

/* What the marks in the header say is over. */
static int clear_marks(Walk *w)
{
    Qcow2 *s = w->s;
    uint64_t bits = s->incompatible & ~(QCOW2_DIRTY | QCOW2_CORRUPT);
    int err = block_node_flush(s->node->file.node);

    return err || bits == s->incompatible ? err : qcow2_header_set_incompatible(s, bits);
}

bool qcow2_check(BlockNode *node, unsigned fix, void (*told)(const char *text), BlockCheck *check,
                 GError **errp)
{
    Qcow2 *s = node->state;
    int64_t length = block_node_length(node->file.node);
    Walk w = { .s = s, .check = check, .fix = fix, .tell = told };
    bool ok;
    int err = 0;

    w.clusters = length < 0 ? 0 : ((uint64_t)length + s->cluster - 1) >> s->cluster_bits;
    w.users = w.clusters > MAX_CLUSTERS ? NULL : g_try_new0(uint32_t, w.clusters + 1);
    if (length < 0 || !w.users) {
        error_set_errno(errp, length < 0 ? (int)-length : EFBIG, "%s cannot be checked",
                        node->filename);
        return false;
    }
    g_rw_lock_writer_lock(&s->lock);
    check->total_clusters = (s->size + s->cluster - 1) >> s->cluster_bits;
    ok = count_all(&w, errp);
    if (ok) {
        compare(&w);
        compare_flags(&w);
    }
    if (ok && fix & BLOCK_CHECK_FIX_ERRORS && !check->corruptions && !check->check_errors) {
        err = clear_marks(&w);
    }
    g_rw_lock_writer_unlock(&s->lock);
    g_free(w.users);
    if (err) {
        error_set_errno(errp, err, "%s cannot be repaired", node->filename);
    }
    return ok && !err;
}

bool block_check_possible(const BlockNode *node)
{
    return node->driver->check;
}

bool block_check(BlockNode *node, unsigned fix, void (*tell_fault)(const char *text),
                 BlockCheck *check, GError **errp)
{
    return node->driver->check(node, fix, tell_fault, check, errp);
}
