/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HMP commands about migration. */
#include "monitor/hmp.h"
#include "qapi/qapi-commands.h"

void hmp_migrate(Hmp *hmp, char **argv)
{
    GError *err = NULL;

    qmp_migrate(argv[1], false, false, false, false, true, argv[0] != NULL, false, false, &err);
    hmp_error(hmp, err);
}

void hmp_migrate_cancel(Hmp *hmp, char **argv)
{
    qmp_migrate_cancel(NULL);
}

void hmp_migrate_incoming(Hmp *hmp, char **argv)
{
    GError *err = NULL;

    qmp_migrate_incoming(argv[0], &err);
    hmp_error(hmp, err);
}

void hmp_info_migrate(Hmp *hmp, char **argv)
{
    g_autoptr(MigrationInfo) info = qmp_query_migrate(NULL);

    if (!info->has_status) {
        hmp_printf(hmp, "no migration was started\n");
        return;
    }
    hmp_printf(hmp, "Migration status: %s%s%s\n", MigrationStatus_str(info->status),
               info->error_desc ? ": " : "", info->error_desc ? info->error_desc : "");
    if (info->has_total_time) {
        hmp_printf(hmp, "total time: %" G_GINT64_FORMAT " ms\n", info->total_time);
    }
    if (info->has_downtime) {
        hmp_printf(hmp, "downtime: %" G_GINT64_FORMAT " ms\n", info->downtime);
    }
    if (info->ram) {
        hmp_printf(hmp,
                   "transferred: %" G_GINT64_FORMAT " bytes\nmemory: %" G_GINT64_FORMAT
                   " bytes, %" G_GINT64_FORMAT " of them left\npages: %" G_GINT64_FORMAT
                   " written, %" G_GINT64_FORMAT " zero\n",
                   info->ram->transferred, info->ram->total, info->ram->remaining,
                   info->ram->normal, info->ram->duplicate);
    }
}
