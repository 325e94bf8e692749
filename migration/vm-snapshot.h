/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Snapshots of the whole machine, within the images of its disks: savevm, loadvm, delvm. Each disk
 * that the guest can write has a snapshot; the first of them has the machine's state, too. Machine
 * lock, main thread or a task.
 */
#ifndef MIGRATION_VM_SNAPSHOT_H
#define MIGRATION_VM_SNAPSHOT_H

#include "qapi/qapi-types.h"

/* Take one; in place of those that have this name. The machine goes on as it did. */
bool vm_snapshot_save(const char *name, GError **errp);
/* The machine is as it was, and runs if it ran before this call. If that fails half way, it cannot
 * go on. */
bool vm_snapshot_load(const char *name, GError **errp);
bool vm_snapshot_delete(const char *name, GError **errp);

/* The same of the block nodes called @devices alone; the one of them that is called @vmstate has
 * the machine's state. Saving takes the place of no other, and deleting one that is not there is no
 * error. */
bool vm_snapshot_save_to(const char *name, const char *vmstate, const GPtrArray *devices,
                         GError **errp);
bool vm_snapshot_load_from(const char *name, const char *vmstate, const GPtrArray *devices,
                           GError **errp);
bool vm_snapshot_delete_of(const char *name, const GPtrArray *devices, GError **errp);

/* Those that all disks have, as the first one knows them: of SnapshotInfo, freed by the caller. */
GPtrArray *vm_snapshot_list(GError **errp);

#endif
