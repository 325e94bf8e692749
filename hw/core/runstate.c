/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/core/runstate.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "accel/vcpu.h"
#include "hw/core/machine.h"
#include "qapi/qapi-events.h"
#include "util/clock.h"
#include "util/main-loop.h"
#include "util/task.h"
#include "util/trace.h"

static RunState state = RUN_STATE_PRELAUNCH;
static bool asleep;
static RunstateActions actions = {
    .reboot = REBOOT_ACTION_RESET,
    .shutdown = SHUTDOWN_ACTION_POWEROFF,
    .panic = PANIC_ACTION_SHUTDOWN,
    .watchdog = WATCHDOG_ACTION_RESET,
};
static void (*stop_handler)(RunState state);
static void (*stopped)(RunState state);
static bool (*prepare)(void);
static void (*_Atomic ending)(void);
static int exit_status; /* 0: what ended the program was asked for */

/* Requests that wait for the main loop; NONE: not asked. */
static ShutdownCause shutdown_requested, reset_requested;
static bool powerdown_requested, suspend_requested, wakeup_requested;
static bool processing_scheduled;
static bool resets_held, guest_held;

RunState runstate_get(void)
{
    return state;
}

bool runstate_is_running(void)
{
    return state == RUN_STATE_RUNNING || state == RUN_STATE_SUSPENDED;
}

bool runstate_is_asleep(void)
{
    return asleep || suspend_requested;
}

void runstate_set_asleep(bool on)
{
    g_return_if_fail(!runstate_is_running());
    asleep = on;
    wakeup_requested = suspend_requested = false;
}

/* The state in which a machine is that runs. */
static RunState state_running(void)
{
    return asleep ? RUN_STATE_SUSPENDED : RUN_STATE_RUNNING;
}

static void set_state(RunState to)
{
    state = to;
    trace(TRACE_RUNSTATE, "%s", RunState_str(to));
}

void runstate_set(RunState to)
{
    g_return_if_fail(!runstate_is_running() && to != RUN_STATE_RUNNING &&
                     to != RUN_STATE_SUSPENDED);
    set_state(to);
}

RunstateActions *runstate_actions(void)
{
    return &actions;
}

void runstate_set_no_reboot(bool on)
{
    actions.reboot = on ? REBOOT_ACTION_SHUTDOWN : REBOOT_ACTION_RESET;
}

void runstate_set_no_shutdown(bool on)
{
    actions.shutdown = on ? SHUTDOWN_ACTION_PAUSE : SHUTDOWN_ACTION_POWEROFF;
}

int runstate_exit_status(void)
{
    return exit_status;
}

void runstate_set_exit_status(int status)
{
    exit_status = status;
}

typedef struct RunCall {
    void (*fn)(void *opaque);
    void *opaque;
} RunCall;

static GArray *start_calls, *stop_calls; /* of RunCall */

static void add_call(GArray **calls, void (*fn)(void *opaque), void *opaque)
{
    const RunCall call = { fn, opaque };

    *calls = *calls ? *calls : g_array_new(FALSE, FALSE, sizeof(RunCall));
    g_array_append_val(*calls, call);
}

static void remove_call(GArray *calls, void (*fn)(void *opaque), void *opaque)
{
    for (unsigned i = 0; calls && i < calls->len; i++) {
        const RunCall *call = &g_array_index(calls, RunCall, i);

        if (call->fn == fn && call->opaque == opaque) {
            g_array_remove_index(calls, i);
            return;
        }
    }
}

static void make_calls(const GArray *calls)
{
    for (unsigned i = 0; calls && i < calls->len; i++) {
        const RunCall call = g_array_index(calls, RunCall, i);

        call.fn(call.opaque);
    }
}

void runstate_add_start(void (*fn)(void *opaque), void *opaque)
{
    add_call(&start_calls, fn, opaque);
}

void runstate_remove_start(void (*fn)(void *opaque), void *opaque)
{
    remove_call(start_calls, fn, opaque);
}

void runstate_add_stop(void (*fn)(void *opaque), void *opaque)
{
    add_call(&stop_calls, fn, opaque);
}

void runstate_remove_stop(void (*fn)(void *opaque), void *opaque)
{
    remove_call(stop_calls, fn, opaque);
}

static void schedule_processing(void);

void runstate_resume_vcpus(void)
{
    if (state == RUN_STATE_RUNNING) {
        vcpu_resume_all();
    }
}

