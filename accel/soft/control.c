/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Control and debug registers (SDM vol. 3 sections 2.5, 18.2), TLB and cache maintenance. */
#include "accel/soft/breakpoint.h"
#include <string.h>

#include "accel/soft/control.h"
#include "accel/soft/decode.h"
#include "accel/soft/mmu.h"
#include "accel/soft/segment.h"
#include "accel/soft/svm.h"
#include "accel/soft/uop.h"
#include "memory/address-space.h"

#define PCID_MASK 0xfffu

static void need_ring0(SoftCpu *s, const Uop *op)
{
    if (soft_cpl(s) != 0) {
        soft_raise(s, op, EXC_GP, 0);
    }
}

/* ---- CR0, CR3, CR4, CR8 ---- */

/* What PAE paging outside long mode begins with is checked when it is loaded: #GP(0) if an entry
 * that is present has a bit that must be 0 (SDM vol. 3 section 4.4.1). The walk reads them again.
 */
static void check_pdptes(SoftCpu *s, const Uop *op, uint64_t cr0, uint64_t cr3, uint64_t cr4)
{
    const uint64_t reserved = 0x1e6 | UINT64_MAX << s->cpu.model.phys_bits;

    /* With nested paging a guest's tables are where its host says; the walk will see. */
    if (!(cr0 & CR0_PG) || !(cr4 & CR4_PAE) || (s->cpu.efer & EFER_LME) || soft_svm_nested(s)) {
        return;
    }
    const uint8_t *host = address_space_host(soft_memory(s), cr3 & 0xffffffe0, 4 * 8);
    for (unsigned i = 0; host && i < 4; i++) {
        uint64_t entry;
        memcpy(&entry, host + 8 * i, sizeof(entry));
        if ((entry & PTE_P) && (entry & reserved)) {
            soft_raise(s, op, EXC_GP, 0);
        }
    }
}

uint64_t soft_cr0_known(void)
{
    return CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD |
           CR0_PG;
}

static void write_cr0(SoftCpu *s, const Uop *op, uint64_t value)
{
    X86Cpu *cpu = &s->cpu;
    bool paging = value & CR0_PG, was_paging = cpu->cr0 & CR0_PG;

    if (value >> 32 || (paging && !(value & CR0_PE)) || ((value & CR0_NW) && !(value & CR0_CD))) {
        soft_raise(s, op, EXC_GP, 0);
    }
    if (paging && !was_paging && (cpu->efer & EFER_LME) &&
        (!(cpu->cr4 & CR4_PAE) || (cpu->segs[X86_SEG_CS].flags & SEG_L))) {
        soft_raise(s, op, EXC_GP, 0);
    }
    if (!paging && (soft_code64(s) || (cpu->cr4 & CR4_PCIDE))) {
        soft_raise(s, op, EXC_GP, 0);
    }
    check_pdptes(s, op, value, cpu->cr3, cpu->cr4);
    uint64_t changed = cpu->cr0 ^ value;
    cpu->cr0 = (value & soft_cr0_known()) | CR0_ET;
    if (changed & CR0_PG) {
        bool lma = paging && (cpu->efer & EFER_LME);
        cpu->efer = (cpu->efer & ~(uint64_t)EFER_LMA) | (lma ? EFER_LMA : 0);
    }
    if (changed & (CR0_PG | CR0_WP | CR0_PE)) {
        soft_tlb_flush(s, false);
    }
    soft_update_mode(s);
}

static void write_cr3(SoftCpu *s, const Uop *op, uint64_t value)
{
    X86Cpu *cpu = &s->cpu;

    /* Bit 63 with PCIDs: entries of the new one may stay. Ours do not tell PCIDs apart. */
    if (cpu->cr4 & CR4_PCIDE) {
        value &= ~(UINT64_C(1) << 63);
    }
    if (soft_long_mode(s) && value >> cpu->model.phys_bits) {
        soft_raise(s, op, EXC_GP, 0);
    }
    check_pdptes(s, op, cpu->cr0, value, cpu->cr4);
    cpu->cr3 = value;
    soft_tlb_flush(s, cpu->cr4 & CR4_PGE);
}

