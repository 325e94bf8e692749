/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which instructions are intercepted (APM vol. 2 sections 15.7 to 15.14). An instruction that its
 * privilege forbids faults as it would without a host: its intercept is not asked about.
 */
#include <string.h>

#include "accel/soft/decode.h"
#include "accel/soft/msr.h"
#include "accel/soft/segment.h"
#include "accel/soft/svm.h"
#include "accel/soft/uop.h"
#include "accel/soft/vme.h"

/* When the instruction itself faults. */
typedef enum Need {
    NEED_NOTHING,
    NEED_RING0,
    NEED_TSD,  /* ring 0, or CR4.TSD clear */
    NEED_PCE,  /* ring 0, or CR4.PCE */
    NEED_UMIP, /* ring 0, or CR4.UMIP clear */
    NEED_IOPL, /* VM86: IOPL 3, or CR4.VME */
    NEED_XCR,  /* ring 0, CR4.OSXSAVE */
} Need;

static bool need_met(const SoftCpu *s, Need need)
{
    const X86Cpu *cpu = &s->cpu;
    bool ring0 = soft_cpl(s) == 0;

    switch (need) {
    case NEED_NOTHING:
        return true;
    case NEED_RING0:
        return ring0;
    case NEED_TSD:
        return ring0 || !(cpu->cr4 & CR4_TSD);
    case NEED_PCE:
        return ring0 || (cpu->cr4 & CR4_PCE);
    case NEED_UMIP:
        return ring0 || !(cpu->cr4 & CR4_UMIP);
    case NEED_IOPL:
        return !soft_vm86_trapped(s) || (cpu->cr4 & CR4_VME);
    case NEED_XCR:
        return ring0 && (cpu->cr4 & CR4_OSXSAVE);
    }
    return true;
}

/* aux: a Need; imm: the exit code. */
static const Uop *check(SoftCpu *s, const Uop *op)
{
    if (x86_svm_intercepts(&s->cpu, (unsigned)op->imm) && need_met(s, op->aux)) {
        soft_svm_raise(s, op, op->imm, 0, 0);
    }
    return op + 1;
}

/* MOV to CR0, LMSW and CLTS in ring 0: CR0 would be @value. */
static void check_cr0(SoftCpu *s, const Uop *op, uint64_t value)
{
    const X86Cpu *cpu = &s->cpu;

    if (x86_svm_intercepts(cpu, SVM_EXIT_WRITE_CR0)) {
        soft_svm_raise(s, op, SVM_EXIT_WRITE_CR0, 0, 0);
    }
    if (x86_svm_intercepts(cpu, SVM_EXIT_CR0_SEL_WRITE) &&
        ((cpu->cr0 ^ value) & ~(uint64_t)(CR0_TS | CR0_MP))) {
        soft_svm_raise(s, op, SVM_EXIT_CR0_SEL_WRITE, 0, 0);
    }
}

static const Uop *check_mov_cr0(SoftCpu *s, const Uop *op)
{
    if (soft_cpl(s) == 0) {
        check_cr0(s, op, soft_get(s, op->src, op->size));
    }
    return op + 1;
}

static const Uop *check_lmsw(SoftCpu *s, const Uop *op)
{
    if (soft_cpl(s) == 0) {
        unsigned value = op->aux ? soft_load16(s, op, soft_addr(s, op)) : soft_get16(s, op->src);
        check_cr0(s, op, (s->cpu.cr0 & ~(uint64_t)0xe) | (value & 0xf));
    }
    return op + 1;
}

static const Uop *check_clts(SoftCpu *s, const Uop *op)
{
    if (soft_cpl(s) == 0) {
        check_cr0(s, op, s->cpu.cr0 & ~(uint64_t)CR0_TS);
    }
    return op + 1;
}

static const Uop *check_into(SoftCpu *s, const Uop *op)
{
    if ((soft_get_rflags(s) & RFLAGS_OF) &&
        x86_svm_intercepts(&s->cpu, SVM_EXIT_EXCEPTION + EXC_OF)) {
        soft_svm_raise(s, op, SVM_EXIT_EXCEPTION + EXC_OF, 0, 0);
    }
    return op + 1;
}

/* INT1: its own intercept, and that of #DB. */
static const Uop *check_int1(SoftCpu *s, const Uop *op)
{
    static const unsigned codes[] = { SVM_EXIT_ICEBP, SVM_EXIT_EXCEPTION + EXC_DB };

    for (unsigned i = 0; i < G_N_ELEMENTS(codes); i++) {
        if (x86_svm_intercepts(&s->cpu, codes[i])) {
            soft_svm_raise(s, op, codes[i], 0, 0);
        }
    }
    return op + 1;
}

/* Only every so many in a row, if the host wants that (section 15.14.4). */
static const Uop *check_pause(SoftCpu *s, const Uop *op)
{
    X86Svm *svm = &s->cpu.svm;

    if (!x86_svm_intercepts(&s->cpu, SVM_EXIT_PAUSE)) {
        return op + 1;
    }
    uint64_t now = soft_tsc(s);
    if (svm->pause_threshold && now - svm->last_pause > svm->pause_threshold) {
        svm->pause_left = svm->pause_count;
    }
    svm->last_pause = now;
    if (svm->pause_left) {
        svm->pause_left--;
        return op + 1;
    }
    soft_svm_raise(s, op, SVM_EXIT_PAUSE, 0, 0);
}

