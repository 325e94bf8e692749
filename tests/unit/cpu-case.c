/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Instructions are made from random bytes of every opcode map, so that what the decoder knows is
 * what is tested. Those that the host could not run unprivileged, or that would leave the data
 * buffer, are passed over.
 */
#include "tests/unit/cpu-case.h"

#include <Zydis/Zydis.h>
#include <glib.h>
#include <string.h>

#include "accel/soft/native.h"

#define DATA_MID  (DATA_BASE + DATA_SIZE / 2)
#define MAX_INSNS 6

static ZydisDecoder decoder;
static const X86CpuModel *model;
static unsigned code_bits;

/* ---- random numbers: xorshift64* ---- */
static uint64_t rng_state;

static uint64_t rnd(void)
{
    rng_state ^= rng_state >> 12;
    rng_state ^= rng_state << 25;
    rng_state ^= rng_state >> 27;
    return rng_state * 0x2545f4914f6cdd1dull;
}

static unsigned below(unsigned n)
{
    return (rnd() >> 16) % n;
}

uint64_t cpu_case_value(void)
{
    static const uint64_t edges[] = {
        0,
        1,
        2,
        0x7f,
        0x80,
        0xff,
        0x100,
        0x7fff,
        0x8000,
        0xffff,
        0x10000,
        0x7fffffff,
        0x80000000,
        0xffffffff,
        0x100000000,
        0x7fffffffffffffff,
        0x8000000000000000,
        0xffffffffffffffff,
        0x5555555555555555,
        0x3ff0000000000000,
        0x7ff0000000000000,
        0x7ff8000000000001,
        0x7ff0000000000001,
        0x3f8000007f800000,
        0x000fffff00000001,
        0x7fc00000ff800001,
    };
    switch (below(4)) {
    case 0:
        return edges[below(G_N_ELEMENTS(edges))];
    case 1:
        return below(70);
    case 2:
        return (int64_t)(int32_t)rnd();
    default:
        return rnd();
    }
}
/* ---- which instructions ---- */

/* Unprivileged, the same at every run, and harmless to the test's own process. */
static bool category_excluded(const ZydisDecodedInstruction *raw)
{
    switch (raw->meta.category) {
    case ZYDIS_CATEGORY_SYSTEM:
    case ZYDIS_CATEGORY_SYSCALL:
    case ZYDIS_CATEGORY_SYSRET:
    case ZYDIS_CATEGORY_INTERRUPT:
    case ZYDIS_CATEGORY_IO:
    case ZYDIS_CATEGORY_IOSTRINGOP:
    case ZYDIS_CATEGORY_SEGOP:
    case ZYDIS_CATEGORY_RDRAND:
    case ZYDIS_CATEGORY_RDSEED:
    case ZYDIS_CATEGORY_RDWRFSGS:
    case ZYDIS_CATEGORY_CET:
    case ZYDIS_CATEGORY_PREFETCH:
    case ZYDIS_CATEGORY_WIDENOP: /* reserved NOPs: which ones depends on the host */
        return true;
    default:
        return false;
    }
}

