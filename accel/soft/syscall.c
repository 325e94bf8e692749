/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SYSCALL, SYSRET (APM vol. 2 section 6.1), SYSENTER, SYSEXIT (SDM vol. 3 section 5.8.7). */
#include "accel/soft/decode.h"
#include "accel/soft/segment.h"
#include "accel/soft/uop.h"

/* After SYSCALL and SYSRET it is TF as they leave it that decides whether a trap follows at once:
 * with TF in FMASK a system call is not stepped into, and SYSRET that restores TF traps before the
 * first instruction of the program, as if SYSCALL had just ended. That is what processors of both
 * vendors do (the comment on TF at Linux' return by SYSRET says so for SYSRET); the manuals are
 * silent. IRET and POPF follow the general rule. */
static void trap_by_new_flags(SoftCpu *s)
{
    s->trap = s->cpu.rflags & RFLAGS_TF;
}

static void set_flat_code_and_stack(SoftCpu *s, unsigned cs, unsigned ss, unsigned cpl, bool code64)
{
    soft_set_flat_segment(s, X86_SEG_CS, cs | cpl, cpl, SEG_CODE | (code64 ? SEG_L : SEG_DB));
    soft_set_flat_segment(s, X86_SEG_SS, ss | cpl, cpl, SEG_DB);
}

static bool is_amd(const SoftCpu *s)
{
    return x86_cpu_model_is_amd(&s->cpu.model);
}

/* Intel's processors know SYSCALL and SYSRET in 64-bit code only (SDM vol. 2, SYSCALL). */
static void need_syscall(SoftCpu *s, const Uop *op)
{
    if (!(s->cpu.efer & EFER_SCE) || (!is_amd(s) && !soft_code64(s))) {
        soft_raise(s, op, EXC_UD, -1);
    }
}

/* AMD's know SYSENTER and SYSEXIT in legacy mode only (APM vol. 3, SYSENTER). */
static void need_sysenter(SoftCpu *s, const Uop *op)
{
    if (is_amd(s) && soft_long_mode(s)) {
        soft_raise(s, op, EXC_UD, -1);
    }
}

static const Uop *run_syscall(SoftCpu *s, const Uop *op)
{
    X86Cpu *cpu = &s->cpu;
    uint64_t next = cpu->regs[REG_PC] + op->pc_off + op->len;
    unsigned selector = (unsigned)(cpu->msr.star >> 32) & 0xfffc;

    need_syscall(s, op);
    if (soft_long_mode(s)) {
        uint64_t flags = soft_get_rflags(s) & ~(uint64_t)RFLAGS_RF;
        cpu->regs[X86_RCX] = next;
        cpu->regs[X86_R11] = flags;
        cpu->rip = soft_code64(s) ? cpu->msr.lstar : cpu->msr.cstar;
        soft_set_rflags(s, (flags & ~cpu->msr.fmask) | RFLAGS_ONE);
        set_flat_code_and_stack(s, selector, selector + 8, 0, true);
        trap_by_new_flags(s);
    } else {
        cpu->regs[X86_RCX] = (uint32_t)next;
        cpu->rip = (uint32_t)cpu->msr.star;
        cpu->rflags &= ~(uint64_t)(RFLAGS_IF | RFLAGS_VM | RFLAGS_RF);
        set_flat_code_and_stack(s, selector, selector + 8, 0, false);
    }
    soft_update_mode(s);
    return soft_jump_on(s);
}

static void check_ring0(SoftCpu *s, const Uop *op)
{
    if (!soft_protected(s) || soft_cpl(s) != 0) {
        soft_raise(s, op, EXC_GP, 0);
    }
}

