/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where translated code goes by RET and by indirect JMP and CALL: from RIP to host code, in SoftCpu
 * (SoftTargets), one table for each set of memory rules. An entry is there only while its block may
 * run, so translated code compares the RIP and nothing else. Own thread only.
 */
#ifndef ACCEL_SOFT_TRANSLATE_TARGETS_H
#define ACCEL_SOFT_TRANSLATE_TARGETS_H

#include "accel/soft/block.h"

static inline unsigned soft_target_slot(uint64_t rip)
{
    return rip % SOFT_TARGETS;
}

/* Is @key one that blocks with a table have? With those of 64-bit code, but for the privilege, the
 * table's own rules say all that the key does. */
bool soft_targets_possible(uint32_t key);
/* Block @b, which is translated, may run now, and its key has a table. */
void soft_targets_remember(SoftCpu *s, const SoftBlock *b);
/* Block @b, which is translated, is dead. */
void soft_targets_forget(SoftCpu *s, const SoftBlock *b);
/* No block of @mode is known to be valid any more. */
void soft_targets_clear(SoftCpu *s, SoftMmuMode mode);

#endif
