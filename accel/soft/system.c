/* SPDX-License-Identifier: GPL-2.0-or-later */
/* System instructions without a family of their own: interrupt flag, HLT, CPUID, time stamp, MSRs,
 * FS and GS bases, SMAP's window, POPF's rules. */
#include "accel/soft/decode.h"
#include "accel/soft/msr.h"
#include "accel/soft/segment.h"
#include "accel/soft/smm.h"
#include "accel/soft/svm.h"
#include "accel/soft/transfer.h"
#include "accel/soft/translate/meaning.h"
#include "accel/soft/uop.h"
#include "accel/soft/vme.h"

static void need_ring0(SoftCpu *s, const Uop *op)
{
    if (soft_cpl(s) != 0) {
        soft_raise(s, op, EXC_GP, 0);
    }
}

/* ---- flags ---- */

void soft_popf(SoftCpu *s, const Uop *op, uint64_t value, unsigned size)
{
    const uint64_t kept = RFLAGS_VIF | RFLAGS_VIP;

    if (soft_vm86_trapped(s)) {
        soft_virtual_popf(s, op, value, size);
    } else {
        value = (value & ~kept) | (s->cpu.rflags & kept);
        soft_write_flags(s, value, size, s->cpu.cr0 & CR0_PE ? soft_cpl(s) : 0);
    }
    soft_update_mode(s);
}

uint64_t soft_pushf(SoftCpu *s, const Uop *op, unsigned size)
{
    if (soft_vm86_trapped(s)) {
        return soft_virtual_pushf(s, op, size);
    }
    return soft_get_rflags(s) & ~(uint64_t)(RFLAGS_VM | RFLAGS_RF);
}

/* CLI and STI are allowed where CPL <= IOPL. */
static bool iopl_allows(const SoftCpu *s)
{
    unsigned iopl = (s->cpu.rflags & RFLAGS_IOPL) >> RFLAGS_IOPL_SHIFT;

    return !(s->cpu.cr0 & CR0_PE) || soft_cpl(s) <= iopl;
}

static const Uop *run_cli(SoftCpu *s, const Uop *op)
{
    if (iopl_allows(s)) {
        s->cpu.rflags &= ~(uint64_t)RFLAGS_IF;
    } else if (!soft_virtual_cli(s)) {
        soft_raise(s, op, EXC_GP, 0);
    }
    return op + 1;
}

static const Uop *run_sti(SoftCpu *s, const Uop *op)
{
    if (iopl_allows(s)) {
        s->cpu.interrupt_shadow = !(s->cpu.rflags & RFLAGS_IF);
        s->cpu.rflags |= RFLAGS_IF;
    } else if (!soft_virtual_sti(s, op)) {
        soft_raise(s, op, EXC_GP, 0);
    }
    if (atomic_load_explicit(&s->cpu.interrupts, memory_order_relaxed)) {
        /* Relaxed: who sets a bit later kicks this CPU after it. The engine is to see it, and the
         * shadow, before the next block. */
        atomic_store(&s->cpu.exit_request, true);
    }
    return op + 1;
}

/* STAC, CLAC: other rules for data, by which blocks are translated. */
static const Uop *run_ac(SoftCpu *s, const Uop *op)
{
    if (soft_cpl(s) != 0) {
        soft_raise(s, op, EXC_UD, -1);
    }
    s->cpu.rflags = (s->cpu.rflags & ~(uint64_t)RFLAGS_AC) | (op->aux ? RFLAGS_AC : 0);
    soft_update_mode(s);
    return op + 1;
}

/* ---- HLT, CPUID, time ---- */

static const Uop *run_hlt(SoftCpu *s, const Uop *op)
{
    need_ring0(s, op);
    s->cpu.interrupt_shadow = false; /* STI's was this instruction */
    s->cpu.halted = true;
    s->cpu.frozen = false;
    return op + 1;
}

static const Uop *run_cpuid(SoftCpu *s, const Uop *op)
{
    const X86Cpu *cpu = &s->cpu;
    uint64_t *regs = s->cpu.regs;
    uint32_t leaf = (uint32_t)regs[X86_RAX];
    X86CpuidRegs r;

    x86_cpuid(cpu, leaf, (uint32_t)regs[X86_RCX], &r);
    bool repeated = leaf == 0x80000001; /* by AMD */
    if ((leaf == 1 || repeated) && cpu->apic_ops &&
        !(cpu->apic_ops->base_get(cpu->apic) & APIC_BASE_ENABLE)) {
        r.edx &= ~CPUID_1_EDX_APIC; /* SDM vol. 3 section 11.4.3 */
    }
    regs[X86_RAX] = r.eax;
    regs[X86_RBX] = r.ebx;
    regs[X86_RCX] = r.ecx;
    regs[X86_RDX] = r.edx;
    return op + 1;
}

