/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/copy.h"

#include <stdlib.h>
#include <string.h>

#include "block/driver.h"
#include "block/image-info.h"
#include "block/job-block.h"
#include "util/units.h"

#define CHUNK_MIN  (64 * KIB)
#define CHUNKS_MAX (UINT64_C(1) << 28)

/* The target's clusters are written as a whole: what is not of them is not the target's to have. */
static uint64_t chunk_size(const BlockCopy *copy)
{
    ImageInfo *info = block_image_info(*copy->target, false);
    uint64_t chunk =
        MAX(CHUNK_MIN, info->has_cluster_size ? (uint64_t)info->cluster_size : CHUNK_MIN);

    ImageInfo_free(info);
    while (copy->size / chunk > CHUNKS_MAX) {
        chunk *= 2;
    }
    return chunk;
}

void block_copy_init(BlockCopy *copy, BlockNode **source, BlockNode **target, uint64_t size,
                     bool compress)
{
    copy->source = source;
    copy->target = target;
    copy->size = size;
    copy->chunk = chunk_size(copy);
    copy->cluster = compress ? block_node_cluster_size(*target) : 0;
    copy->left = dirty_set_new(size, copy->chunk);
    block_ranges_init(&copy->ranges);
}

void block_copy_clear(BlockCopy *copy)
{
    if (copy->left) {
        dirty_set_free(g_steal_pointer(&copy->left));
        block_ranges_clear(&copy->ranges);
    }
}

void block_copy_round(const BlockCopy *copy, uint64_t *offset, uint64_t *end)
{
    *offset &= ~(copy->chunk - 1);
    *end = MIN((*end + copy->chunk - 1) & ~(copy->chunk - 1), copy->size);
}

/* block_job_copy() by whole clusters of the target, compressed. */
static int copy_packed(BlockCopy *copy, uint64_t offset, uint64_t bytes, uint8_t *buf, bool *read)
{
    int err = 0;

    for (uint64_t end = offset + bytes; offset < end && !err; offset += copy->cluster) {
        uint64_t some = MIN(copy->cluster, end - offset);
        BlockStatus status = { 0 };

        *read = true;
        err = block_status_chain(*copy->source, NULL, offset, some, &status);
        if (!err && status.zero && status.bytes == some) {
            *read = false;
            err = block_node_write_zeroes(*copy->target, offset, some, BLOCK_UNMAP);
            continue;
        }
        err = err ? err : block_node_pread(*copy->source, offset, buf, some);
        if (!err) {
            *read = false;
            memset(buf + some, 0, copy->cluster - some);
            err = block_node_write_packed(*copy->target, offset, buf);
        }
    }
    return err;
}

/* The caller has the range for himself. */
static int copy_left(BlockCopy *copy, uint64_t offset, uint64_t bytes, void *buf, uint64_t *done,
                     bool *read)
{
    uint64_t end = offset + bytes, at = offset, some;
    int err = 0;

    *done = 0;
    while (!err && offset < end && dirty_set_next(copy->left, &at, BLOCK_JOB_CHUNK, &some) &&
           at >= offset && at < end) { /* it looks at the beginning, too */
        some = MIN(some, end - at);
        err = copy->cluster ? copy_packed(copy, at, some, buf, read)
                            : block_job_copy(*copy->source, *copy->target, at, some, buf, read);
        if (!err) {
            dirty_set_remove(copy->left, at, some);
            *done += some;
        }
        offset = at = at + some;
    }
    return err;
}

int block_copy_some(BlockCopy *copy, uint64_t offset, uint64_t bytes, void *buf, uint64_t *done,
                    bool *read)
{
    int err;

    block_ranges_lock(&copy->ranges, offset, bytes);
    err = copy_left(copy, offset, bytes, buf, done, read);
    block_ranges_unlock(&copy->ranges, offset, bytes);
    return err;
}

bool block_copy_is_left(BlockCopy *copy, uint64_t offset, uint64_t bytes)
{
    uint64_t end = offset + bytes;

    block_copy_round(copy, &offset, &end);
    for (uint64_t at = offset; at < end; at += copy->chunk) {
        if (dirty_set_has(copy->left, at)) {
            return true;
        }
    }
    return false;
}

int block_copy_before(BlockCopy *copy, uint64_t offset, uint64_t bytes, uint64_t *done)
{
    uint64_t end = offset + bytes, now;
    void *buf = NULL;
    int err = 0;

    *done = 0;
    block_copy_round(copy, &offset, &end);
    while (offset < end && !err) {
        uint64_t some = MIN(end - offset, MAX(BLOCK_JOB_CHUNK, copy->chunk));
        bool read;

        if (block_copy_is_left(copy, offset, some)) {
            buf = buf ? buf : block_job_buffer();
            err = block_copy_some(copy, offset, some, buf, &now, &read);
            *done += now;
        }
        offset += some;
    }
    free(buf);
    return err;
}
