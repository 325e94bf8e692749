/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Driver "qcow2": the header, and where the guest's clusters are (block/qcow2.h). */
#include "block/qcow2.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "block/driver.h"
#include "block/filename.h"
#include "block/iov.h"
#include "block/qcow2-bitmap.h"
#include "util/error.h"
#include "util/keyval.h"
#include "util/units.h"

#define CACHE_BYTES (4 * MIB)
#define MIN_SLOTS   4u
#define ENTRY_MIN   512

/* ---- opening ---- */

/* @count entries at @offset of the file. */
static uint64_t *read_entries(const Qcow2 *s, uint64_t offset, uint64_t count, GError **errp)
{
    g_autofree uint64_t *entries = g_new(uint64_t, count + 1);
    int err = block_node_pread(s->node->file.node, offset, entries, count * 8);

    if (err) {
        error_set_errno(errp, err, "%s: a table cannot be read", s->node->filename);
        return NULL;
    }
    for (uint64_t i = 0; i < count; i++) {
        entries[i] = GUINT64_FROM_BE(entries[i]);
    }
    return g_steal_pointer(&entries);
}

/* The options of the file that the header names: relative names are so to the image. A new
 * reference. */
static struct json_object *named_backing(const Qcow2 *s, GError **errp)
{
    struct json_object *ref, *file;

    if (!s->backing_format) {
        error_set(errp,
                  "%s does not say what format its backing file %s has: give it as "
                  "backing.driver=, or write it there by 'qemu-img rebase -u -F'",
                  s->node->filename, s->backing);
        return NULL;
    }
    g_autofree char *path = qcow2_backing_path(s);
    ref = json_object_new_object();
    file = json_object_new_object();
    json_object_object_add(file, "driver", json_object_new_string("file"));
    json_object_object_add(file, "filename", json_object_new_string(path));
    json_object_object_add(ref, "driver", json_object_new_string(s->backing_format));
    json_object_object_add(ref, "file", file);
    json_object_object_add(ref, "read-only", json_object_new_boolean(true));
    return ref;
}

/* The node below, by the option; else by the header, which options without a driver add to. */
static bool open_backing(Qcow2 *s, GError **errp)
{
    struct json_object *given = s->node->options->u.qcow2->backing, *ref;
    bool adds = json_object_is_type(given, json_type_object) &&
                !json_object_object_get_ex(given, "driver", NULL);
    bool ok;

    if (given && !adds) {
        return block_ref_is_none(given) ||
               block_node_open_below(s->node, &s->node->backing, given, "backing", errp);
    }
    if (!s->backing) {
        if (adds) {
            error_set(errp,
                      "%s names no backing file that backing= could be of: "
                      "backing.driver= is missing",
                      s->node->filename);
        }
        return !adds;
    }
    ref = named_backing(s, errp);
    ok = ref && (!adds || keyval_merge(ref, given, errp)) &&
         block_node_open_below(s->node, &s->node->backing, ref, "backing", errp);
    json_object_put(ref);
    return ok;
}

char *qcow2_backing_path(const Qcow2 *s)
{
    return block_filename_relative(s->backing, s->node->filename ? s->node->filename : "");
}

static Qcow2 *state_new(BlockNode *node)
{
    Qcow2 *s = g_new0(Qcow2, 1);

    s->node = node;
    g_rw_lock_init(&s->lock);
    g_mutex_init(&s->cache_mutex);
    s->free_hint = 1;
    return s;
}

/* Nobody else has the file meanwhile: another program may have it in use, and so it is dirty. */
static bool repair_alone(Qcow2 *s, GError **errp)
{
    const unsigned writes = BLOCK_PERM_WRITE | BLOCK_PERM_RESIZE;
    BlockEdge *edge = &s->node->file;
    unsigned uses = edge->uses, shares = edge->shares;
    bool ok = block_edge_change(edge, uses | BLOCK_PERM_READ | writes, shares & ~writes, errp) &&
              qcow2_repair(s, errp);

    block_edge_change(edge, uses, shares, NULL);
    return ok;
}

