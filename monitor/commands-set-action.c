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
    error_set(errp, "the guest is not suspended: this machine has no sleep state from which to "
                    "wake (query-current-machine)");
    return false;
}
