/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about migration (qapi/migration.json). */
#include "migration/incoming.h"
#include "migration/migration.h"
#include "monitor/monitor-internal.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"

static bool *const capabilities[MIGRATION_CAPABILITY__MAX] = {
    [MIGRATION_CAPABILITY_EVENTS] = &migration_events,
};

GPtrArray *qmp_query_migrate_capabilities(GError **errp)
{
    GPtrArray *list = MigrationCapabilityStatus_list_new();

    for (unsigned i = 0; i < G_N_ELEMENTS(capabilities); i++) {
        MigrationCapabilityStatus *status = g_new0(MigrationCapabilityStatus, 1);

        status->capability = i;
        status->state = *capabilities[i];
        g_ptr_array_add(list, status);
    }
    return list;
}

bool qmp_migrate_set_capabilities(GPtrArray *list, GError **errp)
{
    for (unsigned i = 0; i < list->len; i++) {
        const MigrationCapabilityStatus *status = list->pdata[i];

        *capabilities[status->capability] = status->state;
    }
    return true;
}

bool qmp_migrate_set_parameters(bool has_max_bandwidth, uint64_t max_bandwidth, GError **errp)
{
    if (has_max_bandwidth) {
        migration_params.max_bandwidth = max_bandwidth;
    }
    migration_params_changed();
    return true;
}

MigrationParameters *qmp_query_migrate_parameters(GError **errp)
{
    MigrationParameters *params = g_new0(MigrationParameters, 1);

    params->has_max_bandwidth = true;
    params->max_bandwidth = migration_params.max_bandwidth;
    return params;
}

MigrationInfo *qmp_query_migrate(GError **errp)
{
    return migration_info();
}

bool qmp_migrate(const char *uri, bool has_blk, bool blk, bool has_inc, bool inc, bool has_detach,
                 bool detach, bool has_resume, bool resume, GError **errp)
{
    if (blk || inc || resume) {
        error_set(errp, "'%s' must be false: %s",
                  resume ? "resume"
                  : blk  ? "blk"
                         : "inc",
                  resume ? "a migration that was interrupted is begun anew"
                         : "there are no disks to move");
        return false;
    }
    return migration_start(uri, qmp_session_take_named_fd, errp);
}

bool qmp_migrate_cancel(GError **errp)
{
    migration_cancel();
    return true;
}

bool qmp_migrate_incoming(const char *uri, GError **errp)
{
    return incoming_start(uri, qmp_session_take_named_fd, errp);
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
