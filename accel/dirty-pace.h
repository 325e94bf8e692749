/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How fast a vCPU changes memory: counted page by page, and held back to a pace. A page counts when
 * it is changed for the first time since the last sync of a counting tracker (memory/dirty.h).
 */
#ifndef ACCEL_DIRTY_PACE_H
#define ACCEL_DIRTY_PACE_H

#include "memory/dirty.h"
#include "target/i386/cpu.h"

typedef struct DirtyPace {
    DirtyCounter counter;
    X86Cpu *cpu;
    /* Pages a second; 0: as many as it can. Set with the machine lock; relaxed: a number alone. */
    _Atomic uint64_t limit;
    _Atomic uint64_t rested_us; /* its thread changes it; relaxed: a number alone */
    int64_t due;                /* its thread's: up to then it is to rest, by the host's clock */
} DirtyPace;

void dirty_pace_init(DirtyPace *pace, X86Cpu *cpu);
/* How long the vCPU is to rest now, in microseconds; 0: not at all. Its thread. */
int64_t dirty_pace_rest_us(DirtyPace *pace);
/* It has rested so long: less, if somebody wanted it meanwhile. */
void dirty_pace_rested(DirtyPace *pace, int64_t us);

#endif
