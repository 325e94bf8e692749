/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/soft/vme.h"

#include "accel/soft/segment.h"
#include "accel/soft/uop.h"

enum {
    TSS_IO_MAP = 0x66, /* where the I/O bitmap begins; the one of interrupts lies before it */
    REDIRECTION_BYTES = 32,
};

static bool iopl_is_3(const SoftCpu *s)
{
    return (s->cpu.rflags & RFLAGS_IOPL) == RFLAGS_IOPL;
}

bool soft_vm86_trapped(const SoftCpu *s)
{
    return (s->cpu.rflags & RFLAGS_VM) && !iopl_is_3(s);
}

/* ---- CLI and STI ---- */

static bool has_virtual_if(const SoftCpu *s)
{
    uint64_t enabled = s->cpu.cr4 & (s->cpu.rflags & RFLAGS_VM ? CR4_VME : CR4_PVI);

    return enabled && soft_cpl(s) == 3 && !iopl_is_3(s);
}

bool soft_virtual_cli(SoftCpu *s)
{
    if (!has_virtual_if(s)) {
        return false;
    }
    s->cpu.rflags &= ~(uint64_t)RFLAGS_VIF;
    return true;
}

bool soft_virtual_sti(SoftCpu *s, const Uop *op)
{
    if (!has_virtual_if(s)) {
        return false;
    }
    if (s->cpu.rflags & RFLAGS_VIP) {
        soft_raise(s, op, EXC_GP, 0);
    }
    s->cpu.rflags |= RFLAGS_VIF;
    return true;
}

/* ---- PUSHF, POPF, IRET ---- */

static void need_vme(SoftCpu *s, const Uop *op, unsigned size)
{
    if (!(s->cpu.cr4 & CR4_VME) || size != 2) {
        soft_raise(s, op, EXC_GP, 0);
    }
}

/* FLAGS as the program sees them: its IF is VIF, its IOPL 3. */
static uint64_t virtual_flags(SoftCpu *s)
{
    uint64_t flags = soft_get_rflags(s) & 0xffff & ~(uint64_t)RFLAGS_IF;

    return flags | RFLAGS_IOPL | (s->cpu.rflags & RFLAGS_VIF ? RFLAGS_IF : 0);
}

uint64_t soft_virtual_pushf(SoftCpu *s, const Uop *op, unsigned size)
{
    need_vme(s, op, size);
    return virtual_flags(s);
}

void soft_virtual_popf(SoftCpu *s, const Uop *op, uint64_t value, unsigned size)
{
    const uint64_t mask = RFLAGS_ARITH | RFLAGS_TF | RFLAGS_DF | RFLAGS_NT;
    uint64_t old = soft_get_rflags(s);

    need_vme(s, op, size);
    if ((value & RFLAGS_TF) || ((value & RFLAGS_IF) && (old & RFLAGS_VIP))) {
        soft_raise(s, op, EXC_GP, 0);
    }
    old &= ~(mask | RFLAGS_VIF | RFLAGS_RF);
    soft_set_rflags(s, old | (value & mask) | (value & RFLAGS_IF ? RFLAGS_VIF : 0));
}

/* ---- INT n ---- */

/* Does the bitmap leave @vector to the program? */
static bool redirected(SoftCpu *s, const Uop *op, unsigned vector)
{
    const X86Segment *tr = &s->cpu.tr;
    bool tss32 = tr->flags & 8u << SEG_TYPE_SHIFT;

    if (!tss32 || tr->limit < TSS_IO_MAP + 1) {
        soft_raise(s, op, EXC_GP, 0);
    }
    uint32_t at = (uint32_t)soft_load_system(s, op, tr->base + TSS_IO_MAP, 2) + vector / 8 -
                  REDIRECTION_BYTES;
    if (at > tr->limit) {
        soft_raise(s, op, EXC_GP, 0);
    }
    return !(soft_load_system(s, op, tr->base + at, 1) >> vector % 8 & 1);
}

bool soft_virtual_interrupt(SoftCpu *s, const Uop *op, unsigned vector)
{
    X86Cpu *cpu = &s->cpu;

    if (!(cpu->rflags & RFLAGS_VM) || !(cpu->cr4 & CR4_VME) || !redirected(s, op, vector)) {
        return false;
    }
    uint64_t flags = iopl_is_3(s) ? soft_get_rflags(s) & 0xffff : virtual_flags(s);
    uint64_t next = cpu->regs[REG_PC] + op->pc_off + op->len;
    uint32_t entry = (uint32_t)soft_load_system(s, op, vector * 4, 4);
    SoftStack st = soft_stack(s, op);
    soft_stack_push(&st, flags, 2);
    soft_stack_push(&st, cpu->segs[X86_SEG_CS].selector, 2);
    soft_stack_push(&st, next, 2);

    cpu->regs[X86_RSP] = soft_stack_rsp(&st, cpu->regs[X86_RSP]);
    cpu->rflags &= ~(uint64_t)(RFLAGS_TF | RFLAGS_RF | (iopl_is_3(s) ? RFLAGS_IF : RFLAGS_VIF));
    soft_set_segment_real(s, X86_SEG_CS, entry >> 16);
    cpu->rip = entry & 0xffff;
    s->trap = false;
    soft_update_mode(s);
    return true;
}
