/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The states of a DIMM: one table, and what it means.
 */
#include "hw/acpi/dimm-state.h"

#include <glib.h>

#include "hw/acpi/ost.h"
#include "util/error.h"

#define IN(name) (1u << MEMORY_DEVICE_STATE_##name)

#define INSERTION (IN(INSERTED) | IN(NOTICED) | IN(ONLINE) | IN(REJECTED) | IN(ACCEPTED))
#define PENDING   (IN(UNPLUG_REQUESTED) | IN(UNPLUG_NOTICED) | IN(UNPLUG_IN_PROGRESS))
#define REQUEST   (PENDING | IN(UNPLUG_REFUSED))
#define NONE      (1u << DIMM_NO_REQUEST)

/*
 * Every transition there is. A row acts on the half of the state that `from` speaks of; no trigger
 * has two rows for the same half and state, so their order does not matter.
 */
static const struct DimmTransition {
    DimmTrigger trigger;
    unsigned from; /* set of states */
    MemoryDeviceState to;
} transitions[] = {
    { DIMM_INSERT_ACKED, IN(INSERTED), MEMORY_DEVICE_STATE_NOTICED },
    /* Linux rejects what it is told of before it has looked at its devices at boot, then finds it.
     */
    { DIMM_PLACE_READ, IN(INSERTED) | IN(REJECTED), MEMORY_DEVICE_STATE_NOTICED },
    { DIMM_INSERT_PROGRESS, IN(INSERTED), MEMORY_DEVICE_STATE_NOTICED },
    { DIMM_INSERT_SUCCESS, INSERTION, MEMORY_DEVICE_STATE_ONLINE },
    { DIMM_INSERT_UNUSABLE, INSERTION, MEMORY_DEVICE_STATE_ACCEPTED },
    { DIMM_INSERT_FAILURE, INSERTION, MEMORY_DEVICE_STATE_REJECTED },
    /* A guest that reports on the insertion again has news, and the old refusal is none. */
    { DIMM_INSERT_SUCCESS, IN(UNPLUG_REFUSED), DIMM_NO_REQUEST },
    { DIMM_INSERT_UNUSABLE, IN(UNPLUG_REFUSED), DIMM_NO_REQUEST },
    { DIMM_INSERT_FAILURE, IN(UNPLUG_REFUSED), DIMM_NO_REQUEST },

    { DIMM_UNPLUG_ASKED, NONE | IN(UNPLUG_REFUSED), MEMORY_DEVICE_STATE_UNPLUG_REQUESTED },
    { DIMM_REMOVE_ACKED, IN(UNPLUG_REQUESTED), MEMORY_DEVICE_STATE_UNPLUG_NOTICED },
    { DIMM_EJECT_PROGRESS, PENDING, MEMORY_DEVICE_STATE_UNPLUG_IN_PROGRESS },
    /* Also unasked: a guest that ejects on its own (0x103), or answers what was withdrawn. */
    { DIMM_EJECT_FAILURE, NONE | REQUEST, MEMORY_DEVICE_STATE_UNPLUG_REFUSED },
    { DIMM_WITHDRAWN, PENDING, DIMM_NO_REQUEST },

    { DIMM_RESET, INSERTION, MEMORY_DEVICE_STATE_INSERTED },
    { DIMM_RESET, REQUEST, DIMM_NO_REQUEST },
};

/* The half that is in the record. */
static MemoryDeviceState request_half(const UnplugRecord *unplug)
{
    static const MemoryDeviceState states[] = {
        [UNPLUG_REQUESTED] = MEMORY_DEVICE_STATE_UNPLUG_REQUESTED,
        [UNPLUG_SEEN] = MEMORY_DEVICE_STATE_UNPLUG_NOTICED,
        [UNPLUG_IN_PROGRESS] = MEMORY_DEVICE_STATE_UNPLUG_IN_PROGRESS,
        [UNPLUG_REFUSED] = MEMORY_DEVICE_STATE_UNPLUG_REFUSED,
        [UNPLUG_WITHDRAWN] = DIMM_NO_REQUEST,
        [UNPLUG_EJECTED] = DIMM_NO_REQUEST,
        [UNPLUG_NONE] = DIMM_NO_REQUEST,
    };

    return unplug->outdated ? DIMM_NO_REQUEST : states[unplug->last];
}

static void set_request_half(UnplugRecord *unplug, MemoryDeviceState half)
{
    switch (half) {
    case MEMORY_DEVICE_STATE_UNPLUG_REQUESTED:
        unplug_begin(unplug);
        break;
    case MEMORY_DEVICE_STATE_UNPLUG_NOTICED:
        unplug_reach(unplug, UNPLUG_SEEN);
        break;
    case MEMORY_DEVICE_STATE_UNPLUG_IN_PROGRESS:
        unplug_reach(unplug, UNPLUG_IN_PROGRESS);
        break;
    case MEMORY_DEVICE_STATE_UNPLUG_REFUSED:
        unplug_end(unplug, UNPLUG_REFUSED);
        break;
    default:
        if (unplug_pending(unplug)) {
            unplug_end(unplug, UNPLUG_WITHDRAWN);
        } else {
            unplug->outdated = true; /* it was refused */
        }
    }
}

