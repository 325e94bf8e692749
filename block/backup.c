/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A set has the chunks that the target does not have, and that are in the source as they were. Who
 * copies some has their range for himself: the job's thread, or, before he writes, whoever writes.
 */
#include "block/backup.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "block/backend.h"
#include "block/dirty-bitmap.h"
#include "block/dirty-set.h"
#include "block/driver.h"
#include "block/gate.h"
#include "block/image-info.h"
#include "block/ranges.h"
#include "block/status.h"
#include "util/error.h"
#include "util/units.h"

#define CHUNK_MIN  (64 * KIB)
#define CHUNKS_MAX (UINT64_C(1) << 28)

typedef struct Backup {
    BlockJob b;
    BlockBackup options;
    uint64_t size, chunk;
    uint64_t cluster; /* of the target, if it is written compressed */
    DirtySet *left;
    BlockRanges ranges;
    BlockWriteHook hook;
    BlockDirtyBitmap *bitmap; /* that it has for itself; NULL: none, or not any more */
    bool broken;              /* what somebody wrote could not be copied before; atomic */
} Backup;

/* ---- copying ---- */

/* block_job_copy() by whole clusters of the target, compressed. */
static int copy_packed(Backup *k, uint64_t offset, uint64_t bytes, uint8_t *buf, bool *read)
{
    const BlockBackup *o = &k->options;
    int err = 0;

    for (uint64_t end = offset + bytes; offset < end && !err; offset += k->cluster) {
        uint64_t some = MIN(k->cluster, end - offset);
        BlockStatus status = { 0 };

        *read = true;
        err = block_status_chain(o->source, NULL, offset, some, &status);
        if (!err && status.zero && status.bytes == some) {
            *read = false;
            err = block_node_write_zeroes(o->target, offset, some, true);
            continue;
        }
        err = err ? err : block_node_pread(o->source, offset, buf, some);
        if (!err) {
            *read = false;
            memset(buf + some, 0, k->cluster - some);
            err = block_node_write_packed(o->target, offset, buf);
        }
    }
    return err;
}

/* Of [@offset, @offset + @bytes), whole chunks that the caller has for himself, what is to be
 * copied: *@done bytes. */
static int copy_left(Backup *k, uint64_t offset, uint64_t bytes, void *buf, uint64_t *done,
                     bool *read)
{
    uint64_t end = offset + bytes, at = offset, some;
    int err = 0;

    *done = 0;
    while (!err && offset < end && dirty_set_next(k->left, &at, BLOCK_JOB_CHUNK, &some) &&
           at >= offset && at < end) { /* it looks at the beginning, too */
        some = MIN(some, end - at);
        err = k->options.compress
                  ? copy_packed(k, at, some, buf, read)
                  : block_job_copy(k->options.source, k->options.target, at, some, buf, read);
        if (!err) {
            dirty_set_remove(k->left, at, some);
            *done += some;
        }
        offset = at = at + some;
    }
    return err;
}

static bool is_left(Backup *k, uint64_t offset, uint64_t bytes)
{
    for (uint64_t at = offset; at < offset + bytes; at += k->chunk) {
        if (dirty_set_has(k->left, at)) {
            return true;
        }
    }
    return false;
}

/* Whoever writes: its bytes, as far as the disk goes, by whole chunks. */
static int copy_before(Backup *k, uint64_t offset, uint64_t bytes)
{
    uint64_t end = MIN((offset + bytes + k->chunk - 1) & ~(k->chunk - 1), k->size);
    void *buf = NULL;
    int err = 0;

    offset &= ~(k->chunk - 1);
    while (offset < end && !err) {
        uint64_t some = MIN(end - offset, MAX(BLOCK_JOB_CHUNK, k->chunk)), done = 0;
        bool read;

        if (is_left(k, offset, some)) {
            buf = buf ? buf : block_job_buffer();
            block_ranges_lock(&k->ranges, offset, some);
            err = copy_left(k, offset, some, buf, &done, &read);
            block_ranges_unlock(&k->ranges, offset, some);
            job_progress(k->b.job, done, false);
        }
        offset += some;
    }
    free(buf);
    return err;
}

/* The guest goes on in any case: if this is not possible, the job fails. */
static int before_write(BlockWriteHook *hook, uint64_t offset, uint64_t bytes)
{
    Backup *k = (Backup *)((char *)hook - offsetof(Backup, hook));
    int err;

    if (offset >= k->size || __atomic_load_n(&k->broken, __ATOMIC_RELAXED)) {
        return 0;
    }
    err = copy_before(k, offset, MIN(bytes, k->size - offset));
    if (err) {
        __atomic_store_n(&k->broken, true, __ATOMIC_RELAXED);
        job_fail_later(k->b.job, err);
    }
    return 0;
}

/* ---- the thread ---- */