void runstate_start(void)
{
    if (runstate_is_running()) {
        return;
    }
    set_state(state_running());
    clock_start();
    qapi_event_send_resume();
    vcpu_settle_all();
    make_calls(start_calls);
    runstate_resume_vcpus();
    if (wakeup_requested) {
        schedule_processing();
    }
}

static void stop(RunState to)
{
    vcpu_pause_all();
    clock_stop(); /* nobody has read what is later than where it stops */
    set_state(to);
    make_calls(stop_calls);
    qapi_event_send_stop();
    if (stop_handler) {
        stop_handler(to);
    }
}

void runstate_stop(RunState to)
{
    do {
        if (runstate_is_running()) {
            stop(to);
        }
        if (stopped) {
            stopped(to);
        }
    } while (runstate_is_running()); /* somebody may have waited */
}

void runstate_set_stopped(void (*fn)(RunState state))
{
    stopped = fn;
}

void runstate_set_ending(void (*fn)(void))
{
    atomic_store(&ending, fn);
}

void runstate_set_stop_handler(void (*fn)(RunState state))
{
    stop_handler = fn;
}

static bool cause_is_guest(ShutdownCause cause)
{
    return cause == SHUTDOWN_CAUSE_GUEST_SHUTDOWN || cause == SHUTDOWN_CAUSE_GUEST_RESET ||
           cause == SHUTDOWN_CAUSE_GUEST_PANIC || cause == SHUTDOWN_CAUSE_SUBSYSTEM_RESET;
}

/* Those who must be obeyed even with shutdown=pause. */
static bool cause_is_final(ShutdownCause cause)
{
    return cause == SHUTDOWN_CAUSE_HOST_SIGNAL || cause == SHUTDOWN_CAUSE_HOST_QMP_QUIT;
}

static bool stays_after(ShutdownCause cause)
{
    return actions.shutdown == SHUTDOWN_ACTION_PAUSE && !cause_is_final(cause);
}

static void do_shutdown(ShutdownCause cause)
{
    qapi_event_send_shutdown(cause_is_guest(cause), cause);
    if (stays_after(cause)) {
        runstate_stop(RUN_STATE_SHUTDOWN);
        set_state(RUN_STATE_SHUTDOWN); /* also if it stood before */
        return;
    }
    void (*fn)(void) = atomic_load(&ending);
    if (fn) {
        fn();
    }
    vcpu_pause_all();
    main_loop_quit();
}

static void do_reset(ShutdownCause cause)
{
    vcpu_pause_all();
    machine_reset(machine_current());
    qapi_event_send_reset(cause_is_guest(cause), cause);
    asleep = suspend_requested = wakeup_requested = false;
    set_state(runstate_is_running()
                  ? RUN_STATE_RUNNING
                  : RUN_STATE_PRELAUNCH); /* as after the start: may be continued */
    runstate_resume_vcpus();
}

static void do_suspend(void)
{
    suspend_requested = false;
    if (asleep) {
        return;
    }
    vcpu_pause_all();
    asleep = true;
    set_state(runstate_is_running() ? RUN_STATE_SUSPENDED : state);
    qapi_event_send_suspend();
}

static void do_wakeup(void)
{
    bool resumes = machine_wake(machine_current());

    asleep = wakeup_requested = false;
    set_state(RUN_STATE_RUNNING);
    qapi_event_send_wakeup();
    if (resumes) {
        runstate_resume_vcpus();
    } else {
        do_reset(SHUTDOWN_CAUSE_GUEST_RESET); /* as firmware would, which finds nothing */
    }
}

static void do_powerdown(void)
{
    Machine *machine = machine_current();

    qapi_event_send_powerdown();
    if (machine->powerdown) {
        machine->powerdown(machine);
    }
}

static void carry_out_requests(void)
{
    ShutdownCause shutdown = shutdown_requested, reset = reset_requested;
    bool powerdown = powerdown_requested;

    shutdown = guest_held && cause_is_guest(shutdown) ? SHUTDOWN_CAUSE_NONE : shutdown;
    if (shutdown != SHUTDOWN_CAUSE_NONE) {
        shutdown_requested = SHUTDOWN_CAUSE_NONE;
    }
    reset = resets_held ? SHUTDOWN_CAUSE_NONE : reset;
    reset_requested = resets_held ? reset_requested : SHUTDOWN_CAUSE_NONE;
    powerdown_requested = false;
    if (shutdown != SHUTDOWN_CAUSE_NONE) {
        do_shutdown(shutdown);
        if (!stays_after(shutdown)) {
            return;
        }
    }
    if (reset != SHUTDOWN_CAUSE_NONE) {
        do_reset(reset);
    }
    if (suspend_requested) {
        do_suspend();
    }
    if (wakeup_requested && state == RUN_STATE_SUSPENDED) {
        do_wakeup();
    }
    if (powerdown) {
        do_powerdown();
    }
}

