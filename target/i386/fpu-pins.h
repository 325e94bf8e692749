/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * FERR# and IGNNE#: how x87 exceptions reach software while CR0.NE is clear, by an interrupt of the
 * board's (SDM vol. 1 section 8.7.1 and appendix D). FERR# of each processor is X86Cpu.ferr; the
 * board hears when one changes. IGNNE# is one for all.
 */
#ifndef TARGET_I386_FPU_PINS_H
#define TARGET_I386_FPU_PINS_H

#include "target/i386/cpu.h"

typedef void X86FerrChanged(void *opaque, X86Cpu *cpu);

/* Who hears of FERR#; NULL: nobody. Machine lock. */
void x86_ferr_connect(X86FerrChanged *changed, void *opaque);
/* The board hears of it if it changes. Machine lock. */
void x86_set_ferr(X86Cpu *cpu, bool level);

/* x87 exceptions are ignored. Whoever sets it kicks the processors with FERR#: those that are
 * frozen go on. Machine lock. */
void x86_set_ignne(bool level);
/* Any thread. */
bool x86_ignne(void);

#endif
