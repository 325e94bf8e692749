/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The steps: what each asks for, and when it has it. */
#include <inttypes.h>

#include "hw/core/machine.h"
#include "hw/core/unplug.h"
#include "hw/mem/memory-device.h"
#include "hw/memtarget/internal.h"
#include "hw/virtio/virtio-balloon.h"
#include "hw/virtio/virtio-mem.h"
#include "util/error.h"
#include "util/units.h"

#define PAGE_SHIFT 12

static void G_GNUC_PRINTF(2, 3) set_trouble(TargetRun *run, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_free(run->trouble);
    run->trouble = g_strdup_vprintf(format, args);
    va_end(args);
}

static uint64_t distance(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

/* The device of the step; NULL: it is gone. */
static Device *device_of(const TargetRun *run)
{
    Object *obj = run->path ? object_resolve(run->path, NULL) : NULL;

    return obj && DEVICE(obj)->realized ? DEVICE(obj) : NULL;
}

static void set_device(TargetRun *run, const Device *device)
{
    const Device *owner = memory_device_owner(device);

    run->path = object_path(OBJECT(device));
    run->id = owner->id ? g_strdup(owner->id) : object_path(OBJECT(owner));
}

static void refuse_device(TargetRun *run)
{
    const Device *device = device_of(run);

    if (device) {
        g_ptr_array_add(run->refused, object_path(OBJECT(memory_device_owner(device))));
    }
}

/* ---- virtio-mem ---- */

static bool request_size(Device *device, uint64_t size, GError **errp)
{
    struct json_object *value = json_object_new_uint64(size);
    const bool ok = object_property_set(OBJECT(device), "requested-size", value, errp);

    json_object_put(value);
    return ok;
}

static bool resize_start(TargetRun *run, Device *device, GError **errp)
{
    set_device(run, device);
    return request_size(device, run->step.size, errp);
}

static uint64_t resize_missing(TargetRun *run)
{
    const Device *device = device_of(run);

    return device ? distance(VIRTIO_MEM(device)->size, run->step.size) : 0;
}

static void resize_give_up(TargetRun *run)
{
    Device *device = device_of(run);

    if (device) {
        request_size(device, VIRTIO_MEM(device)->size, NULL);
    }
}

static StepState resize_look(TargetRun *run)
{
    const Device *device = device_of(run);

    if (!device) {
        set_trouble(run, "'%s' was unplugged", run->id);
        return STEP_FAILED;
    }
    if (VIRTIO_MEM(device)->size == run->step.size) {
        return STEP_DONE;
    }
    if (VIRTIO_MEM(device)->requested_size != run->step.size) {
        set_trouble(run, "somebody else has set requested-size of '%s'", run->id);
        return STEP_FAILED;
    }
    if (!run->stalled) {
        return STEP_WAITS;
    }
    set_trouble(run, "'%s' came to %" PRIu64 " MiB, and no further to %" PRIu64 " MiB in %g s",
                run->id, VIRTIO_MEM(device)->size / MIB, run->step.size / MIB,
                run->policy->answer_s);
    resize_give_up(run);
    return STEP_FAILED;
}

/* ---- a DIMM comes ---- */

static bool add_start(TargetRun *run, Device *none, GError **errp)
{
    Device *device = target_dimm_add(run->policy, run->step.size, errp);

    run->returning = run->rejected = run->untrue = false;
    if (device) {
        set_device(run, device);
    }
    return device != NULL;
}

/* The guest does not take it: it is to go again, also where that takes longer than this run. */
static StepState take_back(TargetRun *run)
{
    g_autoptr(GError) err = NULL;

    run->returning = true;
    if (!device_del(run->path, &err)) {
        set_trouble(run, "%s", err->message);
        return STEP_FAILED;
    }
    return STEP_WAITS;
}

static StepState add_look_back(TargetRun *run, const Device *device)
{
    if (unplug_pending(device->unplug)) {
        return run->stalled ? STEP_FAILED : STEP_WAITS;
    }
    return target_dimm_is_taken(PC_DIMM(device)) && !run->untrue ? STEP_DONE : STEP_FAILED;
}

bool target_step_is_confirmed(const TargetRun *run)
{
    const bool known = run->deficit_before != INT64_MIN && run->deficit != INT64_MIN;

    return !known || run->deficit - run->deficit_before <= (int64_t)(run->more / 8);
}

StepState target_step_contradict(TargetRun *run)
{
    const int64_t more = (int64_t)run->more - (run->deficit - run->deficit_before);

    set_trouble(run,
                "the guest said that it uses '%s' of %" PRIu64 " MiB, and has %" PRId64
                " MiB more by its statistics: its kernel could not manage it, or has left it "
                "offline",
                run->id, run->more / MIB, more / (int64_t)MIB);
    run->untrue = true;
    return take_back(run);
}

static StepState add_look(TargetRun *run)
{
    const Device *device = device_of(run);

    if (!device) {
        if (!run->returning) {
            set_trouble(run, "'%s' was taken out before the guest used it", run->id);
        }
        return STEP_FAILED;
    }
    if (run->returning) {
        return add_look_back(run, device);
    }
    if (target_dimm_is_taken(PC_DIMM(device))) {
        return STEP_DONE;
    }
    if (target_dimm_is_declined(PC_DIMM(device))) {
        run->rejected = true;
        set_trouble(run, "the guest does not take '%s' of %" PRIu64 " MiB: %s", run->id,
                    run->step.size / MIB, target_dimm_meaning(PC_DIMM(device)));
        return take_back(run);
    }
    if (!run->stalled) {
        return STEP_WAITS;
    }
    set_trouble(run, "the guest did not report that it uses '%s' in %g s", run->id,
                run->policy->answer_s);
    return take_back(run);
}

/* A guest that answers may take a smaller one. */
static void add_exclude(TargetRun *run)
{
    run->policy->dimms = run->policy->dimms && run->rejected;
    run->policy->dimm_most = run->step.size / 2;
}

static void add_give_up(TargetRun *run)
{
    const Device *device = device_of(run);

    if (device && !run->returning && !target_dimm_is_taken(PC_DIMM(device))) {
        device_del(run->path, NULL);
    }
}

/* ---- a DIMM goes ---- */

static bool remove_start(TargetRun *run, Device *device, GError **errp)
{
    set_device(run, device);
    return device_del_within(run->path, run->policy->answer_s, errp);
}

static StepState remove_look(TargetRun *run)
{
    const Device *device = device_of(run);

    if (!device) {
        return STEP_DONE;
    }
    if (unplug_pending(device->unplug)) {
        return STEP_WAITS;
    }
    if (device->unplug->last == UNPLUG_REFUSED) {
        set_trouble(run, "the guest does not give '%s' back: %s", run->id,
                    target_dimm_meaning(PC_DIMM(device)));
    } else {
        set_trouble(run, "the request for '%s' was withdrawn before the guest gave it back",
                    run->id);
    }
    return STEP_FAILED;
}

static void remove_give_up(TargetRun *run)
{
    if (device_of(run)) {
        device_del_cancel(run->path, NULL);
    }
}

/* ---- the balloon ---- */

static void ask_balloon(VirtioBalloon *balloon, uint64_t size)
{
    const Machine *machine = machine_current();
    const uint64_t all = machine->ram.size + memory_device_plugged_size(machine);

    virtio_balloon_set_target(balloon, all - MIN(size, all));
}

static uint64_t balloon_size(const VirtioBalloon *balloon)
{
    return (uint64_t)balloon->actual << PAGE_SHIFT;
}

static bool balloon_start(TargetRun *run, Device *none, GError **errp)
{
    ask_balloon(virtio_balloon_find(), run->step.size);
    return true;
}

static uint64_t balloon_missing(TargetRun *run)
{
    const VirtioBalloon *balloon = virtio_balloon_find();

    return balloon ? distance(balloon_size(balloon), run->step.size) : 0;
}

static void balloon_give_up(TargetRun *run)
{
    VirtioBalloon *balloon = virtio_balloon_find();

    if (balloon) {
        ask_balloon(balloon, balloon_size(balloon));
    }
}

static StepState balloon_look(TargetRun *run)
{
    const VirtioBalloon *balloon = virtio_balloon_find();

    if (balloon && balloon_size(balloon) == run->step.size) {
        return STEP_DONE;
    }
    if (balloon && !run->stalled) {
        return STEP_WAITS;
    }
    set_trouble(run, "the balloon did not come to %" PRIu64 " MiB", run->step.size / MIB);
    balloon_give_up(run);
    return STEP_FAILED;
}

static void balloon_exclude(TargetRun *run)
{
    run->balloon_stuck = true;
}

const StepOps step_ops[PLAN_ACTIONS] = {
    [PLAN_RESIZE] = { MEMORY_TARGET_ACTION_RESIZE, resize_start, resize_look, resize_missing,
                      refuse_device, resize_give_up },
    [PLAN_ADD_DIMM] = { MEMORY_TARGET_ACTION_ADD, add_start, add_look, NULL, add_exclude,
                        add_give_up },
    [PLAN_REMOVE_DIMM] = { MEMORY_TARGET_ACTION_REMOVE, remove_start, remove_look, NULL,
                           refuse_device, remove_give_up },
    [PLAN_BALLOON] = { MEMORY_TARGET_ACTION_BALLOON, balloon_start, balloon_look, balloon_missing,
                       balloon_exclude, balloon_give_up },
};