static const Uop *run_sysret(SoftCpu *s, const Uop *op)
{
    X86Cpu *cpu = &s->cpu;
    unsigned selector = (unsigned)(cpu->msr.star >> 48) & 0xfffc;
    bool code64 = op->size == 8;

    need_syscall(s, op);
    check_ring0(s, op);
    /* AMD's processors go there, and the fetch faults at ring 3. */
    if (code64 && !is_amd(s) && !soft_canonical(cpu->regs[X86_RCX])) {
        soft_raise(s, op, EXC_GP, 0);
    }
    cpu->rip = code64 ? cpu->regs[X86_RCX] : (uint32_t)cpu->regs[X86_RCX];
    if (soft_long_mode(s)) {
        uint64_t mask = RFLAGS_VALID & ~(uint64_t)(RFLAGS_RF | RFLAGS_VM);
        soft_set_rflags(s, (cpu->regs[X86_R11] & mask) | RFLAGS_ONE);
        trap_by_new_flags(s);
    } else {
        cpu->rflags |= RFLAGS_IF;
    }
    set_flat_code_and_stack(s, code64 ? selector + 16 : selector, selector + 8, 3, code64);
    soft_update_mode(s);
    return soft_jump_on(s);
}

static const Uop *run_sysenter(SoftCpu *s, const Uop *op)
{
    X86Cpu *cpu = &s->cpu;
    unsigned selector = (unsigned)cpu->msr.sysenter_cs & 0xfffc;
    bool long_mode = soft_long_mode(s);

    need_sysenter(s, op);
    if (!(cpu->cr0 & CR0_PE) || !selector) {
        soft_raise(s, op, EXC_GP, 0);
    }
    cpu->rflags &= ~(uint64_t)(RFLAGS_IF | RFLAGS_VM | RFLAGS_RF);
    cpu->rip = long_mode ? cpu->msr.sysenter_eip : (uint32_t)cpu->msr.sysenter_eip;
    cpu->regs[X86_RSP] = long_mode ? cpu->msr.sysenter_esp : (uint32_t)cpu->msr.sysenter_esp;
    set_flat_code_and_stack(s, selector, selector + 8, 0, long_mode);
    soft_update_mode(s);
    return NULL;
}

static const Uop *run_sysexit(SoftCpu *s, const Uop *op)
{
    X86Cpu *cpu = &s->cpu;
    unsigned selector = (unsigned)cpu->msr.sysenter_cs & 0xfffc;
    bool code64 = op->size == 8;

    need_sysenter(s, op);
    check_ring0(s, op);
    if (!selector) {
        soft_raise(s, op, EXC_GP, 0);
    }
    if (code64 && (!soft_canonical(cpu->regs[X86_RCX]) || !soft_canonical(cpu->regs[X86_RDX]))) {
        soft_raise(s, op, EXC_GP, 0);
    }
    cpu->rip = code64 ? cpu->regs[X86_RDX] : (uint32_t)cpu->regs[X86_RDX];
    cpu->regs[X86_RSP] = code64 ? cpu->regs[X86_RCX] : (uint32_t)cpu->regs[X86_RCX];
    unsigned cs = selector + (code64 ? 32 : 16);
    set_flat_code_and_stack(s, cs, cs + 8, 3, code64);
    soft_update_mode(s);
    return NULL;
}

static UopFn *const fns[] = { run_syscall, run_sysret, run_sysenter, run_sysexit };

static bool emit(SoftDecoder *d, const SoftInsn *in)
{
    Uop *u = soft_emit(d, in, fns[d->arg]);

    u->size = in->raw.attributes & ZYDIS_ATTRIB_HAS_REX && in->raw.raw.rex.W ? 8 : 4;
    d->ended = true;
    return true;
}

const SoftFamilyEntry soft_family_syscall[] = {
    { ZYDIS_MNEMONIC_SYSCALL, emit, 0 },  { ZYDIS_MNEMONIC_SYSRET, emit, 1 },
    { ZYDIS_MNEMONIC_SYSENTER, emit, 2 }, { ZYDIS_MNEMONIC_SYSEXIT, emit, 3 },
    { ZYDIS_MNEMONIC_INVALID, NULL, 0 },
};
