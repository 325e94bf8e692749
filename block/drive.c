/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/drive.h"

#include "block/medium.h"
#include "block/snapshot.h"
#include "qom/object.h"
#include "util/error.h"

/* ---- coming ---- */

/* Limits, and the group, as -drive has them: "throttling.iops-total", or the older "iops". */
static bool limits_of(const DriveOptions *drive, ThrottleConfig *config, char **group,
                      GError **errp)
{
    g_autoptr(ThrottleLimits) limits = NULL;
    struct json_object *name;

    *config = (ThrottleConfig){
        .limits = { [THROTTLE_BPS_TOTAL] = { drive->bps, drive->bps_max, 0 },
                    [THROTTLE_BPS_READ] = { drive->bps_rd, drive->bps_rd_max, 0 },
                    [THROTTLE_BPS_WRITE] = { drive->bps_wr, drive->bps_wr_max, 0 },
                    [THROTTLE_IOPS_TOTAL] = { drive->iops, drive->iops_max, 0 },
                    [THROTTLE_IOPS_READ] = { drive->iops_rd, drive->iops_rd_max, 0 },
                    [THROTTLE_IOPS_WRITE] = { drive->iops_wr, drive->iops_wr_max, 0 } },
        .iops_size = drive->iops_size,
    };
    *group = g_strdup(drive->group);
    if (!drive->throttling) {
        return true;
    }
    if (json_object_object_get_ex(drive->throttling, "group", &name)) {
        g_free(*group);
        *group = g_strdup(json_object_get_string(name));
        json_object_object_del(drive->throttling, "group");
    }
    limits = ThrottleLimits_from_json(drive->throttling, "throttling", errp);
    if (!limits || !throttle_config_check_twice(config, limits, errp)) {
        return false;
    }
    throttle_config_update(config, limits);
    return true;
}

static bool set_limits(BlockBackend *backend, const char *id, const DriveOptions *drive,
                       GError **errp)
{
    g_autofree char *group = NULL;
    ThrottleConfig config;

    return limits_of(drive, &config, &group, errp) &&
           block_backend_set_limits(backend, &config, group ? group : id, errp);
}

static BlockBackend *new_backend(const char *id, const DriveArg *arg, bool temporary, GError **errp)
{
    const DriveOptions *drive = arg->options;
    BlockNode *node;

    if (drive->copy_on_read && drive_is_read_only(drive)) {
        error_warn("drive '%s' is read-only: nothing is kept by copy-on-read=on", id);
    }
    if (drive_is_empty(arg)) {
        return block_medium_empty_drive(id, errp);
    }
    node = drive_node_open(arg, temporary, errp);
    if (node && temporary) {
        node = block_snapshot_temporary(node, errp);
    }
    if (node && drive->copy_on_read && !drive_is_read_only(drive)) {
        node = drive_node_copy_on_read(arg, node, errp);
    }
    BlockBackend *backend = node ? block_backend_new(id, node, errp) : NULL;

    if (!backend) {
        return NULL;
    }
    if (!set_limits(backend, id, drive, errp)) {
        block_backend_forget(backend);
        return NULL;
    }
    backend->writethrough = drive->has_cache && (drive->cache == DRIVE_CACHE_WRITETHROUGH ||
                                                 drive->cache == DRIVE_CACHE_DIRECTSYNC);
    backend->on_read_error = drive->has_rerror ? drive->rerror : backend->on_read_error;
    backend->on_write_error = drive->has_werror ? drive->werror : backend->on_write_error;
    return backend;
}

static bool check_disk(const DriveOptions *drive, GError **errp)
{
    if (drive->has_rerror && drive->rerror == BLOCKDEV_ON_ERROR_ENOSPC) {
        error_set(errp, "rerror=enospc is not right: reads need no space");
    } else if (drive->has_bus) {
        error_set(errp, "bus= is for if=ide");
    } else if (drive->has_unit && drive->has_index) {
        error_set(errp, "unit= and index= are the same here: use index=");
    } else if (drive->id && !object_id_wellformed(drive->id)) {
        error_set(errp, "id=%s: it begins with a letter, and has letters, digits, -, . and _",
                  drive->id);
    } else {
        return !drive->id || block_backend_check_name(drive->id, errp);
    }
    return false;
}

/* The name of a drive: the one that is given, or one of its interface and its index, which is the
 * first free one if none is given; g_free. */
static char *drive_name(const DriveOptions *drive, GError **errp)
{
    bool given = drive->has_index || drive->has_unit;
    unsigned n = drive->has_unit ? drive->unit : drive->index;
    g_autofree char *id = g_strdup(drive->id);

    while (!id || (!drive->id && !block_backend_check_name(id, NULL))) {
        if (id && given) {
            error_set(errp, "index=%u: there is a drive with this index, or a block node, '%s'",
                      n - 1, id);
            return NULL;
        }
        g_free(id);
        id = g_strdup_printf("%s%u", DriveInterface_str(drive->q_if), n++);
    }
    return g_steal_pointer(&id);
}

BlockBackend *drive_new(const DriveArg *arg, bool snapshot, GError **errp)
{
    const DriveOptions *drive = arg->options;
    g_autofree char *id = check_disk(drive, errp) ? drive_name(drive, errp) : NULL;
    bool temporary =
        (drive->has_snapshot ? drive->snapshot : snapshot) && !drive_is_read_only(drive);

    return id ? new_backend(id, arg, temporary, errp) : NULL;
}

/* ---- going ---- */

/* Its device goes on without what @backend holds. */
static bool take_medium(BlockBackend *backend, GError **errp)
{
    BlockNode *node = block_backend_node(backend);
    BlockNode *none = block_medium_none(block_node_length(node), errp);
    int err;

    if (!none) {
        return false;
    }
    block_hold_all();
    err = block_node_flush(node); /* who asks for it later is told that it is done */
    if (err) {
        error_warn("drive '%s': what was written may not be on the disk: %s", backend->name,
                   g_strerror(err));
    }
    backend->on_read_error = backend->on_write_error = BLOCKDEV_ON_ERROR_REPORT;
    backend->empty = true;
    node->refs++; /* while its user changes */
    block_edge_move(&backend->edge, none);
    block_node_update_perms(none, NULL);
    block_node_update_perms(node, NULL); /* nothing of it is used any more: that cannot fail */
    block_node_unref(node);
    block_node_unref(none); /* the edge has its own */
    block_resume_all();
    return true;
}

bool drive_del(const char *id, GError **errp)
{
    BlockBackend *backend = block_backend_find(id);

    if (!backend && block_node_find(id, NULL)) {
        return block_node_del(id, errp);
    }
    if (!backend) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                        "there is no drive '%s'; `info block` lists those there are", id);
        return false;
    }
    if (!block_node_check_idle(block_backend_image(backend), errp) ||
        (backend->device && !take_medium(backend, errp))) {
        return false;
    }
    block_backend_forget(backend);
    return true;
}
