/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtual interrupts: EFLAGS.VIF in the place of IF, for VM86 code (CR4.VME) and ring 3 (CR4.PVI)
 * whose IOPL does not let it at IF; and INT n that stays within VM86 (SDM vol. 3
 * sections 21.3, 21.4).
 */
#ifndef ACCEL_SOFT_VME_H
#define ACCEL_SOFT_VME_H

#include "accel/soft/soft.h"

/* VM86 with IOPL < 3: instructions that touch IF fault, or with CR4.VME use VIF. */
bool soft_vm86_trapped(const SoftCpu *s);
/* CLI and STI where IOPL does not allow them: they use VIF, or false: #GP(0) is due. STI faults if
 * an interrupt waits (VIP). */
bool soft_virtual_cli(SoftCpu *s);
bool soft_virtual_sti(SoftCpu *s, const Uop *op);
/* In soft_vm86_trapped(): what PUSHF of @size bytes stores, and POPF and IRET with @value. #GP(0)
 * without CR4.VME, with another size than 2, and if the monitor has to see to it. The caller calls
 * soft_update_mode(). */
uint64_t soft_virtual_pushf(SoftCpu *s, const Uop *op, unsigned size);
void soft_virtual_popf(SoftCpu *s, const Uop *op, uint64_t value, unsigned size);
/* INT n in VM86: handled in VM86, if CR4.VME is set and the TSS' bitmap says so; else false. */
bool soft_virtual_interrupt(SoftCpu *s, const Uop *op, unsigned vector);

#endif