static bool mnemonic_excluded(ZydisMnemonic mnemonic)
{
    static const ZydisMnemonic list[] = {
        ZYDIS_MNEMONIC_LAR,
        ZYDIS_MNEMONIC_LSL,
        ZYDIS_MNEMONIC_VERR,
        ZYDIS_MNEMONIC_VERW,
        ZYDIS_MNEMONIC_SLDT,
        ZYDIS_MNEMONIC_STR,
        ZYDIS_MNEMONIC_SMSW,
        ZYDIS_MNEMONIC_SGDT,
        ZYDIS_MNEMONIC_SIDT,
        ZYDIS_MNEMONIC_RDTSC,
        ZYDIS_MNEMONIC_RDTSCP,
        ZYDIS_MNEMONIC_RDPMC,
        ZYDIS_MNEMONIC_CPUID,
        ZYDIS_MNEMONIC_HLT,
        ZYDIS_MNEMONIC_CLI,
        ZYDIS_MNEMONIC_STI,
        ZYDIS_MNEMONIC_IRET,
        ZYDIS_MNEMONIC_IRETD,
        ZYDIS_MNEMONIC_IRETQ,
        /* TF in the popped word would trap; these have tests of their own */
        ZYDIS_MNEMONIC_POPF,
        ZYDIS_MNEMONIC_POPFD,
        ZYDIS_MNEMONIC_POPFQ,
        /* IF and the reserved bits differ */
        ZYDIS_MNEMONIC_PUSHF,
        ZYDIS_MNEMONIC_PUSHFD,
        ZYDIS_MNEMONIC_PUSHFQ,
        /* MXCSR bit 17 is AMD's own */
        ZYDIS_MNEMONIC_LDMXCSR,
        ZYDIS_MNEMONIC_VLDMXCSR,
        /* images with the host's pointers in them */
        ZYDIS_MNEMONIC_FNSTENV,
        ZYDIS_MNEMONIC_FNSAVE,
        ZYDIS_MNEMONIC_FXSAVE,
        ZYDIS_MNEMONIC_FXSAVE64,
        ZYDIS_MNEMONIC_FXRSTOR,
        ZYDIS_MNEMONIC_FXRSTOR64,
        ZYDIS_MNEMONIC_FLDENV,
        ZYDIS_MNEMONIC_FRSTOR,
        ZYDIS_MNEMONIC_CLFLUSH,
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(list); i++) {
        if (list[i] == mnemonic) {
            return true;
        }
    }
    return false;
}

/* Instruction sets that the CPU model offers; anything else would be #UD on one side only. */
static bool set_included(ZydisISASet set)
{
    static const ZydisISASet base[] = {
        ZYDIS_ISA_SET_I86,      ZYDIS_ISA_SET_I186,       ZYDIS_ISA_SET_I386,
        ZYDIS_ISA_SET_I486,     ZYDIS_ISA_SET_I486REAL,   ZYDIS_ISA_SET_PENTIUMREAL,
        ZYDIS_ISA_SET_PPRO,     ZYDIS_ISA_SET_CMOV,       ZYDIS_ISA_SET_FCMOV,
        ZYDIS_ISA_SET_LONGMODE, ZYDIS_ISA_SET_LAHF,       ZYDIS_ISA_SET_CMPXCHG16B,
        ZYDIS_ISA_SET_X87,      ZYDIS_ISA_SET_PENTIUMMMX, ZYDIS_ISA_SET_SSE,
        ZYDIS_ISA_SET_SSEMXCSR, ZYDIS_ISA_SET_SSE2,       ZYDIS_ISA_SET_SSE2MMX,
        ZYDIS_ISA_SET_SSE3,     ZYDIS_ISA_SET_SSE3X87,    ZYDIS_ISA_SET_SSSE3,
        ZYDIS_ISA_SET_SSSE3MMX, ZYDIS_ISA_SET_SSE4,       ZYDIS_ISA_SET_SSE42,
    };
    static const struct {
        ZydisISASet set;
        X86FeatureWord word;
        uint8_t bit;
    } optional[] = {
        { ZYDIS_ISA_SET_POPCNT, X86_FEAT_1_ECX, 23 },
        { ZYDIS_ISA_SET_MOVBE, X86_FEAT_1_ECX, 22 },
        { ZYDIS_ISA_SET_AES, X86_FEAT_1_ECX, 25 },
        { ZYDIS_ISA_SET_PCLMULQDQ, X86_FEAT_1_ECX, 1 },
        { ZYDIS_ISA_SET_BMI1, X86_FEAT_7_EBX, 3 },
        { ZYDIS_ISA_SET_BMI2, X86_FEAT_7_EBX, 8 },
        { ZYDIS_ISA_SET_ADOX_ADCX, X86_FEAT_7_EBX, 19 },
        { ZYDIS_ISA_SET_SHA, X86_FEAT_7_EBX, 29 },
        { ZYDIS_ISA_SET_LZCNT, X86_FEAT_EXT1_ECX, 5 },
        { ZYDIS_ISA_SET_AVX, X86_FEAT_1_ECX, 28 },
        { ZYDIS_ISA_SET_AVXAES, X86_FEAT_1_ECX, 28 },
        { ZYDIS_ISA_SET_FMA, X86_FEAT_1_ECX, 12 },
        { ZYDIS_ISA_SET_F16C, X86_FEAT_1_ECX, 29 },
        { ZYDIS_ISA_SET_AVX2, X86_FEAT_7_EBX, 5 },
        { ZYDIS_ISA_SET_VAES, X86_FEAT_7_ECX, 9 },
        { ZYDIS_ISA_SET_VPCLMULQDQ, X86_FEAT_7_ECX, 10 },
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(base); i++) {
        if (base[i] == set) {
            return true;
        }
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(optional); i++) {
        if (optional[i].set == set) {
            return x86_cpu_model_has(model, optional[i].word, 1u << optional[i].bit);
        }
    }
    return false;
}

