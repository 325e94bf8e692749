/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The header of qcow2: read, changed, and filled for a new image. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "block/qcow2.h"
#include "util/error.h"
#include "util/units.h"

enum {
    MIN_CLUSTER_BITS = 9,
    MAX_CLUSTER_BITS = 21,
    HEADER_V2 = 72, /* bytes */
    HEADER_V3 = 104,
    MAX_HEADER = 4096,
    MAX_NAME = 1023, /* of a backing file */
    EXT_END = 0,
    /* places of fields */
    AT_BACKING = 8,
    AT_BACKING_LENGTH = 16,
    AT_INCOMPATIBLE = 72,
    AT_COMPATIBLE = 80,
    AT_AUTOCLEAR = 88,
};
#define EXT_FORMAT   0xe2792acau /* the backing file's driver */
#define EXT_FEATURES 0x6803f857u /* names of what version 3 may have */
#define EXT_BITMAPS  0x23852875u /* where their directory is */
#define MAX_TABLE    (8 * MIB)

/* ---- reading ---- */

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

static bool check_numbers(const Qcow2 *s, const uint8_t *bytes, GError **errp)
{
    const char *name = s->node->filename;
    uint64_t l1_needed = 0;

    if (s->cluster_bits >= MIN_CLUSTER_BITS && s->cluster_bits <= MAX_CLUSTER_BITS) {
        l1_needed = qcow2_l1_needed(s, s->size);
    }
    if (get32(bytes, 0) != QCOW2_MAGIC) {
        error_set(errp, "%s is no qcow2 image", name);
    } else if (s->version != 2 && s->version != 3) {
        error_set(errp, "%s: version %u of qcow2 is not known: 2 and 3 are", name, s->version);
    } else if (s->cluster_bits < MIN_CLUSTER_BITS || s->cluster_bits > MAX_CLUSTER_BITS) {
        error_set(errp, "%s: clusters of 2^%u bytes are not possible", name, s->cluster_bits);
    } else if (get32(bytes, 32)) {
        error_set(errp, "%s is encrypted, which is not there", name);
    } else if (s->size > BLOCK_MAX_SIZE || s->l1_size * 8 > QCOW2_MAX_L1 ||
               s->l1_size < l1_needed || s->l1_offset % s->cluster ||
               (s->l1_size && !s->l1_offset)) {
        error_set(errp,
                  "%s: an L1 table of %" PRIu64 " entries at %" PRIu64
                  " is not possible for %" PRIu64 " bytes",
                  name, s->l1_size, s->l1_offset, s->size);
    } else if (!s->table_size || s->table_size * 8 > MAX_TABLE || !s->table_offset ||
               s->table_offset % s->cluster || s->refcount_order > 6) {
        error_set(errp,
                  "%s: a refcount table of %" PRIu64 " entries at %" PRIu64 " is not possible",
                  name, s->table_size, s->table_offset);
    } else if (s->version == 3 && (s->header_length < HEADER_V3 || s->header_length > s->cluster ||
                                   s->header_length > MAX_HEADER || s->header_length % 8)) {
        error_set(errp, "%s: a header of %u bytes is not possible", name, s->header_length);
    } else {
        return true;
    }
    return false;
}

static bool check_features(const Qcow2 *s, const uint8_t *bytes, GError **errp)
{
    const char *name = s->node->filename;
    unsigned type = s->header_length > HEADER_V3 ? bytes[HEADER_V3] : 0;

    if (s->incompatible & ~(QCOW2_DIRTY | QCOW2_CORRUPT | QCOW2_COMPRESSION)) {
        error_set(errp, "%s: features 0x%" PRIx64 " are not there", name, s->incompatible);
    } else if (s->incompatible & QCOW2_CORRUPT && !s->node->read_only) {
        error_set(errp,
                  "%s is marked as corrupt: it can be opened with read-only=on; "
                  "'qemu-img check -r all' repairs it",
                  name);
    } else if (type > 1 || (type == 1) != !!(s->incompatible & QCOW2_COMPRESSION)) {
        error_set(errp, "%s: compression %u is not known: 0 (zlib) and 1 (zstd) are", name, type);
    } else {
        return true;
    }
    return false;
}

/* A text of the header; NULL: none. */
static char *get_text(const uint8_t *bytes, uint64_t at, uint64_t len)
{
    return at && len && len <= MAX_NAME && at <= MAX_HEADER - len
               ? g_strndup((const char *)bytes + at, len)
               : NULL;
}

/* The extension at *@at, which then is that of the next; 0: there is none. */
static uint32_t next_extension(const uint8_t *bytes, unsigned *at, unsigned *data, uint32_t *len)
{
    uint32_t type = *at <= MAX_HEADER - 8 ? get32(bytes, *at) : EXT_END;

    if (type == EXT_END || get32(bytes, *at + 4) > MAX_HEADER - *at - 8) {
        return EXT_END;
    }
    *len = get32(bytes, *at + 4);
    *data = *at + 8;
    *at += 8 + (*len + 7) / 8 * 8;
    return type;
}

