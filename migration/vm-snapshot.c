/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/vm-snapshot.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block/backend.h"
#include "block/driver.h"
#include "block/snapshot-internal.h"
#include "hw/core/failover.h"
#include "hw/core/machine.h"
#include "hw/core/runstate.h"
#include "hw/core/save-check.h"
#include "hw/memtarget/memory-target.h"
#include "migration/config.h"
#include "migration/dbus-vmstate.h"
#include "migration/devices.h"
#include "migration/limits.h"
#include "migration/migration.h"
#include "migration/ram.h"
#include "migration/reader.h"
#include "migration/run-record.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/machine-lock.h"

/* ---- disks ---- */

/* What devices write, and drives that wait for one (if=none). */
static void add_disk(BlockBackend *backend, void *disks)
{
    BlockNode *node = block_backend_image(backend);

    if (!backend->empty && !node->read_only && (backend->writable || !backend->device)) {
        g_ptr_array_add(disks, node);
    }
}

/* What nobody uses yet, but could. */
static void add_unused(BlockNode *node, void *disks)
{
    if (node->listed && !node->read_only && !node->edges->len) {
        g_ptr_array_add(disks, node);
    }
}

/* Nodes of disks that can be written; all can keep snapshots. The caller's list. */
static GPtrArray *find_disks(GError **errp)
{
    g_autoptr(GPtrArray) disks = g_ptr_array_new();

    block_backend_foreach(add_disk, disks);
    block_node_foreach(add_unused, disks);
    if (!disks->len) {
        error_set(errp, "there is no disk image here that could keep snapshots (raw ones cannot): "
                        "save it with `migrate file:PATH`, load it with -incoming file:PATH");
        return NULL;
    }
    for (unsigned i = 0; i < disks->len; i++) {
        if (!block_snapshot_possible(disks->pdata[i], errp)) {
            return NULL;
        }
    }
    return g_steal_pointer(&disks);
}

/* The nodes called @devices, the one called @vmstate (NULL: none is) first; all can keep snapshots.
 * The caller's list. */
static GPtrArray *find_named(const char *vmstate, const GPtrArray *devices, GError **errp)
{
    g_autoptr(GPtrArray) disks = g_ptr_array_new();
    bool has_state = !vmstate;

    for (unsigned i = 0; i < devices->len; i++) {
        BlockNode *node = block_node_find(devices->pdata[i], errp);

        if (!node || !block_snapshot_possible(node, errp)) {
            return NULL;
        }
        if (g_strcmp0(vmstate, node->name) == 0) {
            g_ptr_array_insert(disks, 0, node);
            has_state = true;
        } else {
            g_ptr_array_add(disks, node);
        }
    }
    if (!disks->len) {
        error_set(errp, "'devices' is empty: name the block nodes that get, or have, the snapshot");
        return NULL;
    }
    if (!has_state) {
        error_set(errp, "'vmstate' is '%s', which is none of 'devices'", vmstate);
        return NULL;
    }
    return g_steal_pointer(&disks);
}

static bool check_state(GError **errp)
{
    RunState state = runstate_get();

    if (migration_active() || state == RUN_STATE_INMIGRATE || state == RUN_STATE_FINISH_MIGRATE ||
        state == RUN_STATE_POSTMIGRATE) {
        error_set(errp, "the machine is being migrated, or was");
        return false;
    }
    return migration_check_memory(errp) && memory_target_check_idle(errp) &&
           failover_check_none(errp) && saved_states_check(errp);
}

/* A file that is gone when it is closed. */
static int open_temporary(GError **errp)
{
    g_autofree char *path = NULL;
    int fd = g_file_open_tmp(NULL, &path, errp);

    if (fd >= 0) {
        unlink(path);
    }
    return fd;
}

/* ---- saving ---- */

static bool put_config(Stream *stream, GError **errp)
{
    struct json_object *config = migration_config();
    bool ok = migration_config_write(config, stream, errp);

    json_object_put(config);
    return ok;
}

