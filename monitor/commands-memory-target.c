/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about memory targets (qapi/memory-target.json). */
#include "hw/memtarget/memory-target.h"
#include "monitor/monitor-internal.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"

bool qmp_set_memory_target(uint64_t size, bool has_timeout, double timeout,
                           const MemoryTargetPolicy *policy, GError **errp)
{
    if (has_timeout && !(timeout > 0)) {
        error_set(errp, "'timeout' is %g: it must be a number of seconds above 0", timeout);
        return false;
    }
    return monitor_check_settled(errp) &&
           memory_target_set(size, has_timeout ? timeout : 0, policy, errp);
}

bool qmp_cancel_memory_target(GError **errp)
{
    return memory_target_cancel(errp);
}

MemoryTargetInfo *qmp_query_memory_target(GError **errp)
{
    return memory_target_info();
}