static bool read_texts(Qcow2 *s, const uint8_t *bytes, GError **errp)
{
    uint64_t backing_at = get64(bytes, AT_BACKING);
    unsigned at = s->header_length, data;
    uint32_t type, len;

    s->backing = get_text(bytes, backing_at, get32(bytes, AT_BACKING_LENGTH));
    if (backing_at && !s->backing) {
        error_set(errp, "%s: the name of its backing file is not where it can be",
                  s->node->filename);
        return false;
    }
    while ((type = next_extension(bytes, &at, &data, &len)) != EXT_END) {
        if (type == EXT_FORMAT && !s->backing_format) {
            s->backing_format = get_text(bytes, data, len);
        }
        if (type == EXT_BITMAPS && len >= 24 && s->autoclear & QCOW2_BITMAPS) {
            s->bitmap_count = get32(bytes, data);
            s->bitmaps_bytes = get64(bytes, data + 8);
            s->bitmaps_offset = get64(bytes, data + 16);
        }
    }
    return true;
}

bool qcow2_header_read(Qcow2 *s, GError **errp)
{
    g_autofree uint8_t *b = g_malloc0(MAX_HEADER); /* zeros are read beyond the file's end */
    int err = block_node_pread(s->node->file.node, 0, b, MAX_HEADER);

    if (err) {
        error_set_errno(errp, err, "%s: its header cannot be read", s->node->filename);
        return false;
    }
    s->version = get32(b, 4);
    s->cluster_bits = get32(b, 20);
    s->size = get64(b, 24);
    s->l1_size = get32(b, 36);
    s->l1_offset = get64(b, 40);
    s->table_offset = get64(b, 48);
    s->snapshot_count = get32(b, 60);
    s->snapshots_offset = get64(b, 64);
    s->refcount_order = s->version == 2 ? 4 : get32(b, 96);
    s->header_length = s->version == 2 ? HEADER_V2 : get32(b, 100);
    if (s->version == 3) {
        s->incompatible = get64(b, AT_INCOMPATIBLE);
        s->compatible = get64(b, AT_COMPATIBLE);
        s->autoclear = get64(b, AT_AUTOCLEAR);
    }
    s->cluster = s->cluster_bits <= MAX_CLUSTER_BITS ? UINT64_C(1) << s->cluster_bits : 1;
    s->l2_bits = s->cluster_bits - 3;
    s->block_bits = s->cluster_bits + 3 - s->refcount_order;
    s->table_size = (uint64_t)get32(b, 56) * s->cluster / 8;
    return check_numbers(s, b, errp) && check_features(s, b, errp) && read_texts(s, b, errp);
}

/* ---- changing ---- */

int qcow2_header_set_incompatible(Qcow2 *s, uint64_t bits)
{
    uint64_t raw = GUINT64_TO_BE(bits);
    int err = block_node_pwrite(s->node->file.node, AT_INCOMPATIBLE, &raw, 8);

    s->incompatible = err ? s->incompatible : bits;
    return err;
}

int qcow2_header_set_autoclear(Qcow2 *s, uint64_t bits)
{
    const uint64_t raw = GUINT64_TO_BE(bits);
    int err = block_node_pwrite(s->node->file.node, AT_AUTOCLEAR, &raw, 8);

    s->autoclear = err ? s->autoclear : bits;
    return err;
}

static void put32(uint8_t *bytes, unsigned at, uint32_t value)
{
    value = GUINT32_TO_BE(value);
    memcpy(bytes + at, &value, 4);
}

static void put64(uint8_t *bytes, unsigned at, uint64_t value)
{
    value = GUINT64_TO_BE(value);
    memcpy(bytes + at, &value, 8);
}

/* False: it does not fit. */
static bool put_extension(uint8_t *bytes, unsigned size, unsigned *at, uint32_t type,
                          const void *data, uint32_t len)
{
    if (len > size || *at + 8 + (len + 7) / 8 * 8 > size) {
        return false;
    }
    put32(bytes, *at, type);
    put32(bytes, *at + 4, len);
    memcpy(bytes + *at + 8, data, len);
    *at += 8 + (len + 7) / 8 * 8;
    return true;
}

/* The backing file's format, the end of extensions, and its name. */
static bool put_backing(uint8_t *bytes, unsigned size, unsigned at, const char *name,
                        const char *format)
{
    size_t len = name ? strlen(name) : 0;

    if ((format &&
         !put_extension(bytes, size, &at, EXT_FORMAT, format, (uint32_t)strlen(format))) ||
        !put_extension(bytes, size, &at, EXT_END, "", 0) || len > MAX_NAME || at + len > size) {
        return false;
    }
    put64(bytes, AT_BACKING, len ? at : 0);
    put32(bytes, AT_BACKING_LENGTH, (uint32_t)len);
    memcpy(bytes + at, name ? name : "", len);
    return true;
}

/* Where the directory of bitmaps is. */
typedef struct Directory {
    uint32_t count;
    uint64_t offset, bytes;
} Directory;