/* Registers that hold addresses in the data buffer; the others hold values. */
static bool is_pointer(unsigned reg)
{
    return (0xf0f8 >> reg) & 1; /* RBX RSP RBP RSI RDI R12-R15 */
}

static uint64_t reg_value(const State *st, const ZydisDecodedInstruction *raw, ZydisRegister reg,
                          uint64_t next_rip)
{
    if (reg == ZYDIS_REGISTER_NONE) {
        return 0;
    }
    if (reg == ZYDIS_REGISTER_RIP || reg == ZYDIS_REGISTER_EIP) {
        return next_rip;
    }
    return st->regs[ZydisRegisterGetId(reg)];
}

static bool in_data(uint64_t addr, uint64_t before, uint64_t after)
{
    return addr >= DATA_BASE + before && addr + after <= DATA_BASE + DATA_SIZE;
}

static bool memory_fits(const State *st, const ZydisDecodedInstruction *raw,
                        const ZydisDecodedOperand *op, uint64_t next_rip, bool keep_pointers)
{
    if (op->mem.type == ZYDIS_MEMOP_TYPE_AGEN) {
        return true; /* LEA */
    }
    if (raw->address_width == 16) {
        return false; /* the host has nothing in its first 64 KiB */
    }
    if (keep_pointers &&
        (op->mem.index != ZYDIS_REGISTER_NONE ||
         (op->mem.base != ZYDIS_REGISTER_RIP && op->mem.base != ZYDIS_REGISTER_EIP &&
          op->mem.base != ZYDIS_REGISTER_NONE && !is_pointer(ZydisRegisterGetId(op->mem.base))))) {
        return false; /* an instruction before may have changed it */
    }
    if (op->mem.segment == ZYDIS_REGISTER_CS &&
        (raw->meta.isa_ext == ZYDIS_ISA_EXT_X87 || raw->mnemonic == ZYDIS_MNEMONIC_MASKMOVQ ||
         raw->mnemonic == ZYDIS_MNEMONIC_FISTTP)) {
        return false; /* which comes first: the store's #GP, or what the FPU has to say? */
    }
    if (op->mem.segment == ZYDIS_REGISTER_FS || op->mem.segment == ZYDIS_REGISTER_GS) {
        return false;
    }
    bool no_base = (raw->attributes & ZYDIS_ATTRIB_HAS_SIB) && raw->raw.modrm.mod == 0 &&
                   raw->raw.sib.base == 5; /* Zydis may say R13D */
    uint64_t addr = reg_value(st, raw, op->mem.index, next_rip) * op->mem.scale;
    if (no_base) {
        addr += (uint64_t)raw->raw.disp.value;
    } else {
        addr += reg_value(st, raw, op->mem.base, next_rip) +
                (op->mem.disp.has_displacement ? (uint64_t)op->mem.disp.value : 0);
    }
    if (raw->address_width == 32) {
        addr = (uint32_t)addr;
    }
    bool bit_string = raw->mnemonic == ZYDIS_MNEMONIC_BT || raw->mnemonic == ZYDIS_MNEMONIC_BTS ||
                      raw->mnemonic == ZYDIS_MNEMONIC_BTR || raw->mnemonic == ZYDIS_MNEMONIC_BTC;
    if (bit_string && op[1].type == ZYDIS_OPERAND_TYPE_REGISTER) {
        uint64_t bit = st->regs[ZydisRegisterGetId(op[1].reg.value)];
        addr += (raw->operand_width == 64   ? (int64_t)bit
                 : raw->operand_width == 32 ? (int32_t)bit
                                            : (int16_t)bit) /
                8;
        if (keep_pointers) {
            return false;
        }
    }
    unsigned margin = raw->mnemonic == ZYDIS_MNEMONIC_ENTER ? 2048 : 1024;
    return in_data(addr, margin, margin);
}