/* A wake-up is one where the guest has left nothing to go on with. */
static bool may_reset(void)
{
    return (reset_requested != SHUTDOWN_CAUSE_NONE && !resets_held) ||
           (wakeup_requested && state == RUN_STATE_SUSPENDED);
}

static bool may_carry_out(void)
{
    return !prepare || !may_reset() || prepare();
}

static void process_requests(void *opaque)
{
    processing_scheduled = false;
    if (may_carry_out()) {
        carry_out_requests();
    }
}

void runstate_set_prepare(bool (*ready)(void))
{
    prepare = ready;
}

void runstate_go_on(void)
{
    schedule_processing();
}

void runstate_finish_reset(void)
{
    bool ends = shutdown_requested != SHUTDOWN_CAUSE_NONE && !stays_after(shutdown_requested);

    if ((reset_requested != SHUTDOWN_CAUSE_NONE || suspend_requested || wakeup_requested) &&
        !ends && may_carry_out()) {
        carry_out_requests();
    }
}

static void schedule_processing(void)
{
    if (!processing_scheduled) {
        processing_scheduled = true;
        main_loop_schedule(process_requests, NULL);
    }
}

void runstate_request_shutdown(ShutdownCause cause)
{
    /* A final one is not replaced by what the guest does in the meantime. */
    if (!cause_is_final(shutdown_requested)) {
        shutdown_requested = cause;
    }
    vcpu_stop_self();
    schedule_processing();
}

void runstate_request_reset(ShutdownCause cause)
{
    if (actions.reboot == REBOOT_ACTION_SHUTDOWN && cause != SHUTDOWN_CAUSE_SUBSYSTEM_RESET) {
        runstate_request_shutdown(cause);
        return;
    }
    reset_requested = cause;
    vcpu_stop_self();
    schedule_processing();
}

void runstate_hold_resets(bool hold)
{
    resets_held = hold;
    schedule_processing();
}

ShutdownCause runstate_hold(void)
{
    guest_held = resets_held = true;
    return cause_is_guest(shutdown_requested) ? shutdown_requested : SHUTDOWN_CAUSE_NONE;
}

void runstate_release(bool gone)
{
    if (gone && cause_is_guest(shutdown_requested)) {
        shutdown_requested = SHUTDOWN_CAUSE_NONE;
    }
    guest_held = resets_held = false;
    schedule_processing();
}

void runstate_request_powerdown(void)
{
    powerdown_requested = true;
    schedule_processing();
}

void runstate_request_suspend(void)
{
    suspend_requested = true;
    vcpu_stop_self();
    schedule_processing();
}

void runstate_request_wakeup(void)
{
    if (runstate_is_asleep()) {
        wakeup_requested = true;
        schedule_processing();
    }
}

void runstate_internal_error(void)
{
    if (runstate_is_running()) {
        runstate_stop(RUN_STATE_INTERNAL_ERROR);
    }
}

void runstate_guest_panicked(const GuestPanicInformation *info)
{
    bool pause = actions.panic == PANIC_ACTION_PAUSE || (actions.panic == PANIC_ACTION_SHUTDOWN &&
                                                         actions.shutdown == SHUTDOWN_ACTION_PAUSE);

    if (pause) {
        qapi_event_send_guest_panicked(GUEST_PANIC_ACTION_PAUSE, info);
        runstate_stop(RUN_STATE_GUEST_PANICKED);
    } else if (actions.panic == PANIC_ACTION_NONE) {
        qapi_event_send_guest_panicked(GUEST_PANIC_ACTION_RUN, info);
    } else {
        qapi_event_send_guest_panicked(GUEST_PANIC_ACTION_POWEROFF, info);
        if (actions.panic == PANIC_ACTION_EXIT_FAILURE) {
            exit_status = EXIT_FAILURE;
        }
        runstate_request_shutdown(SHUTDOWN_CAUSE_GUEST_PANIC);
    }
}

void runstate_guest_crashloaded(void)
{
    qapi_event_send_guest_crashloaded(GUEST_PANIC_ACTION_RUN);
}
