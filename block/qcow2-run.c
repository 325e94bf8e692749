/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qcow2: clusters that have, or get, places one behind the other: one request of the file for all
 * of them, and one write of each table. */
#include <errno.h>

#include "block/iov.h"
#include "block/qcow2.h"

/* An entry that names no place in the file. */
static bool is_nowhere(uint64_t entry)
{
    return !(entry & (QCOW2_PACKED | QCOW2_OFFSET));
}

/* How many clusters from @offset on, up to @max, have no place yet. `lock`. */
static int count_nowhere(Qcow2 *s, uint64_t offset, uint64_t max, uint64_t *count)
{
    uint64_t entry;
    int err = 0;

    *count = 0;
    while (!err && *count < max) {
        err = qcow2_get_entry(s, offset + (*count << s->cluster_bits), &entry);
        if (err || !is_nowhere(entry)) {
            break;
        }
        ++*count;
    }
    return err;
}

/* Those in one table, which nothing named when they were asked for. */
static int map_part(Qcow2 *s, uint64_t offset, uint64_t count, uint64_t place)
{
    uint64_t index = offset >> s->cluster_bits & ((UINT64_C(1) << s->l2_bits) - 1);
    g_autofree uint64_t *raw = g_new(uint64_t, count);
    int err = qcow2_own_l2(s, offset);

    for (uint64_t i = 0; i < count; i++) {
        raw[i] = GUINT64_TO_BE((place + (i << s->cluster_bits)) | QCOW2_COPIED);
    }
    return err ? err
               : qcow2_table_write(s,
                                   s->l1[offset >> (s->cluster_bits + s->l2_bits)] & QCOW2_OFFSET,
                                   index * 8, raw, count * 8);
}

int qcow2_map_run(Qcow2 *s, uint64_t offset, uint64_t count, uint64_t place)
{
    const uint64_t table = UINT64_C(1) << s->l2_bits;
    int err = 0;

    while (count && !err) {
        uint64_t index = offset >> s->cluster_bits & (table - 1), some = MIN(count, table - index),
                 entry;

        err = count_nowhere(s, offset, some, &some);
        if (!err && some) {
            err = map_part(s, offset, some, place);
        } else if (!err) { /* it has a place */
            some = 1;
            err = qcow2_get_entry(s, offset, &entry);
            err = err ? err : qcow2_set_entry(s, offset, entry, place | QCOW2_COPIED);
        }
        offset += some << s->cluster_bits;
        place += some << s->cluster_bits;
        count -= err ? 0 : some;
    }
    return err;
}

int qcow2_write_run(Qcow2 *s, uint64_t offset, const struct iovec *iov, unsigned iovcnt,
                    size_t *done)
{
    g_autofree struct iovec *part = g_new(struct iovec, iovcnt);
    uint64_t count, place;
    int err = count_nowhere(s, offset, iov_size(iov, iovcnt) >> s->cluster_bits, &count);

    *done = 0;
    if (err || count < 2) {
        return err;
    }
    err = qcow2_run_alloc(s, count, &place, &count);
    if (err) {
        return err;
    }
    *done = count << s->cluster_bits;
    err = block_node_write(s->node->file.node, place, part, iov_slice(iov, iovcnt, 0, *done, part),
                           0);
    return err ? err : qcow2_map_run(s, offset, count, place);
}

static bool is_plain(const Qcow2 *s, uint64_t entry)
{
    return entry & QCOW2_OFFSET && !(entry & QCOW2_PACKED) && !qcow2_is_zero(s, entry) &&
           !((entry & QCOW2_OFFSET) % s->cluster);
}

int qcow2_find_run(Qcow2 *s, uint64_t offset, size_t max, uint64_t *place, size_t *bytes)
{
    *place = 0;
    *bytes = 0;
    while (*bytes < max) {
        uint64_t at = offset + *bytes, in = at & (s->cluster - 1), entry;
        int err = qcow2_get_entry(s, at, &entry);

        if (err) {
            return *bytes ? 0 : err; /* whoever reads on finds it again */
        }
        if (!is_plain(s, entry) || (*bytes && (entry & QCOW2_OFFSET) != *place + *bytes)) {
            break;
        }
        *place = *bytes ? *place : (entry & QCOW2_OFFSET) + in;
        *bytes += MIN(max - *bytes, s->cluster - in);
    }
    return 0;
}

/* ---- reads that do not wait ---- */

/* A piece in one cluster; `lock`. */
static bool read_piece_now(Qcow2 *s, uint64_t offset, const struct iovec *iov, unsigned iovcnt)
{
    BlockNode *below = s->node->backing.node;
    uint64_t entry, place;

    if (qcow2_peek_entry(s, offset, &entry) || entry & QCOW2_PACKED) {
        return false;
    }
    place = entry & QCOW2_OFFSET;
    if (qcow2_is_zero(s, entry) || (!place && !below)) {
        iov_clear(iov, iovcnt, 0);
        return true;
    }
    if (!place) { /* what ends within the piece cannot */
        return block_node_read_now(below, offset, iov, iovcnt);
    }
    return !(place % s->cluster) &&
           block_node_read_now(s->node->file.node, place + (offset & (s->cluster - 1)), iov,
                               iovcnt);
}

/* With `lock`, so that the cluster is not another one before it has been read. */
bool qcow2_read_now(BlockNode *node, uint64_t offset, const struct iovec *iov, unsigned iovcnt)
{
    Qcow2 *s = node->state;
    size_t bytes = iov_size(iov, iovcnt);
    bool there;

    if (bytes > s->cluster - (offset & (s->cluster - 1)) || !g_rw_lock_reader_trylock(&s->lock)) {
        return false;
    }
    there = offset < s->size && bytes <= s->size - offset && read_piece_now(s, offset, iov, iovcnt);
    g_rw_lock_reader_unlock(&s->lock);
    return there;
}