static const Uop *run_rdtsc(SoftCpu *s, const Uop *op)
{
    bool rdtscp = op->aux;

    if ((s->cpu.cr4 & CR4_TSD) && soft_cpl(s) != 0) {
        soft_raise(s, op, EXC_GP, 0);
    }
    uint64_t tsc = soft_tsc(s);
    s->cpu.regs[X86_RAX] = (uint32_t)tsc;
    s->cpu.regs[X86_RDX] = tsc >> 32;
    if (rdtscp) {
        s->cpu.regs[X86_RCX] = (uint32_t)s->cpu.msr.tsc_aux;
    }
    return op + 1;
}

static const Uop *run_rdpid(SoftCpu *s, const Uop *op)
{
    s->cpu.regs[op->dst] = (uint32_t)s->cpu.msr.tsc_aux;
    return op + 1;
}

static bool emit_rdpid(SoftDecoder *d, const SoftInsn *in)
{
    soft_emit(d, in, run_rdpid)->dst = soft_reg(in->ops[0].reg.value);
    return true;
}

/* AMD's have four counters, Intel's none that they would tell of. */
static const Uop *run_rdpmc(SoftCpu *s, const Uop *op)
{
    uint64_t *regs = s->cpu.regs;
    uint32_t number = (uint32_t)regs[X86_RCX];
    bool allowed = soft_cpl(s) == 0 || (s->cpu.cr4 & CR4_PCE);

    if (!allowed || !x86_cpu_model_is_amd(&s->cpu.model) ||
        number >= G_N_ELEMENTS(s->cpu.msr.k7_perfctr)) {
        soft_raise(s, op, EXC_GP, 0);
    }
    uint64_t value = s->cpu.msr.k7_perfctr[number];
    regs[X86_RAX] = (uint32_t)value;
    regs[X86_RDX] = value >> 32;
    return op + 1;
}

/* ---- MSRs ---- */

static const Uop *run_rdmsr(SoftCpu *s, const Uop *op)
{
    uint64_t value;

    need_ring0(s, op);
    if (SOFT_UNLIKELY(s->cpu.svm.guest)) {
        soft_svm_check_msr(s, op, false);
    }
    if (!soft_msr_read(s, (uint32_t)s->cpu.regs[X86_RCX], &value)) {
        soft_raise(s, op, EXC_GP, 0);
    }
    s->cpu.regs[X86_RAX] = (uint32_t)value;
    s->cpu.regs[X86_RDX] = value >> 32;
    return op + 1;
}

static const Uop *run_wrmsr(SoftCpu *s, const Uop *op)
{
    const uint64_t *regs = s->cpu.regs;
    uint64_t value = (uint32_t)regs[X86_RAX] | regs[X86_RDX] << 32;

    need_ring0(s, op);
    if (SOFT_UNLIKELY(s->cpu.svm.guest)) {
        soft_svm_check_msr(s, op, true);
    }
    if (!soft_msr_write(s, (uint32_t)regs[X86_RCX], value)) {
        soft_raise(s, op, EXC_GP, 0);
    }
    return op + 1;
}

static const Uop *run_swapgs(SoftCpu *s, const Uop *op)
{
    need_ring0(s, op);
    uint64_t base = s->cpu.segs[X86_SEG_GS].base;
    s->cpu.segs[X86_SEG_GS].base = s->cpu.msr.kernel_gs_base;
    s->cpu.msr.kernel_gs_base = base;
    s->seg_base[X86_SEG_GS] = s->cpu.segs[X86_SEG_GS].base;
    return op + 1;
}

/* ---- RDFSBASE and kin ---- */

static void need_fsgsbase(SoftCpu *s, const Uop *op)
{
    if (!(s->cpu.cr4 & CR4_FSGSBASE)) {
        soft_raise(s, op, EXC_UD, -1);
    }
}

static const Uop *run_read_base(SoftCpu *s, const Uop *op)
{
    need_fsgsbase(s, op);
    soft_set(s, op->dst, s->cpu.segs[op->aux].base, op->size);
    return op + 1;
}

