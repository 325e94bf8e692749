/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A memory target from its beginning to its end. Devices tell what their guest did by events; each
 * that may matter has the main loop look at the step that is under way: at the state of things, not
 * at the event, so that none can be missed or come too early.
 */
#include "hw/memtarget/memory-target.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "hw/core/machine.h"
#include "hw/memtarget/internal.h"
#include "qapi/event.h"
#include "qapi/qapi-events.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/main-loop.h"

#define NOTES      16               /* users hear of the way at most so often, beside each step */
#define STEPS_MOST 4096             /* a guest that takes and gives back for ever is left alone */
#define AGAIN_NS   (NS_PER_SEC / 4) /* statistics are looked at so often */

static TargetRun *run;    /* the last one; NULL: none yet */
static bool was_reset;    /* since the main loop looked last */
static bool is_scheduled; /* the main loop will look */

bool target_run_refused(const TargetRun *r, const char *path)
{
    for (unsigned i = 0; i < r->refused->len; i++) {
        if (strcmp(g_ptr_array_index(r->refused, i), path) == 0) {
            return true;
        }
    }
    return false;
}

static bool is_running(void)
{
    return run && run->status == MEMORY_TARGET_STATUS_RUNNING;
}

static uint64_t missing(uint64_t total)
{
    return total > run->target ? total - run->target : run->target - total;
}

/* What users see of the step; it need not be under way. */
static MemoryTargetAction current_action(void)
{
    return run->step.action == PLAN_ADD_DIMM && run->returning ? MEMORY_TARGET_ACTION_REMOVE
                                                               : step_ops[run->step.action].action;
}

static void tell(void)
{
    const uint64_t total = target_survey_total(run);

    run->next_note = missing(total) - MIN(run->note_step, missing(total));
    qapi_event_send_memory_target_change(run->status, run->target, total, run->active,
                                         current_action(), run->id,
                                         run->reason ? run->reason : run->trouble);
}

/* ---- a step ---- */

static void look(void *opaque);

static void schedule(void)
{
    if (!is_scheduled) {
        is_scheduled = true;
        main_loop_schedule(look, NULL);
    }
}

static void out_of_patience(void *opaque)
{
    run->stalled = true;
    schedule();
}

static void be_patient(void)
{
    run->stalled = false;
    timer_mod(run->patience, clock_ns() + (int64_t)(run->policy->answer_s * NS_PER_SEC));
}

static void end_step(void)
{
    run->active = false;
    run->taken_at = 0;
    timer_del(run->patience);
    timer_del(run->again);
    g_clear_pointer(&run->path, g_free);
    g_clear_pointer(&run->id, g_free);
}

static void look_again(void *opaque)
{
    schedule();
}

static uint64_t gets_more(const PlanStep *step, const Survey *survey)
{
    const uint64_t has = step->action == PLAN_RESIZE ? survey->list[step->device].has : 0;

    return step->action == PLAN_ADD_DIMM || step->action == PLAN_RESIZE
               ? step->size - MIN(has, step->size)
               : 0;
}

static void start_step(const PlanStep *step, const Survey *survey)
{
    Device *device = survey->devices[step->device];
    const StepOps *ops = &step_ops[step->action];
    g_autoptr(GError) err = NULL;

    run->step = *step;
    run->more = gets_more(step, survey);
    run->deficit_before = run->stats_time ? run->deficit : INT64_MIN;
    target_payers_note();
    run->active = true;
    run->steps++;
    if (ops->start(run, device, &err)) {
        run->best = ops->missing ? ops->missing(run) : 0;
        be_patient();
        tell();
    } else {
        g_free(run->trouble);
        run->trouble = g_strdup(err->message);
        ops->exclude(run);
        end_step();
    }
    schedule(); /* it may be done already */
}

/* Where it got to within the step. */
static void note_progress(void)
{
    const StepOps *ops = &step_ops[run->step.action];
    const uint64_t now = ops->missing ? ops->missing(run) : 0;

    if (now < run->best) {
        run->best = now;
        be_patient();
        if (missing(target_survey_total(run)) <= run->next_note) {
            tell();
        }
    }
}

/* ---- the run ---- */

static void end_run(MemoryTargetStatus status, const char *reason)
{
    if (run->active) {
        end_step();
    }
    timer_del(run->deadline);
    g_clear_pointer(&run->spare, g_free); /* it is the guest's as any other now */
    run->status = status;
    run->reason = run->trouble && status == MEMORY_TARGET_STATUS_UNREACHED
                      ? g_strdup_printf("%s; %s", run->trouble, reason)
                      : g_strdup(reason);
    tell();
}

