/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hardware task switches (SDM vol. 3 chapter 8). Legacy protected mode and VM86 only.
 */
#ifndef ACCEL_SOFT_TASK_H
#define ACCEL_SOFT_TASK_H

#include "accel/soft/soft.h"

typedef enum SoftTaskHow {
    SOFT_TASK_JUMP,   /* JMP: the old task ends */
    SOFT_TASK_NEST,   /* CALL and events: the old task waits, linked to */
    SOFT_TASK_RETURN, /* IRET with NT: back to a task that waits */
} SoftTaskHow;

typedef struct SoftTaskSwitch {
    SoftTaskHow how;
    unsigned selector;  /* of the new task's TSS */
    unsigned ext;       /* EXT bit of error codes: 1 for events from outside the program */
    uint64_t next;      /* where the old task goes on */
    uint64_t flags;     /* EFLAGS that are saved for it; NT is taken out on return */
    int64_t error_code; /* of the exception that is delivered, for the new task's stack; -1: none */
} SoftTaskSwitch;

/* Save the present task, load the new one; cpu.rip is then the new one's, and the caller leaves the
 * block. Faults up to the first change of state are at @op (NULL: at cpu.rip) in the old task,
 * later ones in the new one, before its first instruction. With T set in the new TSS, #DB is
 * delivered. */
void soft_task_switch(SoftCpu *s, const Uop *op, const SoftTaskSwitch *to);

#endif