/* Would the instruction, run from @st, touch only the data buffer, and (@keep_pointers) leave the
 * address registers alone? */
static bool acceptable(const State *st, const ZydisDecodedInstruction *raw,
                       const ZydisDecodedOperand *ops, uint64_t next_rip, bool keep_pointers)
{
    if (category_excluded(raw) || mnemonic_excluded(raw->mnemonic) ||
        !set_included(raw->meta.isa_set) || raw->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR) {
        return false;
    }
    if (raw->meta.branch_type != ZYDIS_BRANCH_TYPE_NONE &&
        (raw->attributes & ZYDIS_ATTRIB_HAS_OPERANDSIZE)) {
        return false; /* AMD's processors cut RIP to 16 bits, Intel's ignore the prefix */
    }
    if ((raw->mnemonic == ZYDIS_MNEMONIC_LOOPE || raw->mnemonic == ZYDIS_MNEMONIC_LOOPNE) &&
        raw->raw.prefix_count > (raw->attributes & ZYDIS_ATTRIB_HAS_REX ? 1 : 0)) {
        return false; /* with REP or REPNE, some processors take the condition from that */
    }
    if (raw->meta.isa_set == ZYDIS_ISA_SET_SHA && ops[1].type == ZYDIS_OPERAND_TYPE_MEMORY) {
        return false; /* must the operand be aligned? Vendors differ */
    }
    if (code_bits == 32 && raw->raw.vex.W &&
        (raw->mnemonic == ZYDIS_MNEMONIC_VPEXTRD || raw->mnemonic == ZYDIS_MNEMONIC_VPINSRD)) {
        return false; /* AMD's processors refuse W outside 64-bit code, Intel's ignore it */
    }
    bool branch = raw->meta.branch_type != ZYDIS_BRANCH_TYPE_NONE;
    if (branch && (keep_pointers || !raw->raw.imm[0].is_relative)) {
        return false; /* indirect branches go into data; relative ones are made short */
    }
    for (unsigned i = 0; i < raw->operand_count; i++) {
        const ZydisDecodedOperand *op = &ops[i];
        if (op->type == ZYDIS_OPERAND_TYPE_MEMORY &&
            !memory_fits(st, raw, op, next_rip, keep_pointers)) {
            return false;
        }
        if (op->type == ZYDIS_OPERAND_TYPE_REGISTER) {
            ZydisRegisterClass cls = ZydisRegisterGetClass(op->reg.value);
            bool gpr = cls >= ZYDIS_REGCLASS_GPR8 && cls <= ZYDIS_REGCLASS_GPR64;
            if (cls == ZYDIS_REGCLASS_SEGMENT || cls == ZYDIS_REGCLASS_CONTROL ||
                cls == ZYDIS_REGCLASS_DEBUG) {
                return false;
            }
            if (keep_pointers && gpr && (op->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE)) {
                int id = ZydisRegisterGetId(op->reg.value);
                bool high8 =
                    op->reg.value >= ZYDIS_REGISTER_AH && op->reg.value <= ZYDIS_REGISTER_BH;
                if (high8 || is_pointer(id)) {
                    return false;
                }
            }
        }
    }
    return true;
}
/* ---- undefined flags (SDM vol. 2, each instruction's "Flags Affected") ---- */