/* End it before its time. */
static void stop_run(MemoryTargetStatus status, const char *reason)
{
    if (run->active) {
        step_ops[run->step.action].give_up(run);
    }
    if (run->spare && target_survey_total(run) > run->target) {
        device_del(run->spare, NULL); /* it came for nothing */
    }
    end_run(status, reason);
}

static void out_of_time(void *opaque)
{
    stop_run(MEMORY_TARGET_STATUS_TIMED_OUT, "its time was over");
}

static void next_step(void)
{
    g_autoptr(Survey) survey = target_survey_new(run, true);
    g_autoptr(MemoryPlan) plan = memory_plan(&survey->in, run->target);
    const PlanStep *step;

    if (!plan->steps->len) {
        const bool reached = plan->end == PLAN_REACHES && !run->untrue;

        end_run(reached ? MEMORY_TARGET_STATUS_REACHED : MEMORY_TARGET_STATUS_UNREACHED,
                reached ? NULL : memory_plan_end_text(plan->end));
        return;
    }
    if (run->steps == STEPS_MOST) {
        end_run(MEMORY_TARGET_STATUS_UNREACHED, "the guest takes and gives back without end");
        return;
    }
    step = &g_array_index(plan->steps, PlanStep, 0);
    start_step(step, survey);
    if (run->active && step->action == PLAN_ADD_DIMM &&
        memory_plan_total(&survey->in) > run->target) {
        g_free(run->spare);
        run->spare = g_strdup(run->path);
    }
}

/* A DIMM went: the one that makes room, or the one that came for it. */
static void forget_spare(void)
{
    if (run->step.action == PLAN_REMOVE_DIMM || run->returning) {
        run->spare_lost |= g_strcmp0(run->spare, run->path) == 0;
        g_clear_pointer(&run->spare, g_free);
    }
}

/* The guest says that it has what came. If it gives statistics, then those of after that are waited
 * for: the next step is planned with them, and they may tell that it has not. */
static StepState look_at_statistics(void)
{
    const uint64_t told_at = target_survey_told_at();

    if (!told_at) {
        return STEP_DONE;
    }
    if (told_at > run->taken_at) {
        target_survey_free(target_survey_new(run, true)); /* which reads them */
        if (run->step.action != PLAN_ADD_DIMM || target_step_is_confirmed(run)) {
            return STEP_DONE;
        }
        if (run->stalled) {
            return target_step_contradict(run);
        }
    } else if (run->stalled) {
        return STEP_DONE; /* they come no more */
    }
    timer_mod(run->again, clock_ns() + AGAIN_NS);
    return STEP_WAITS;
}

static StepState look_at_device(void)
{
    const StepState state = step_ops[run->step.action].look(run);

    if (state != STEP_DONE || run->returning || !run->more) {
        return state;
    }
    if (!run->taken_at) {
        run->taken_at = (uint64_t)time(NULL);
        be_patient();
        run->spent += target_payers_judge(run->more) ? 0 : run->more / PLAN_COST_SHARE;
    }
    return look_at_statistics();
}

/* True: it has ended. */
static bool look_at_step(void)
{
    const bool returned = run->returning;
    const StepState state = look_at_device();

    if (state == STEP_WAITS) {
        note_progress();
        if (run->returning != returned) {
            be_patient();
            tell();
        }
        return false;
    }
    if (state == STEP_FAILED) {
        step_ops[run->step.action].exclude(run);
    } else {
        forget_spare();
    }
    end_step();
    return true;
}

static void look(void *opaque)
{
    is_scheduled = false;
    target_dimms_sweep();
    target_payers_sweep();
    if (was_reset) {
        target_payers_forget();
    }
    if (was_reset && is_running()) {
        end_run(MEMORY_TARGET_STATUS_RESET, "the machine was reset, and its guest boots anew");
    }
    was_reset = false;
    if (!is_running()) {
        return;
    }
    if (!run->active || look_at_step()) {
        next_step();
    }
}

/* What devices tell. In any thread that has the machine lock. */
static void hear(const char *event)
{
    static const char *const heard[] = {
        "ACPI_DEVICE_OST",
        "BALLOON_CHANGE",
        "DEVICE_DELETED",
        "MEMORY_DEVICE_SIZE_CHANGE",
        "MEMORY_DEVICE_STATE_CHANGE",
        "RESET",
    };

    for (size_t i = 0; i < G_N_ELEMENTS(heard); i++) {
        if (strcmp(event, heard[i]) == 0) {
            was_reset |= strcmp(event, "RESET") == 0;
            schedule();
        }
    }
}

/* ---- for users ---- */

