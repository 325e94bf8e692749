/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/snapshot-internal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "block/backend.h"
#include "block/driver.h"
#include "util/error.h"
#include "util/units.h"

#define CHUNK (1 * MIB)

bool block_snapshot_possible(const BlockNode *node, GError **errp)
{
    if (!node->driver->snapshot_create) {
        error_set(errp,
                  "block node '%s' (%s) cannot keep snapshots: qcow2 images can, and what is "
                  "read-only need not",
                  node->name, BlockdevDriver_str(node->driver->id));
    } else if (node->read_only || !block_node_is_active()) {
        error_set(errp, "block node '%s' %s", node->name,
                  node->read_only ? "is read-only" : "is not active: its machine migrates");
    } else {
        return block_node_check_idle(node, errp);
    }
    return false;
}

static SnapshotInfo *find(BlockNode *node, const char *name, GError **errp)
{
    GPtrArray *list = node->driver->snapshot_list(node, errp);
    SnapshotInfo *found = NULL;

    for (unsigned by_id = 0; list && by_id < 2 && !found; by_id++) {
        for (unsigned i = 0; i < list->len && !found; i++) {
            const SnapshotInfo *info = list->pdata[i];

            if (strcmp(by_id ? info->id : info->name, name) == 0) {
                found = g_ptr_array_steal_index(list, i);
            }
        }
    }
    if (list && !found) {
        error_set(errp, "block node '%s' has no snapshot '%s'", node->name, name);
    }
    if (list) {
        g_ptr_array_unref(list);
    }
    return found;
}

SnapshotInfo *block_snapshot_find(BlockNode *node, const char *name, GError **errp)
{
    return block_snapshot_possible(node, errp) ? find(node, name, errp) : NULL;
}

bool block_snapshot_create(BlockNode *node, const BlockSnapshot *snapshot, GError **errp)
{
    SnapshotInfo *same;

    if (!block_snapshot_possible(node, errp)) {
        return false;
    }
    same = find(node, snapshot->name, NULL);
    if (same) {
        SnapshotInfo_free(same);
        error_set(errp, "block node '%s' has a snapshot '%s' already", node->name, snapshot->name);
        return false;
    }
    return block_snapshot_create_another(node, snapshot, errp);
}

bool block_snapshot_create_another(BlockNode *node, const BlockSnapshot *snapshot, GError **errp)
{
    bool ok;

    if (!block_snapshot_possible(node, errp)) {
        return false;
    }
    if (!*snapshot->name) {
        error_set(errp, "a snapshot of block node '%s' has no name", node->name);
        return false;
    }
    block_hold_all();
    ok = node->driver->snapshot_create(node, snapshot, errp);
    block_resume_all();
    return ok;
}

bool block_snapshot_delete(BlockNode *node, const char *name, GError **errp)
{
    bool ok;

    if (!block_snapshot_possible(node, errp)) {
        return false;
    }
    block_hold_all();
    ok = node->driver->snapshot_delete(node, name, errp);
    block_resume_all();
    return ok;
}

static void tell_resized(BlockBackend *backend, void *opaque)
{
    if (backend->ops && backend->ops->resized) {
        backend->ops->resized(backend->opaque);
    }
}

bool block_snapshot_may_go_to(const BlockNode *node, GError **errp)
{
    if (node->bitmaps && node->bitmaps->len) {
        error_set(errp, "block node '%s' has dirty bitmaps, which would not tell what changes",
                  node->name);
        return false;
    }
    return block_snapshot_possible(node, errp);
}

bool block_snapshot_goto(BlockNode *node, const char *name, GError **errp)
{
    bool ok;

    if (!block_snapshot_may_go_to(node, errp)) {
        return false;
    }
    block_hold_all();
    ok = node->driver->snapshot_goto(node, name, errp);
    block_resume_all();
    block_backend_foreach(tell_resized, NULL);
    return ok;
}

bool block_snapshot_load(BlockNode *node, const char *id, const char *name, GError **errp)
{
    if (!node->driver->snapshot_load) {
        error_set(errp, "%s: images of format %s have no snapshots: qcow2 ones have",
                  node->filename, BlockdevDriver_str(node->driver->id));
        return false;
    }
    if (!node->read_only) {
        error_set(errp, "%s: a snapshot is shown in place of the disk only where nobody writes",
                  node->filename);
        return false;
    }
    return node->driver->snapshot_load(node, id, name, errp);
}

/* ---- the machine's state ---- */

static int copy_out(BlockNode *node, int fd, uint64_t size)
{
    g_autofree void *buf = g_malloc(CHUNK);
    int err = 0;

    for (uint64_t at = 0; at < size && !err;) {
        ssize_t n = pread(fd, buf, MIN(size - at, CHUNK), (off_t)at);

        if (n < 0 && errno == EINTR) {
            continue;
        }
        err = n < 0 ? errno : n == 0 ? EIO : node->driver->vm_state_write(node, at, buf, (size_t)n);
        at += (uint64_t)MAX(n, 0);
    }
    return err;
}

static int copy_in(BlockNode *node, const char *name, int fd, uint64_t size)
{
    g_autofree void *buf = g_malloc(CHUNK);
    int err = 0;

    for (uint64_t at = 0; at < size && !err;) {
        size_t some = MIN(size - at, CHUNK);
        ssize_t n;

        err = node->driver->vm_state_read(node, name, at, buf, some);
        if (err) {
            return err;
        }
        n = pwrite(fd, buf, some, (off_t)at);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        err = n < 0 ? errno : n == 0 ? ENOSPC : 0;
        at += (uint64_t)MAX(n, 0);
    }
    return err;
}

bool block_vm_state_write(BlockNode *node, int fd, uint64_t size, GError **errp)
{
    int err;

    block_hold_all();
    err = copy_out(node, fd, size);
    block_resume_all();
    if (err) {
        error_set_errno(errp, err, "block node '%s': the state of the machine cannot be written",
                        node->name);
    }
    return !err;
}

bool block_vm_state_read(BlockNode *node, const char *name, int fd, uint64_t size, GError **errp)
{
    int err;

    block_hold_all();
    err = copy_in(node, name, fd, size);
    block_resume_all();
    if (err) {
        error_set_errno(errp, err, "block node '%s': the state of the machine cannot be read",
                        node->name);
    }
    return !err;
}
