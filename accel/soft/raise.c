/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Raising faults. Everything that can fault calls this, so it calls little itself: what becomes of
 * a fault is exception.c's business.
 */
#include "accel/soft/exclusive.h"

uint64_t soft_op_rip(const SoftCpu *s, const Uop *op)
{
    uint64_t rip = s->cpu.regs[REG_PC] + op->pc_off;
    return s->mode_key & SOFT_KEY_CODE64 ? rip : (uint32_t)rip;
}

_Noreturn void soft_raise(SoftCpu *s, const Uop *op, int vector, int64_t error_code)
{
    if (op) {
        s->cpu.rip = soft_op_rip(s, op);
    }
    if (s->exclusive) {
        soft_exclusive_end(s);
    }
    s->fault.vector = vector;
    s->fault.error_code = error_code;
    siglongjmp(*s->unwind, 1);
}

_Noreturn void soft_raise_page_fault(SoftCpu *s, const Uop *op, uint64_t addr, uint32_t error_code)
{
    s->fault.cr2 = addr;
    soft_raise(s, op, EXC_PF, error_code);
}
