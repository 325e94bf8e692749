/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/dirty-pace.h"

#include "util/clock.h"

/* A vCPU that was below its pace may be ahead by this; and it rests when it is worth that much. */
#define AHEAD_NS (2 * NS_PER_MS)
#define MOST_NS  NS_PER_SEC /* of one rest: a device may have changed much at once on its behalf */

/* Its thread, between two instructions of the guest. */
static void noted(DirtyCounter *counter, unsigned pages)
{
    DirtyPace *pace = (DirtyPace *)counter; /* the first member */
    const uint64_t limit = atomic_load_explicit(&pace->limit, memory_order_relaxed);

    if (!limit) {
        pace->due = 0;
        return;
    }
    const int64_t now = clock_host_ns();
    pace->due = MAX(pace->due, now - AHEAD_NS) + (int64_t)((uint64_t)pages * NS_PER_SEC / limit);
    pace->due = MIN(pace->due, now + MOST_NS);
    if (pace->due > now + AHEAD_NS) {
        atomic_store(&pace->cpu->exit_request, true);
    }
}

void dirty_pace_init(DirtyPace *pace, X86Cpu *cpu)
{
    pace->cpu = cpu;
    pace->counter.noted = noted;
}

int64_t dirty_pace_rest_us(DirtyPace *pace)
{
    if (!pace->due) {
        return 0;
    }
    const int64_t rest = pace->due - clock_host_ns();
    if (rest < AHEAD_NS || !atomic_load_explicit(&pace->limit, memory_order_relaxed)) {
        return 0;
    }
    return rest / NS_PER_US;
}

void dirty_pace_rested(DirtyPace *pace, int64_t us)
{
    atomic_fetch_add_explicit(&pace->rested_us, (uint64_t)us, memory_order_relaxed);
}
