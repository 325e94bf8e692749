/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What of an image can become another one. */
#include <inttypes.h>

#include "block/qcow2.h"
#include "util/error.h"

/* What version 2 has no words for, and what nobody would want to lose. */
static bool check_downgrade(const Qcow2 *s, GError **errp)
{
    const char *name = s->node->filename;

    if (s->refcount_order != 4) {
        error_set(errp,
                  "%s has refcount_bits=%u, and version 2 has 16: 'dimmable-img convert -O qcow2 "
                  "-o compat=0.10' makes another image",
                  name, 1u << s->refcount_order);
    } else if (s->incompatible & QCOW2_COMPRESSION) {
        error_set(errp,
                  "%s has compression_type=zstd, and version 2 has zlib: 'dimmable-img convert -O "
                  "qcow2 -o compat=0.10' makes another image",
                  name);
    } else if (s->snapshot_count) {
        error_set(errp, "%s has internal snapshots, which stay of version 3: delete them first",
                  name);
    } else if (s->bitmap_count) {
        error_set(errp,
                  "%s has dirty bitmaps, and version 2 has none: 'dimmable-img bitmap --remove' "
                  "removes them",
                  name);
    } else {
        return true;
    }
    return false;
}

/* Can it be so? */
static bool check(Qcow2 *s, const BlockAmend *amend, GError **errp)
{
    unsigned version = amend->version ? amend->version : s->version;

    if (amend->has_lazy && amend->lazy && version < 3) {
        error_set(errp, "%s: lazy_refcounts=on needs compat=1.1", s->node->filename);
    } else if (amend->refcount_bits && amend->refcount_bits != 1u << s->refcount_order) {
        error_set(errp,
                  "%s has refcount_bits=%u, and all its counts would have to be written anew: "
                  "'dimmable-img convert -O qcow2 -o refcount_bits=%u' makes another image",
                  s->node->filename, 1u << s->refcount_order, amend->refcount_bits);
    } else if ((amend->backing && g_strcmp0(amend->backing, s->backing) != 0) ||
               (amend->format && g_strcmp0(amend->format, s->backing_format) != 0)) {
        error_set(errp, "%s: 'dimmable-img rebase' changes the backing file", s->node->filename);
    } else if (version < s->version) {
        return check_downgrade(s, errp);
    } else {
        return version == s->version || qcow2_snapshots_are_full(s, errp);
    }
    return false;
}

/* ---- back to version 2 ---- */

/* A cluster that is said to be zero: nothing is there, or, above a backing file, zeros are. */
static int write_out(Qcow2 *s, uint64_t offset, void *zeros)
{
    const struct iovec iov = { zeros, s->cluster };
    int err;

    if (s->backing) {
        return qcow2_write_anywhere(s, offset, &iov, 1);
    }
    g_rw_lock_writer_lock(&s->lock);
    err = qcow2_forget_clusters(s, offset, s->cluster);
    g_rw_lock_writer_unlock(&s->lock);
    return err;
}

static int write_out_zeros(Qcow2 *s)
{
    const uint64_t table = s->cluster << s->l2_bits;
    g_autofree void *zeros = g_malloc0(s->cluster);
    int err = 0;

    for (uint64_t offset = 0; offset < s->size && !err; offset += s->cluster) {
        uint64_t entry, i = offset / table;

        if (i >= s->l1_size || !(s->l1[i] & QCOW2_OFFSET)) {
            offset = (i + 1) * table - s->cluster;
            continue;
        }
        g_rw_lock_writer_lock(&s->lock);
        err = qcow2_get_entry(s, offset, &entry);
        g_rw_lock_writer_unlock(&s->lock);
        if (!err && qcow2_is_zero(s, entry)) {
            err = write_out(s, offset, zeros);
        }
    }
    return err;
}

/* Until the header says so it is an image of version 3 that is right. */
static int downgrade(Qcow2 *s)
{
    int err = write_out_zeros(s);

    g_rw_lock_writer_lock(&s->lock);
    err = err ? err : qcow2_settle(s);
    err = err ? err : block_node_flush(s->node->file.node);
    s->lazy = s->lazy && err;
    err = err ? err : qcow2_header_set_version(s, 2);
    g_rw_lock_writer_unlock(&s->lock);
    return err;
}

/* ---- all ---- */

static int amend_header(Qcow2 *s, const BlockAmend *amend)
{
    int err = 0;

    g_rw_lock_writer_lock(&s->lock);
    if (amend->version > s->version) {
        err = qcow2_header_set_version(s, 3);
    }
    if (!err && amend->has_lazy && s->version > 2) {
        err = qcow2_header_set_compatible(s, amend->lazy ? s->compatible | QCOW2_LAZY
                                                         : s->compatible & ~QCOW2_LAZY);
    }
    g_rw_lock_writer_unlock(&s->lock);
    return err;
}

bool qcow2_amend(BlockNode *node, const BlockAmend *amend, GError **errp)
{
    Qcow2 *s = node->state;
    int err;

    if (!check(s, amend, errp)) {
        return false;
    }
    err = amend->has_size ? block_node_truncate(node, amend->size) : 0;
    if (err) {
        error_set_errno(errp, err, "%s: its disk cannot have %" PRIu64 " bytes", node->filename,
                        amend->size);
        return false;
    }
    err = amend->version && amend->version < s->version ? downgrade(s) : 0;
    err = err ? err : amend_header(s, amend);
    if (err) {
        error_set_errno(errp, err, "%s cannot be written", node->filename);
    }
    return !err;
}