/* The machine stands. */
static bool write_machine(int fd, bool running, GError **errp)
{
    g_autoptr(Stream) stream = stream_new(dup(fd));
    g_autoptr(SavedStates) states = saved_states_take();
    RunRecord run = { .clock_ns = clock_ns(),
                      .running = running,
                      .asleep = runstate_is_asleep(),
                      .shutdown = SHUTDOWN_CAUSE_NONE };
    struct json_object *limits = saved_limits_take();
    g_autoptr(GPtrArray) helpers = saved_helpers_take();
    RamSource ram = { 0 };
    bool ok = ram_source_init(&ram, false, errp);

    ok = ok && stream_put_header(stream, errp) && put_config(stream, errp) &&
         ram_source_write(&ram, stream, errp) && saved_states_write(states, stream, errp) &&
         saved_limits_write(limits, stream, errp) && saved_helpers_write(helpers, stream, errp) &&
         run_record_write(&run, stream, errp) && stream_put_end(stream, false, errp);
    ram_source_clear(&ram);
    json_object_put(limits);
    return ok;
}

/* Those of before with this name. */
static bool delete_all(const GPtrArray *disks, const char *name, bool must_be, GError **errp)
{
    bool any = false;

    for (unsigned i = 0; i < disks->len; i++) {
        SnapshotInfo *info = block_snapshot_find(disks->pdata[i], name, NULL);

        if (info && !block_snapshot_delete(disks->pdata[i], name, errp)) {
            SnapshotInfo_free(info);
            return false;
        }
        any |= info != NULL;
        SnapshotInfo_free(info);
    }
    if (!any && must_be) {
        error_set(errp, "there is no snapshot '%s'; `info snapshots` lists those there are", name);
    }
    return any || !must_be;
}

static bool create_all(const GPtrArray *disks, const char *name, int fd, GError **errp)
{
    struct stat st;
    BlockSnapshot snapshot = { .name = name,
                               .date_ns = g_get_real_time() * 1000,
                               .clock_ns = clock_ns() };

    if (fstat(fd, &st) < 0) {
        error_set_errno(errp, errno, "the state of the machine is not known");
        return false;
    }
    for (unsigned i = 0; i < disks->len; i++) {
        snapshot.vm_state_size = i ? 0 : (uint64_t)st.st_size;
        if ((i == 0 && !block_vm_state_write(disks->pdata[0], fd, (uint64_t)st.st_size, errp)) ||
            !block_snapshot_create(disks->pdata[i], &snapshot, errp)) {
            delete_all(disks, name, false, NULL);
            return false;
        }
    }
    return true;
}

static bool save(const GPtrArray *disks, const char *name, GError **errp)
{
    int fd = open_temporary(errp);
    bool running = runstate_is_running(), ok;

    if (fd < 0) {
        return false;
    }
    runstate_finish_reset();
    runstate_stop(RUN_STATE_SAVE_VM);
    ok = write_machine(fd, running, errp) && delete_all(disks, name, false, errp) &&
         create_all(disks, name, fd, errp);
    close(fd);
    if (running) {
        runstate_start();
    }
    return ok;
}

bool vm_snapshot_save(const char *name, GError **errp)
{
    g_autoptr(GPtrArray) disks = check_state(errp) && save_check(errp) ? find_disks(errp) : NULL;

    return disks && save(disks, name, errp);
}

bool vm_snapshot_save_to(const char *name, const char *vmstate, const GPtrArray *devices,
                         GError **errp)
{
    g_autoptr(GPtrArray) disks =
        check_state(errp) && save_check(errp) ? find_named(vmstate, devices, errp) : NULL;

    for (unsigned i = 0; disks && i < disks->len; i++) {
        SnapshotInfo *info = block_snapshot_find(disks->pdata[i], name, NULL);

        if (info) {
            SnapshotInfo_free(info);
            error_set(errp, "Snapshot '%s' already exists in one or more devices: of '%s' it does",
                      name, ((const BlockNode *)disks->pdata[i])->name);
            return false;
        }
    }
    return disks && save(disks, name, errp);
}

/* ---- loading ---- */

/* The disk with the machine's state, whose size is *@size. All disks have the snapshot. */
static BlockNode *find_state(const GPtrArray *disks, const char *name, uint64_t *size,
                             GError **errp)
{
    BlockNode *node = NULL;

    for (unsigned i = 0; i < disks->len; i++) {
        SnapshotInfo *info = block_snapshot_may_go_to(disks->pdata[i], errp)
                                 ? block_snapshot_find(disks->pdata[i], name, errp)
                                 : NULL;

        if (!info) {
            return NULL;
        }
        if (info->vm_state_size > 0 && !node) {
            node = disks->pdata[i];
            *size = (uint64_t)info->vm_state_size;
        }
        SnapshotInfo_free(info);
    }
    if (!node) {
        error_set(errp,
                  "snapshot '%s' is of disks alone, and has no state of a machine: 'qemu-img "
                  "snapshot -a' goes back to it while no machine runs",
                  name);
    }
    return node;
}

