/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest is known to have done with a DIMM, as a state machine (docs/dimm-states.md).
 *
 * A DIMM has two halves of a state: what became of its insertion, and what became of the last
 * request to give it back, which is in the slot's UnplugRecord. Users see the second if there is
 * one, else the first. So a request that is withdrawn uncovers what was there before. No I/O and no
 * devices here. Machine lock.
 */
#ifndef HW_ACPI_DIMM_STATE_H
#define HW_ACPI_DIMM_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "hw/core/unplug.h"
#include "qapi/qapi-types.h"

/* What happens to a DIMM. Its coming and going are dimm_state_init() and the end of the struct. */
typedef enum DimmTrigger {
    DIMM_INSERT_ACKED,    /* the guest cleared the insert event */
    DIMM_PLACE_READ,      /* the guest read its address or size: it evaluates _CRS */
    DIMM_INSERT_PROGRESS, /* _OST of an insertion: in progress */
    DIMM_INSERT_SUCCESS,  /* _OST of an insertion: success */
    DIMM_INSERT_UNUSABLE, /* the same, of a DIMM that guests are known not to use */
    DIMM_INSERT_FAILURE,  /* _OST of an insertion: anything else */
    DIMM_UNPLUG_ASKED,    /* device_del */
    DIMM_REMOVE_ACKED,    /* the guest cleared the remove event */
    DIMM_EJECT_PROGRESS,  /* _OST of an ejection: in progress */
    DIMM_EJECT_FAILURE,   /* _OST of an ejection: neither in progress nor success */
    DIMM_WITHDRAWN,       /* the request timed out or was cancelled */
    DIMM_RESET,           /* the machine boots anew */
    DIMM_TRIGGERS,
    DIMM_NOTHING = DIMM_TRIGGERS, /* an _OST that changes no state */
} DimmTrigger;

#define DIMM_NO_REQUEST MEMORY_DEVICE_STATE__MAX

typedef struct DimmState {
    MemoryDeviceState insertion; /* inserted to accepted */
    uint32_t reject_status;      /* _OST status, if insertion is rejected */
    int64_t since_us;            /* host time of the last change that users see, us since 1970 */
    bool place_read;             /* the guest has read where it is since it was there to be found */
    bool must_say;               /* only by an _OST does the guest say that it takes it */
    /* wiring */
    UnplugRecord *unplug; /* the other half is what this says; borrowed */
} DimmState;

extern const StateTable dimm_state_table;

/* A DIMM that was just plugged: inserted. @unplug, borrowed, is the record of its slot, in which
 * nothing ever happened. */
void dimm_state_init(DimmState *state, UnplugRecord *unplug);

/* Let @trigger act, on the record as well; @status is that of _OST for the two failures. True if
 * what users see changed: the state or its status. A trigger that does not fit the state changes
 * nothing: the guest may do anything at any time. */
bool dimm_state_step(DimmState *state, DimmTrigger trigger, uint32_t status);

/* Has the guest taken what it was offered? It says so, or found it when it looked at its devices at
 * boot, of which it says nothing. */
bool dimm_state_is_taken(const DimmState *state);
/* Has it declined, and not only failed before it looked, so that it may find it later? */
bool dimm_state_is_declined(const DimmState *state);

/* What users see. */
MemoryDeviceState dimm_state_get(const DimmState *state);
/* The _OST status that goes with it, and its meaning in words (never freed); NULL in the states
 * that have none. */
const char *dimm_state_meaning(const DimmState *state, uint32_t *status);

/* What the guest says with _OST. */
DimmTrigger dimm_trigger_of_ost(uint32_t event, uint32_t status);

#endif