/* By the option; else by the header. */
static bool choose_lazy(Qcow2 *s, GError **errp)
{
    const BlockdevOptionsQcow2 *options = s->node->options->u.qcow2;

    if (options->lazy_refcounts && s->version == 2) {
        error_set(
            errp,
            "%s is of version 2, which has no mark for lazy-refcounts=on: 'dimmable-img amend -o "
            "compat=1.1' makes it one of version 3",
            s->node->filename);
        return false;
    }
    s->lazy = options->has_lazy_refcounts ? options->lazy_refcounts
                                          : s->version == 3 && s->compatible & QCOW2_LAZY;
    return true;
}

/* How many tables are kept. */
static bool choose_cache(Qcow2 *s, GError **errp)
{
    const BlockdevOptionsQcow2 *o = s->node->options->u.qcow2;
    uint64_t entry = o->l2_cache_entry_size, bytes;

    if (o->has_cache_size && o->has_l2_cache_size && o->has_refcount_cache_size) {
        error_set(errp, "cache-size is l2-cache-size and refcount-cache-size together: give two");
    } else if (o->has_cache_size && MAX(o->l2_cache_size, o->refcount_cache_size) > o->cache_size) {
        error_set(errp, "%s is larger than cache-size, of which it is a part",
                  o->has_l2_cache_size ? "l2-cache-size" : "refcount-cache-size");
    } else if (o->has_l2_cache_entry_size &&
               (entry < ENTRY_MIN || entry > s->cluster || entry & (entry - 1))) {
        error_set(errp,
                  "l2-cache-entry-size=%" PRIu64
                  " is not possible: it is a power of 2, 512 to a cluster, %" PRIu64,
                  entry, s->cluster);
    } else {
        bytes = o->has_cache_size      ? o->cache_size
                : o->has_l2_cache_size ? o->l2_cache_size
                                       : CACHE_BYTES;
        s->slot_count = (unsigned)CLAMP(bytes >> s->cluster_bits, MIN_SLOTS, QCOW2_SLOTS);
        return true;
    }
    return false;
}

/* What is in the file below; and, if it is not there yet, the backing file that it names. */
static bool load_image(Qcow2 *s, bool with_backing, GError **errp)
{
    if (!qcow2_header_read(s, errp) || !choose_lazy(s, errp) || !choose_cache(s, errp) ||
        (with_backing && !open_backing(s, errp))) {
        return false;
    }
    s->l1 = read_entries(s, s->l1_offset, s->l1_size, errp);
    s->table = s->l1 ? read_entries(s, s->table_offset, s->table_size, errp) : NULL;
    s->stale = !block_node_is_active();
    return s->table && qcow2_bitmaps_load(s, errp) &&
           (!(s->incompatible & QCOW2_DIRTY) || s->node->read_only || !block_node_is_active() ||
            repair_alone(s, errp));
}

static bool qcow2_open(BlockNode *node, GError **errp)
{
    Qcow2 *s = node->state = state_new(node);

    if (!block_node_open_below(node, &node->file, node->options->u.qcow2->file, "file", errp) ||
        !load_image(s, true, errp)) {
        return false;
    }
    qcow2_bitmaps_attach(node);
    return true;
}

static void state_free(Qcow2 *s)
{
    for (unsigned i = 0; i < QCOW2_SLOTS; i++) {
        g_free(s->slots[i].data);
    }
    if (s->bitmaps) {
        g_ptr_array_unref(s->bitmaps);
    }
    g_free(s->l1);
    g_free(s->table);
    g_free(s->backing);
    g_free(s->backing_format);
    g_mutex_clear(&s->cache_mutex);
    g_rw_lock_clear(&s->lock);
    g_free(s);
}

/* If that fails the image stays dirty, and is repaired when it is opened again; and its bitmaps are
 * in use. */
static int settle(BlockNode *node)
{
    Qcow2 *s = node->state;
    int err = qcow2_bitmaps_store(node);

    if (err) {
        return err;
    }

    g_rw_lock_writer_lock(&s->lock);
    err = qcow2_settle(s);
    g_rw_lock_writer_unlock(&s->lock);
    return err;
}

static void qcow2_close(BlockNode *node)
{
    settle(node);
    state_free(node->state);
}

static int qcow2_inactivate(BlockNode *node)
{
    Qcow2 *s = node->state;
    int err = settle(node);

    s->stale = true;
    return err;
}