static bool put_bitmaps(uint8_t *bytes, unsigned size, unsigned *at, const Directory *dir)
{
    uint8_t data[24] = { 0 };

    put32(data, 0, dir->count);
    put64(data, 8, dir->bytes);
    put64(data, 16, dir->offset);
    return !dir->count || put_extension(bytes, size, at, EXT_BITMAPS, data, sizeof(data));
}

/* Write it anew, of @length bytes before the extensions, with these: others stay. */
static int rewrite(Qcow2 *s, unsigned length, const char *name, const char *format,
                   const Directory *dir)
{
    unsigned size = (unsigned)MIN(s->cluster, MAX_HEADER), at = s->header_length, data;
    g_autofree uint8_t *old = g_malloc0(MAX_HEADER), *fresh = g_malloc0(MAX_HEADER);
    int err = block_node_pread(s->node->file.node, 0, old, MAX_HEADER);
    unsigned end = length;
    uint64_t autoclear = dir->count ? QCOW2_BITMAPS : 0;
    uint32_t type, len;

    memcpy(fresh, old, MIN(length, s->header_length));
    if (length > s->header_length) { /* it was of version 2 */
        put32(fresh, 4, 3);
        put32(fresh, 96, s->refcount_order);
        put32(fresh, 100, length);
    }
    if (length == HEADER_V2) {
        put32(fresh, 4, 2);
    } else {
        put64(fresh, AT_AUTOCLEAR, autoclear);
    }
    while (!err && (type = next_extension(old, &at, &data, &len)) != EXT_END) {
        if (type != EXT_FORMAT && type != EXT_BITMAPS &&
            (type != EXT_FEATURES || length > HEADER_V2) &&
            !put_extension(fresh, size, &end, type, old + data, len)) {
            err = ENOSPC;
        }
    }
    if (!err &&
        (!put_bitmaps(fresh, size, &end, dir) || !put_backing(fresh, size, end, name, format))) {
        err = ENOSPC;
    }
    err = err ? err : block_node_pwrite(s->node->file.node, 0, fresh, size);
    s->autoclear = err ? s->autoclear : autoclear;
    return err;
}

bool qcow2_header_set_backing(Qcow2 *s, const char *name, const char *format, GError **errp)
{
    const Directory dir = { s->bitmap_count, s->bitmaps_offset, s->bitmaps_bytes };
    int err = rewrite(s, s->header_length, name, format, &dir);

    if (err) {
        error_set_errno(errp, err, "%s cannot name %s as its backing file", s->node->filename,
                        name ? name : "nothing");
        return false;
    }
    g_free(s->backing);
    g_free(s->backing_format);
    s->backing = g_strdup(name);
    s->backing_format = g_strdup(format);
    return true;
}

int qcow2_header_set_bitmaps(Qcow2 *s, uint32_t count, uint64_t offset, uint64_t bytes)
{
    const Directory dir = { count, offset, bytes };
    int err = rewrite(s, s->header_length, s->backing, s->backing_format, &dir);

    if (!err) {
        s->bitmap_count = count;
        s->bitmaps_offset = offset;
        s->bitmaps_bytes = bytes;
    }
    return err;
}

int qcow2_header_set_version(Qcow2 *s, unsigned version)
{
    const Directory none = { 0 };
    const unsigned length = version == 2 ? HEADER_V2 : HEADER_V3;
    int err = rewrite(s, length, s->backing, s->backing_format, &none);

    if (!err) {
        s->version = version;
        s->header_length = length;
        s->compatible = version == 2 ? 0 : s->compatible;
    }
    return err;
}

int qcow2_header_set_compatible(Qcow2 *s, uint64_t bits)
{
    const uint64_t raw = GUINT64_TO_BE(bits);
    int err = block_node_pwrite(s->node->file.node, AT_COMPATIBLE, &raw, 8);

    s->compatible = err ? s->compatible : bits;
    return err;
}

/* ---- a new one ---- */

bool qcow2_header_fill(uint8_t *header, unsigned size, const Qcow2 *s, const char *backing,
                       const char *format)
{
    put32(header, 0, QCOW2_MAGIC);
    put32(header, 4, s->version);
    put32(header, 20, s->cluster_bits);
    put64(header, 24, s->size);
    put32(header, 36, (uint32_t)s->l1_size);
    put64(header, 40, s->l1_offset);
    put64(header, 48, s->table_offset);
    put32(header, 56, (uint32_t)(s->table_size * 8 / s->cluster));
    if (s->version == 2) {
        return put_backing(header, size, HEADER_V2, backing, format);
    }
    put64(header, AT_INCOMPATIBLE, s->incompatible);
    put64(header, AT_COMPATIBLE, s->compatible);
    put32(header, 96, s->refcount_order);
    put32(header, 100, HEADER_V3 + 8);
    header[HEADER_V3] = s->incompatible & QCOW2_COMPRESSION ? 1 : 0;
    return put_backing(header, size, HEADER_V3 + 8, backing, format);
}