static const struct {
    ZydisMnemonic mnemonic;
    uint16_t code;
    uint8_t need;
    UopFn *fn; /* other than check() */
} table[] = {
    { ZYDIS_MNEMONIC_SMSW, SVM_EXIT_READ_CR0, NEED_UMIP, NULL },
    { ZYDIS_MNEMONIC_CLTS, 0, 0, check_clts },
    { ZYDIS_MNEMONIC_SIDT, SVM_EXIT_IDTR_READ, NEED_UMIP, NULL },
    { ZYDIS_MNEMONIC_SGDT, SVM_EXIT_GDTR_READ, NEED_UMIP, NULL },
    { ZYDIS_MNEMONIC_SLDT, SVM_EXIT_LDTR_READ, NEED_UMIP, NULL },
    { ZYDIS_MNEMONIC_STR, SVM_EXIT_TR_READ, NEED_UMIP, NULL },
    { ZYDIS_MNEMONIC_LIDT, SVM_EXIT_IDTR_WRITE, NEED_RING0, NULL },
    { ZYDIS_MNEMONIC_LGDT, SVM_EXIT_GDTR_WRITE, NEED_RING0, NULL },
    { ZYDIS_MNEMONIC_LLDT, SVM_EXIT_LDTR_WRITE, NEED_RING0, NULL },
    { ZYDIS_MNEMONIC_LTR, SVM_EXIT_TR_WRITE, NEED_RING0, NULL },
    { ZYDIS_MNEMONIC_RDTSC, SVM_EXIT_RDTSC, NEED_TSD, NULL },
    { ZYDIS_MNEMONIC_RDTSCP, SVM_EXIT_RDTSCP, NEED_TSD, NULL },
    { ZYDIS_MNEMONIC_RDPMC, SVM_EXIT_RDPMC, NEED_PCE, NULL },
    { ZYDIS_MNEMONIC_PUSHF, SVM_EXIT_PUSHF, NEED_IOPL, NULL },
    { ZYDIS_MNEMONIC_PUSHFD, SVM_EXIT_PUSHF, NEED_IOPL, NULL },
    { ZYDIS_MNEMONIC_PUSHFQ, SVM_EXIT_PUSHF, NEED_NOTHING, NULL },
    { ZYDIS_MNEMONIC_POPF, SVM_EXIT_POPF, NEED_IOPL, NULL },
    { ZYDIS_MNEMONIC_POPFD, SVM_EXIT_POPF, NEED_IOPL, NULL },
    { ZYDIS_MNEMONIC_POPFQ, SVM_EXIT_POPF, NEED_NOTHING, NULL },
    { ZYDIS_MNEMONIC_CPUID, SVM_EXIT_CPUID, NEED_NOTHING, NULL },
    { ZYDIS_MNEMONIC_RSM, SVM_EXIT_RSM, NEED_NOTHING, NULL },
    { ZYDIS_MNEMONIC_IRET, SVM_EXIT_IRET, NEED_IOPL, NULL },
    { ZYDIS_MNEMONIC_IRETD, SVM_EXIT_IRET, NEED_IOPL, NULL },
    { ZYDIS_MNEMONIC_IRETQ, SVM_EXIT_IRET, NEED_NOTHING, NULL },
    { ZYDIS_MNEMONIC_INT, SVM_EXIT_SWINT, NEED_IOPL, NULL },
    { ZYDIS_MNEMONIC_INT3, SVM_EXIT_EXCEPTION + EXC_BP, NEED_NOTHING, NULL },
    { ZYDIS_MNEMONIC_INTO, 0, 0, check_into },
    { ZYDIS_MNEMONIC_INT1, 0, 0, check_int1 },
    { ZYDIS_MNEMONIC_INVD, SVM_EXIT_INVD, NEED_RING0, NULL },
    { ZYDIS_MNEMONIC_WBINVD, SVM_EXIT_WBINVD, NEED_RING0, NULL },
    { ZYDIS_MNEMONIC_PAUSE, 0, 0, check_pause },
    { ZYDIS_MNEMONIC_HLT, SVM_EXIT_HLT, NEED_RING0, NULL },
    { ZYDIS_MNEMONIC_INVLPG, SVM_EXIT_INVLPG, NEED_RING0, NULL },
    { ZYDIS_MNEMONIC_INVPCID, SVM_EXIT_INVPCID, NEED_RING0, NULL },
    { ZYDIS_MNEMONIC_XSETBV, SVM_EXIT_XSETBV, NEED_XCR, NULL },
};