uint64_t soft_cr4_known(const X86CpuModel *m)
{
    static const struct {
        X86FeatureWord word;
        uint32_t feature, cr4;
    } optional[] = {
        { X86_FEAT_1_EDX, CPUID_1_EDX_VME, CR4_VME | CR4_PVI },
        { X86_FEAT_1_EDX, CPUID_1_EDX_DE, CR4_DE },
        { X86_FEAT_1_EDX, CPUID_1_EDX_PSE, CR4_PSE },
        { X86_FEAT_1_EDX, CPUID_1_EDX_TSC, CR4_TSD },
        { X86_FEAT_1_EDX, CPUID_1_EDX_PAE, CR4_PAE },
        { X86_FEAT_1_EDX, CPUID_1_EDX_MCE, CR4_MCE },
        { X86_FEAT_1_EDX, CPUID_1_EDX_PGE, CR4_PGE },
        { X86_FEAT_1_EDX, CPUID_1_EDX_FXSR, CR4_OSFXSR },
        { X86_FEAT_1_EDX, CPUID_1_EDX_SSE, CR4_OSXMMEXCPT },
        { X86_FEAT_1_ECX, CPUID_1_ECX_XSAVE, CR4_OSXSAVE },
        { X86_FEAT_1_ECX, CPUID_1_ECX_PCID, CR4_PCIDE },
        { X86_FEAT_7_EBX, CPUID_7_EBX_FSGSBASE, CR4_FSGSBASE },
        { X86_FEAT_7_ECX, CPUID_7_ECX_PKU, CR4_PKE },
        { X86_FEAT_7_EBX, CPUID_7_EBX_SMEP, CR4_SMEP },
        { X86_FEAT_7_EBX, CPUID_7_EBX_SMAP, CR4_SMAP },
        { X86_FEAT_7_ECX, CPUID_7_ECX_UMIP, CR4_UMIP },
    };
    uint64_t known = CR4_PCE;

    for (size_t i = 0; i < G_N_ELEMENTS(optional); i++) {
        known |= x86_cpu_model_has(m, optional[i].word, optional[i].feature) ? optional[i].cr4 : 0;
    }
    return known;
}

static void write_cr4(SoftCpu *s, const Uop *op, uint64_t value)
{
    X86Cpu *cpu = &s->cpu;

    bool new_pcids = value & ~cpu->cr4 & CR4_PCIDE;
    if ((value & ~soft_cr4_known(&cpu->model)) || (soft_long_mode(s) && !(value & CR4_PAE)) ||
        (new_pcids && (!soft_long_mode(s) || (cpu->cr3 & PCID_MASK)))) {
        soft_raise(s, op, EXC_GP, 0);
    }
    check_pdptes(s, op, cpu->cr0, cpu->cr3, value);
    cpu->cr4 = value;
    soft_tlb_flush(s, false);
    soft_breakpoints_update(s); /* DE */
    soft_update_mode(s);
}

static void write_cr8(SoftCpu *s, const Uop *op, uint64_t value)
{
    X86Cpu *cpu = &s->cpu;

    if (value > 15) {
        soft_raise(s, op, EXC_GP, 0);
    }
    if (x86_svm_virtual_tpr(cpu)) {
        cpu->svm.int_ctl = (cpu->svm.int_ctl & ~SVM_V_TPR) | value;
        return;
    }
    if (cpu->apic_ops) {
        soft_machine_enter(s);
        cpu->apic_ops->tpr_set(cpu->apic, (uint8_t)value);
        soft_machine_leave(s);
    }
}

static const Uop *run_write_cr(SoftCpu *s, const Uop *op)
{
    uint64_t value = soft_get(s, op->src, op->size);

    need_ring0(s, op);
    switch (op->dst) {
    case 0:
        write_cr0(s, op, value);
        break;
    case 2:
        s->cpu.cr2 = value;
        break;
    case 3:
        write_cr3(s, op, value);
        break;
    case 4:
        write_cr4(s, op, value);
        break;
    default:
        write_cr8(s, op, value);
        break;
    }
    return op + 1;
}

static const Uop *run_read_cr(SoftCpu *s, const Uop *op)
{
    X86Cpu *cpu = &s->cpu;
    const uint64_t values[] = { cpu->cr0, 0, cpu->cr2, cpu->cr3, cpu->cr4 };

    need_ring0(s, op);
    uint64_t value = op->src < G_N_ELEMENTS(values) ? values[op->src]
                     : x86_svm_virtual_tpr(cpu)     ? cpu->svm.int_ctl & 15
                     : cpu->apic_ops                ? cpu->apic_ops->tpr_get(cpu->apic)
                                                    : 0;
    soft_set(s, op->dst, value, op->size);
    return op + 1;
}

/* ---- debug registers ---- */

