/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Driver "qcow2": the header, and where the guest's clusters are (block/qcow2.h). */
#include "block/qcow2.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "block/driver.h"
#include "block/iov.h"
#include "util/error.h"
#include "util/units.h"

enum {
    MIN_CLUSTER_BITS = 9,
    MAX_CLUSTER_BITS = 21,
    HEADER_V2 = 72, /* bytes */
    HEADER_V3 = 104,
    MAX_HEADER = 4096,
    MAX_NAME = 1023, /* of a backing file */
    AT_AUTOCLEAR = 88,
    EXT_END = 0,
    FEATURE_DIRTY = 1 << 0,
    FEATURE_CORRUPT = 1 << 1,
    FEATURE_COMPRESSION = 1 << 3,
};
#define EXT_FORMAT  0xe2792acau /* the backing file's driver */
#define MAX_L1      (32 * MIB)
#define MAX_TABLE   (8 * MIB)
#define CACHE_BYTES (4 * MIB)
#define MIN_SLOTS   4u

/* ---- the header ---- */

typedef struct Header {
    const uint8_t *bytes; /* MAX_HEADER of them, zeros beyond the file's end */
    unsigned length;
    uint64_t incompatible;
    char *backing, *backing_format; /* NULL: none */
} Header;

static uint32_t get32(const uint8_t *bytes, unsigned at)
{
    uint32_t value;

    memcpy(&value, bytes + at, 4);
    return GUINT32_FROM_BE(value);
}

static uint64_t get64(const uint8_t *bytes, unsigned at)
{
    uint64_t value;

    memcpy(&value, bytes + at, 8);
    return GUINT64_FROM_BE(value);
}

static bool check_numbers(const Qcow2 *s, const Header *h, GError **errp)
{
    const char *name = s->node->filename;
    uint64_t l1_needed = 0;

    if (s->cluster_bits >= MIN_CLUSTER_BITS && s->cluster_bits <= MAX_CLUSTER_BITS) {
        unsigned bits = s->cluster_bits + s->l2_bits;

        l1_needed = (s->size >> bits) + ((s->size & ((UINT64_C(1) << bits) - 1)) != 0);
    }
    if (get32(h->bytes, 0) != QCOW2_MAGIC) {
        error_set(errp, "%s is no qcow2 image", name);
    } else if (s->version != 2 && s->version != 3) {
        error_set(errp, "%s: version %u of qcow2 is not known: 2 and 3 are", name, s->version);
    } else if (s->cluster_bits < MIN_CLUSTER_BITS || s->cluster_bits > MAX_CLUSTER_BITS) {
        error_set(errp, "%s: clusters of 2^%u bytes are not possible", name, s->cluster_bits);
    } else if (get32(h->bytes, 32)) {
        error_set(errp, "%s is encrypted, which is not there", name);
    } else if (s->size > BLOCK_MAX_SIZE || s->l1_size * 8 > MAX_L1 || s->l1_size < l1_needed ||
               s->l1_offset % s->cluster || (s->l1_size && !s->l1_offset)) {
        error_set(errp,
                  "%s: an L1 table of %" PRIu64 " entries at %" PRIu64
                  " is not possible for %" PRIu64 " bytes",
                  name, s->l1_size, s->l1_offset, s->size);
    } else if (!s->table_size || s->table_size * 8 > MAX_TABLE || !s->table_offset ||
               s->table_offset % s->cluster || s->refcount_order > 6) {
        error_set(errp,
                  "%s: a refcount table of %" PRIu64 " entries at %" PRIu64 " is not possible",
                  name, s->table_size, s->table_offset);
    } else if (s->version == 3 && (h->length < HEADER_V3 || h->length > s->cluster ||
                                   h->length > MAX_HEADER || h->length % 8)) {
        error_set(errp, "%s: a header of %u bytes is not possible", name, h->length);
    } else {
        return true;
    }
    return false;
}