#define SHIFT_FLAGS (RFLAGS_AF | RFLAGS_OF | RFLAGS_CF) /* by count and size */
#define BIT_FLAGS   (RFLAGS_OF | RFLAGS_SF | RFLAGS_AF | RFLAGS_PF)
#define LOGIC_FLAGS (RFLAGS_AF | RFLAGS_PF)

static const struct {
    ZydisMnemonic mnemonic;
    uint32_t flags;
} undefined[] = {
    { ZYDIS_MNEMONIC_MUL, RFLAGS_SF | RFLAGS_ZF | RFLAGS_AF | RFLAGS_PF },
    { ZYDIS_MNEMONIC_IMUL, RFLAGS_SF | RFLAGS_ZF | RFLAGS_AF | RFLAGS_PF },
    { ZYDIS_MNEMONIC_DIV, RFLAGS_ARITH },
    { ZYDIS_MNEMONIC_IDIV, RFLAGS_ARITH },
    { ZYDIS_MNEMONIC_AND, RFLAGS_AF },
    { ZYDIS_MNEMONIC_OR, RFLAGS_AF },
    { ZYDIS_MNEMONIC_XOR, RFLAGS_AF },
    { ZYDIS_MNEMONIC_TEST, RFLAGS_AF },
    { ZYDIS_MNEMONIC_ANDN, LOGIC_FLAGS },
    { ZYDIS_MNEMONIC_BLSI, LOGIC_FLAGS },
    { ZYDIS_MNEMONIC_BLSR, LOGIC_FLAGS },
    { ZYDIS_MNEMONIC_BLSMSK, LOGIC_FLAGS },
    { ZYDIS_MNEMONIC_BZHI, LOGIC_FLAGS },
    { ZYDIS_MNEMONIC_BEXTR, RFLAGS_AF | RFLAGS_SF | RFLAGS_PF },
    { ZYDIS_MNEMONIC_SHL, SHIFT_FLAGS },
    { ZYDIS_MNEMONIC_SHR, SHIFT_FLAGS },
    { ZYDIS_MNEMONIC_SAR, SHIFT_FLAGS },
    { ZYDIS_MNEMONIC_ROL, RFLAGS_OF },
    { ZYDIS_MNEMONIC_ROR, RFLAGS_OF },
    { ZYDIS_MNEMONIC_RCL, RFLAGS_OF },
    { ZYDIS_MNEMONIC_RCR, RFLAGS_OF },
    { ZYDIS_MNEMONIC_SHLD, RFLAGS_ARITH }, /* 16 bits with a count above 16; else AF and OF */
    { ZYDIS_MNEMONIC_SHRD, RFLAGS_ARITH },
    { ZYDIS_MNEMONIC_BT, BIT_FLAGS },
    { ZYDIS_MNEMONIC_BTS, BIT_FLAGS },
    { ZYDIS_MNEMONIC_BTR, BIT_FLAGS },
    { ZYDIS_MNEMONIC_BTC, BIT_FLAGS },
    { ZYDIS_MNEMONIC_BSF, BIT_FLAGS | RFLAGS_CF },
    { ZYDIS_MNEMONIC_BSR, BIT_FLAGS | RFLAGS_CF },
    { ZYDIS_MNEMONIC_LZCNT, BIT_FLAGS },
    { ZYDIS_MNEMONIC_TZCNT, BIT_FLAGS },
    { ZYDIS_MNEMONIC_AAA, RFLAGS_OF | RFLAGS_SF | RFLAGS_ZF | RFLAGS_PF },
    { ZYDIS_MNEMONIC_AAS, RFLAGS_OF | RFLAGS_SF | RFLAGS_ZF | RFLAGS_PF },
    { ZYDIS_MNEMONIC_AAM, RFLAGS_OF | RFLAGS_AF | RFLAGS_CF },
    { ZYDIS_MNEMONIC_AAD, RFLAGS_OF | RFLAGS_AF | RFLAGS_CF },
    { ZYDIS_MNEMONIC_DAA, RFLAGS_OF },
    { ZYDIS_MNEMONIC_DAS, RFLAGS_OF },
};