/* DR4 and DR5 are DR6 and DR7, or forbidden; general detect. */
static unsigned debug_register(SoftCpu *s, const Uop *op, unsigned number)
{
    X86Cpu *cpu = &s->cpu;

    if ((cpu->cr4 & CR4_DE) && (number == 4 || number == 5)) {
        soft_raise(s, op, EXC_UD, -1);
    }
    need_ring0(s, op);
    if (cpu->dr[7] & DR7_GD) {
        cpu->dr[6] |= DR6_BD;
        soft_raise(s, op, EXC_DB, -1);
    }
    return number == 4 || number == 5 ? number + 2 : number;
}

static const Uop *run_write_dr(SoftCpu *s, const Uop *op)
{
    unsigned number = debug_register(s, op, op->dst);
    uint64_t value = soft_get(s, op->src, op->size);

    if (number >= 6 && value >> 32) {
        soft_raise(s, op, EXC_GP, 0);
    }
    if (number == 6) {
        value = (value & 0xe00f) | DR6_FIXED_ONE;
    } else if (number == 7) {
        value = (value & 0xffff23ff) | DR7_FIXED_ONE;
    }
    s->cpu.dr[number] = value;
    soft_breakpoints_update(s);
    return op + 1;
}

static const Uop *run_read_dr(SoftCpu *s, const Uop *op)
{
    soft_set(s, op->dst, s->cpu.dr[debug_register(s, op, op->src)], op->size);
    return op + 1;
}

static bool emit_mov(SoftDecoder *d, const SoftInsn *in)
{
    const ZydisDecodedOperand *to = &in->ops[0], *from = &in->ops[1];
    ZydisRegisterClass to_class = to->type == ZYDIS_OPERAND_TYPE_REGISTER
                                      ? ZydisRegisterGetClass(to->reg.value)
                                      : ZYDIS_REGCLASS_INVALID;
    ZydisRegisterClass from_class = from->type == ZYDIS_OPERAND_TYPE_REGISTER
                                        ? ZydisRegisterGetClass(from->reg.value)
                                        : ZYDIS_REGCLASS_INVALID;
    UopFn *fn = to_class == ZYDIS_REGCLASS_CONTROL     ? run_write_cr
                : to_class == ZYDIS_REGCLASS_DEBUG     ? run_write_dr
                : from_class == ZYDIS_REGCLASS_CONTROL ? run_read_cr
                : from_class == ZYDIS_REGCLASS_DEBUG   ? run_read_dr
                                                       : NULL;
    if (!fn) {
        return false;
    }
    Uop *u = soft_emit(d, in, fn);
    u->dst = (uint8_t)ZydisRegisterGetId(to->reg.value);
    u->src = (uint8_t)ZydisRegisterGetId(from->reg.value);
    u->size = d->mode == 64 ? 8 : 4;
    if (fn == run_write_cr || fn == run_write_dr) {
        soft_end_block(d, in);
    }
    return true;
}

/* ---- the rest ---- */

static const Uop *run_clts(SoftCpu *s, const Uop *op)
{
    need_ring0(s, op);
    s->cpu.cr0 &= ~(uint64_t)CR0_TS;
    return op + 1;
}

static const Uop *run_lmsw(SoftCpu *s, const Uop *op)
{
    need_ring0(s, op);
    unsigned value = op->aux ? soft_load16(s, op, soft_addr(s, op)) : soft_get16(s, op->src);
    /* PE can be set, not cleared. */
    write_cr0(s, op, (s->cpu.cr0 & ~(uint64_t)0xe) | (value & 0xf));
    return op + 1;
}

static const Uop *run_smsw(SoftCpu *s, const Uop *op)
{
    if ((s->cpu.cr4 & CR4_UMIP) && soft_cpl(s) != 0) {
        soft_raise(s, op, EXC_GP, 0);
    }
    if (op->aux) {
        soft_store16(s, op, soft_addr(s, op), (uint16_t)s->cpu.cr0);
    } else {
        soft_set(s, op->src, s->cpu.cr0, op->size);
    }
    return op + 1;
}

static bool emit_msw(SoftDecoder *d, const SoftInsn *in)
{
    const ZydisDecodedOperand *o = &in->ops[0];
    bool load = d->arg, memory = o->type == ZYDIS_OPERAND_TYPE_MEMORY;
    UopFn *fn = load ? run_lmsw : run_smsw;
    Uop *u = memory ? soft_emit_mem(d, in, fn, o) : soft_emit(d, in, fn);

    u->aux = memory;
    u->size = in->raw.operand_width / 8;
    if (!memory) {
        u->src = soft_reg(o->reg.value);
    }
    if (load) {
        soft_end_block(d, in);
    }
    return true;
}

