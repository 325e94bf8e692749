/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QMP's `transaction`: actions are carried out in their order while there are no requests; if one
 * fails, those before it are undone in the reverse order.
 */
#include <string.h>

#include "block/backend.h"
#include "block/bitmap-change.h"
#include "block/snapshot-internal.h"
#include "block/snapshot.h"
#include "migration/migration.h"
#include "monitor/backup.h"
#include "monitor/bitmap.h"
#include "monitor/block-info.h"
#include "monitor/snapshot-file.h"
#include "qapi/qapi-commands.h"
#include "util/clock.h"
#include "util/error.h"

typedef struct Action {
    const TransactionAction *args;
    JobTransaction *group; /* of its jobs; NULL: each is by itself */
    Job *job;              /* that was made */
    BlockNode *node, *overlay;
    char *snapshot;   /* its id */
    DirtyBits *bits;  /* that a bitmap had */
    bool was_enabled; /* it */
} Action;

typedef struct ActionOps {
    bool (*prepare)(Action *action, GError **errp);
    void (*commit)(Action *action); /* may be NULL; and so the next */
    void (*abort)(Action *action);
    bool can_group; /* by completion-mode=grouped */
} ActionOps;

/* ---- jobs ---- */

static bool prepare_blockdev_backup(Action *action, GError **errp)
{
    action->job = backup_to_node(action->args->u.blockdev_backup->data, action->group, errp);
    return action->job;
}

static bool prepare_drive_backup(Action *action, GError **errp)
{
    action->job = backup_to_file(action->args->u.drive_backup->data, action->group, errp);
    return action->job;
}

static void start_job(Action *action)
{
    job_start(action->job);
}

/* One of its group may have ended it already. */
static void cancel_job(Action *action)
{
    for (Job *job = job_next(NULL); job; job = job_next(job)) {
        if (job == action->job && job->status == JOB_STATUS_CREATED) {
            job_cancel(job, true, NULL);
            return;
        }
    }
}

/* ---- snapshots ---- */

static bool prepare_snapshot(Action *action, GError **errp)
{
    const BlockdevSnapshot *args = action->args->u.blockdev_snapshot->data;

    action->node = block_node_find(args->node, errp);
    action->overlay = action->node ? block_node_find(args->overlay, errp) : NULL;
    return action->overlay && block_snapshot(action->node, action->overlay, errp);
}

static void undo_snapshot(Action *action)
{
    block_snapshot_undo(action->node, action->overlay, false);
}

static bool prepare_snapshot_file(Action *action, GError **errp)
{
    action->overlay = snapshot_to_file(action->args->u.blockdev_snapshot_sync->data, errp);
    action->node = action->overlay ? action->overlay->backing.node : NULL;
    return action->overlay;
}

static void undo_snapshot_file(Action *action)
{
    block_snapshot_undo(action->node, action->overlay, true);
}

static bool prepare_internal(Action *action, GError **errp)
{
    const BlockdevSnapshotInternal *args = action->args->u.blockdev_snapshot_internal_sync->data;
    SnapshotInfo *info;

    action->node = snapshot_find_disk(args->device, errp);
    if (!action->node || !qmp_blockdev_snapshot_internal_sync(args, errp)) {
        return false;
    }
    info = block_snapshot_find(action->node, args->name, NULL);
    action->snapshot = info ? g_strdup(info->id) : NULL;
    SnapshotInfo_free(info);
    return true;
}

static void undo_internal(Action *action)
{
    if (action->snapshot) {
        block_snapshot_delete(action->node, action->snapshot, NULL);
    }
}

/* ---- bitmaps ---- */

static bool prepare_bitmap_add(Action *action, GError **errp)
{
    return qmp_block_dirty_bitmap_add(action->args->u.block_dirty_bitmap_add->data, errp);
}

/* What goes wrong when something is undone is told, as nobody waits for it. */
static void warn(Action *action, GError *err)
{
    if (err) {
        error_warn("transaction: %s: %s", TransactionActionKind_str(action->args->type),
                   err->message);
        g_error_free(err);
    }
}

