/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A qcow2 image that is marked as dirty: whoever wrote to it did not write how often clusters are
 * used (lazy refcounts), and was killed. What uses them is right: they are counted anew.
 */
#include <errno.h>
#include <inttypes.h>

#include "block/qcow2-bitmap.h"
#include "util/error.h"

#define MAX_CLUSTERS (UINT64_C(1) << 24) /* of a file that is repaired here: 64 MiB of memory */

typedef struct Counts {
    uint64_t clusters;
    uint32_t *users; /* of each */
} Counts;

static int add(Qcow2 *s, uint64_t offset, uint64_t bytes, void *opaque)
{
    const Counts *counts = opaque;
    uint64_t last = (offset + bytes - 1) >> s->cluster_bits;

    if (bytes > INT64_MAX || offset > INT64_MAX || last >= counts->clusters) {
        return EIO; /* beyond the file's end */
    }
    for (uint64_t i = offset >> s->cluster_bits; i <= last; i++) {
        counts->users[i] += counts->users[i] < UINT32_MAX;
    }
    return 0;
}

static int count_all(Qcow2 *s, Counts *counts)
{
    int err = add(s, 0, s->cluster, counts);

    err = err ? err : add(s, s->table_offset, s->table_size * 8, counts);
    for (uint64_t i = 0; i < s->table_size && !err; i++) {
        err = s->table[i] ? add(s, s->table[i], s->cluster, counts) : 0;
    }
    err = err || !s->l1_size ? err : add(s, s->l1_offset, s->l1_size * 8, counts);
    err = err ? err : qcow2_walk_tree(s, s->l1, s->l1_size, add, counts);
    err = err ? err : qcow2_walk_snapshots(s, add, counts);
    return err ? err : qcow2_walk_bitmaps(s, add, counts);
}

/* Those that are counted too low come first: nothing that is used may be taken for free. */
static int write_counts(Qcow2 *s, const Counts *counts, bool raise)
{
    int err = 0;

    for (uint64_t i = 0; i < counts->clusters && !err; i++) {
        uint64_t users = counts->users[i], now;

        err = qcow2_cluster_count(s, i << s->cluster_bits, &now);
        if (!err && (raise ? now < users : now > users)) {
            err = qcow2_cluster_set_count(s, i << s->cluster_bits, users);
        }
    }
    return err;
}

bool qcow2_repair(Qcow2 *s, GError **errp)
{
    int64_t length = block_node_length(s->node->file.node);
    Counts counts = { .clusters =
                          length < 0 ? 0 : ((uint64_t)length + s->cluster - 1) >> s->cluster_bits };
    int err = length < 0 ? (int)-length : counts.clusters > MAX_CLUSTERS ? EFBIG : 0;

    if (!err) {
        counts.users = g_new0(uint32_t, counts.clusters);
        err = count_all(s, &counts);
    }
    err = err ? err : write_counts(s, &counts, true);
    err = err ? err : write_counts(s, &counts, false);
    err = err ? err : qcow2_flag_tree(s);
    err = err ? err : block_node_flush(s->node->file.node);
    err = err ? err : qcow2_header_set_incompatible(s, s->incompatible & ~QCOW2_DIRTY);
    g_free(counts.users);
    if (err) {
        error_set_errno(errp, err,
                        "%s is marked as dirty, and cannot be repaired here ('qemu-img check -r "
                        "all' may do it; read-only=on opens it)",
                        s->node->filename);
    }
    return !err;
}