static const Uop *run_invlpg(SoftCpu *s, const Uop *op)
{
    need_ring0(s, op);
    uint64_t addr = soft_addr(s, op);
    if (soft_canonical(addr)) {
        soft_tlb_flush_page(s, addr);
    }
    return op + 1;
}

static bool emit_invlpg(SoftDecoder *d, const SoftInsn *in)
{
    soft_emit_mem(d, in, run_invlpg, &in->ops[0]);
    soft_end_block(d, in);
    return true;
}

enum { INVPCID_ADDRESS, INVPCID_ONE, INVPCID_ALL, INVPCID_ALL_BUT_GLOBAL };

/* TLB entries do not tell PCIDs apart, so more goes than is asked for. */
static const Uop *run_invpcid(SoftCpu *s, const Uop *op)
{
    uint64_t type = soft_get(s, op->src, op->size), descriptor[2];

    need_ring0(s, op);
    soft_read(s, op, soft_addr(s, op), descriptor, sizeof(descriptor));
    bool of_one = type == INVPCID_ADDRESS || type == INVPCID_ONE;
    if (type > INVPCID_ALL_BUT_GLOBAL || descriptor[0] & ~(uint64_t)PCID_MASK ||
        (of_one && descriptor[0] && !(s->cpu.cr4 & CR4_PCIDE)) ||
        (type == INVPCID_ADDRESS && !soft_canonical(descriptor[1]))) {
        soft_raise(s, op, EXC_GP, 0);
    }
    if (type == INVPCID_ADDRESS) {
        soft_tlb_flush_page(s, descriptor[1]);
    } else {
        soft_tlb_flush(s, type != INVPCID_ALL);
    }
    return op + 1;
}

static bool emit_invpcid(SoftDecoder *d, const SoftInsn *in)
{
    Uop *u = soft_emit_mem(d, in, run_invpcid, &in->ops[1]);

    u->src = soft_reg(in->ops[0].reg.value);
    u->size = d->mode == 64 ? 8 : 4;
    soft_end_block(d, in);
    return true;
}

/* ---- protection keys ---- */

static void need_keys(SoftCpu *s, const Uop *op)
{
    if (!(s->cpu.cr4 & CR4_PKE)) {
        soft_raise(s, op, EXC_UD, -1);
    }
    if ((uint32_t)s->cpu.regs[X86_RCX] != 0) {
        soft_raise(s, op, EXC_GP, 0);
    }
}

static const Uop *run_rdpkru(SoftCpu *s, const Uop *op)
{
    need_keys(s, op);
    s->cpu.regs[X86_RAX] = s->cpu.pkru;
    s->cpu.regs[X86_RDX] = 0;
    return op + 1;
}

static const Uop *run_wrpkru(SoftCpu *s, const Uop *op)
{
    need_keys(s, op);
    if ((uint32_t)s->cpu.regs[X86_RDX] != 0) {
        soft_raise(s, op, EXC_GP, 0);
    }
    soft_set_pkru(s, (uint32_t)s->cpu.regs[X86_RAX]);
    return op + 1;
}

static bool emit_pkru(SoftDecoder *d, const SoftInsn *in)
{
    soft_emit(d, in, d->arg ? run_wrpkru : run_rdpkru);
    soft_end_block(d, in);
    return true;
}

/* INVD, WBINVD: caches are coherent and not ours. */
static const Uop *run_privileged_nop(SoftCpu *s, const Uop *op)
{
    need_ring0(s, op);
    return op + 1;
}

static bool emit_plain(SoftDecoder *d, const SoftInsn *in)
{
    static UopFn *const fns[] = { run_clts, run_privileged_nop };

    soft_emit(d, in, fns[d->arg]);
    return true;
}

const SoftFamilyEntry soft_family_control[] = {
    { ZYDIS_MNEMONIC_MOV, emit_mov, 0 },       { ZYDIS_MNEMONIC_CLTS, emit_plain, 0 },
    { ZYDIS_MNEMONIC_INVD, emit_plain, 1 },    { ZYDIS_MNEMONIC_WBINVD, emit_plain, 1 },
    { ZYDIS_MNEMONIC_LMSW, emit_msw, 1 },      { ZYDIS_MNEMONIC_SMSW, emit_msw, 0 },
    { ZYDIS_MNEMONIC_INVLPG, emit_invlpg, 0 }, { ZYDIS_MNEMONIC_INVPCID, emit_invpcid, 0 },
    { ZYDIS_MNEMONIC_RDPKRU, emit_pkru, 0 },   { ZYDIS_MNEMONIC_WRPKRU, emit_pkru, 1 },
    { ZYDIS_MNEMONIC_INVALID, NULL, 0 },
};
