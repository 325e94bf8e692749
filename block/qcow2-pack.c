/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qcow2: clusters that are written compressed. They lie one behind the other in clusters of the
 * file, each of which has as many users as there are pieces in it.
 */
#include <errno.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "block/qcow2.h"

#define WINDOW_BITS (-12) /* raw deflate, 4 KiB, as readers have it */
#define MEM_LEVEL   9

/* ---- bytes ---- */

/* How many there are in @out; 0: they do not become fewer. */
static size_t pack_zlib(const uint8_t *in, size_t len, uint8_t *out)
{
    z_stream stream = { .next_in = (uint8_t *)(uintptr_t)in,
                        .avail_in = (unsigned)len,
                        .next_out = out,
                        .avail_out = (unsigned)len - 1 };
    int result;

    if (deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW_BITS, MEM_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        return 0;
    }
    result = deflate(&stream, Z_FINISH);
    deflateEnd(&stream);
    return result == Z_STREAM_END ? len - 1 - stream.avail_out : 0;
}

static size_t pack_zstd(const uint8_t *in, size_t len, uint8_t *out)
{
    size_t result = ZSTD_compress(out, len - 1, in, len, ZSTD_CLEVEL_DEFAULT);

    return ZSTD_isError(result) ? 0 : result;
}

/* ---- places ---- */

/* For @bytes, at most a cluster: behind the last ones, if there is room, or from a cluster that was
 * free on. */
static int find_place(Qcow2 *s, uint64_t bytes, uint64_t *place)
{
    uint64_t used = s->pack_at & (s->cluster - 1), left = used ? s->cluster - used : 0, fresh;
    int err = 0;

    if (bytes <= left && qcow2_cluster_share(s, s->pack_at, 1) == 0) {
        *place = s->pack_at;
        s->pack_at += bytes;
        return 0;
    }
    err = qcow2_cluster_alloc(s, &fresh);
    if (err) {
        return err;
    }
    *place = left && bytes > left && fresh == s->pack_at + left &&
                     qcow2_cluster_share(s, s->pack_at, 1) == 0
                 ? s->pack_at
                 : fresh;
    s->pack_at = *place + bytes;
    return 0;
}

/* `lock` for writing. @packed has room for a sector more. */
static int write_packed(Qcow2 *s, uint64_t offset, uint8_t *packed, uint64_t bytes)
{
    unsigned bits = 62 - (s->cluster_bits - 8);
    uint64_t old, place, sectors, padded;
    int err = qcow2_begin_writing(s);

    err = err ? err : qcow2_get_entry(s, offset, &old);
    err = err ? err : find_place(s, bytes, &place);
    if (err) {
        return err;
    }
    sectors = (place + bytes - 1) / BLOCK_SECTOR - place / BLOCK_SECTOR;
    padded = (place / BLOCK_SECTOR + sectors + 1) * BLOCK_SECTOR - place;
    memset(packed + bytes, 0, padded - bytes); /* whole sectors are read */
    err = place >> bits ? EFBIG : block_node_pwrite(s->node->file.node, place, packed, padded);
    if (err) {
        qcow2_cluster_release(s, place, bytes);
        s->pack_at = 0;
        return err;
    }
    return qcow2_set_entry(s, offset, old, QCOW2_PACKED | sectors << bits | place);
}

int qcow2_write_packed(BlockNode *node, uint64_t offset, const void *data)
{
    Qcow2 *s = node->state;
    g_autofree uint8_t *packed = g_malloc(s->cluster + BLOCK_SECTOR);
    size_t bytes;
    int err;

    if (offset % s->cluster || offset >= s->size) {
        return EINVAL;
    }
    bytes = (s->incompatible & QCOW2_COMPRESSION ? pack_zstd : pack_zlib)(data, s->cluster, packed);
    if (!bytes) {
        const struct iovec iov = { (void *)(uintptr_t)data, MIN(s->cluster, s->size - offset) };

        return qcow2_write_anywhere(s, offset, &iov, 1);
    }
    g_rw_lock_writer_lock(&s->lock);
    err = write_packed(s, offset, packed, bytes);
    g_rw_lock_writer_unlock(&s->lock);
    return err;
}