static bool check_features(const Qcow2 *s, const Header *h, GError **errp)
{
    const char *name = s->node->filename;
    unsigned type = h->length > HEADER_V3 ? h->bytes[HEADER_V3] : 0;

    if (h->incompatible & ~(uint64_t)(FEATURE_DIRTY | FEATURE_CORRUPT | FEATURE_COMPRESSION)) {
        error_set(errp, "%s: features 0x%" PRIx64 " are not there", name, h->incompatible);
    } else if (h->incompatible & (FEATURE_DIRTY | FEATURE_CORRUPT) && !s->node->read_only) {
        error_set(errp,
                  "%s is marked as %s: it can be opened with read-only=on; "
                  "'qemu-img check -r all' repairs it",
                  name, h->incompatible & FEATURE_CORRUPT ? "corrupt" : "dirty");
    } else if (type > 1 || (type == 1) != !!(h->incompatible & FEATURE_COMPRESSION)) {
        error_set(errp, "%s: compression %u is not known: 0 (zlib) and 1 (zstd) are", name, type);
    } else {
        return true;
    }
    return false;
}

/* A text of the header; NULL: none. */
static char *get_text(const Header *h, uint64_t at, uint64_t len)
{
    return at && len && len <= MAX_NAME && at <= MAX_HEADER - len
               ? g_strndup((const char *)h->bytes + at, len)
               : NULL;
}

static bool read_texts(const Qcow2 *s, Header *h, GError **errp)
{
    uint64_t backing_at = get64(h->bytes, 8);
    unsigned at = h->length;

    h->backing = get_text(h, backing_at, get32(h->bytes, 16));
    if (backing_at && !h->backing) {
        error_set(errp, "%s: the name of its backing file is not where it can be",
                  s->node->filename);
        return false;
    }
    while (at <= MAX_HEADER - 8 && get32(h->bytes, at) != EXT_END) {
        uint32_t type = get32(h->bytes, at), len = get32(h->bytes, at + 4);

        if (len > MAX_HEADER - at - 8) {
            break;
        }
        if (type == EXT_FORMAT && !h->backing_format) {
            h->backing_format = get_text(h, at + 8, len);
        }
        at += 8 + (len + 7) / 8 * 8;
    }
    return true;
}

static bool read_header(Qcow2 *s, Header *h, GError **errp)
{
    const uint8_t *b = h->bytes;

    s->version = get32(b, 4);
    s->cluster_bits = get32(b, 20);
    s->size = get64(b, 24);
    s->l1_size = get32(b, 36);
    s->l1_offset = get64(b, 40);
    s->table_offset = get64(b, 48);
    s->refcount_order = s->version == 2 ? 4 : get32(b, 96);
    h->length = s->version == 2 ? HEADER_V2 : get32(b, 100);
    if (s->version == 3) {
        h->incompatible = get64(b, 72);
        s->autoclear = get64(b, AT_AUTOCLEAR);
        s->zstd = h->incompatible & FEATURE_COMPRESSION;
    }
    s->cluster = s->cluster_bits <= MAX_CLUSTER_BITS ? UINT64_C(1) << s->cluster_bits : 1;
    s->l2_bits = s->cluster_bits - 3;
    s->block_bits = s->cluster_bits + 3 - s->refcount_order;
    s->table_size = (uint64_t)get32(b, 56) * s->cluster / 8;
    return check_numbers(s, h, errp) && check_features(s, h, errp) && read_texts(s, h, errp);
}

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

/* ---- opening ---- */

