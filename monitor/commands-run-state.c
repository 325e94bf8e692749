/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about the run state (qapi/run-state.json). */
#include "block/activate.h"
#include "hw/core/runstate.h"
#include "migration/incoming.h"
#include "migration/migration.h"
#include "migration/postcopy-dest.h"
#include "monitor/commands-dump.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"

StatusInfo *qmp_query_status(GError **errp)
{
    StatusInfo *info = g_new0(StatusInfo, 1);

    runstate_finish_reset();
    info->status = runstate_get();
    info->running = info->status == RUN_STATE_RUNNING;
    return info;
}

/* A dump or a migration stopped the machine and lets it run again at its end. */
static bool check_free(GError **errp)
{
    if (dump_active()) {
        error_set(errp, "a dump of the guest's memory is being written; wait for DUMP_COMPLETED");
        return false;
    }
    if (runstate_get() == RUN_STATE_FINISH_MIGRATE) {
        error_set(errp, "the machine is being migrated; wait for its end, or use migrate_cancel");
        return false;
    }
    return true;
}

bool qmp_stop(GError **errp)
{
    if (!check_free(errp)) {
        return false;
    }
    if (!postcopy_dest_check_stop(errp)) {
        return false;
    }
    runstate_finish_reset();
    incoming_set_autostart(false);
    runstate_stop(RUN_STATE_PAUSED);
    return true;
}

bool qmp_cont(GError **errp)
{
    if (!check_free(errp)) {
        return false;
    }
    runstate_finish_reset(); /* which may wait, and let a migration stop the machine meanwhile */
    if (!check_free(errp)) {
        return false;
    }
    RunState state = runstate_get();
    if (state == RUN_STATE_SHUTDOWN || state == RUN_STATE_INTERNAL_ERROR) {
        error_set(errp, "the machine cannot go on from state '%s'; reset it first (system_reset)",
                  RunState_str(state));
        return false;
    }
    if (state == RUN_STATE_INMIGRATE) {
        incoming_set_autostart(true); /* when it is there */
        return true;
    }
    if (!migration_check_memory(errp) || !block_activate(errp)) {
        return false;
    }
    runstate_start();
    return true;
}

bool qmp_system_reset(GError **errp)
{
    runstate_request_reset(SHUTDOWN_CAUSE_HOST_QMP_SYSTEM_RESET);
    return true;
}

bool qmp_system_powerdown(GError **errp)
{
    runstate_request_powerdown();
    return true;
}