void dimm_state_init(DimmState *state, UnplugRecord *unplug)
{
    *state = (DimmState){
        .insertion = MEMORY_DEVICE_STATE_INSERTED,
        .since_us = g_get_real_time(),
        .unplug = unplug,
    };
}

/* What becomes of one half of a state; false: nothing. */
static bool next(MemoryDeviceState half, DimmTrigger trigger, MemoryDeviceState *to)
{
    for (size_t i = 0; i < G_N_ELEMENTS(transitions); i++) {
        if (transitions[i].trigger == trigger && transitions[i].from >> half & 1) {
            *to = transitions[i].to;
            return true;
        }
    }
    return false;
}

/* A guest that takes the insert event owes an answer. A failure that it reports before it has read
 * where the DIMM is, is none: Linux does so when it has not looked at its devices yet. */
static void step_answer(DimmState *state, DimmTrigger trigger)
{
    switch (trigger) {
    case DIMM_INSERT_ACKED:
    case DIMM_INSERT_PROGRESS:
        state->must_say |= state->insertion == MEMORY_DEVICE_STATE_INSERTED;
        break;
    case DIMM_PLACE_READ:
        state->place_read = true;
        break;
    case DIMM_INSERT_FAILURE:
        state->must_say = state->place_read;
        break;
    case DIMM_RESET:
        state->place_read = state->must_say = false;
        break;
    default:
        break;
    }
}

bool dimm_state_is_taken(const DimmState *state)
{
    return state->insertion == MEMORY_DEVICE_STATE_ONLINE ||
           (state->insertion == MEMORY_DEVICE_STATE_NOTICED && !state->must_say);
}

bool dimm_state_is_declined(const DimmState *state)
{
    return state->insertion == MEMORY_DEVICE_STATE_ACCEPTED ||
           (state->insertion == MEMORY_DEVICE_STATE_REJECTED && state->must_say);
}

bool dimm_state_step(DimmState *state, DimmTrigger trigger, uint32_t status)
{
    MemoryDeviceState before = dimm_state_get(state);
    MemoryDeviceState request;
    uint32_t status_before = 0, status_now = 0;

    dimm_state_meaning(state, &status_before);
    step_answer(state, trigger);
    next(state->insertion, trigger, &state->insertion);
    if (next(request_half(state->unplug), trigger, &request)) {
        set_request_half(state->unplug, request);
    }
    if (trigger == DIMM_INSERT_FAILURE) {
        state->reject_status = status;
    } else if (trigger == DIMM_EJECT_FAILURE) {
        state->unplug->status = status;
    }
    dimm_state_meaning(state, &status_now);
    if (dimm_state_get(state) == before && status_now == status_before) {
        return false;
    }
    state->since_us = g_get_real_time();
    return true;
}

MemoryDeviceState dimm_state_get(const DimmState *state)
{
    MemoryDeviceState request = request_half(state->unplug);

    return request == DIMM_NO_REQUEST ? state->insertion : request;
}

const char *dimm_state_meaning(const DimmState *state, uint32_t *status)
{
    switch (dimm_state_get(state)) {
    case MEMORY_DEVICE_STATE_ACCEPTED:
        *status = OST_STATUS_SUCCESS;
        return "success, which Linux also reports of memory that it could not add: this size or "
               "address is no multiple of its memory blocks";
    case MEMORY_DEVICE_STATE_REJECTED:
        *status = state->reject_status;
        return ost_status_text(OST_EVENT_DEVICE_CHECK, state->reject_status);
    case MEMORY_DEVICE_STATE_UNPLUG_REFUSED:
        *status = state->unplug->status;
        return ost_status_text(OST_EVENT_EJECT_REQUEST, *status);
    default:
        return NULL;
    }
}

DimmTrigger dimm_trigger_of_ost(uint32_t event, uint32_t status)
{
    if (ost_is_insertion(event)) {
        return status == OST_STATUS_SUCCESS           ? DIMM_INSERT_SUCCESS
               : status == OST_STATUS_INSERT_PROGRESS ? DIMM_INSERT_PROGRESS
                                                      : DIMM_INSERT_FAILURE;
    }
    if (ost_is_refusal(event, status)) {
        return DIMM_EJECT_FAILURE;
    }
    /* Success comes after _EJ0, when the slot is empty. From a DIMM that is there it is a lie. */
    return ost_is_ejection(event) && status == OST_STATUS_IN_PROGRESS ? DIMM_EJECT_PROGRESS
                                                                      : DIMM_NOTHING;
}

/* ---- saving and loading ---- */

static bool state_loaded(void *obj, GError **errp)
{
    const DimmState *state = obj;

    if (!(INSERTION >> state->insertion & 1)) {
        error_set(errp, "'insertion' is %u, which is no state of an insertion", state->insertion);
        return false;
    }
    return true;
}

static const StateField state_fields[] = {
    STATE_UINT_MAX(DimmState, insertion, DIMM_NO_REQUEST - 1),
    STATE_UINT(DimmState, reject_status),
    STATE_INT(DimmState, since_us),
    STATE_UINT_MAX_SINCE(DimmState, place_read, 1, 3),
    STATE_UINT_MAX_SINCE(DimmState, must_say, 1, 3),
    {},
};
const StateTable dimm_state_table = {
    .name = "dimm-state",
    .version = 3,
    .oldest = 2,
    .fields = state_fields,
    .post_load = state_loaded,
};
