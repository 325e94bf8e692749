/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/dirty-count.h"

#include "accel/accel.h"
#include "accel/vcpu.h"
#include "memory/dirty.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/units.h"

/* Of one vCPU. */
typedef struct Seen {
    uint64_t pages; /* when the period began */
    uint64_t rate;  /* MiB a second, in the last one */
} Seen;

static struct {
    unsigned users;
    unsigned period_ms;
    guint timer;
    GPtrArray *blocks; /* references, while there are users, like */
    DirtyTracker *tracker;
    GHashTable *seen; /* of Seen, by the number of the vCPU + 1 */
    int64_t since;    /* host ns: when the period began */
} counting = { .period_ms = DIRTY_COUNT_PERIOD_MS };

static bool same_blocks(const GPtrArray *a, const GPtrArray *b)
{
    bool same = a->len == b->len;

    for (unsigned i = 0; same && i < a->len; i++) {
        same = a->pdata[i] == b->pdata[i];
    }
    return same;
}

/* What is unplugged is let go, and what is plugged comes to it. */
static void track(void)
{
    g_autoptr(GPtrArray) blocks = ram_blocks_list_used();

    if (counting.tracker && same_blocks(blocks, counting.blocks)) {
        dirty_tracker_sync(counting.tracker);
        return;
    }
    g_clear_pointer(&counting.tracker, dirty_tracker_free);
    g_clear_pointer(&counting.blocks, g_ptr_array_unref);
    counting.blocks = g_steal_pointer(&blocks);
    counting.tracker = dirty_tracker_new_counting(counting.blocks);
}

static Seen *seen_of(const X86Cpu *cpu)
{
    gpointer key = GUINT_TO_POINTER(cpu->index + 1);
    Seen *seen = g_hash_table_lookup(counting.seen, key);

    if (!seen) {
        seen = g_new0(Seen, 1);
        seen->pages = vcpu_dirty_pages(cpu);
        g_hash_table_insert(counting.seen, key, seen);
    }
    return seen;
}

static void look_at(X86Cpu *cpu, void *opaque)
{
    const int64_t *passed = opaque;
    const uint64_t pages = vcpu_dirty_pages(cpu);
    Seen *seen = seen_of(cpu);
    /* One that was unplugged may have come again. */
    const uint64_t more = pages >= seen->pages ? pages - seen->pages : pages;

    seen->pages = pages;
    seen->rate = (uint64_t)((double)more * DIRTY_PAGE / MIB / ((double)*passed / NS_PER_SEC) + 0.5);
}

static void arm(void);

static gboolean period_over(gpointer opaque)
{
    const int64_t now = clock_host_ns();
    int64_t passed = MAX(now - counting.since, 1);

    vcpu_foreach(look_at, &passed);
    counting.since = now;
    track();
    arm();
    return G_SOURCE_REMOVE;
}

static void arm(void)
{
    counting.timer = g_timeout_add(counting.period_ms, period_over, NULL);
}

static void remember(X86Cpu *cpu, void *opaque)
{
    seen_of(cpu);
}

bool dirty_count_use(GError **errp)
{
    const AccelOps *ops = accel_current();

    if (!ops->counts_dirty || !ops->has_vcpu_threads) {
        error_set(errp, "the engine %s does not tell which CPU changes memory", ops->name);
        return false;
    }
    if (!ops->counts_dirty(errp)) {
        return false;
    }
    if (counting.users++ == 0) {
        counting.seen = g_hash_table_new_full(NULL, NULL, NULL, g_free);
        vcpu_foreach(remember, NULL);
        counting.since = clock_host_ns();
        track();
        arm();
    }
    return true;
}

void dirty_count_unuse(void)
{
    if (--counting.users == 0) {
        g_clear_handle_id(&counting.timer, g_source_remove);
        g_clear_pointer(&counting.tracker, dirty_tracker_free);
        g_clear_pointer(&counting.blocks, g_ptr_array_unref);
        g_clear_pointer(&counting.seen, g_hash_table_unref);
        counting.period_ms = DIRTY_COUNT_PERIOD_MS;
    }
}

void dirty_count_set_period(unsigned ms)
{
    counting.period_ms = ms;
}

uint64_t dirty_count_rate(const X86Cpu *cpu)
{
    return counting.seen ? seen_of(cpu)->rate : 0;
}