static void undo_bitmap_add(Action *action)
{
    const BlockDirtyBitmapAdd *add = action->args->u.block_dirty_bitmap_add->data;
    const BlockDirtyBitmapRef ref = { .node = add->node, .name = add->name };
    GError *err = NULL;

    qmp_block_dirty_bitmap_remove(&ref, &err);
    warn(action, err);
}

static bool prepare_bitmap_remove(Action *action, GError **errp)
{
    const BlockDirtyBitmapRef *ref = action->args->u.block_dirty_bitmap_remove->data;
    const BlockDirtyBitmap *bitmap = bitmap_find(ref->node, ref->name, errp);

    return bitmap && block_dirty_bitmap_check(bitmap, BLOCK_DIRTY_BITMAP_REMOVE, errp);
}

static void remove_bitmap(Action *action)
{
    GError *err = NULL;

    qmp_block_dirty_bitmap_remove(action->args->u.block_dirty_bitmap_remove->data, &err);
    warn(action, err);
}

/* Keep what the bitmap is like. */
static bool keep_bitmap(Action *action, const char *node, const char *name, GError **errp)
{
    BlockDirtyBitmap *bitmap = bitmap_find(node, name, errp);

    if (!bitmap || !block_dirty_bitmap_check(bitmap, BLOCK_DIRTY_BITMAP_CHANGE, errp)) {
        return false;
    }
    action->node = bitmap->node;
    action->bits = block_dirty_bitmap_save(bitmap);
    action->was_enabled = bitmap->enabled;
    return true;
}

static bool prepare_bitmap_clear(Action *action, GError **errp)
{
    const BlockDirtyBitmapRef *ref = action->args->u.block_dirty_bitmap_clear->data;

    return keep_bitmap(action, ref->node, ref->name, errp) &&
           qmp_block_dirty_bitmap_clear(ref, errp);
}

static bool prepare_bitmap_enable(Action *action, GError **errp)
{
    const BlockDirtyBitmapRef *ref = action->args->u.block_dirty_bitmap_enable->data;

    return keep_bitmap(action, ref->node, ref->name, errp) &&
           qmp_block_dirty_bitmap_enable(ref, errp);
}

static bool prepare_bitmap_disable(Action *action, GError **errp)
{
    const BlockDirtyBitmapRef *ref = action->args->u.block_dirty_bitmap_disable->data;

    return keep_bitmap(action, ref->node, ref->name, errp) &&
           qmp_block_dirty_bitmap_disable(ref, errp);
}

static bool prepare_bitmap_merge(Action *action, GError **errp)
{
    const BlockDirtyBitmapMerge *merge = action->args->u.block_dirty_bitmap_merge->data;

    return keep_bitmap(action, merge->node, merge->target, errp) &&
           qmp_block_dirty_bitmap_merge(merge, errp);
}

static void undo_bitmap(Action *action, const char *name)
{
    GError *err = NULL;

    if (block_bitmap_restore(action->node, name, g_steal_pointer(&action->bits), &err)) {
        block_bitmap_set_enabled(action->node, name, action->was_enabled, &err);
    }
    warn(action, err);
}

static void undo_bitmap_clear(Action *action)
{
    undo_bitmap(action, action->args->u.block_dirty_bitmap_clear->data->name);
}

static void undo_bitmap_enable(Action *action)
{
    undo_bitmap(action, action->args->u.block_dirty_bitmap_enable->data->name);
}

static void undo_bitmap_disable(Action *action)
{
    undo_bitmap(action, action->args->u.block_dirty_bitmap_disable->data->name);
}

static void undo_bitmap_merge(Action *action)
{
    undo_bitmap(action, action->args->u.block_dirty_bitmap_merge->data->target);
}

static bool prepare_abort(Action *action, GError **errp)
{
    error_set(errp, "the transaction was asked to fail by 'abort'");
    return false;
}

/* ---- the table ---- */

