/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ticks of a periodic timer for which the guest had no time: because the main loop was late, or
 * because the guest had not taken the one before. They are made up for: each comes as soon as the
 * guest has taken the last one. Else a guest that counts ticks, as Linux does when it looks at boot
 * whether its timer works, finds too few on a busy host.
 *
 * A guest cannot make a storm of it: what is shorter than LOST_TICKS_MIN_PERIOD is not made up for,
 * nor more than a second's ticks, nor more than LOST_TICKS_BURST between two that come in time; and
 * none while nobody hears the line, as an edge at a masked input is not held. Machine lock.
 */
#ifndef HW_TIMER_LOST_TICKS_H
#define HW_TIMER_LOST_TICKS_H

#include <stdbool.h>
#include <stdint.h>

#include "util/clock.h"
#include "util/state.h"

#define LOST_TICKS_MIN_PERIOD (500 * NS_PER_US)
#define LOST_TICKS_MOST       (NS_PER_SEC / LOST_TICKS_MIN_PERIOD)
#define LOST_TICKS_BURST      8

typedef struct LostTicks {
    /* state */
    uint32_t owed;   /* are still to come, up to LOST_TICKS_MOST */
    uint8_t burst;   /* how many of them may come before the next one in time */
    uint8_t untaken; /* 1: the guest has not taken the last one */
    /* wiring */
    bool (*heard)(void *opaque); /* does anything take the line's edges? NULL: ticks are lost */
    void *opaque;                /* of heard */
} LostTicks;

extern const StateTable lost_ticks_state;
/* The row of a state table whose structure has it since @version. */
#define STATE_LOST_TICKS(type, member, version)                                                   \
    {                                                                                             \
        .name = #member, .kind = STATE_KIND_STRUCT, .offset = offsetof(type, member), .count = 1, \
        .stride = sizeof(LostTicks), .since = (version), .sub = &lost_ticks_state                 \
    }

/* @count ticks (1 or more) of @period ns have come due since the last call, and the line is about
 * to rise once. */
void lost_ticks_due(LostTicks *lost, int64_t period, uint64_t count);
/* The guest has taken a tick. True: the line is to rise again, now. */
bool lost_ticks_taken(LostTicks *lost);
/* Nothing is owed any more: the timer was set anew. */
void lost_ticks_forget(LostTicks *lost);

#endif
