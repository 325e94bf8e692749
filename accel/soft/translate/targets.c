/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/soft/translate/targets.h"

#include <string.h>

bool soft_targets_possible(uint32_t key)
{
    /* A world switch empties the tables. */
    uint32_t privilege = SOFT_KEY_CPL3 | SOFT_KEY_SVM | UINT32_MAX << SOFT_KEY_MMU_SHIFT;
    bool user = soft_mmu_user(key >> SOFT_KEY_MMU_SHIFT);

    return (key & ~privilege) == (SOFT_KEY_CODE64 | SOFT_KEY_PE | SOFT_KEY_LMA) &&
           user == !!(key & SOFT_KEY_CPL3);
}

static SoftTargets *targets_of(SoftCpu *s, const SoftBlock *b)
{
    return &s->targets[b->key >> SOFT_KEY_MMU_SHIFT];
}

void soft_targets_remember(SoftCpu *s, const SoftBlock *b)
{
    SoftTargets *t = targets_of(s, b);
    unsigned slot = soft_target_slot(b->rip);

    t->rips[slot] = b->rip;
    t->hosts[slot] = b->host;
    t->used = true;
}

/* A RIP that is in no entry's range but that of another. */
static uint64_t no_rip(unsigned slot)
{
    return slot == 0;
}

void soft_targets_forget(SoftCpu *s, const SoftBlock *b)
{
    unsigned slot = soft_target_slot(b->rip);

    if (soft_targets_possible(b->key) && targets_of(s, b)->hosts[slot] == b->host) {
        targets_of(s, b)->rips[slot] = no_rip(slot);
    }
}

void soft_targets_clear(SoftCpu *s, SoftMmuMode mode)
{
    SoftTargets *t = &s->targets[mode];

    if (t->used) { /* else it is all zeros, and takes no memory yet */
        memset(t->rips, 0, sizeof(t->rips));
        t->used = false;
    }
    t->rips[0] = no_rip(0);
}
