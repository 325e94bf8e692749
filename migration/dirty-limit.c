/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/dirty-limit.h"

#include <inttypes.h>

#include "accel/vcpu.h"
#include "memory/dirty.h"
#include "migration/dirty-count.h"
#include "qapi/qapi-types.h"
#include "util/error.h"
#include "util/units.h"

#define PAGES_OF_MIB (MIB / DIRTY_PAGE)
#define MOST_MIB     (UINT64_MAX / MIB)

static bool counting; /* there may be limits */

typedef struct Change {
    int64_t cpu; /* or all */
    uint64_t mib;
    bool found;
} Change;

static void change_one(X86Cpu *cpu, void *opaque)
{
    Change *change = opaque;

    if (change->cpu == DIRTY_LIMIT_ALL || change->cpu == cpu->index) {
        vcpu_set_dirty_limit(cpu, change->mib * PAGES_OF_MIB);
        change->found = true;
    }
}

static void any_limit(X86Cpu *cpu, void *opaque)
{
    *(bool *)opaque |= vcpu_dirty_limit(cpu) != 0;
}

static bool change_limits(int64_t cpu, uint64_t mib, GError **errp)
{
    Change change = { cpu, mib, false };

    vcpu_foreach(change_one, &change);
    if (!change.found) {
        error_set(errp, "there is no CPU of number %" PRId64 "; query-cpus-fast lists them", cpu);
    }
    return change.found;
}

bool dirty_limit_supported(GError **errp)
{
    const bool ok = dirty_count_use(errp);

    if (ok) {
        dirty_count_unuse();
    }
    return ok;
}

bool dirty_limit_set(int64_t cpu, uint64_t mib, GError **errp)
{
    if (!mib) {
        return dirty_limit_cancel(cpu, errp);
    }
    if (mib > MOST_MIB) {
        error_set(errp, "'dirty-rate' must be at most %" PRIu64 " MiB a second",
                  (uint64_t)MOST_MIB);
        return false;
    }
    if (!counting && !dirty_count_use(errp)) {
        return false;
    }
    counting = true;
    const bool ok = change_limits(cpu, mib, errp);
    if (!ok) {
        dirty_limit_cancel(cpu, NULL); /* it may have been the first one */
    }
    return ok;
}

bool dirty_limit_cancel(int64_t cpu, GError **errp)
{
    const bool ok = change_limits(cpu, 0, errp);
    bool any = false;

    vcpu_foreach(any_limit, &any);
    if (counting && !any) {
        counting = false;
        dirty_count_unuse();
    }
    return ok;
}

static void add_one(X86Cpu *cpu, void *opaque)
{
    const uint64_t pages = vcpu_dirty_limit(cpu);

    if (pages) {
        DirtyLimitInfo *info = g_new0(DirtyLimitInfo, 1);

        info->cpu_index = cpu->index;
        info->limit_rate = pages / PAGES_OF_MIB;
        info->current_rate = dirty_count_rate(cpu);
        g_ptr_array_add(opaque, info);
    }
}

GPtrArray *dirty_limit_list(void)
{
    GPtrArray *list = DirtyLimitInfo_list_new();

    vcpu_foreach(add_one, list);
    return list;
}

static void most_rested(X86Cpu *cpu, void *opaque)
{
    uint64_t *most = opaque;

    *most = MAX(*most, vcpu_dirty_rested_us(cpu));
}

uint64_t dirty_limit_rested_us(void)
{
    uint64_t most = 0;

    vcpu_foreach(most_rested, &most);
    return most;
}
