/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Run state: running, paused, shut down; requests for reset, shutdown and power-down.
 *
 * It is in hw/core, not in system/, because devices and monitors ask for resets and stops and a
 * folder may use only those below it. Requests may come from any thread that holds the machine
 * lock; they are carried out by the main loop, in the order shutdown, reset, power-down.
 * Events (STOP, RESUME, RESET, SHUTDOWN, POWERDOWN) are sent from here.
 */
#ifndef HW_CORE_RUNSTATE_H
#define HW_CORE_RUNSTATE_H

#include <stdbool.h>

#include "qapi/qapi-types.h" /* RunState, ShutdownCause */

RunState runstate_get(void);
bool runstate_is_running(void);

void vm_start(void);
void vm_stop(RunState state);

void system_reset_request(ShutdownCause cause);    /* with -no-reboot: a shutdown */
void system_shutdown_request(ShutdownCause cause); /* with -no-shutdown: stop in "shutdown" */
void system_powerdown_request(void);
/* The engine cannot go on (RUN_STATE_INTERNAL_ERROR), after a message on stderr. */
void system_internal_error(void);

void runstate_set_no_reboot(bool on);
void runstate_set_no_shutdown(bool on);
/* Exit status for main(): 0 after a shutdown that a user or the guest asked for. */
int runstate_exit_status(void);

#endif