static uint32_t undefined_flags(const ZydisDecodedInstruction *raw)
{
    bool wide_shift = raw->mnemonic == ZYDIS_MNEMONIC_SHLD || raw->mnemonic == ZYDIS_MNEMONIC_SHRD;
    for (unsigned i = 0; i < G_N_ELEMENTS(undefined); i++) {
        if (undefined[i].mnemonic == raw->mnemonic) {
            return wide_shift && raw->operand_width != 16 ? RFLAGS_AF | RFLAGS_OF
                                                          : undefined[i].flags;
        }
    }
    return 0;
}

/* ---- making cases ---- */

static void random_fpu(uint8_t *fx)
{
    memset(fx, 0, FX_USED);
    uint16_t fcw = 0x37f, fsw = (rnd() & 7) << 11;
    uint32_t mxcsr = 0x1f80;
    if (below(3) == 0) { /* flags that are set already; ES and B may be lies */
        fsw |= rnd() & 0xc7ff;
        mxcsr |= rnd() & 0x3f;
    }
    if (below(3) == 0) {
        fcw = 0x40 | (rnd() & 0xf00) | (below(3) ? 0x3f : rnd() & 0x3f);
        mxcsr = (mxcsr & 0x3f) | (rnd() & 0x6000) | (below(3) ? 0x1f80 : rnd() & 0x1f80) |
                (below(2) ? 0x8000 : 0) | (below(8) ? 0 : 0x40);
        fcw = (fcw & 0x300) == 0x100 ? fcw | 0x300 : fcw;
    }
    memcpy(fx + FX_FCW, &fcw, 2);
    memcpy(fx + FX_FSW, &fsw, 2);
    fx[FX_FTW] = below(3) ? 0xff : rnd();
    memcpy(fx + FX_MXCSR, &mxcsr, 4);
    for (int i = 0; i < 8; i++) {
        uint64_t mantissa = cpu_case_value() | (below(8) ? 1ull << 63 : 0);
        uint16_t exponent = below(3) ? 0x3ff0 + below(40) : below(2) ? rnd() : 0x7fff;
        memcpy(fx + 32 + 16 * i, &mantissa, 8);
        memcpy(fx + 40 + 16 * i, &exponent, 2);
    }
    for (int i = 0; i < 32; i++) {
        uint64_t v = cpu_case_value();
        if (below(3) == 0) { /* ordinary numbers */
            double number = (double)(int32_t)rnd() / 256;
            memcpy(&v, &number, 8);
        } else if (below(3) == 0) {
            float pair[2] = { (float)(int16_t)rnd() / 8, (float)(int32_t)rnd() };
            memcpy(&v, pair, 8);
        }
        memcpy(fx + FX_XMM + 8 * i, &v, 8);
    }
}

static bool has_avx(void)
{
    return x86_cpu_model_has(model, X86_FEAT_1_ECX, CPUID_1_ECX_AVX);
}