/* The node below, by the option; else by the header: relative names are so to the image. */
static bool open_backing(Qcow2 *s, const Header *h, GError **errp)
{
    const BlockdevOptionsQcow2 *options = s->node->options->u.qcow2;
    struct json_object *ref, *file;
    bool ok;

    if (options->backing) {
        return block_node_open_below(s->node, &s->node->backing, options->backing, "backing", errp);
    }
    if (!h->backing) {
        return true;
    }
    if (!h->backing_format) {
        error_set(errp,
                  "%s does not say what format its backing file %s has: give it as "
                  "backing.driver=, or write it there by 'qemu-img rebase -u -F'",
                  s->node->filename, h->backing);
        return false;
    }
    g_autofree char *dir = g_path_get_dirname(s->node->filename);
    g_autofree char *path = g_path_is_absolute(h->backing)
                                ? g_strdup(h->backing)
                                : g_build_filename(dir, h->backing, NULL);
    ref = json_object_new_object();
    file = json_object_new_object();
    json_object_object_add(file, "driver", json_object_new_string("file"));
    json_object_object_add(file, "filename", json_object_new_string(path));
    json_object_object_add(ref, "driver", json_object_new_string(h->backing_format));
    json_object_object_add(ref, "file", file);
    json_object_object_add(ref, "read-only", json_object_new_boolean(true));
    ok = block_node_open_below(s->node, &s->node->backing, ref, "backing", errp);
    json_object_put(ref);
    return ok;
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

/* What is in the file below; and, if it is not there yet, the backing file that it names. */
static bool load_image(Qcow2 *s, bool with_backing, GError **errp)
{
    g_autofree uint8_t *bytes = g_malloc0(MAX_HEADER);
    Header h = { .bytes = bytes };
    int err = block_node_pread(s->node->file.node, 0, bytes, MAX_HEADER);
    bool ok;

    if (err) {
        error_set_errno(errp, err, "%s: its header cannot be read", s->node->filename);
        return false;
    }
    ok = read_header(s, &h, errp) && (!with_backing || open_backing(s, &h, errp));
    g_free(h.backing);
    g_free(h.backing_format);
    if (!ok) {
        return false;
    }
    s->slot_count = (unsigned)CLAMP(CACHE_BYTES >> s->cluster_bits, MIN_SLOTS, QCOW2_SLOTS);
    s->l1 = read_entries(s, s->l1_offset, s->l1_size, errp);
    s->table = s->l1 ? read_entries(s, s->table_offset, s->table_size, errp) : NULL;
    return s->table != NULL;
}

static bool qcow2_open(BlockNode *node, GError **errp)
{
    Qcow2 *s = node->state = state_new(node);

    return block_node_open_below(node, &node->file, node->options->u.qcow2->file, "file", errp) &&
           load_image(s, true, errp);
}

static void state_free(Qcow2 *s)
{
    for (unsigned i = 0; i < QCOW2_SLOTS; i++) {
        g_free(s->slots[i].data);
    }
    g_free(s->l1);
    g_free(s->table);
    g_mutex_clear(&s->cache_mutex);
    g_rw_lock_clear(&s->lock);
    g_free(s);
}

static void qcow2_close(BlockNode *node)
{
    state_free(node->state);
}

static bool qcow2_activate(BlockNode *node, GError **errp)
{
    Qcow2 *fresh = state_new(node);
    bool ok = load_image(fresh, false, errp);

    state_free(ok ? node->state : fresh);
    node->state = ok ? fresh : node->state;
    return ok;
}

/* The file is its own, as soon as somebody uses it. Nobody may write to the backing file. */
static bool qcow2_set_perms(BlockNode *node, unsigned uses, unsigned shares, GError **errp)
{
    const unsigned writes = BLOCK_PERM_WRITE | BLOCK_PERM_RESIZE;
    bool used = uses, written = uses & writes;

    return block_edge_change(&node->file, used ? BLOCK_PERM_READ | (written ? writes : 0) : 0,
                             used ? BLOCK_PERM_ALL & ~writes : BLOCK_PERM_ALL, errp) &&
           (!node->backing.node ||
            block_edge_change(&node->backing, used ? BLOCK_PERM_READ : 0,
                              used ? BLOCK_PERM_ALL & ~writes : BLOCK_PERM_ALL, errp));
}

/* ---- where clusters are ---- */

/* The L2 entry of the guest's byte @offset, 0 if there is no table. `lock`. */
static int get_entry(Qcow2 *s, uint64_t offset, uint64_t *entry)
{
    uint64_t l1 = s->l1[offset >> (s->cluster_bits + s->l2_bits)] & QCOW2_OFFSET;
    uint64_t at = (offset >> s->cluster_bits & ((UINT64_C(1) << s->l2_bits) - 1)) * 8, raw;
    int err;

    *entry = 0;
    if (!l1) {
        return 0;
    }
    if (l1 % s->cluster) {
        return EIO;
    }
    err = qcow2_table_read(s, l1, at, &raw, 8);
    *entry = err ? 0 : GUINT64_FROM_BE(raw);
    return err;
}

static bool is_zero(const Qcow2 *s, uint64_t entry)
{
    return s->version == 3 && !(entry & QCOW2_PACKED) && entry & QCOW2_ZERO;
}

/* Where a compressed cluster is, and how many bytes it has at most. */
static void packed_place(const Qcow2 *s, uint64_t entry, uint64_t *offset, uint64_t *bytes)
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

    packed_place(s, entry, &offset, &bytes);
    if (bytes > 2 * s->cluster) {
        return EIO;
    }
    in = g_malloc(bytes);
    err = block_node_pread(s->node->file.node, offset, in, bytes);
    return err ? err : qcow2_unpack(s->zstd, in, bytes, cluster, s->cluster);
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
    int err = get_entry(s, offset, &entry);

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
    if (is_zero(s, entry)) {
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

/* From now on the image is written to: what this program does not keep up is not right any more. */
static int begin_writing(Qcow2 *s)
{
    const uint64_t none = 0;
    int err = 0;

    if (s->autoclear) {
        err = block_node_pwrite(s->node->file.node, AT_AUTOCLEAR, &none, 8);
        s->autoclear = err ? s->autoclear : 0;
    }
    return err;
}

/* Let the L1 entry for @offset name a table that is this image's alone. */
static int own_l2(Qcow2 *s, uint64_t offset)
{
    uint64_t i = offset >> (s->cluster_bits + s->l2_bits), old = s->l1[i], fresh, raw;
    g_autofree uint8_t *table = NULL;
    int err;

    if (old & QCOW2_COPIED && old & QCOW2_OFFSET) {
        return (old & QCOW2_OFFSET) % s->cluster ? EIO : 0;
    }
    old &= QCOW2_OFFSET;
    table = g_malloc0(s->cluster);
    err = old % s->cluster ? EIO : old ? qcow2_table_read(s, old, 0, table, s->cluster) : 0;
    err = err ? err : qcow2_cluster_alloc(s, &fresh);
    err = err ? err : block_node_pwrite(s->node->file.node, fresh, table, s->cluster);
    if (err) {
        return err;
    }
    qcow2_table_forget(s, fresh);
    raw = GUINT64_TO_BE(fresh | QCOW2_COPIED);
    err = block_node_pwrite(s->node->file.node, s->l1_offset + i * 8, &raw, 8);
    if (err) {
        return err;
    }
    s->l1[i] = fresh | QCOW2_COPIED;
    return old ? qcow2_cluster_release(s, old, s->cluster) : 0;
}

/* Replace the L2 entry @old of @offset by @entry, and let go of what @old named. */
static int set_entry(Qcow2 *s, uint64_t offset, uint64_t old, uint64_t entry)
{
    uint64_t at = (offset >> s->cluster_bits & ((UINT64_C(1) << s->l2_bits) - 1)) * 8;
    uint64_t raw = GUINT64_TO_BE(entry), place, bytes;
    int err = own_l2(s, offset);

    err = err ? err
              : qcow2_table_write(s, s->l1[offset >> (s->cluster_bits + s->l2_bits)] & QCOW2_OFFSET,
                                  at, &raw, 8);
    if (err) {
        return err;
    }
    if (old & QCOW2_PACKED) {
        packed_place(s, old, &place, &bytes);
        return qcow2_cluster_release(s, place, bytes);
    }
    place = old & QCOW2_OFFSET;
    return place ? qcow2_cluster_release(s, place, s->cluster) : 0;
}

static bool is_in_place(const Qcow2 *s, uint64_t entry)
{
    return entry & QCOW2_COPIED && !(entry & QCOW2_PACKED) && !is_zero(s, entry) &&
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
    err = err ? err : own_l2(s, offset);
    err = err ? err : qcow2_cluster_alloc(s, &fresh);
    err = err ? err : block_node_pwrite(s->node->file.node, fresh, cluster, s->cluster);
    return err ? err : set_entry(s, offset, old, fresh | QCOW2_COPIED);
}

/* @may_change: `lock` is held for writing; else EAGAIN if it has to be. */
static int write_piece(Qcow2 *s, uint64_t offset, const struct iovec *iov, unsigned iovcnt,
                       bool may_change)
{
    uint64_t entry;
    int err = get_entry(s, offset, &entry);
    bool in_place =
        is_in_place(s, entry) && s->l1[offset >> (s->cluster_bits + s->l2_bits)] & QCOW2_COPIED;

    if (err) {
        return err;
    }
    if (in_place) {
        return block_node_write(s->node->file.node,
                                (entry & QCOW2_OFFSET) + (offset & (s->cluster - 1)), iov, iovcnt);
    }
    return may_change ? write_copy(s, offset, entry, iov, iovcnt) : EAGAIN;
}

/* ---- requests ---- */

static int qcow2_read(BlockNode *node, uint64_t offset, const struct iovec *iov, unsigned iovcnt)
{
    Qcow2 *s = node->state;
    size_t size = iov_size(iov, iovcnt), done = 0;
    size_t there = offset < s->size ? MIN(size, s->size - offset) : 0;
    g_autofree struct iovec *part = g_new(struct iovec, iovcnt);
    int err = 0;

    iov_clear(iov, iovcnt, there);
    g_rw_lock_reader_lock(&s->lock);
    while (done < there && !err) {
        size_t some = MIN(there - done, s->cluster - ((offset + done) & (s->cluster - 1)));

        err = read_piece(s, offset + done, part, iov_slice(iov, iovcnt, done, some, part));
        done += some;
    }
    g_rw_lock_reader_unlock(&s->lock);
    return err;
}

static int qcow2_write(BlockNode *node, uint64_t offset, const struct iovec *iov, unsigned iovcnt)
{
    Qcow2 *s = node->state;
    size_t size = iov_size(iov, iovcnt), done = 0;
    g_autofree struct iovec *part = g_new(struct iovec, iovcnt);
    int err = 0;

    if (offset > s->size || size > s->size - offset) {
        return ENOSPC;
    }
    while (done < size && !err) {
        size_t some = MIN(size - done, s->cluster - ((offset + done) & (s->cluster - 1)));
        unsigned count = iov_slice(iov, iovcnt, done, some, part);

        g_rw_lock_reader_lock(&s->lock);
        err = s->autoclear ? EAGAIN : write_piece(s, offset + done, part, count, false);
        g_rw_lock_reader_unlock(&s->lock);
        if (err == EAGAIN) {
            g_rw_lock_writer_lock(&s->lock);
            err = begin_writing(s);
            err = err ? err : write_piece(s, offset + done, part, count, true);
            g_rw_lock_writer_unlock(&s->lock);
        }
        done += some;
    }
    return err;
}

/* A whole cluster becomes zeros, or for @discard, whatever costs least. ENOTSUP: only bytes can do
 * it. `lock` for writing. */
static int clear_cluster(Qcow2 *s, uint64_t offset, bool discard)
{
    uint64_t entry, wanted = s->version == 3 && s->node->backing.node ? QCOW2_ZERO : 0;
    int err = get_entry(s, offset, &entry);

    if (err || (s->version == 2 && s->node->backing.node)) {
        return err ? err : ENOTSUP;
    }
    if (entry == wanted || (is_zero(s, entry) && !(entry & QCOW2_OFFSET)) ||
        (discard && !entry)) { /* there is nothing to give back */
        return 0;
    }
    return set_entry(s, offset, entry, wanted);
}

static int write_part(BlockNode *node, uint64_t offset, size_t len)
{
    g_autofree void *zeros = g_malloc0(len);
    const struct iovec iov = { zeros, len };

    return qcow2_write(node, offset, &iov, 1);
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
            err = begin_writing(s);
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

static int qcow2_write_zeroes(BlockNode *node, uint64_t offset, uint64_t bytes, bool unmap)
{
    return clear_range(node, offset, bytes, false);
}

static int qcow2_discard(BlockNode *node, uint64_t offset, uint64_t bytes)
{
    return clear_range(node, offset, bytes, true);
}

static int64_t qcow2_length(BlockNode *node)
{
    const Qcow2 *s = node->state;

    return (int64_t)s->size;
}

static int qcow2_truncate(BlockNode *node, uint64_t size)
{
    return ENOTSUP;
}

static const BlockDriver qcow2_driver = {
    .id = BLOCKDEV_DRIVER_QCOW2,
    .open = qcow2_open,
    .close = qcow2_close,
    .activate = qcow2_activate,
    .set_perms = qcow2_set_perms,
    .read = qcow2_read,
    .write = qcow2_write,
    .write_zeroes = qcow2_write_zeroes,
    .discard = qcow2_discard,
    .length = qcow2_length,
    .truncate = qcow2_truncate,
};
BLOCK_DRIVER_REGISTER(qcow2_driver)
