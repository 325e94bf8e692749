/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/backup.h"

#include <inttypes.h>

#include "block/backend.h"
#include "block/copy.h"
#include "block/dirty-bitmap.h"
#include "block/driver.h"
#include "block/gate.h"
#include "block/status.h"
#include "util/error.h"
#include "util/units.h"

typedef struct Backup {
    BlockJob b;
    BlockBackup options;
    BlockCopy copy;
    BlockWriteHook hook;
    BlockDirtyBitmap *bitmap; /* that it has for itself; NULL: none, or not any more */
    bool broken;              /* what somebody wrote could not be copied before; atomic */
} Backup;

/* ---- copying ---- */

/* The guest goes on in any case: if this is not possible, the job fails. */
static int before_write(BlockWriteHook *hook, uint64_t offset, uint64_t bytes)
{
    Backup *k = (Backup *)((char *)hook - offsetof(Backup, hook));
    uint64_t done;
    int err;

    if (offset >= k->copy.size || __atomic_load_n(&k->broken, __ATOMIC_RELAXED)) {
        return 0;
    }
    err = block_copy_before(&k->copy, offset, MIN(bytes, k->copy.size - offset), &done);
    job_progress(k->b.job, done, false);
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
    for (uint64_t at = 0; at < k->copy.size && job_may_go_on(k->b.job);) {
        BlockStatus status = { 0 };
        uint64_t first, end;
        int err;

        block_gate_enter();
        err = block_status(k->options.source, at, k->copy.size - at, &status);
        block_gate_leave();
        if (err) {
            return err;
        }
        first = (at + k->copy.chunk - 1) & ~(k->copy.chunk - 1);
        end = at + status.bytes == k->copy.size ? k->copy.size
                                                : (at + status.bytes) & ~(k->copy.chunk - 1);
        if (!status.allocated && first < end) {
            dirty_set_remove(k->copy.left, first, end - first);
        }
        at += status.bytes;
    }
    job_set_total(k->b.job, dirty_set_bytes(k->copy.left));
    return 0;
}

static bool step(Backup *k, uint64_t offset, uint64_t bytes, int *err)
{
    uint64_t done;
    bool read = false;

    block_gate_enter();
    *err = block_copy_some(&k->copy, offset, bytes, k->b.buf, &done, &read);
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

    if (k->options.sync == MIRROR_SYNC_MODE_TOP &&
        block_skip_filters(k->options.source)->backing.node) {
        err = leave_out(k);
    }
    while (!err && job_may_go_on(job)) {
        if (k->options.sync == MIRROR_SYNC_MODE_NONE) {
            job_wait(job);
        } else if (!dirty_set_next(k->copy.left, &cursor, MAX(BLOCK_JOB_CHUNK, k->copy.chunk),
                                   &bytes)) {
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
    for (uint64_t at = 0; at < k->copy.size; at += k->copy.chunk) {
        if (!dirty_set_has(k->copy.left, at)) {
            block_dirty_bitmap_reset(k->bitmap, at, MIN(k->copy.chunk, k->copy.size - at));
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
    if (k->copy.left) {
        block_node_remove_hook(k->options.source, &k->hook);
    }
    block_job_let_go(&k->b);
    block_job_set_live(k->options.target, k->options.source, false);
    block_resume_all();
    block_job_clear(&k->b);
    block_copy_clear(&k->copy);
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

/* What is to be copied: all, or what the bitmap has. */
static void find_left(Backup *k)
{
    uint64_t at = 0, bytes;

    if (!is_of_bitmap(&k->options)) {
        dirty_set_add(k->copy.left, 0, k->copy.size);
        return;
    }
    while (block_dirty_bitmap_next(k->bitmap, &at, k->copy.size, k->copy.size, &bytes)) {
        dirty_set_add(k->copy.left, at, bytes);
        at += bytes;
    }
}

static bool connect(Backup *k, uint64_t size, GError **errp)
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
    if (!block_job_read(&k->b, o->source, errp) ||
        !block_job_use(&k->b, o->target, BLOCK_PERM_READ | writes, BLOCK_PERM_ALL & ~writes,
                       errp)) {
        return false;
    }
    block_copy_init(&k->copy, &k->options.source, &k->options.target, size, o->compress);
    if (bitmap) {
        take_bitmap(k, bitmap);
    }
    find_left(k);
    job_set_total(k->b.job, dirty_set_bytes(k->copy.left));
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
    job->opaque = k;
    if (!connect(k, (uint64_t)size, errp)) {
        backup_clean(job);
        job_discard(job);
        return NULL;
    }
    return job;
}
