/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Run state: running, suspended, paused, shut down; requests for reset, shutdown and power-down.
 *
 * It is in hw/core, not in system/, because devices and monitors ask for resets and stops and a
 * folder may use only those below it. Requests may come from any thread that holds the machine
 * lock; they are carried out by the main loop, in the order shutdown, reset, suspension, wake-up,
 * power-down. Events (STOP, RESUME, RESET, SHUTDOWN, POWERDOWN, SUSPEND, WAKEUP) are sent from
 * here.
 */
#ifndef HW_CORE_RUNSTATE_H
#define HW_CORE_RUNSTATE_H

#include <stdbool.h>

#include "qapi/qapi-types.h" /* RunState, ShutdownCause, actions */

/* Machine lock for all that follows. */
RunState runstate_get(void);
/* Do clock and devices run, and vCPUs unless the guest sleeps? RUN_STATE_RUNNING or _SUSPENDED. */
bool runstate_is_running(void);
/* The guest sleeps (ACPI S3), or has asked for it: vCPUs stand also while the machine runs. It does
 * so over a stop, and over saving and loading, until it is woken or reset. */
bool runstate_is_asleep(void);
void runstate_set_asleep(bool asleep); /* from a saved machine; this one stands */

/* Let clock and vCPUs run, or stop them and be in @state; sends RESUME or STOP. vCPUs of a guest
 * that sleeps stand on. Does nothing if it is so already. runstate_stop() returns when every vCPU
 * stands; in a vCPU thread, every other. */
void runstate_start(void);
void runstate_stop(RunState state);
/* Call @fn(@opaque) whenever runstate_start() lets the machine run, before vCPUs do; and no more.
 */
void runstate_add_start(void (*fn)(void *opaque), void *opaque);
void runstate_remove_start(void (*fn)(void *opaque), void *opaque);
/* Call @fn(@opaque) whenever runstate_stop() has stopped the vCPUs, before anybody hears of it: for
 * those who have something under way that ends by itself, to wait for it. */
void runstate_add_stop(void (*fn)(void *opaque), void *opaque);
void runstate_remove_stop(void (*fn)(void *opaque), void *opaque);
/* @fn is told when runstate_stop() has stopped the machine, in the thread that did; NULL: nobody.
 */
void runstate_set_stop_handler(void (*fn)(RunState state));
/* @fn is called when runstate_stop() has stopped the machine, and everybody has heard of it, or it
 * stood before: to wait, in a task, for who goes on a little longer. NULL: nobody does. */
void runstate_set_stopped(void (*fn)(RunState state));
/* @fn is called when the program is to end, before its vCPUs are stopped for that, which may take
 * long. NULL: nobody is. Any thread sets it, before anybody could want the end. */
void runstate_set_ending(void (*fn)(void));
/* Be in @state from now on; the machine stands, and goes on standing. No event. */
void runstate_set(RunState state);
/* After vcpu_pause_all(): vCPUs run again, if the machine runs and the guest does not sleep. */
void runstate_resume_vcpus(void);

/* While resets are held, what asks for one waits: memory is being written to a file. */
void runstate_hold_resets(bool hold);
/* The machine goes elsewhere, and stands until runstate_release(): what its guest asked for before
 * waits, and resets. The shutdown that it asked for is the other end's to do; NONE: there is none.
 */
ShutdownCause runstate_hold(void);
/* @gone: the machine did go, and that shutdown with it. Else it is done here now. */
void runstate_release(bool gone);
void runstate_request_reset(ShutdownCause cause);    /* reboot=shutdown: that */
void runstate_request_shutdown(ShutdownCause cause); /* shutdown=pause: stop in "shutdown" */
void runstate_request_powerdown(void);
/* The guest goes to sleep, keeping its memory; SUSPEND. */
void runstate_request_suspend(void);
/* Wake it: MachineOps.wake; WAKEUP. While the machine stands, that waits until it goes on. Does
 * nothing unless the guest sleeps. */
void runstate_request_wakeup(void);
/* @ready is asked before the main loop carries out requests of which there may be a reset. False:
 * not yet, and runstate_go_on() is called when it is to be asked again; the machine goes on
 * meanwhile. NULL: nobody is. */
void runstate_set_prepare(bool (*ready)(void));
void runstate_go_on(void);
/* A reset, suspension or wake-up that was requested is done now, if the machine is not to end
 * before it, and has not to be waited for: for commands that go by the run state. Main thread. */
void runstate_finish_reset(void);
/* The guest says that it has panicked (GUEST_PANICKED, and what -action panic= says), or that its
 * crash kernel takes over (GUEST_CRASHLOADED; it goes on). Also in a vCPU thread. */
void runstate_guest_panicked(const GuestPanicInformation *info);
void runstate_guest_crashloaded(void);
/* The engine cannot go on (RUN_STATE_INTERNAL_ERROR), after a message on stderr. */
void runstate_internal_error(void);

/* What events in the guest lead to: set-action's arguments. A device that reports panics, or a
 * watchdog, looks here for what to do. Main thread, or machine lock. */
typedef struct RunstateActions {
    RebootAction reboot;
    ShutdownAction shutdown;
    PanicAction panic;
    WatchdogAction watchdog;
} RunstateActions;

RunstateActions *runstate_actions(void); /* may be changed */
void runstate_set_no_reboot(bool on);    /* reboot: shutdown or reset */
void runstate_set_no_shutdown(bool on);  /* shutdown: pause or poweroff */
/* Exit status for main(): 0 after a shutdown that a user or the guest asked for. */
int runstate_exit_status(void);
void runstate_set_exit_status(int status);

#endif
