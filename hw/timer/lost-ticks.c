/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/timer/lost-ticks.h"

#include <glib.h>

void lost_ticks_forget(LostTicks *lost)
{
    lost->owed = 0;
    lost->burst = 0;
    lost->untaken = 0;
}

void lost_ticks_due(LostTicks *lost, int64_t period, uint64_t count)
{
    uint64_t missed = MIN(count - 1, LOST_TICKS_MOST) + lost->untaken;

    if (!lost->heard || !lost->heard(lost->opaque) || period < LOST_TICKS_MIN_PERIOD) {
        lost_ticks_forget(lost);
        return;
    }
    lost->owed = (uint32_t)MIN(lost->owed + missed, (uint64_t)(NS_PER_SEC / period));
    lost->burst = LOST_TICKS_BURST;
    lost->untaken = 1;
}

bool lost_ticks_taken(LostTicks *lost)
{
    lost->untaken = 0;
    if (!lost->owed || !lost->burst) {
        return false;
    }
    lost->owed--;
    lost->burst--;
    lost->untaken = 1;
    return true;
}

static const StateField lost_ticks_fields[] = {
    STATE_UINT_MAX(LostTicks, owed, LOST_TICKS_MOST),
    STATE_UINT_MAX(LostTicks, burst, LOST_TICKS_BURST),
    STATE_UINT_MAX(LostTicks, untaken, 1),
    {},
};
const StateTable lost_ticks_state = { .name = "lost-ticks",
                                      .version = 1,
                                      .fields = lost_ticks_fields };
