/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands that begin backups, and those that make images (qapi/transaction.json). */
#include <string.h>

#include "block/backend.h"
#include "block/backup.h"
#include "block/create.h"
#include "block/create-job.h"
#include "block/target.h"
#include "migration/migration.h"
#include "monitor/backup.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"

/* ---- backups ---- */

/* What both kinds may be told; the members have the same names. */
#define CHECK_BACKUP(args, errp) check_filter((args)->filter_node_name, errp)

static bool check_filter(const char *filter, GError **errp)
{
    return !filter || block_node_check_name(filter, errp);
}

Job *backup_to_node(const BlockdevBackup *args, JobTransaction *transaction, GError **errp)
{
    BlockJobOptions options = BLOCK_JOB_OPTIONS(args);
    BlockBackup backup = { .source = block_job_node(args->device, errp),
                           .sync = args->sync,
                           .bitmap = args->bitmap,
                           .has_bitmap_mode = args->has_bitmap_mode,
                           .bitmap_mode = args->bitmap_mode,
                           .compress = args->compress,
                           .on_source_error = args->on_source_error,
                           .on_target_error = args->on_target_error };

    options.transaction = transaction;
    if (!backup.source || !CHECK_BACKUP(args, errp)) {
        return NULL;
    }
    backup.target = block_job_node(args->target, errp);
    return backup.target ? block_backup_new(&backup, &options, errp) : NULL;
}

Job *backup_to_file(const DriveBackup *args, JobTransaction *transaction, GError **errp)
{
    BlockJobOptions options = BLOCK_JOB_OPTIONS(args);
    BlockBackup backup = { .source = block_job_node(args->device, errp),
                           .sync = args->sync,
                           .bitmap = args->bitmap,
                           .has_bitmap_mode = args->has_bitmap_mode,
                           .bitmap_mode = args->bitmap_mode,
                           .compress = args->compress,
                           .on_source_error = args->on_source_error,
                           .on_target_error = args->on_target_error };
    const BlockTarget target = {
        .path = args->target,
        .format = args->format,
        .existing = args->has_mode && args->mode == NEW_IMAGE_MODE_EXISTING,
        .sync = args->sync,
        .backup = true,
    };
    Job *job;

    options.transaction = transaction;
    if (!backup.source || !CHECK_BACKUP(args, errp)) {
        return NULL;
    }
    backup.target = block_target_open(&target, backup.source, errp);
    job = backup.target ? block_backup_new(&backup, &options, errp) : NULL;
    block_node_unref(backup.target);
    return job;
}

bool qmp_blockdev_backup(const BlockdevBackup *args, GError **errp)
{
    Job *job;

    block_hold_all();
    job = backup_to_node(args, NULL, errp);
    block_resume_all();
    if (job) {
        job_start(job);
    }
    return job;
}

bool qmp_drive_backup(const DriveBackup *args, GError **errp)
{
    Job *job;

    block_hold_all();
    job = backup_to_file(args, NULL, errp);
    block_resume_all();
    if (job) {
        job_start(job);
    }
    return job;
}

/* ---- new images ---- */

/* The node that gets it: a reference. */
static BlockNode *find_file(struct json_object *ref, GError **errp)
{
    BlockNode *node;

    if (json_object_is_type(ref, json_type_string)) {
        node = block_node_find(json_object_get_string(ref), errp);
        if (node) {
            node->refs++;
        }
        return node;
    }
    g_autoptr(BlockdevOptions) options = BlockdevOptions_from_json(ref, "file", errp);

    return options ? block_node_open(options, errp) : NULL;
}

static void take_qcow2(CreateJob *c, const BlockdevCreateOptionsQcow2 *options)
{
    c->qcow2 = (BlockQcow2Create){
        .size = options->size,
        .backing = g_strdup(options->backing_file),
        .backing_format =
            options->has_backing_fmt ? g_strdup(BlockdevDriver_str(options->backing_fmt)) : NULL,
        .version = options->has_version && options->version == BLOCKDEV_QCOW2_VERSION_V2 ? 2 : 3,
        .cluster_size = options->has_cluster_size ? options->cluster_size : 65536,
        .refcount_bits = options->has_refcount_bits ? (unsigned)options->refcount_bits : 16,
        .lazy_refcounts = options->lazy_refcounts,
        .zstd = options->compression_type == QCOW2_COMPRESSION_TYPE_ZSTD,
        .preallocation = (BlockPreallocation)options->preallocation,
    };
    c->file = find_file(options->file, &c->err);
}

bool qmp_blockdev_create(const char *job_id, const BlockdevCreateOptions *options, GError **errp)
{
    const BlockdevCreateOptionsFile *file = options->u.file;
    CreateJob *c;

    if (options->driver != BLOCKDEV_DRIVER_FILE && options->driver != BLOCKDEV_DRIVER_QCOW2) {
        error_set(errp, "images of driver '%s' cannot be made: use file or qcow2",
                  BlockdevDriver_str(options->driver));
        return false;
    }
    if (!create_job_check(job_id, errp) || !migration_take_images(errp)) {
        return false;
    }
    c = g_new0(CreateJob, 1);
    if (options->driver == BLOCKDEV_DRIVER_FILE) {
        c->path = g_strdup(file->filename);
        c->size = file->size;
        c->preallocation = (BlockPreallocation)file->preallocation;
    } else {
        take_qcow2(c, options->u.qcow2);
    }
    return create_job_start(job_id, c, errp);
}