/* The image is written from now on. */
static bool mark_bitmaps(BlockNode *node, GError **errp)
{
    Qcow2 *s = node->state;
    int err;

    g_rw_lock_writer_lock(&s->lock);
    err = qcow2_bitmaps_mark(s);
    g_rw_lock_writer_unlock(&s->lock);
    if (err) {
        error_set_errno(errp, err, "%s: its bitmaps cannot be marked as in use", node->filename);
    }
    return !err;
}

static bool qcow2_activate(BlockNode *node, GError **errp)
{
    Qcow2 *fresh = state_new(node);
    bool ok = load_image(fresh, false, errp);

    state_free(ok ? node->state : fresh);
    node->state = ok ? fresh : node->state;
    if (!ok) {
        return false;
    }
    qcow2_bitmaps_attach(node);
    return !(node->file.uses & BLOCK_PERM_WRITE) || mark_bitmaps(node, errp);
}

/* The file is its own, as soon as somebody uses it. Nobody may write to the backing file. Before
 * others may have it, it is as they find it best; after that, it may be another. */
static bool qcow2_set_perms(BlockNode *node, unsigned uses, unsigned shares, GError **errp)
{
    const unsigned writes = BLOCK_PERM_WRITE | BLOCK_PERM_RESIZE;
    bool used = uses, written = uses & (writes | BLOCK_PERM_SAME), was_used = node->file.uses;

    if (!written || !was_used) {
        settle(node);
    }
    return block_edge_change(&node->file, used ? BLOCK_PERM_READ | (written ? writes : 0) : 0,
                             used ? BLOCK_PERM_ALL & ~writes : BLOCK_PERM_ALL, errp) &&
           (!node->backing.node ||
            block_edge_change(
                &node->backing, used ? BLOCK_PERM_READ : 0,
                used && !node->backing.live ? BLOCK_PERM_ALL & ~writes : BLOCK_PERM_ALL, errp)) &&
           (!used || was_used || !block_node_is_active() || qcow2_activate(node, errp)) &&
           (!written || ((Qcow2 *)node->state)->stale || mark_bitmaps(node, errp));
}

/* ---- where clusters are ---- */

static int table_peek(Qcow2 *s, uint64_t offset, uint64_t at, void *buf, size_t len)
{
    return qcow2_table_peek(s, offset, at, buf, len) ? 0 : EAGAIN;
}

/* By qcow2_table_read(), or what does the same. */
static int get_entry(Qcow2 *s, uint64_t offset, uint64_t *entry,
                     int (*table_read)(Qcow2 *s, uint64_t offset, uint64_t at, void *buf,
                                       size_t len))
{
    uint64_t i = offset >> (s->cluster_bits + s->l2_bits);
    uint64_t l1 = i < s->l1_size ? s->l1[i] & QCOW2_OFFSET : 0;
    uint64_t at = (offset >> s->cluster_bits & ((UINT64_C(1) << s->l2_bits) - 1)) * 8, raw;
    int err;

    *entry = 0;
    if (!l1) {
        return i < s->l1_size ? 0 : EIO;
    }
    if (l1 % s->cluster) {
        return EIO;
    }
    err = table_read(s, l1, at, &raw, 8);
    *entry = err ? 0 : GUINT64_FROM_BE(raw);
    return err;
}

int qcow2_get_entry(Qcow2 *s, uint64_t offset, uint64_t *entry)
{
    return get_entry(s, offset, entry, qcow2_table_read);
}

int qcow2_peek_entry(Qcow2 *s, uint64_t offset, uint64_t *entry)
{
    return get_entry(s, offset, entry, table_peek);
}

bool qcow2_is_zero(const Qcow2 *s, uint64_t entry)
{
    return s->version == 3 && !(entry & QCOW2_PACKED) && entry & QCOW2_ZERO;
}

void qcow2_packed_place(const Qcow2 *s, uint64_t entry, uint64_t *offset, uint64_t *bytes)
{
    unsigned bits = 62 - (s->cluster_bits - 8);

    *offset = entry & ((UINT64_C(1) << bits) - 1);
    *bytes = ((entry & (QCOW2_PACKED - 1)) >> bits) * BLOCK_SECTOR + BLOCK_SECTOR -
             *offset % BLOCK_SECTOR;
}