static void emit_lmsw(SoftDecoder *d, const SoftInsn *in)
{
    const ZydisDecodedOperand *o = &in->ops[0];
    bool memory = o->type == ZYDIS_OPERAND_TYPE_MEMORY;
    Uop *u = memory ? soft_emit_mem(d, in, check_lmsw, o) : soft_emit(d, in, check_lmsw);

    u->aux = memory;
    if (!memory) {
        u->src = soft_reg(o->reg.value);
    }
}

static void emit_mov(SoftDecoder *d, const SoftInsn *in)
{
    for (unsigned i = 0; i < 2; i++) {
        const ZydisDecodedOperand *o = &in->ops[i];
        ZydisRegisterClass class = o->type == ZYDIS_OPERAND_TYPE_REGISTER
                                       ? ZydisRegisterGetClass(o->reg.value)
                                       : ZYDIS_REGCLASS_INVALID;
        bool control = class == ZYDIS_REGCLASS_CONTROL, debug = class == ZYDIS_REGCLASS_DEBUG;

        if (!control && !debug) {
            continue;
        }
        unsigned number = (unsigned)ZydisRegisterGetId(o->reg.value);
        if (control && number == 0 && i == 0) {
            Uop *u = soft_emit(d, in, check_mov_cr0);
            u->src = soft_reg(in->ops[1].reg.value);
            u->size = (uint8_t)(in->ops[1].size / 8);
            return;
        }
        unsigned first = control ? (i == 0 ? SVM_EXIT_WRITE_CR0 : SVM_EXIT_READ_CR0)
                                 : (i == 0 ? SVM_EXIT_WRITE_DR0 : SVM_EXIT_READ_DR0);
        Uop *u = soft_emit(d, in, check);
        u->imm = first + (number & 15);
        u->aux = NEED_RING0;
    }
}

void soft_svm_emit_check(SoftDecoder *d, const SoftInsn *in)
{
    if (in->raw.mnemonic == ZYDIS_MNEMONIC_MOV) {
        emit_mov(d, in);
    } else if (in->raw.mnemonic == ZYDIS_MNEMONIC_LMSW) {
        emit_lmsw(d, in);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(table); i++) {
        if (table[i].mnemonic == in->raw.mnemonic) {
            Uop *u = soft_emit(d, in, table[i].fn ? table[i].fn : check);
            u->imm = table[i].code;
            u->aux = table[i].need;
            return;
        }
    }
}

/* ---- those with a map ---- */

/* The byte at @addr of a map; where no RAM is, the bus reads ones. */
static unsigned map_byte(hwaddr addr)
{
    const uint8_t *host = address_space_host(&address_space_memory, addr, 1);

    return host ? *host : 0xff;
}

void soft_svm_check_io(SoftCpu *s, const Uop *op, unsigned port, uint32_t info)
{
    if (!x86_svm_intercepts(&s->cpu, SVM_EXIT_IOIO)) {
        return;
    }
    hwaddr at = s->cpu.svm.iopm + port / 8;
    unsigned bits = (map_byte(at) | map_byte(at + 1) << 8) >> port % 8;

    if (bits & ((1u << op->size) - 1)) {
        uint64_t next = soft_op_rip(s, op) + op->len;

        soft_svm_raise(s, op, SVM_EXIT_IOIO,
                       info | (uint32_t)op->size << SVM_IO_SIZE_SHIFT | port << SVM_IO_PORT_SHIFT,
                       soft_code64(s) ? next : (uint32_t)next);
    }
}

void soft_svm_check_msr(SoftCpu *s, const Uop *op, bool write)
{
    static const struct {
        uint32_t first, offset;
    } ranges[] = { { 0, 0 }, { 0xc0000000, 0x800 }, { 0xc0010000, 0x1000 } };
    enum { RANGE = 0x2000 };
    uint32_t msr = (uint32_t)s->cpu.regs[X86_RCX];
    unsigned forbidden = 1; /* outside the map all are */

    if (!x86_svm_intercepts(&s->cpu, SVM_EXIT_MSR)) {
        return;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(ranges); i++) {
        uint32_t number = msr - ranges[i].first;

        if (number < RANGE) {
            unsigned byte = map_byte(s->cpu.svm.msrpm + ranges[i].offset + number / 4);
            forbidden = byte >> (number % 4 * 2 + write) & 1;
        }
    }
    if (forbidden) {
        soft_svm_raise(s, op, SVM_EXIT_MSR, write, 0);
    }
}

void soft_svm_check_task(SoftCpu *s, const Uop *op, const SoftTaskSwitch *to)
{
    const uint64_t by_iret = 1ull << 36, by_jmp = 1ull << 38, has_error = 1ull << 44;

    if (!x86_svm_intercepts(&s->cpu, SVM_EXIT_TASK_SWITCH)) {
        return;
    }
    uint64_t info2 = to->how == SOFT_TASK_RETURN ? by_iret : to->how == SOFT_TASK_JUMP ? by_jmp : 0;

    if (to->error_code >= 0) {
        info2 |= has_error | (uint32_t)to->error_code;
    }
    info2 |= to->flags & RFLAGS_RF ? 1ull << 48 : 0;
    soft_svm_raise(s, op, SVM_EXIT_TASK_SWITCH, to->selector, info2);
}