/* What only backing files have is not copied with sync=top. */
static int leave_out(Backup *k)
{
    for (uint64_t at = 0; at < k->size && job_may_go_on(k->b.job);) {
        BlockStatus status = { 0 };
        uint64_t first, end;
        int err;

        block_gate_enter();
        err = block_status(k->options.source, at, k->size - at, &status);
        block_gate_leave();
        if (err) {
            return err;
        }
        first = (at + k->chunk - 1) & ~(k->chunk - 1);
        end = at + status.bytes == k->size ? k->size : (at + status.bytes) & ~(k->chunk - 1);
        if (!status.allocated && first < end) {
            dirty_set_remove(k->left, first, end - first);
        }
        at += status.bytes;
    }
    job_set_total(k->b.job, dirty_set_bytes(k->left));
    return 0;
}

static bool step(Backup *k, uint64_t offset, uint64_t bytes, int *err)
{
    uint64_t done;
    bool read = false;

    block_gate_enter();
    block_ranges_lock(&k->ranges, offset, bytes);
    *err = copy_left(k, offset, bytes, k->b.buf, &done, &read);
    block_ranges_unlock(&k->ranges, offset, bytes);
    block_gate_leave();
    job_progress(k->b.job, done, true);
    return !*err || job_may_try_again(
                        k->b.job, read ? k->options.on_source_error : k->options.on_target_error,
                        read, *err);
}

static int flush_target(Backup *k)
{
    int err;

    block_gate_enter();
    err = block_node_flush(k->options.target);
    block_gate_leave();
    return err;
}

static int backup_run(Job *job)
{
    Backup *k = job->opaque;
    uint64_t cursor = 0, bytes;
    int err = 0;

    if (k->options.sync == MIRROR_SYNC_MODE_TOP && k->options.source->backing.node) {
        err = leave_out(k);
    }
    while (!err && job_may_go_on(job)) {
        if (k->options.sync == MIRROR_SYNC_MODE_NONE) {
            job_wait(job);
        } else if (!dirty_set_next(k->left, &cursor, MAX(BLOCK_JOB_CHUNK, k->chunk), &bytes)) {
            return flush_target(k);
        } else if (step(k, cursor, bytes, &err)) {
            err = 0;
        }
    }
    return err;
}

/* ---- the bitmap ---- */

/* From now on what is written is marked beside it. */
static void take_bitmap(Backup *k, BlockDirtyBitmap *bitmap)
{
    block_dirty_bitmap_set_busy(bitmap, true);
    block_dirty_bitmap_freeze(bitmap);
    k->bitmap = bitmap;
}

/* What was copied is not marked any more. */
static void unmark_copied(Backup *k)
{
    for (uint64_t at = 0; at < k->size; at += k->chunk) {
        if (!dirty_set_has(k->left, at)) {
            block_dirty_bitmap_reset(k->bitmap, at, MIN(k->chunk, k->size - at));
        }
    }
}

static void give_bitmap_back(Backup *k, bool copied_all)
{
    if (!k->bitmap) {
        return;
    }
    block_hold_all();
    if (copied_all && k->options.bitmap_mode != BITMAP_SYNC_MODE_NEVER) {
        block_dirty_bitmap_thaw_done(k->bitmap);
    } else {
        if (k->options.bitmap_mode == BITMAP_SYNC_MODE_ALWAYS) {
            unmark_copied(k);
        }
        block_dirty_bitmap_thaw_failed(k->bitmap);
    }
    block_dirty_bitmap_set_busy(g_steal_pointer(&k->bitmap), false);
    block_resume_all();
}

static void backup_commit(Job *job)
{
    give_bitmap_back(job->opaque, true);
}

static void backup_clean(Job *job)
{
    Backup *k = job->opaque;

    block_hold_all();
    give_bitmap_back(k, false);
    if (k->left) {
        block_node_remove_hook(k->options.source, &k->hook);
        dirty_set_free(k->left);
    }
    block_job_let_go(&k->b);
    block_job_set_live(k->options.target, k->options.source, false);
    block_resume_all();
    block_job_clear(&k->b);
    block_ranges_clear(&k->ranges);
    g_free(k);
}

static const JobDriver backup_driver = {
    .type = JOB_TYPE_BACKUP,
    .block = true,
    .run = backup_run,
    .commit = backup_commit,
    .clean = backup_clean,
};

/* ---- the beginning ---- */

static bool is_of_bitmap(const BlockBackup *o)
{
    return o->sync == MIRROR_SYNC_MODE_INCREMENTAL || o->sync == MIRROR_SYNC_MODE_BITMAP;
}