static void random_state(State *st, uint64_t rip)
{
    memset(st, 0, sizeof(*st));
    for (unsigned i = 0; i < 16; i++) {
        st->regs[i] = is_pointer(i) ? DATA_MID + (int64_t)below(512) - 256 : cpu_case_value();
    }
    if (below(4)) {
        st->regs[4] &= ~15ull;
        st->regs[3] &= ~15ull;
    }
    for (unsigned i = 0; code_bits == 32 && i < 16; i++) {
        st->regs[i] = i < 8 ? (uint32_t)st->regs[i] : 0;
    }
    st->regs[1] = below(2) ? below(66) : st->regs[1];
    st->rip = rip;
    st->rflags = rnd() & RFLAGS_ARITH;
    random_fpu(st->fx);
    /* Upper halves that can be used: the lower halves of others are as good as anything. */
    for (unsigned i = 0; has_avx() && i < 16 && below(8); i++) {
        memcpy(st->ymm_high[i], st->fx + FX_XMM + 16 * below(16), 16);
    }
}

/* The first bytes of a VEX encoding with a vector instruction's map, and its opcode. */
static unsigned random_vex(uint8_t *b)
{
    unsigned n = 0, map = below(4) ? 1 + below(3) : 1;

    if (map == 1 && below(2)) {
        b[n++] = 0xc5;
        b[n++] = (uint8_t)(rnd() | (code_bits == 32 ? 0xc0 : 0));
    } else {
        b[n++] = 0xc4;
        b[n++] = (uint8_t)((rnd() & 0xe0) | map | (code_bits == 32 ? 0xc0 : 0));
        b[n++] = (uint8_t)(below(4) ? rnd() & 0x7f : rnd());
    }
    if (below(2)) { /* many take two operands only, and want 1111 for the third */
        b[n - 1] |= 0x78;
    }
    return n;
}

/* Random bytes that have a fair chance to be an instruction. */
static void random_bytes(uint8_t *b)
{
    static const uint8_t prefixes[] = { 0x66, 0xf2, 0xf3, 0x67, 0x2e, 0xf0 };
    unsigned n = 0;
    if (has_avx() && below(3) == 0) {
        for (n = random_vex(b); n < 15; n++) {
            b[n] = (uint8_t)rnd();
        }
        return;
    }
    while (below(3) == 0 && n < 3) {
        b[n++] = prefixes[below(below(8) ? 3 : 6)];
    }
    if (code_bits == 64 && below(2)) {
        b[n++] = 0x40 | below(16); /* REX */
    }
    switch (below(8)) {
    case 0:
        b[n++] = 0x0f;
        b[n++] = 0x38;
        break;
    case 1:
        b[n++] = 0x0f;
        b[n++] = 0x3a;
        break;
    case 2:
    case 3:
    case 4:
        b[n++] = 0x0f;
        break;
    case 5:
        if (code_bits == 64 && below(3) == 0) { /* VEX: BMI */
            n = 0;
            b[n++] = 0xc4;
            b[n++] = 0xe0 | 2 | (below(8) ? 0 : 1);
            b[n++] = (rnd() & 0xfb);
            b[n++] = 0xf2 + below(6);
            break;
        }
        break;
    }
    for (; n < 15; n++) {
        b[n] = rnd();
    }
}