static const Uop *run_write_base(SoftCpu *s, const Uop *op)
{
    need_fsgsbase(s, op);
    uint64_t base = soft_get(s, op->dst, op->size);
    if (!soft_canonical(base)) {
        soft_raise(s, op, EXC_GP, 0);
    }
    s->cpu.segs[op->aux].base = base;
    s->seg_base[op->aux] = base;
    return op + 1;
}

/* d->arg: segment, and bit 3: write. */
static bool emit_base(SoftDecoder *d, const SoftInsn *in)
{
    if (d->mode != 64) {
        return false;
    }
    Uop *u = soft_emit(d, in, d->arg & 8 ? run_write_base : run_read_base);
    u->dst = soft_reg(in->ops[0].reg.value);
    u->size = (uint8_t)(in->ops[0].size / 8);
    u->aux = d->arg & 7;
    return true;
}

/* ---- the table ---- */

enum { ENDS_BLOCK = 1, ONLY_64 = 2, GOES_ON = 4 };

static const struct {
    UopFn *fn;
    uint8_t aux, how;
} plain[] = {
    { run_cli, 0, 0 },
    { run_sti, 0, GOES_ON },
    { run_hlt, 0, ENDS_BLOCK },
    { run_cpuid, 0, 0 },
    { run_rdtsc, 0, 0 },
    { run_rdtsc, 1, 0 },
    { run_rdpmc, 0, 0 },
    { run_rdmsr, 0, 0 },
    { run_wrmsr, 0, ENDS_BLOCK },
    { run_swapgs, 0, ONLY_64 },
    { run_ac, 0, ENDS_BLOCK },
    { run_ac, 1, ENDS_BLOCK },
    { soft_run_rsm, 0, ENDS_BLOCK },
};

static bool emit_plain(SoftDecoder *d, const SoftInsn *in)
{
    if ((plain[d->arg].how & ONLY_64) && d->mode != 64) {
        return false;
    }
    soft_emit(d, in, plain[d->arg].fn)->aux = plain[d->arg].aux;
    if (plain[d->arg].how & ENDS_BLOCK) {
        soft_end_block(d, in);
    } else if (plain[d->arg].how & GOES_ON) {
        soft_end_block_go_on(d, in);
    }
    return true;
}

const SoftFamilyEntry soft_family_system[] = {
    { ZYDIS_MNEMONIC_CLI, emit_plain, 0 },
    { ZYDIS_MNEMONIC_STI, emit_plain, 1 },
    { ZYDIS_MNEMONIC_HLT, emit_plain, 2 },
    { ZYDIS_MNEMONIC_CPUID, emit_plain, 3 },
    { ZYDIS_MNEMONIC_RDTSC, emit_plain, 4 },
    { ZYDIS_MNEMONIC_RDTSCP, emit_plain, 5 },
    { ZYDIS_MNEMONIC_RDPID, emit_rdpid, 0 },
    { ZYDIS_MNEMONIC_RDPMC, emit_plain, 6 },
    { ZYDIS_MNEMONIC_RDMSR, emit_plain, 7 },
    { ZYDIS_MNEMONIC_WRMSR, emit_plain, 8 },
    { ZYDIS_MNEMONIC_SWAPGS, emit_plain, 9 },
    { ZYDIS_MNEMONIC_CLAC, emit_plain, 10 },
    { ZYDIS_MNEMONIC_STAC, emit_plain, 11 },
    { ZYDIS_MNEMONIC_RSM, emit_plain, 12 },
    { ZYDIS_MNEMONIC_RDFSBASE, emit_base, X86_SEG_FS },
    { ZYDIS_MNEMONIC_RDGSBASE, emit_base, X86_SEG_GS },
    { ZYDIS_MNEMONIC_WRFSBASE, emit_base, 8 | X86_SEG_FS },
    { ZYDIS_MNEMONIC_WRGSBASE, emit_base, 8 | X86_SEG_GS },
    { ZYDIS_MNEMONIC_INVALID, NULL, 0 },
};

void soft_meanings_system(void)
{
    soft_meaning_add(run_cli, (SoftMeaning){ .kind = SOFT_MEANS_CLI });
    soft_meaning_add(run_sti, (SoftMeaning){ .kind = SOFT_MEANS_STI });
    soft_meaning_add(run_swapgs, (SoftMeaning){ .kind = SOFT_MEANS_SWAPGS });
}