static int read_packed(Qcow2 *s, uint64_t entry, uint8_t *cluster)
{
    g_autofree uint8_t *in = NULL;
    uint64_t offset, bytes;
    int err;

    qcow2_packed_place(s, entry, &offset, &bytes);
    if (bytes > 2 * s->cluster) {
        return EIO;
    }
    in = g_malloc(bytes);
    err = block_node_pread(s->node->file.node, offset, in, bytes);
    return err ? err
               : qcow2_unpack(s->incompatible & QCOW2_COMPRESSION, in, bytes, cluster, s->cluster);
}

/* [@offset, ...) of what is below, which may be shorter. */
static int read_backing(Qcow2 *s, uint64_t offset, const struct iovec *iov, unsigned iovcnt)
{
    BlockNode *below = s->node->backing.node;
    int64_t length = below ? block_node_length(below) : 0;
    size_t bytes = iov_size(iov, iovcnt);
    g_autofree struct iovec *part = g_new(struct iovec, iovcnt);

    if (length < 0) {
        return (int)-length;
    }
    size_t there = offset < (uint64_t)length ? MIN(bytes, (uint64_t)length - offset) : 0;
    iov_clear(iov, iovcnt, there);
    return there ? block_node_read(below, offset, part, iov_slice(iov, iovcnt, 0, there, part)) : 0;
}

/* A piece that lies in one cluster; `lock`. */
static int read_piece(Qcow2 *s, uint64_t offset, const struct iovec *iov, unsigned iovcnt)
{
    uint64_t entry, in = offset & (s->cluster - 1);
    int err = qcow2_get_entry(s, offset, &entry);

    if (err) {
        return err;
    }
    if (entry & QCOW2_PACKED) {
        g_autofree uint8_t *cluster = g_malloc(s->cluster);

        err = read_packed(s, entry, cluster);
        if (!err) {
            iov_from_buf(iov, iovcnt, 0, cluster + in, iov_size(iov, iovcnt));
        }
        return err;
    }
    if (qcow2_is_zero(s, entry)) {
        iov_clear(iov, iovcnt, 0);
        return 0;
    }
    if (!(entry & QCOW2_OFFSET)) {
        return read_backing(s, offset, iov, iovcnt);
    }
    if ((entry & QCOW2_OFFSET) % s->cluster) {
        return EIO;
    }
    return block_node_read(s->node->file.node, (entry & QCOW2_OFFSET) + in, iov, iovcnt);
}

/* ---- writing ---- */

int qcow2_own_l2(Qcow2 *s, uint64_t offset)
{
    uint64_t i = offset >> (s->cluster_bits + s->l2_bits), old = s->l1[i], fresh, raw, was;
    g_autofree uint8_t *table = NULL;
    int err;

    if (old & QCOW2_COPIED && old & QCOW2_OFFSET) {
        return (old & QCOW2_OFFSET) % s->cluster ? EIO : 0;
    }
    old &= QCOW2_OFFSET;
    table = g_malloc0(s->cluster);
    err = old % s->cluster ? EIO : old ? qcow2_table_read(s, old, 0, table, s->cluster) : 0;
    err = err ? err : qcow2_cluster_alloc(s, &fresh);
    if (err) {
        return err;
    }
    qcow2_table_forget(s, fresh);
    raw = GUINT64_TO_BE(fresh | QCOW2_COPIED);
    was = GUINT64_TO_BE(s->l1[i]);
    err = qcow2_cluster_use(s, fresh, table, s->cluster, s->l1_offset + i * 8, &raw, &was, 8);
    if (err) {
        return err;
    }
    s->l1[i] = fresh | QCOW2_COPIED;
    return old ? qcow2_cluster_release(s, old, s->cluster) : 0;
}

int qcow2_set_entry(Qcow2 *s, uint64_t offset, uint64_t old, uint64_t entry)
{
    uint64_t at = (offset >> s->cluster_bits & ((UINT64_C(1) << s->l2_bits) - 1)) * 8;
    uint64_t raw = GUINT64_TO_BE(entry), place, bytes;
    int err = qcow2_own_l2(s, offset);

    err = err ? err
              : qcow2_table_write(s, s->l1[offset >> (s->cluster_bits + s->l2_bits)] & QCOW2_OFFSET,
                                  at, &raw, 8);
    if (err) {
        return err;
    }
    if (old & QCOW2_PACKED) {
        qcow2_packed_place(s, old, &place, &bytes);
        return qcow2_cluster_release(s, place, bytes);
    }
    place = old & QCOW2_OFFSET;
    return place ? qcow2_cluster_release(s, place, s->cluster) : 0;
}

