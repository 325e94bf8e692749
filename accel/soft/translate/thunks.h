/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Host code that all translated blocks of a vCPU share: into translated code, out of it, and to the
 * functions of micro-operations.
 */
#ifndef ACCEL_SOFT_TRANSLATE_THUNKS_H
#define ACCEL_SOFT_TRANSLATE_THUNKS_H

#include "accel/soft/translate/assembler.h"
#include "accel/soft/translate/translate.h"

/* Out of translated code, for good: SCRATCH_A is the block, SCRATCH_B a number. */
typedef enum Leave {
    LEAVE_BAIL,   /* the interpreter goes on at that micro-operation */
    LEAVE_EXIT,   /* by that direct exit */
    LEAVE_TARGET, /* the same, at a branch that has not done anything yet but read its target */
    LEAVE_KINDS,
} Leave;

typedef struct Thunks {
    const uint8_t *base;               /* the code cache's begin: offsets are from here */
    UopFn *enter;                      /* what a translated block's first function is */
    const uint8_t *leave[LEAVE_KINDS]; /* jump here */
    /* Call here: runs micro-operations from number SCRATCH_B & 0xffff on, SCRATCH_B >> 16 of them,
     * of block SCRATCH_A. Comes back if the block goes on, with all guest registers loaded and
     * flags in memory. */
    const uint8_t *call;
} Thunks;

void thunks_emit(HostCode *c, Thunks *thunks);

#endif
