/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which bits of control registers there are; others are #GP (control.c, msr.c). */
#ifndef ACCEL_SOFT_CONTROL_H
#define ACCEL_SOFT_CONTROL_H

#include "target/i386/cpu.h"

/* Others of CR0's low half are ignored. */
uint64_t soft_cr0_known(void);
uint64_t soft_cr4_known(const X86CpuModel *m);
/* EFER's, LMA among them. */
uint64_t soft_efer_known(const X86Cpu *cpu);
/* Is each of PAT's eight types one that there is? */
bool soft_pat_is_legal(uint64_t pat);

#endif