static bool check_stream(int fd, GError **errp)
{
    g_autoptr(Stream) stream = stream_new(dup(fd));
    bool ok;

    machine_unlock();
    ok = read_machine_check(stream, errp);
    machine_lock();
    return ok;
}

static bool read_into_machine(int fd, GError **errp)
{
    g_autoptr(Stream) stream = stream_new(dup(fd));
    g_auto(ReadMachine) read = { 0 };
    bool ok;

    machine_reset(machine_current());
    machine_unlock();
    ok = read_machine(&read, stream, errp);
    machine_lock();
    return ok && read_machine_load(&read, errp);
}

/* @fd has been checked, at its end now. From here on there is no way back. */
static bool go_back(const GPtrArray *disks, const char *name, int fd, GError **errp)
{
    for (unsigned i = 0; i < disks->len; i++) {
        if (!block_snapshot_goto(disks->pdata[i], name, errp)) {
            return false;
        }
    }
    return lseek(fd, 0, SEEK_SET) == 0 && read_into_machine(fd, errp);
}

static bool load(const GPtrArray *disks, const char *name, GError **errp)
{
    uint64_t size;
    BlockNode *node = find_state(disks, name, &size, errp);
    bool running = runstate_is_running(), ok;
    int fd = node ? open_temporary(errp) : -1;

    if (fd < 0) {
        return false;
    }
    runstate_finish_reset();
    runstate_stop(RUN_STATE_RESTORE_VM);
    ok = block_vm_state_read(node, name, fd, size, errp) && lseek(fd, 0, SEEK_SET) == 0 &&
         check_stream(fd, errp);
    if (ok && !go_back(disks, name, fd, errp)) {
        runstate_set(RUN_STATE_INTERNAL_ERROR);
        close(fd);
        return false;
    }
    close(fd);
    if (running) {
        runstate_start();
    }
    return ok;
}

bool vm_snapshot_load(const char *name, GError **errp)
{
    g_autoptr(GPtrArray) disks = check_state(errp) ? find_disks(errp) : NULL;

    return disks && load(disks, name, errp);
}

bool vm_snapshot_load_from(const char *name, const char *vmstate, const GPtrArray *devices,
                           GError **errp)
{
    g_autoptr(GPtrArray) disks = check_state(errp) ? find_named(vmstate, devices, errp) : NULL;
    SnapshotInfo *info = disks ? block_snapshot_find(disks->pdata[0], name, errp) : NULL;
    bool has_state = info && info->vm_state_size > 0;

    if (!info) {
        return false;
    }
    SnapshotInfo_free(info);
    if (!has_state) {
        error_set(errp, "snapshot '%s' of block node '%s' has no state of a machine", name,
                  vmstate);
        return false;
    }
    return load(disks, name, errp);
}

/* ---- the rest ---- */

bool vm_snapshot_delete(const char *name, GError **errp)
{
    g_autoptr(GPtrArray) disks = find_disks(errp);

    return disks && delete_all(disks, name, true, errp);
}

bool vm_snapshot_delete_of(const char *name, const GPtrArray *devices, GError **errp)
{
    g_autoptr(GPtrArray) disks = find_named(NULL, devices, errp);

    return disks && delete_all(disks, name, false, errp);
}

static bool all_have(const GPtrArray *disks, const char *name)
{
    for (unsigned i = 0; i < disks->len; i++) {
        SnapshotInfo *info = block_snapshot_find(disks->pdata[i], name, NULL);

        if (!info) {
            return false;
        }
        SnapshotInfo_free(info);
    }
    return true;
}

GPtrArray *vm_snapshot_list(GError **errp)
{
    g_autoptr(GPtrArray) disks = find_disks(errp);
    const BlockNode *first = disks ? disks->pdata[0] : NULL;
    GPtrArray *list = disks ? first->driver->snapshot_list(disks->pdata[0], errp) : NULL;

    for (unsigned i = list ? list->len : 0; i-- > 0;) {
        const SnapshotInfo *info = list->pdata[i];

        if (!all_have(disks, info->name)) {
            g_ptr_array_remove_index(list, i);
        }
    }
    return list;
}