/* Do what is said of bitmaps, and `sync`, go together? */
static bool check_bitmap(const BlockBackup *o, GError **errp)
{
    const char *sync = MirrorSyncMode_str(o->sync);

    if (is_of_bitmap(o) && !o->bitmap) {
        error_set(errp, "'bitmap' is missing: sync=%s copies what a bitmap has", sync);
    } else if (!o->bitmap && o->has_bitmap_mode) {
        error_set(errp, "'bitmap-mode' is for a bitmap, and 'bitmap' is missing");
    } else if (o->sync == MIRROR_SYNC_MODE_INCREMENTAL && o->has_bitmap_mode &&
               o->bitmap_mode != BITMAP_SYNC_MODE_ON_SUCCESS) {
        error_set(errp, "sync=incremental is sync=bitmap with bitmap-mode=on-success, not %s",
                  BitmapSyncMode_str(o->bitmap_mode));
    } else if (o->bitmap && o->sync != MIRROR_SYNC_MODE_INCREMENTAL && !o->has_bitmap_mode) {
        error_set(errp, "'bitmap-mode' is missing: what becomes of bitmap '%s'", o->bitmap);
    } else if (o->bitmap && o->sync == MIRROR_SYNC_MODE_NONE) {
        error_set(errp, "sync=none, which copies nothing by itself, has no bitmap");
    } else if (o->bitmap && !is_of_bitmap(o) && o->bitmap_mode == BITMAP_SYNC_MODE_NEVER) {
        error_set(errp, "bitmap-mode=never with sync=%s does nothing with bitmap '%s'", sync,
                  o->bitmap);
    } else {
        return true;
    }
    return false;
}

static bool check(const BlockBackup *o, int64_t *size, GError **errp)
{
    int64_t target = block_node_length(o->target);

    *size = block_node_length(o->source);
    if (o->source == o->target) {
        error_set(errp, "block node '%s' cannot be copied to itself", o->source->name);
    } else if (!check_bitmap(o, errp)) {
        return false;
    } else if (o->compress && !o->target->driver->write_packed) {
        error_set(errp, "'compress' is not possible: block node '%s' is no qcow2 image",
                  o->target->name);
    } else if (o->compress && block_node_cluster_size(o->target) > BLOCK_JOB_CHUNK) {
        error_set(errp,
                  "'compress' is not possible: block node '%s' has clusters of more than %u "
                  "KiB",
                  o->target->name, (unsigned)(BLOCK_JOB_CHUNK / KIB));
    } else if (*size < 0 || target < 0) {
        error_set_errno(errp, (int)-MIN(*size, target), "the sizes of '%s' and '%s' are not known",
                        o->source->name, o->target->name);
    } else if (*size != target) {
        error_set(errp,
                  "block node '%s' has %" PRId64 " bytes, and '%s' %" PRId64
                  ": they have to be as large",
                  o->source->name, *size, o->target->name, target);
    } else {
        return true;
    }
    return false;
}

/* The target's clusters are written as a whole: what is not of them is not the target's to have. */
static uint64_t chunk_size(const Backup *k)
{
    ImageInfo *info = block_image_info(k->options.target, false);
    uint64_t chunk =
        MAX(CHUNK_MIN, info->has_cluster_size ? (uint64_t)info->cluster_size : CHUNK_MIN);

    ImageInfo_free(info);
    while (k->size / chunk > CHUNKS_MAX) {
        chunk *= 2;
    }
    return chunk;
}

/* What is to be copied: all, or what the bitmap has. */
static void find_left(Backup *k)
{
    uint64_t at = 0, bytes;

    if (!is_of_bitmap(&k->options)) {
        dirty_set_add(k->left, 0, k->size);
        return;
    }
    while (block_dirty_bitmap_next(k->bitmap, &at, k->size, k->size, &bytes)) {
        dirty_set_add(k->left, at, bytes);
        at += bytes;
    }
}

static bool connect(Backup *k, GError **errp)
{
    const BlockBackup *o = &k->options;
    const unsigned writes = BLOCK_PERM_WRITE | BLOCK_PERM_RESIZE;
    BlockDirtyBitmap *bitmap =
        o->bitmap ? block_dirty_bitmap_find(o->source, o->bitmap, errp) : NULL;

    if (o->bitmap &&
        (!bitmap || !block_dirty_bitmap_check(bitmap, BLOCK_DIRTY_BITMAP_CHANGE, errp))) {
        return false;
    }
    block_job_set_live(o->target, o->source, true);
    if (!block_job_use(&k->b, o->source, BLOCK_PERM_READ, BLOCK_PERM_ALL, errp) ||
        !block_job_use(&k->b, o->target, BLOCK_PERM_READ | writes, BLOCK_PERM_ALL & ~writes,
                       errp)) {
        return false;
    }
    k->chunk = chunk_size(k);
    k->cluster = o->compress ? block_node_cluster_size(o->target) : 0;
    k->left = dirty_set_new(k->size, k->chunk);
    if (bitmap) {
        take_bitmap(k, bitmap);
    }
    find_left(k);
    job_set_total(k->b.job, dirty_set_bytes(k->left));
    k->hook.before = before_write;
    block_node_add_hook(o->source, &k->hook);
    return true;
}

Job *block_backup_new(const BlockBackup *backup, const BlockJobOptions *options, GError **errp)
{
    int64_t size;
    Backup *k;
    Job *job;

    if (!check(backup, &size, errp)) {
        return NULL;
    }
    k = g_new0(Backup, 1);
    if (!block_job_init(&k->b, options, &backup_driver, backup->source, errp)) {
        g_free(k);
        return NULL;
    }
    job = k->b.job;
    k->options = *backup;
    k->size = (uint64_t)size;
    job->opaque = k;
    block_ranges_init(&k->ranges);
    if (!connect(k, errp)) {
        backup_clean(job);
        job_discard(job);
        return NULL;
    }
    return job;
}