/* Append one acceptable instruction; returns its length, 0 if the attempt failed. */
static unsigned make_insn(const State *st, uint8_t *code, uint64_t rip, bool keep_pointers,
                          ZydisDecodedInstruction *raw)
{
    ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
    uint8_t bytes[16] = { 0 };
    random_bytes(bytes);
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes, 15, raw, ops))) {
        return 0;
    }
    /* Make displacements small and branches short, and look again. */
    if (raw->raw.disp.size >= 16) {
        int64_t disp = (int64_t)below(256) - 128;
        if (raw->raw.disp.size == 64) {
            disp += DATA_MID; /* MOV with an absolute address */
        } else if ((raw->attributes & ZYDIS_ATTRIB_IS_RELATIVE) && raw->raw.modrm.mod == 0) {
            disp += (int64_t)(DATA_MID - rip);
        } else if (code_bits == 32 && !(raw->attributes & ZYDIS_ATTRIB_HAS_SIB) &&
                   (!(raw->attributes & ZYDIS_ATTRIB_HAS_MODRM) || raw->raw.modrm.mod == 0)) {
            disp += DATA_MID; /* an absolute address */
        }
        memcpy(bytes + raw->raw.disp.offset, &disp, raw->raw.disp.size / 8);
    }
    if (raw->mnemonic == ZYDIS_MNEMONIC_ENTER) {
        bytes[raw->raw.imm[0].offset + 1] = 0; /* a small frame */
    }
    if (raw->raw.imm[0].is_relative) {
        uint32_t to = below(16);
        memcpy(bytes + raw->raw.imm[0].offset, &to, raw->raw.imm[0].size / 8);
    }
    if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes, 15, raw, ops)) ||
        !acceptable(st, raw, ops, rip + raw->length, keep_pointers)) {
        return 0;
    }
    memcpy(code, bytes, raw->length);
    return raw->length;
}

static bool converts_mmx(ZydisMnemonic mnemonic)
{
    return mnemonic == ZYDIS_MNEMONIC_CVTPS2PI || mnemonic == ZYDIS_MNEMONIC_CVTTPS2PI ||
           mnemonic == ZYDIS_MNEMONIC_CVTPD2PI || mnemonic == ZYDIS_MNEMONIC_CVTTPD2PI ||
           mnemonic == ZYDIS_MNEMONIC_CVTPI2PS || mnemonic == ZYDIS_MNEMONIC_CVTPI2PD;
}
void cpu_case_make(Case *c, uint64_t rip)
{
    random_state(&c->start, rip);
    memset(c->code, 0xcc, sizeof(c->code));
    unsigned count = below(4) ? 1 : 2 + below(MAX_INSNS - 1);
    c->len = 0;
    c->undefined = 0;
    c->alignable = true;
    for (unsigned i = 0; i < count;) {
        ZydisDecodedInstruction raw;
        uint8_t insn[ZYDIS_MAX_INSTRUCTION_LENGTH];
        unsigned n = make_insn(&c->start, insn, rip + c->len, count > 1, &raw);
        if (!n) {
            continue;
        }
        if (raw.attributes &
            (ZYDIS_ATTRIB_HAS_REP | ZYDIS_ATTRIB_HAS_REPE | ZYDIS_ATTRIB_HAS_REPNE)) {
            c->start.regs[1] = below(20);
            if (count > 1) {
                continue; /* its count must be as set here */
            }
        }
        if (converts_mmx(raw.mnemonic)) {
            /* A faulting CVTPS2PI and its like may or may not have entered MMX state. */
            c->start.fx[FX_MXCSR] |= 0x80;
            c->start.fx[FX_MXCSR + 1] |= 0x1f;
        }
        uint32_t unsure = undefined_flags(&raw);
        if (count > 1 && unsure) {
            continue; /* the next instruction could read them */
        }
        c->undefined |= unsure;
        c->mnemonic = raw.mnemonic;
        /* MASKMOVQ that faults may or may not have entered MMX state; MOVSXD to 16 bits reads 16 or
         * 32. */
        c->alignable = c->alignable && raw.mnemonic != ZYDIS_MNEMONIC_MASKMOVQ &&
                       !(raw.mnemonic == ZYDIS_MNEMONIC_MOVSXD && raw.operand_width == 16);
        memcpy(c->code + c->len, insn, n);
        c->len += n;
        i++;
    }
    if (below(16) == 0) {
        c->start.rflags |= RFLAGS_DF;
    }
}

void cpu_case_begin(uint64_t seed, unsigned bits, const X86CpuModel *offered)
{
    rng_state = seed * 2 + 1;
    code_bits = bits;
    model = offered;
    if (bits == 64) {
        ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    } else {
        ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_COMPAT_32, ZYDIS_STACK_WIDTH_32);
    }
}
