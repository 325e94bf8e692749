/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bring the guest's memory to a size (docs/memory-target.md): the planner's steps
 * (hw/mem/memory-plan.h), one after the other, each until the guest has answered or its time is
 * over; then it is planned anew, with what was learned. The main loop does it, driven by the events
 * that devices send. At most one target is pursued. Main thread, machine lock.
 */
#ifndef HW_MEMTARGET_MEMORY_TARGET_H
#define HW_MEMTARGET_MEMORY_TARGET_H

#include "qapi/qapi-types.h"

/* Begin, or go on with another target, to give the guest @size bytes; returns when that is under
 * way. @timeout: seconds of the virtual clock, not positive: none. @policy is borrowed, NULL: the
 * defaults. Errors say what of the arguments cannot be, and change nothing. */
bool memory_target_set(uint64_t size, double timeout, const MemoryTargetPolicy *policy,
                       GError **errp);
/* End it. A request that the guest has not answered is withdrawn, and a DIMM that it has not taken
 * is asked for. An error if none is under way. */
bool memory_target_cancel(GError **errp);
/* Is one under way? Then the machine cannot be saved. An error that says so. */
bool memory_target_check_idle(GError **errp);
/* The last one; freed by the caller. */
MemoryTargetInfo *memory_target_info(void);

#endif