static bool is_in_place(const Qcow2 *s, uint64_t entry)
{
    return entry & QCOW2_COPIED && !(entry & QCOW2_PACKED) && !qcow2_is_zero(s, entry) &&
           entry & QCOW2_OFFSET && !((entry & QCOW2_OFFSET) % s->cluster);
}

/* A piece in one cluster, to a new one, with what the rest of the old one was. */
static int write_copy(Qcow2 *s, uint64_t offset, uint64_t old, const struct iovec *iov,
                      unsigned iovcnt)
{
    uint64_t in = offset & (s->cluster - 1), bytes = iov_size(iov, iovcnt), fresh;
    g_autofree uint8_t *cluster = g_malloc(s->cluster);
    struct iovec whole = { cluster, s->cluster };
    int err = bytes < s->cluster ? read_piece(s, offset - in, &whole, 1) : 0;

    iov_to_buf(iov, iovcnt, 0, cluster + in, bytes);
    err = err ? err : qcow2_own_l2(s, offset);
    err = err ? err : qcow2_cluster_alloc(s, &fresh);
    err = err ? err : block_node_pwrite(s->node->file.node, fresh, cluster, s->cluster);
    return err ? err : qcow2_set_entry(s, offset, old, fresh | QCOW2_COPIED);
}

/* @may_change: `lock` is held for writing; else EAGAIN if it has to be. */
static int write_piece(Qcow2 *s, uint64_t offset, const struct iovec *iov, unsigned iovcnt,
                       bool may_change)
{
    uint64_t entry;
    int err = qcow2_get_entry(s, offset, &entry);
    bool in_place =
        is_in_place(s, entry) && s->l1[offset >> (s->cluster_bits + s->l2_bits)] & QCOW2_COPIED;

    if (err) {
        return err;
    }
    if (in_place) {
        return block_node_write(s->node->file.node,
                                (entry & QCOW2_OFFSET) + (offset & (s->cluster - 1)), iov, iovcnt,
                                0);
    }
    return may_change ? write_copy(s, offset, entry, iov, iovcnt) : EAGAIN;
}

/* ---- requests ---- */

int qcow2_read_anywhere(Qcow2 *s, uint64_t offset, const struct iovec *iov, unsigned iovcnt)
{
    size_t size = iov_size(iov, iovcnt), done = 0;
    g_autofree struct iovec *part = g_new(struct iovec, iovcnt);
    int err = 0;

    g_rw_lock_reader_lock(&s->lock);
    while (done < size && !err) {
        size_t some = MIN(size - done, s->cluster - ((offset + done) & (s->cluster - 1))), run = 0;
        uint64_t place;

        if (some < size - done) { /* several clusters: they may be one piece of the file */
            err = qcow2_find_run(s, offset + done, size - done, &place, &run);
        }
        some = MAX(some, run);
        if (!err && run) {
            err = block_node_read(s->node->file.node, place, part,
                                  iov_slice(iov, iovcnt, done, some, part));
        } else if (!err) {
            err = read_piece(s, offset + done, part, iov_slice(iov, iovcnt, done, some, part));
        }
        done += some;
    }
    g_rw_lock_reader_unlock(&s->lock);
    return err;
}

static int qcow2_read(BlockNode *node, uint64_t offset, const struct iovec *iov, unsigned iovcnt)
{
    Qcow2 *s = node->state;
    size_t size = iov_size(iov, iovcnt);
    size_t there = offset < s->size ? MIN(size, s->size - offset) : 0;
    g_autofree struct iovec *part = g_new(struct iovec, iovcnt);

    iov_clear(iov, iovcnt, there);
    return there ? qcow2_read_anywhere(s, offset, part, iov_slice(iov, iovcnt, 0, there, part)) : 0;
}

static int qcow2_write(BlockNode *node, uint64_t offset, const struct iovec *iov, unsigned iovcnt,
                       unsigned flags)
{
    Qcow2 *s = node->state;

    if (offset > s->size || iov_size(iov, iovcnt) > s->size - offset) {
        return ENOSPC;
    }
    return qcow2_write_anywhere(s, offset, iov, iovcnt);
}