static const ActionOps action_ops[] = {
    [TRANSACTION_ACTION_KIND_ABORT] = { prepare_abort, .can_group = true },
    [TRANSACTION_ACTION_KIND_BLOCK_DIRTY_BITMAP_ADD] = { prepare_bitmap_add, NULL, undo_bitmap_add,
                                                         true },
    [TRANSACTION_ACTION_KIND_BLOCK_DIRTY_BITMAP_REMOVE] = { prepare_bitmap_remove, remove_bitmap,
                                                            NULL, true },
    [TRANSACTION_ACTION_KIND_BLOCK_DIRTY_BITMAP_CLEAR] = { prepare_bitmap_clear, NULL,
                                                           undo_bitmap_clear, true },
    [TRANSACTION_ACTION_KIND_BLOCK_DIRTY_BITMAP_ENABLE] = { prepare_bitmap_enable, NULL,
                                                            undo_bitmap_enable, true },
    [TRANSACTION_ACTION_KIND_BLOCK_DIRTY_BITMAP_DISABLE] = { prepare_bitmap_disable, NULL,
                                                             undo_bitmap_disable, true },
    [TRANSACTION_ACTION_KIND_BLOCK_DIRTY_BITMAP_MERGE] = { prepare_bitmap_merge, NULL,
                                                           undo_bitmap_merge, true },
    [TRANSACTION_ACTION_KIND_BLOCKDEV_BACKUP] = { prepare_blockdev_backup, start_job, cancel_job,
                                                  .can_group = true },
    [TRANSACTION_ACTION_KIND_DRIVE_BACKUP] = { prepare_drive_backup, start_job, cancel_job,
                                               .can_group = true },
    [TRANSACTION_ACTION_KIND_BLOCKDEV_SNAPSHOT] = { prepare_snapshot, NULL, undo_snapshot },
    [TRANSACTION_ACTION_KIND_BLOCKDEV_SNAPSHOT_INTERNAL_SYNC] = { prepare_internal, NULL,
                                                                  undo_internal },
    [TRANSACTION_ACTION_KIND_BLOCKDEV_SNAPSHOT_SYNC] = { prepare_snapshot_file, NULL,
                                                         undo_snapshot_file },
};

static bool prepare(Action *action, bool grouped, GError **errp)
{
    const ActionOps *ops = &action_ops[action->args->type];

    if (grouped && !ops->can_group) {
        error_set(errp, "action '%s' does not go with completion-mode=grouped",
                  TransactionActionKind_str(action->args->type));
        return false;
    }
    return ops->prepare(action, errp);
}

/* There are no requests. */
static bool carry_out(Action *actions, unsigned count, bool grouped, GError **errp)
{
    unsigned done = 0;

    while (done < count && prepare(&actions[done], grouped, errp)) {
        done++;
    }
    if (done == count) {
        for (unsigned i = 0; i < count; i++) {
            if (action_ops[actions[i].args->type].commit) {
                action_ops[actions[i].args->type].commit(&actions[i]);
            }
        }
        return true;
    }
    while (done-- > 0) {
        if (action_ops[actions[done].args->type].abort) {
            action_ops[actions[done].args->type].abort(&actions[done]);
        }
    }
    return false;
}

bool qmp_transaction(GPtrArray *list, const TransactionProperties *properties, GError **errp)
{
    if (!migration_take_images(errp)) {
        return false;
    }
    bool grouped = properties && properties->has_completion_mode &&
                   properties->completion_mode == ACTION_COMPLETION_MODE_GROUPED;
    g_autofree Action *actions = g_new0(Action, MAX(list->len, 1));
    JobTransaction *group = grouped ? job_transaction_new() : NULL;
    bool ok;

    for (unsigned i = 0; i < list->len; i++) {
        actions[i].args = list->pdata[i];
        actions[i].group = group;
    }
    block_hold_all();
    ok = carry_out(actions, list->len, grouped, errp);
    block_resume_all();
    for (unsigned i = 0; i < list->len; i++) {
        g_free(actions[i].snapshot);
        dirty_bits_free(actions[i].bits);
    }
    if (group) {
        job_transaction_unref(group);
    }
    return ok;
}
