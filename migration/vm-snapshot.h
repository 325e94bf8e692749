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
/* Those that all disks have, as the first one knows them: of SnapshotInfo, freed by the caller. */
GPtrArray *vm_snapshot_list(GError **errp);

#endif