int qcow2_write_anywhere(Qcow2 *s, uint64_t offset, const struct iovec *iov, unsigned iovcnt)
{
    size_t size = iov_size(iov, iovcnt), done = 0;
    g_autofree struct iovec *part = g_new(struct iovec, iovcnt);
    int err = 0;

    while (done < size && !err) {
        size_t some = MIN(size - done, s->cluster - ((offset + done) & (s->cluster - 1))), run = 0;
        unsigned count = iov_slice(iov, iovcnt, done, some, part);

        g_rw_lock_reader_lock(&s->lock);
        err = s->autoclear & ~QCOW2_BITMAPS || !qcow2_bitmaps_marked(s)
                  ? EAGAIN
                  : write_piece(s, offset + done, part, count, false);
        g_rw_lock_reader_unlock(&s->lock);
        if (err == EAGAIN) {
            g_rw_lock_writer_lock(&s->lock);
            err = qcow2_begin_writing(s);
            if (!err && some == s->cluster && size - done > some) {
                count = iov_slice(iov, iovcnt, done, size - done, part);
                err = qcow2_write_run(s, offset + done, part, count, &run);
                count = iov_slice(iov, iovcnt, done, some, part);
            }
            if (!err && !run) {
                err = write_piece(s, offset + done, part, count, true);
            }
            g_rw_lock_writer_unlock(&s->lock);
        }
        done += MAX(some, run);
    }
    return err;
}

/* A whole cluster becomes zeros, or for @discard, whatever costs least. ENOTSUP: only bytes can do
 * it. `lock` for writing. */
static int clear_cluster(Qcow2 *s, uint64_t offset, bool discard)
{
    uint64_t entry, wanted = s->version == 3 && s->node->backing.node ? QCOW2_ZERO : 0;
    int err = qcow2_get_entry(s, offset, &entry);

    if (err || (s->version == 2 && s->node->backing.node)) {
        return err ? err : ENOTSUP;
    }
    if (entry == wanted || (wanted && qcow2_is_zero(s, entry) && !(entry & QCOW2_OFFSET)) ||
        (discard && !entry)) { /* there is nothing to give back */
        return 0;
    }
    return qcow2_set_entry(s, offset, entry, wanted);
}

static int write_part(BlockNode *node, uint64_t offset, size_t len)
{
    g_autofree void *zeros = g_malloc0(len);
    const struct iovec iov = { zeros, len };

    return qcow2_write(node, offset, &iov, 1, 0);
}

/* Whole clusters by their entries; the parts at both ends stay for a discard, else zeros are
 * written. */
static int clear_range(BlockNode *node, uint64_t offset, uint64_t bytes, bool discard)
{
    Qcow2 *s = node->state;
    uint64_t end = offset + bytes;
    int err = 0;

    if (end > s->size) {
        return ENOSPC;
    }
    while (offset < end && !err) {
        uint64_t in = offset & (s->cluster - 1), some = MIN(end - offset, s->cluster - in);

        err = ENOTSUP;
        if (!in && (some == s->cluster || end == s->size)) { /* the last one may be shorter */
            g_rw_lock_writer_lock(&s->lock);
            err = qcow2_begin_writing(s);
            err = err ? err : clear_cluster(s, offset, discard);
            g_rw_lock_writer_unlock(&s->lock);
        }
        if (err == ENOTSUP) {
            err = discard ? 0 : write_part(node, offset, some);
        }
        offset += some;
    }
    return err;
}

int qcow2_forget_clusters(Qcow2 *s, uint64_t offset, uint64_t bytes)
{
    uint64_t end = offset + bytes, table = s->cluster << s->l2_bits, entry;
    int err = qcow2_begin_writing(s);

    offset = (offset + s->cluster - 1) & ~(s->cluster - 1);
    while (offset < end && !err) {
        uint64_t i = offset >> (s->cluster_bits + s->l2_bits);

        if (i >= s->l1_size || !(s->l1[i] & QCOW2_OFFSET)) {
            offset = (i + 1) * table;
            continue;
        }
        err = qcow2_get_entry(s, offset, &entry);
        err = err || !entry ? err : qcow2_set_entry(s, offset, entry, 0);
        offset += s->cluster;
    }
    return err;
}

