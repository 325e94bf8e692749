/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about migration (qapi/migration.json): as far as there is none. */
#include "qapi/qapi-commands.h"
#include "util/error.h"

static bool capabilities[MIGRATION_CAPABILITY__MAX];

GPtrArray *qmp_query_migrate_capabilities(GError **errp)
{
    GPtrArray *list = MigrationCapabilityStatus_list_new();

    for (unsigned i = 0; i < G_N_ELEMENTS(capabilities); i++) {
        MigrationCapabilityStatus *status = g_new0(MigrationCapabilityStatus, 1);

        status->capability = i;
        status->state = capabilities[i];
        g_ptr_array_add(list, status);
    }
    return list;
}

bool qmp_migrate_set_capabilities(GPtrArray *list, GError **errp)
{
    for (unsigned i = 0; i < list->len; i++) {
        const MigrationCapabilityStatus *status = list->pdata[i];

        capabilities[status->capability] = status->state;
    }
    return true;
}

MigrationInfo *qmp_query_migrate(GError **errp)
{
    return g_new0(MigrationInfo, 1);
}

bool qmp_calc_dirty_rate(int64_t calc_time, bool has_sample_pages, int64_t sample_pages,
                         bool has_mode, DirtyRateMeasureMode mode, GError **errp)
{
    error_set(errp, "the dirty rate is not there: what the guest writes to its memory is not "
                    "counted");
    return false;
}

DirtyRateInfo *qmp_query_dirty_rate(GError **errp)
{
    return g_new0(DirtyRateInfo, 1);
}
