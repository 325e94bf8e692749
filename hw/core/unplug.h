/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One request to give a device back: when it was made, how far the guest came with it, and how it
 * ended (DESIGN decision 9). There is one record a slot; who plugs a device into the slot points
 * Device.unplug at it. Whatever else wants to know whether a device is about to go asks here: DIMMs
 * do, and CPUs and PCI functions can in the same way. Machine lock.
 */
#ifndef HW_CORE_UNPLUG_H
#define HW_CORE_UNPLUG_H

#include <glib.h>
#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/state.h"
#include "util/timer.h"

/* The stages of a request. */
typedef enum UnplugStage {
    UNPLUG_REQUESTED,   /* device_del was accepted */
    UNPLUG_SEEN,        /* the guest acknowledged the event, or reported "in progress" */
    UNPLUG_IN_PROGRESS, /* the guest reported "in progress" */
    UNPLUG_REFUSED,     /* by the guest; the device goes on working */
    UNPLUG_WITHDRAWN,   /* timed out, cancelled, or the machine was reset */
    UNPLUG_EJECTED,     /* the device is gone */
    UNPLUG_STAGES,
    UNPLUG_NONE = UNPLUG_STAGES, /* never asked */
} UnplugStage;

/* What a slot does with its record. */
typedef struct UnplugOps {
    /* End the pending request as withdrawn, and tell who must know; @why in words. */
    void (*withdraw)(void *opaque, const char *why);
    /* An error if there is no request that can be withdrawn, or none any more. */
    bool (*check_withdraw)(void *opaque, GError **errp);
} UnplugOps;

/* The current or last request of a slot. */
typedef struct UnplugRecord {
    UnplugStage last;
    bool outdated;                /* the refusal, by what the guest did since; it stays on record */
    int64_t at_ns[UNPLUG_STAGES]; /* clock_ns(); -1: not reached */
    uint32_t status;              /* that the guest gave for its refusal */
    int64_t timeout_ns;           /* which the request was made with */
    int64_t deadline_ns;          /* when it expires, -1: never; for saving and loading only */
    /* derived from deadline_ns */
    Timer *deadline; /* of the pending request, or NULL */
    /* wiring */
    const UnplugOps *ops; /* with opaque: what the slot does */
    void *opaque;
} UnplugRecord;

extern const StateTable unplug_record_state;

/* Nothing ever happened. unplug_record_clear() before it is freed or made again. */
void unplug_record_init(UnplugRecord *record, const UnplugOps *ops, void *opaque);
/* As after unplug_record_init(). */
void unplug_record_clear(UnplugRecord *record);

/* Was the guest asked, and has not answered for good? */
static inline bool unplug_pending(const UnplugRecord *record)
{
    return record->last <= UNPLUG_IN_PROGRESS;
}
/* Does the device go, or is about to, since somebody asked for it? */
static inline bool unplug_asked(const UnplugRecord *record)
{
    return unplug_pending(record) ||
           (record->last == UNPLUG_EJECTED && record->at_ns[UNPLUG_REQUESTED] >= 0);
}

/* A request begins, unless one is pending. */
void unplug_begin(UnplugRecord *record);
/* The pending request came so far: UNPLUG_SEEN, or UNPLUG_IN_PROGRESS, which implies the first.
 * Only the first time counts. */
void unplug_reach(UnplugRecord *record, UnplugStage stage);
/* It ended so: refused, withdrawn, ejected. Without a pending one it is a request of the guest's
 * own, of which nothing else is known. */
void unplug_end(UnplugRecord *record, UnplugStage stage);

/* The pending request cannot be withdrawn any more. */
void unplug_drop_deadline(UnplugRecord *record);
/* Withdraw the pending request @delay_ns (> 0) from now, unless it ends before: of the virtual
 * clock. Replaces an earlier deadline. */
void unplug_set_deadline(UnplugRecord *record, int64_t delay_ns);

/* Add to @obj, for users: {"unplug": stage, "requested-ns": ..., ...}. */
void unplug_record_to_json(const UnplugRecord *record, struct json_object *obj);

#endif
