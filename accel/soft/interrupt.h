/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Events: faults, traps, software and external interrupts, and their way through the IDT
 * (SDM vol. 3 chapter 6).
 */
#ifndef ACCEL_SOFT_INTERRUPT_H
#define ACCEL_SOFT_INTERRUPT_H

#include "accel/soft/soft.h"

typedef enum SoftEvent {
    SOFT_EVENT_FAULT,    /* reported at the faulting instruction; RF is pushed set */
    SOFT_EVENT_TRAP,     /* #DB after an instruction */
    SOFT_EVENT_SOFTWARE, /* INT n, INT3, INTO: gate DPL is checked, EXT is 0 */
    SOFT_EVENT_EXTERNAL, /* interrupt or NMI */
} SoftEvent;

/* Enter the handler of @vector; @return_rip is what is pushed, @error_code -1: none. State changes
 * only when nothing can fault any more. Faults leave through s->unwind, with s->delivering set. */
void soft_deliver(SoftCpu *s, unsigned vector, SoftEvent event, int64_t error_code,
                  uint64_t return_rip);

/* Deliver s->fault, or the double fault that it becomes. False: triple fault, the CPU is in
 * shutdown. */
bool soft_deliver_fault(SoftCpu *s);

/* The CPU goes no further until a reset; @why is for the log. */
void soft_shut_down(SoftCpu *s, const char *why);

/* As INT n would, from @op; op->aux: IOPL counts in VM86 (INT n, not INT3 and INTO). */
void soft_software_interrupt(SoftCpu *s, const Uop *op, unsigned vector);

#endif
