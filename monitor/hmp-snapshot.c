/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Snapshots in HMP: of a disk, and of the whole machine. */
#include <string.h>

#include "migration/vm-snapshot.h"
#include "monitor/hmp.h"
#include "qapi/qapi-commands.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/units.h"

/* ---- of disks ---- */

/* snapshot_blkdev [-n] DRIVE [FILE] [FORMAT] */
void hmp_snapshot_blkdev(Hmp *hmp, char **argv)
{
    bool existing = argv[0];
    GError *err = NULL;

    argv++;
    if (!argv[1]) {
        error_set(&err, "give the drive, and the file for what is written from now on");
    } else {
        const BlockdevSnapshotSync options = {
            .device = argv[0],
            .snapshot_file = argv[1],
            .format = argv[2],
            .has_mode = true,
            .mode = existing ? NEW_IMAGE_MODE_EXISTING : NEW_IMAGE_MODE_ABSOLUTE_PATHS,
        };
        qmp_blockdev_snapshot_sync(&options, &err);
    }
    hmp_error(hmp, err);
}

void hmp_snapshot_blkdev_internal(Hmp *hmp, char **argv)
{
    const BlockdevSnapshotInternal args = { .device = argv[0], .name = argv[1] };
    GError *err = NULL;

    qmp_blockdev_snapshot_internal_sync(&args, &err);
    hmp_error(hmp, err);
}

void hmp_snapshot_delete_blkdev_internal(Hmp *hmp, char **argv)
{
    GError *err = NULL;

    SnapshotInfo_free(qmp_blockdev_snapshot_delete_internal_sync(argv[0], argv[2], argv[1], &err));
    hmp_error(hmp, err);
}

/* ---- of the machine ---- */

void hmp_savevm(Hmp *hmp, char **argv)
{
    g_autoptr(GDateTime) now = g_date_time_new_now_local();
    g_autofree char *name =
        argv[0] ? g_strdup(argv[0]) : g_date_time_format(now, "vm-%Y%m%d%H%M%S");
    GError *err = NULL;

    vm_snapshot_save(name, &err);
    hmp_error(hmp, err);
}

void hmp_loadvm(Hmp *hmp, char **argv)
{
    GError *err = NULL;

    vm_snapshot_load(argv[0], &err);
    hmp_error(hmp, err);
}

void hmp_delvm(Hmp *hmp, char **argv)
{
    GError *err = NULL;

    vm_snapshot_delete(argv[0], &err);
    hmp_error(hmp, err);
}

void hmp_info_snapshots(Hmp *hmp, char **argv)
{
    GError *err = NULL;
    g_autoptr(GPtrArray) list = vm_snapshot_list(&err);

    hmp_error(hmp, err);
    if (list && !list->len) {
        hmp_printf(hmp, "There is no snapshot that all disks have.\n");
    } else if (list) {
        hmp_printf(hmp, "%-9s %-16s %10s %20s %14s\n", "ID", "TAG", "VM SIZE", "DATE", "VM CLOCK");
    }
    for (unsigned i = 0; list && i < list->len; i++) {
        const SnapshotInfo *info = list->pdata[i];
        g_autoptr(GDateTime) when = g_date_time_new_from_unix_local(info->date_sec);
        g_autofree char *date = g_date_time_format(when, "%Y-%m-%d %H:%M:%S");
        g_autofree char *size = g_strdup_printf("%.1f MiB", (double)info->vm_state_size / MIB);
        g_autofree char *clock =
            g_strdup_printf("%02d:%02d:%02d.%03d", (int)(info->vm_clock_sec / 3600),
                            (int)(info->vm_clock_sec / 60 % 60), (int)(info->vm_clock_sec % 60),
                            (int)(info->vm_clock_nsec / NS_PER_MS));

        hmp_printf(hmp, "%-9s %-16s %10s %20s %14s\n", info->id, info->name, size, date, clock);
    }
}
