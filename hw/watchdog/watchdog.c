/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/watchdog/watchdog.h"

#include "hw/core/runstate.h"
#include "hw/intc/apic.h"
#include "qapi/qapi-events.h"
#include "util/error.h"

static void reset_machine(void)
{
    runstate_request_reset(SHUTDOWN_CAUSE_GUEST_RESET);
}

static void shut_down(void)
{
    runstate_request_shutdown(SHUTDOWN_CAUSE_GUEST_SHUTDOWN);
}

static void stop(void)
{
    runstate_stop(RUN_STATE_WATCHDOG);
}

static void tell(void)
{
    error_warn("the guest's watchdog has fired");
}

void watchdog_fired(void)
{
    static void (*const done[WATCHDOG_ACTION__MAX])(void) = {
        [WATCHDOG_ACTION_RESET] = reset_machine,
        [WATCHDOG_ACTION_SHUTDOWN] = runstate_request_powerdown,
        [WATCHDOG_ACTION_POWEROFF] = shut_down,
        [WATCHDOG_ACTION_PAUSE] = stop,
        [WATCHDOG_ACTION_DEBUG] = tell,
        [WATCHDOG_ACTION_INJECT_NMI] = apic_nmi,
    };
    WatchdogAction action = runstate_actions()->watchdog;

    qapi_event_send_watchdog(action);
    if (done[action]) {
        done[action]();
    }
}
