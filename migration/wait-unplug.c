/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/wait-unplug.h"

#include "hw/core/failover.h"
#include "migration/migration.h"
#include "util/machine-lock.h"

static GCond *waiting; /* the machine lock's */

static void primaries_changed(void)
{
    g_cond_signal(waiting);
}

bool wait_unplug(GCond *cond, const bool *cancelled, const bool *ends, GError **errp)
{
    g_autoptr(GError) err = NULL;
    bool ok;

    machine_lock();
    waiting = cond;
    if (failover_leave(primaries_changed) && !*cancelled) {
        migration_set_status(MIGRATION_STATUS_WAIT_UNPLUG);
    }
    while (!failover_has_left(&err) && !err && !*cancelled && !*ends) {
        machine_cond_wait(cond);
    }
    ok = !err && !*cancelled && !*ends;
    machine_unlock();
    if (err) {
        g_propagate_error(errp, g_steal_pointer(&err));
    }
    return ok;
}
