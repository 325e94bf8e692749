/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about what events in the guest lead to (qapi/action.json). */
#include "hw/core/runstate.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"

bool qmp_set_action(bool has_reboot, RebootAction reboot, bool has_shutdown,
                    ShutdownAction shutdown, bool has_panic, PanicAction panic, bool has_watchdog,
                    WatchdogAction watchdog, GError **errp)
{
    RunstateActions *actions = runstate_actions();

    actions->reboot = has_reboot ? reboot : actions->reboot;
    actions->shutdown = has_shutdown ? shutdown : actions->shutdown;
    actions->panic = has_panic ? panic : actions->panic;
    actions->watchdog = has_watchdog ? watchdog : actions->watchdog;
    return true;
}

bool qmp_watchdog_set_action(WatchdogAction action, GError **errp)
{
    runstate_actions()->watchdog = action;
    return true;
}

bool qmp_system_wakeup(GError **errp)
{
    runstate_finish_reset();
    if (runstate_get() == RUN_STATE_SUSPENDED) {
        runstate_request_wakeup();
        return true;
    }
    if (runstate_is_asleep()) {
        error_set(errp, "the guest sleeps, and the machine stands as well: `cont` first");
    } else {
        error_set(errp, "the guest is not suspended: there is nothing to wake it from");
    }
    return false;
}
