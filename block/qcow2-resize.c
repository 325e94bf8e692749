/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qcow2: the L1 table, and with it the disk, become longer or shorter. */
#include <errno.h>
#include <string.h>

#include "block/qcow2-bitmap.h"
#include "util/units.h"

enum { AT_SIZE = 24, AT_L1 = 36, ZERO_CHUNK = 64 * KIB };

int qcow2_l1_grow(Qcow2 *s, uint64_t entries)
{
    uint64_t old_offset = s->l1_offset, old_size = s->l1_size, offset, *l1;
    struct __attribute__((packed)) {
        uint32_t size;
        uint64_t offset;
    } header, old;
    g_autofree uint64_t *raw = NULL;
    int err;

    if (entries <= s->l1_size) {
        return 0;
    }
    if (entries > QCOW2_MAX_L1 / 8) {
        return EFBIG;
    }
    raw = g_new0(uint64_t, entries);
    for (uint64_t i = 0; i < s->l1_size; i++) {
        raw[i] = GUINT64_TO_BE(s->l1[i]);
    }
    err = qcow2_clusters_alloc(s, (entries * 8 + s->cluster - 1) >> s->cluster_bits, &offset);
    if (err) {
        return err;
    }
    old.size = GUINT32_TO_BE((uint32_t)s->l1_size);
    old.offset = GUINT64_TO_BE(s->l1_offset);
    header.size = GUINT32_TO_BE((uint32_t)entries);
    header.offset = GUINT64_TO_BE(offset);
    err = qcow2_cluster_use(s, offset, raw, entries * 8, AT_L1, &header, &old, sizeof(header));
    if (err) {
        return err;
    }
    l1 = g_new0(uint64_t, entries + 1);
    memcpy(l1, s->l1, s->l1_size * 8);
    g_free(s->l1);
    s->l1 = l1;
    s->l1_size = entries;
    s->l1_offset = offset;
    return old_size ? qcow2_cluster_release(s, old_offset, old_size * 8) : 0;
}

static int write_size(Qcow2 *s, uint64_t size)
{
    uint64_t raw = GUINT64_TO_BE(size);
    int err = block_node_pwrite(s->node->file.node, AT_SIZE, &raw, 8);

    s->size = err ? s->size : size;
    return err;
}

/* [@offset, @end) becomes zeros where there is something else. */
static int write_zeros(Qcow2 *s, uint64_t offset, uint64_t end)
{
    g_autofree uint8_t *data = g_malloc(ZERO_CHUNK);
    int err = 0;

    while (offset < end && !err) {
        struct iovec iov = { data, MIN(end - offset, ZERO_CHUNK) };

        err = qcow2_read_anywhere(s, offset, &iov, 1);
        if (!err && (data[0] || memcmp(data, data + 1, iov.iov_len - 1) != 0)) {
            memset(data, 0, iov.iov_len);
            err = qcow2_write_anywhere(s, offset, &iov, 1);
        }
        offset += iov.iov_len;
    }
    return err;
}

/* What the disk gets is zeros: what is left in its last cluster, and what a longer backing file has
 * there, must not be seen. */
static int grow(Qcow2 *s, uint64_t size)
{
    uint64_t old = s->size, end = MIN(size, (old + s->cluster - 1) & ~(s->cluster - 1));
    int64_t below = s->node->backing.node ? block_node_length(s->node->backing.node) : 0;
    int err = below < 0 ? (int)-below : 0;

    g_rw_lock_writer_lock(&s->lock);
    err = err ? err : qcow2_drop_vm_state(s); /* of a snapshot that failed */
    err = err ? err : qcow2_l1_grow(s, qcow2_l1_needed(s, size));
    g_rw_lock_writer_unlock(&s->lock);
    if (!err && (uint64_t)below > old) {
        end = MAX(end, MIN(size, (uint64_t)below));
    }
    err = err ? err : write_zeros(s, old, end);
    g_rw_lock_writer_lock(&s->lock);
    err = err ? err : write_size(s, size);
    g_rw_lock_writer_unlock(&s->lock);
    return err;
}

static int shrink(Qcow2 *s, uint64_t size)
{
    uint64_t old = s->size;
    int err;

    g_rw_lock_writer_lock(&s->lock);
    err = write_size(s, size);
    err = err ? err : qcow2_forget_clusters(s, size, old - size);
    g_rw_lock_writer_unlock(&s->lock);
    return err;
}

int qcow2_resize(Qcow2 *s, uint64_t size)
{
    if (size % BLOCK_SECTOR) {
        return EINVAL;
    }
    if (s->snapshot_count && s->version == 2) { /* which do not know of what size they are */
        return ENOTSUP;
    }
    if (size != s->size && !qcow2_bitmaps_all_usable(s)) { /* nobody knows how long those are */
        return ENOTSUP;
    }
    if (qcow2_l1_needed(s, size) > QCOW2_MAX_L1 / 8) {
        return EFBIG;
    }
    return size > s->size ? grow(s, size) : size < s->size ? shrink(s, size) : 0;
}