static void run_free(TargetRun *r)
{
    target_policy_free(r->policy);
    g_ptr_array_unref(r->refused);
    timer_free(r->deadline);
    timer_free(r->patience);
    timer_free(r->again);
    g_free(r->spare);
    g_free(r->trouble);
    g_free(r->reason);
    g_free(r->path);
    g_free(r->id);
    g_free(r);
}

static TargetRun *run_new(uint64_t size, TargetPolicy *policy)
{
    TargetRun *r = g_new0(TargetRun, 1);

    r->status = MEMORY_TARGET_STATUS_RUNNING;
    r->target = size;
    r->policy = policy;
    r->refused = g_ptr_array_new_with_free_func(g_free);
    r->deadline = timer_new(out_of_time, NULL);
    r->patience = timer_new(out_of_patience, NULL);
    r->again = timer_new(look_again, NULL);
    return r;
}

static bool check_size(const Machine *machine, uint64_t size, GError **errp)
{
    if (size == 0 || size > machine->ram.max_size) {
        error_set(errp,
                  "'size' is %" PRIu64 ": it must be above 0 and at most maxmem, %" PRIu64
                  " bytes; a machine that is started with a larger -m ...,maxmem= can have more",
                  size, machine->ram.max_size);
        return false;
    }
    return true;
}

static bool check_timeout(double timeout, GError **errp)
{
    if (timeout > DEVICE_DEL_MAX_SECONDS) {
        error_set(errp, "'timeout' is %g: it must be a number of seconds of at most %g", timeout,
                  DEVICE_DEL_MAX_SECONDS);
        return false;
    }
    return true;
}

/* A DIMM that was just plugged is waited for: the new run goes on with that step. */
static void inherit_step(TargetRun *from, TargetRun *to)
{
    to->spare = g_steal_pointer(&from->spare);
    if (!from->active) {
        return;
    }
    if (from->step.action != PLAN_ADD_DIMM) {
        step_ops[from->step.action].give_up(from);
        return;
    }
    to->active = true;
    to->step = from->step;
    to->path = g_steal_pointer(&from->path);
    to->id = g_steal_pointer(&from->id);
    to->returning = from->returning;
    to->rejected = from->rejected;
    to->untrue = from->untrue;
    to->more = from->more;
    to->deficit_before = from->deficit_before;
}

bool memory_target_set(uint64_t size, double timeout, const MemoryTargetPolicy *given,
                       GError **errp)
{
    const Machine *machine = machine_current();
    TargetPolicy *policy;
    TargetRun *before = run;

    if (!check_size(machine, size, errp) || !check_timeout(timeout, errp) ||
        !(policy = target_policy_new(given, errp))) {
        return false;
    }
    qapi_event_set_listener(hear);
    was_reset = false;
    run = run_new(size, policy);
    if (before) {
        inherit_step(before, run);
        run_free(before);
    }
    if (timeout > 0) {
        timer_mod(run->deadline, clock_ns() + (int64_t)(timeout * NS_PER_SEC));
    }
    if (run->active) {
        be_patient();
    }
    run->note_step = missing(target_survey_total(run)) / NOTES;
    tell();
    schedule();
    return true;
}

bool memory_target_cancel(GError **errp)
{
    if (!is_running()) {
        error_set(errp, "no memory target is under way");
        return false;
    }
    stop_run(MEMORY_TARGET_STATUS_CANCELLED, "it was cancelled");
    return true;
}

bool memory_target_check_idle(GError **errp)
{
    if (is_running()) {
        error_set(errp, "the guest's memory is on its way to a target: wait until that is over, "
                        "or use cancel-memory-target");
    }
    return !is_running();
}

static uint64_t base_total(void)
{
    const Machine *machine = machine_current();
    g_autoptr(TargetPolicy) policy = target_policy_new(NULL, NULL);
    g_autoptr(GPtrArray) none = g_ptr_array_new();
    TargetRun empty = { .policy = policy, .refused = none };

    return machine && policy ? target_survey_total(&empty) : 0;
}

MemoryTargetInfo *memory_target_info(void)
{
    MemoryTargetInfo *info = g_new0(MemoryTargetInfo, 1);

    if (!run) {
        info->actual = base_total();
        return info;
    }
    info->status = run->status;
    info->actual = target_survey_total(run);
    info->has_size = info->has_steps = true;
    info->size = run->target;
    info->steps = run->steps;
    info->has_action = run->active;
    info->action = current_action();
    info->device = g_strdup(run->id);
    info->reason = g_strdup(run->reason ? run->reason : run->trouble);
    if (run->refused->len) {
        info->refused = qapi_str_list_new();
        for (unsigned i = 0; i < run->refused->len; i++) {
            g_ptr_array_add(info->refused, g_strdup(g_ptr_array_index(run->refused, i)));
        }
    }
    return info;
}
