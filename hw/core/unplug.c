/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/core/unplug.h"

#include "util/clock.h"
#include "util/error.h"
#include "util/timer.h"

/* The stages as users see them, and the name of their time. */
static const struct StageName {
    const char *stage, *time;
} stage_names[] = {
    [UNPLUG_REQUESTED] = { "requested", "requested-ns" },
    [UNPLUG_SEEN] = { "seen", "seen-ns" },
    [UNPLUG_IN_PROGRESS] = { "in-progress", "in-progress-ns" },
    [UNPLUG_REFUSED] = { "refused", "refused-ns" },
    [UNPLUG_WITHDRAWN] = { "withdrawn", "withdrawn-ns" },
    [UNPLUG_EJECTED] = { "ejected", "ejected-ns" },
    [UNPLUG_NONE] = { "none", NULL },
};

void unplug_record_init(UnplugRecord *record, const UnplugOps *ops, void *opaque)
{
    *record = (UnplugRecord){ .last = UNPLUG_NONE, .ops = ops, .opaque = opaque };
    for (int stage = 0; stage < UNPLUG_STAGES; stage++) {
        record->at_ns[stage] = -1;
    }
}

void unplug_record_clear(UnplugRecord *record)
{
    timer_free(record->deadline);
    unplug_record_init(record, record->ops, record->opaque);
}

static void note(UnplugRecord *record, UnplugStage stage)
{
    if (record->at_ns[stage] < 0) {
        record->at_ns[stage] = clock_ns();
        record->last = stage;
    }
}

void unplug_begin(UnplugRecord *record)
{
    if (!unplug_pending(record)) {
        unplug_record_clear(record);
        note(record, UNPLUG_REQUESTED);
    }
}

void unplug_reach(UnplugRecord *record, UnplugStage stage)
{
    if (unplug_pending(record)) {
        note(record, UNPLUG_SEEN);
        note(record, stage);
    }
}

void unplug_end(UnplugRecord *record, UnplugStage stage)
{
    if (!unplug_pending(record)) {
        unplug_record_clear(record);
    }
    unplug_drop_deadline(record);
    note(record, stage);
}

void unplug_drop_deadline(UnplugRecord *record)
{
    g_clear_pointer(&record->deadline, timer_free);
}

static void deadline_passed(void *opaque)
{
    UnplugRecord *record = opaque;
    g_autofree char *why =
        g_strdup_printf("it timed out after %g s", (double)record->timeout_ns / NS_PER_SEC);

    record->ops->withdraw(record->opaque, why);
}

static void set_expiry(UnplugRecord *record, int64_t when_ns)
{
    if (!record->deadline) {
        record->deadline = timer_new(deadline_passed, record);
    }
    timer_mod(record->deadline, when_ns);
}

void unplug_set_deadline(UnplugRecord *record, int64_t delay_ns)
{
    if (unplug_pending(record)) {
        record->timeout_ns = delay_ns;
        set_expiry(record, clock_ns() + delay_ns);
    }
}

void unplug_record_to_json(const UnplugRecord *record, struct json_object *obj)
{
    json_object_object_add(obj, "unplug", json_object_new_string(stage_names[record->last].stage));
    for (int stage = 0; stage < UNPLUG_STAGES; stage++) {
        if (record->at_ns[stage] >= 0) {
            json_object_object_add(obj, stage_names[stage].time,
                                   json_object_new_int64(record->at_ns[stage]));
        }
    }
}

/* ---- saving and loading ---- */

static void record_pre_save(void *obj)
{
    UnplugRecord *record = obj;

    record->deadline_ns = record->deadline ? timer_expiry(record->deadline) : -1;
}

static bool record_post_load(void *obj, GError **errp)
{
    UnplugRecord *record = obj;

    if (record->outdated && record->last != UNPLUG_REFUSED) {
        error_set(errp, "a request that was not refused cannot have an outdated refusal");
        return false;
    }
    unplug_drop_deadline(record);
    if (unplug_pending(record) && record->deadline_ns >= 0) {
        set_expiry(record, record->deadline_ns);
    }
    return true;
}

static const StateField record_fields[] = {
    STATE_UINT_MAX(UnplugRecord, last, UNPLUG_NONE),
    STATE_BOOL(UnplugRecord, outdated),
    STATE_UINTS(UnplugRecord, at_ns),
    STATE_UINT(UnplugRecord, status),
    STATE_INT(UnplugRecord, timeout_ns),
    STATE_INT(UnplugRecord, deadline_ns),
    {},
};
const StateTable unplug_record_state = {
    .name = "unplug-record",
    .version = 2,
    .fields = record_fields,
    .pre_save = record_pre_save,
    .post_load = record_post_load,
};
