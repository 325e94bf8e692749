/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Host code that all translated blocks of a vCPU share: into translated code, out of it, and to the
 * functions of micro-operations.
 */
#ifndef ACCEL_SOFT_TRANSLATE_STUBS_H
#define ACCEL_SOFT_TRANSLATE_STUBS_H

#include "accel/soft/translate/assembler.h"
#include "accel/soft/translate/translate.h"

/* Out of translated code, for good: SCRATCH_A is the block, SCRATCH_B a number. */
typedef enum StubLeave {
    STUB_BAIL,   /* the interpreter goes on at that micro-operation */
    STUB_EXIT,   /* by that direct exit */
    STUB_TARGET, /* the same, at a branch that has not done anything yet but read its target */
    STUB_LEAVES,
} StubLeave;

typedef struct Stubs {
    UopFn *enter;                      /* what a translated block's first function is */
    const uint8_t *leave[STUB_LEAVES]; /* jump here */
    /* Call here: runs micro-operations from number SCRATCH_B & 0xffff on, SCRATCH_B >> 16 of them,
     * of block SCRATCH_A. Comes back if the block goes on, with all guest registers loaded and
     * flags in memory. */
    const uint8_t *call;
} Stubs;

void stubs_emit(HostCode *c, Stubs *stubs);

#endif
