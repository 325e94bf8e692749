/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of a qcow2 image is data, zeros, or the backing file's. */
#include <errno.h>

#include "block/qcow2.h"

/* What an entry says of its cluster; `at` and `filename` are not set. */
static BlockStatus status_of(const Qcow2 *s, uint64_t entry)
{
    bool packed = entry & QCOW2_PACKED, zero = qcow2_is_zero(s, entry);
    uint64_t offset = entry & QCOW2_OFFSET;

    if (packed || zero) {
        return (BlockStatus){ .allocated = true, .data = packed, .zero = zero };
    }
    return (BlockStatus){ .allocated = offset, .data = offset, .zero = false, .has_at = offset };
}

static bool is_alike(const BlockStatus *a, const BlockStatus *b, uint64_t a_place, uint64_t b_place)
{
    return a->allocated == b->allocated && a->data == b->data && a->zero == b->zero &&
           a->has_at == b->has_at && (!a->has_at || a_place + a->bytes == b_place);
}

/* From @offset, the first byte of a cluster, on: how far there is no table. */
static uint64_t empty_bytes(const Qcow2 *s, uint64_t offset)
{
    unsigned bits = s->cluster_bits + s->l2_bits;
    uint64_t i = offset >> bits, first = i;

    while (i < s->l1_size && !(s->l1[i] & QCOW2_OFFSET)) {
        i++;
    }
    return i == first ? s->cluster - (offset & (s->cluster - 1)) : (i << bits) - offset;
}

/* Clusters that are alike, one behind the other. `lock`. */
static int find_alike(Qcow2 *s, uint64_t offset, uint64_t bytes, BlockStatus *status)
{
    uint64_t entry, in = offset & (s->cluster - 1), place;
    int err = qcow2_get_entry(s, offset, &entry);

    if (err) {
        return err;
    }
    *status = status_of(s, entry);
    place = (entry & QCOW2_OFFSET) + in;
    status->at = place;
    status->bytes = entry ? s->cluster - in : empty_bytes(s, offset);
    while (status->bytes < bytes) {
        BlockStatus next;

        err = qcow2_get_entry(s, offset + status->bytes, &entry);
        if (err) {
            return err;
        }
        next = status_of(s, entry);
        if (!is_alike(status, &next, place, entry & QCOW2_OFFSET)) {
            break;
        }
        status->bytes += entry ? s->cluster : empty_bytes(s, offset + status->bytes);
    }
    return 0;
}

/* Where there was no hole, there may be one by now: nothing depends on it. To ask for the end of
 * what is data takes long, and an image may have its clusters in any order. */
static bool is_known_data(Qcow2 *s, uint64_t at, uint64_t bytes)
{
    bool known;

    g_mutex_lock(&s->cache_mutex);
    known = at >= s->data_from && at + bytes <= s->data_to;
    g_mutex_unlock(&s->cache_mutex);
    return known;
}

/* What was only allocated is zeros: the file below knows. */
static void look_below(Qcow2 *s, uint64_t bytes, BlockStatus *status)
{
    BlockNode *file = s->node->file.node;
    int64_t length = block_node_length(file);
    BlockStatus below;

    status->bytes = MIN(status->bytes, bytes);
    status->filename = s->node->filename;
    if (is_known_data(s, status->at, status->bytes)) {
        return;
    }
    if (length > (int64_t)status->at &&
        block_status(file, status->at, (uint64_t)length - status->at, &below) == 0) {
        status->zero = below.zero;
        status->bytes = MIN(status->bytes, below.bytes);
        if (!below.zero) {
            g_mutex_lock(&s->cache_mutex);
            s->data_from = status->at;
            s->data_to = status->at + below.bytes;
            g_mutex_unlock(&s->cache_mutex);
        }
    }
}

int qcow2_status(BlockNode *node, uint64_t offset, uint64_t bytes, BlockStatus *status)
{
    Qcow2 *s = node->state;
    int err;

    g_rw_lock_reader_lock(&s->lock);
    err = find_alike(s, offset, bytes, status);
    g_rw_lock_reader_unlock(&s->lock);
    if (!err && status->has_at) {
        look_below(s, bytes, status);
    }
    if (!err && !status->allocated) {
        status->zero = !node->backing.node;
    }
    return err;
}
