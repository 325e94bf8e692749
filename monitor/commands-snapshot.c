/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands that change the graph of nodes: snapshots, other options (qapi/block-node.json). */
#include <string.h>

#include "block/backend.h"
#include "block/commit.h"
#include "block/driver.h"
#include "block/reopen.h"
#include "block/snapshot-internal.h"
#include "block/snapshot.h"
#include "migration/migration.h"
#include "migration/snapshot-job.h"
#include "monitor/block-info.h"
#include "monitor/snapshot-file.h"
#include "qapi/qapi-commands.h"
#include "util/clock.h"
#include "util/error.h"

bool qmp_blockdev_reopen(GPtrArray *options, GError **errp)
{
    return block_reopen(options, errp);
}

bool qmp_blockdev_snapshot(const BlockdevSnapshot *args, GError **errp)
{
    BlockNode *node = block_node_find(args->node, errp);
    BlockNode *overlay = node ? block_node_find(args->overlay, errp) : NULL;

    return overlay && migration_take_images(errp) && block_snapshot(node, overlay, errp);
}

BlockNode *snapshot_to_file(const BlockdevSnapshotSync *options, GError **errp)
{
    const BlockSnapshotFile file = {
        .path = options->snapshot_file,
        .node_name = options->snapshot_node_name,
        .existing = options->has_mode && options->mode == NEW_IMAGE_MODE_EXISTING,
    };
    BlockNode *node = block_info_find(options->device, options->node_name, errp);

    if (!node) {
        return NULL;
    }
    if (options->format && strcmp(options->format, "qcow2") != 0) {
        error_set(errp, "format '%s' has no backing files here: qcow2 has", options->format);
        return NULL;
    }
    return block_snapshot_to_file(node, &file, errp);
}

bool qmp_blockdev_snapshot_sync(const BlockdevSnapshotSync *options, GError **errp)
{
    return migration_take_images(errp) && snapshot_to_file(options, errp);
}

BlockNode *snapshot_find_disk(const char *device, GError **errp)
{
    return block_backend_find(device) ? block_info_find(device, NULL, errp)
                                      : block_node_find(device, errp);
}

bool qmp_blockdev_snapshot_internal_sync(const BlockdevSnapshotInternal *args, GError **errp)
{
    const BlockSnapshot snapshot = { .name = args->name,
                                     .date_ns = g_get_real_time() * 1000,
                                     .clock_ns = clock_ns() };
    BlockNode *node = snapshot_find_disk(args->device, errp);

    return node && migration_take_images(errp) && block_snapshot_create(node, &snapshot, errp);
}

SnapshotInfo *qmp_blockdev_snapshot_delete_internal_sync(const char *device, const char *id,
                                                         const char *name, GError **errp)
{
    BlockNode *node = snapshot_find_disk(device, errp);
    SnapshotInfo *info;

    if (node && !id && !name) {
        error_set(errp, "give 'id', 'name', or both");
        return NULL;
    }
    info = node ? block_snapshot_find(node, id ? id : name, errp) : NULL;
    if (info && ((id && strcmp(info->id, id) != 0) || (name && strcmp(info->name, name) != 0))) {
        error_set(errp, "block node '%s' has no snapshot '%s' with id '%s'", node->name,
                  name ? name : "", id ? id : "");
    } else if (info && block_snapshot_delete(node, info->id, errp)) {
        return info;
    }
    SnapshotInfo_free(info);
    return NULL;
}

bool qmp_change_backing_file(const char *device, const char *image_node_name,
                             const char *backing_file, GError **errp)
{
    const BlockNode *top = block_info_find(device, NULL, errp);
    BlockNode *node = top ? block_node_find(image_node_name, errp) : NULL;
    const BlockNode *below = node ? node->backing.node : NULL;

    if (!node || !block_node_check_idle(node, errp)) {
        return false;
    }
    if (!block_node_is_below(top, node)) {
        error_set(errp, "block node '%s' is not below drive '%s'", image_node_name, device);
        return false;
    }
    if (!node->driver->set_backing_name || node->read_only) {
        error_set(errp, "block node '%s' (%s%s) cannot name a backing file", node->name,
                  BlockdevDriver_str(node->driver->id), node->read_only ? ", read-only" : "");
        return false;
    }
    if (!*backing_file) {
        return node->driver->set_backing_name(node, NULL, NULL, errp);
    }
    return node->driver->set_backing_name(node, backing_file,
                                          below ? block_chain_format(below) : "raw", errp);
}

/* ---- of the machine ---- */

bool qmp_snapshot_save(const char *job_id, const char *tag, const char *vmstate, GPtrArray *devices,
                       GError **errp)
{
    return snapshot_job_start(job_id, JOB_TYPE_SNAPSHOT_SAVE, tag, vmstate, devices, errp);
}

bool qmp_snapshot_load(const char *job_id, const char *tag, const char *vmstate, GPtrArray *devices,
                       GError **errp)
{
    return snapshot_job_start(job_id, JOB_TYPE_SNAPSHOT_LOAD, tag, vmstate, devices, errp);
}

bool qmp_snapshot_delete(const char *job_id, const char *tag, GPtrArray *devices, GError **errp)
{
    return snapshot_job_start(job_id, JOB_TYPE_SNAPSHOT_DELETE, tag, NULL, devices, errp);
}