static int qcow2_write_zeroes(BlockNode *node, uint64_t offset, uint64_t bytes, unsigned flags)
{
    const Qcow2 *s = node->state;

    if (flags & BLOCK_FAST && (bytes < s->cluster || (s->version == 2 && node->backing.node))) {
        return ENOTSUP; /* bytes have to be written */
    }
    return clear_range(node, offset, bytes, false);
}

static int qcow2_discard(BlockNode *node, uint64_t offset, uint64_t bytes, unsigned flags)
{
    return clear_range(node, offset, bytes, true);
}

/* ---- what there is to tell, and to change ---- */

bool qcow2_facts(const BlockNode *node, BlockQcow2Facts *facts)
{
    const Qcow2 *s = node->state;

    if (node->options->driver != BLOCKDEV_DRIVER_QCOW2) {
        return false;
    }
    *facts = (BlockQcow2Facts){ .version = s->version,
                                .refcount_bits = 1u << s->refcount_order,
                                .lazy_refcounts = s->compatible & QCOW2_LAZY,
                                .corrupt = s->incompatible & QCOW2_CORRUPT,
                                .zstd = s->incompatible & QCOW2_COMPRESSION };
    return true;
}

static uint64_t qcow2_cluster_size(BlockNode *node)
{
    return ((const Qcow2 *)node->state)->cluster;
}

static void qcow2_tell(BlockNode *node, ImageInfo *info)
{
    const Qcow2 *s = node->state;

    info->snapshots = s->snapshot_count ? qcow2_snapshot_list(node, NULL) : NULL;
    info->has_cluster_size = true;
    info->cluster_size = (int64_t)s->cluster;
    info->has_dirty_flag = true;
    info->dirty_flag = s->incompatible & QCOW2_DIRTY;
    info->backing_filename = g_strdup(s->backing);
    info->full_backing_filename = s->backing ? qcow2_backing_path(s) : NULL;
    info->backing_filename_format = g_strdup(s->backing_format);
}

static bool qcow2_set_backing_name(BlockNode *node, const char *name, const char *format,
                                   GError **errp)
{
    return qcow2_header_set_backing(node->state, name, format, errp);
}

/* One that is written to from now on is checked as such. */
static bool qcow2_reopen(BlockNode *node, GError **errp)
{
    if (!node->read_only) {
        settle(node);
    }
    return node->read_only || qcow2_activate(node, errp);
}

static int64_t qcow2_length(BlockNode *node)
{
    const Qcow2 *s = node->state;

    return (int64_t)s->size;
}

static int qcow2_truncate(BlockNode *node, uint64_t size)
{
    return qcow2_resize(node->state, size);
}

static const BlockDriver qcow2_driver = {
    .id = BLOCKDEV_DRIVER_QCOW2,
    .open = qcow2_open,
    .close = qcow2_close,
    .activate = qcow2_activate,
    .inactivate = qcow2_inactivate,
    .settle = settle,
    .bitmap_possible = qcow2_bitmap_possible,
    .bitmap_remove = qcow2_bitmap_remove,
    .reopen = qcow2_reopen,
    .check = qcow2_check,
    .tell = qcow2_tell,
    .set_backing_name = qcow2_set_backing_name,
    .amend = qcow2_amend,
    .set_perms = qcow2_set_perms,
    .read = qcow2_read,
    .read_now = qcow2_read_now,
    .write = qcow2_write,
    .write_packed = qcow2_write_packed,
    .write_zeroes = qcow2_write_zeroes,
    .discard = qcow2_discard,
    .status = qcow2_status,
    .length = qcow2_length,
    .cluster_size = qcow2_cluster_size,
    .truncate = qcow2_truncate,
    .snapshot_create = qcow2_snapshot_create,
    .snapshot_delete = qcow2_snapshot_delete,
    .snapshot_goto = qcow2_snapshot_goto,
    .snapshot_list = qcow2_snapshot_list,
    .snapshot_load = qcow2_snapshot_load,
    .vm_state_write = qcow2_vm_state_write,
    .vm_state_read = qcow2_vm_state_read,
};
BLOCK_DRIVER_REGISTER(qcow2_driver)
