/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The instructions that depend on CPUID, as tables (SDM vol. 2, CPUID and under each instruction;
 * APM vol. 3 appendix D). */
#include "accel/soft/isa.h"
#include "target/i386/hyperv.h"

/* A set of two rows needs one of the two bits. */
static const struct {
    ZydisISASet set;
    uint8_t word; /* X86FeatureWord */
    uint8_t bit;
    bool native;
} sets[] = {
    { ZYDIS_ISA_SET_X87, X86_FEAT_1_EDX, 0, true },
    { ZYDIS_ISA_SET_CMOV, X86_FEAT_1_EDX, 15, false },
    { ZYDIS_ISA_SET_FCMOV, X86_FEAT_1_EDX, 15, true },
    { ZYDIS_ISA_SET_CLFSH, X86_FEAT_1_EDX, 19, false },
    { ZYDIS_ISA_SET_PENTIUMMMX, X86_FEAT_1_EDX, 23, true },
    { ZYDIS_ISA_SET_FXSAVE, X86_FEAT_1_EDX, 24, false },
    { ZYDIS_ISA_SET_FXSAVE64, X86_FEAT_1_EDX, 24, false },
    { ZYDIS_ISA_SET_SSE, X86_FEAT_1_EDX, 25, true },
    { ZYDIS_ISA_SET_SSEMXCSR, X86_FEAT_1_EDX, 25, false },
    { ZYDIS_ISA_SET_SSE2, X86_FEAT_1_EDX, 26, true },
    { ZYDIS_ISA_SET_SSE2MMX, X86_FEAT_1_EDX, 26, true },
    { ZYDIS_ISA_SET_SSE3, X86_FEAT_1_ECX, 0, true },
    { ZYDIS_ISA_SET_SSE3X87, X86_FEAT_1_ECX, 0, true },
    { ZYDIS_ISA_SET_PCLMULQDQ, X86_FEAT_1_ECX, 1, true },
    { ZYDIS_ISA_SET_SSSE3, X86_FEAT_1_ECX, 9, true },
    { ZYDIS_ISA_SET_SSSE3MMX, X86_FEAT_1_ECX, 9, true },
    { ZYDIS_ISA_SET_CMPXCHG16B, X86_FEAT_1_ECX, 13, false },
    { ZYDIS_ISA_SET_SSE4, X86_FEAT_1_ECX, 19, true },
    { ZYDIS_ISA_SET_SSE42, X86_FEAT_1_ECX, 20, true },
    { ZYDIS_ISA_SET_MOVBE, X86_FEAT_1_ECX, 22, false },
    { ZYDIS_ISA_SET_POPCNT, X86_FEAT_1_ECX, 23, true },
    { ZYDIS_ISA_SET_AES, X86_FEAT_1_ECX, 25, true },
    { ZYDIS_ISA_SET_RDRAND, X86_FEAT_1_ECX, 30, true },
    { ZYDIS_ISA_SET_RDWRFSGS, X86_FEAT_7_EBX, 0, false },
    { ZYDIS_ISA_SET_BMI1, X86_FEAT_7_EBX, 3, true },
    { ZYDIS_ISA_SET_BMI2, X86_FEAT_7_EBX, 8, true },
    { ZYDIS_ISA_SET_INVPCID, X86_FEAT_7_EBX, 10, false },
    { ZYDIS_ISA_SET_PKU, X86_FEAT_7_ECX, 3, false },
    { ZYDIS_ISA_SET_RDSEED, X86_FEAT_7_EBX, 18, true },
    { ZYDIS_ISA_SET_ADOX_ADCX, X86_FEAT_7_EBX, 19, true },
    { ZYDIS_ISA_SET_SMAP, X86_FEAT_7_EBX, 20, false },
    { ZYDIS_ISA_SET_CLFLUSHOPT, X86_FEAT_7_EBX, 23, false },
    { ZYDIS_ISA_SET_CLWB, X86_FEAT_7_EBX, 24, false },
    { ZYDIS_ISA_SET_SHA, X86_FEAT_7_EBX, 29, true },
    { ZYDIS_ISA_SET_XSAVE, X86_FEAT_1_ECX, 26, false },
    { ZYDIS_ISA_SET_AVX, X86_FEAT_1_ECX, 28, true },
    { ZYDIS_ISA_SET_AVXAES, X86_FEAT_1_ECX, 28, true },
    { ZYDIS_ISA_SET_AVX_GFNI, X86_FEAT_1_ECX, 28, true },
    { ZYDIS_ISA_SET_FMA, X86_FEAT_1_ECX, 12, true },
    { ZYDIS_ISA_SET_F16C, X86_FEAT_1_ECX, 29, true },
    { ZYDIS_ISA_SET_AVX2, X86_FEAT_7_EBX, 5, true },
    { ZYDIS_ISA_SET_AVX2GATHER, X86_FEAT_7_EBX, 5, false },
    { ZYDIS_ISA_SET_GFNI, X86_FEAT_7_ECX, 8, true },
    { ZYDIS_ISA_SET_VAES, X86_FEAT_7_ECX, 9, true },
    { ZYDIS_ISA_SET_VPCLMULQDQ, X86_FEAT_7_ECX, 10, true },
    { ZYDIS_ISA_SET_AVX_VNNI, X86_FEAT_7_1_EAX, 4, true },
    { ZYDIS_ISA_SET_XSAVEOPT, X86_FEAT_D_1_EAX, 0, false },
    { ZYDIS_ISA_SET_XSAVEC, X86_FEAT_D_1_EAX, 1, false },
    { ZYDIS_ISA_SET_XSAVES, X86_FEAT_D_1_EAX, 3, false },
    { ZYDIS_ISA_SET_RDPID, X86_FEAT_7_ECX, 22, false },
    { ZYDIS_ISA_SET_SVM, X86_FEAT_EXT1_ECX, 2, false },
    { ZYDIS_ISA_SET_RDTSCP, X86_FEAT_EXT1_EDX, 27, false },
    { ZYDIS_ISA_SET_LZCNT, X86_FEAT_EXT1_ECX, 5, true },
    /* PREFETCHW: long mode brings it too (APM vol. 3, PREFETCH). */
    { ZYDIS_ISA_SET_PREFETCH_NOP, X86_FEAT_EXT1_ECX, 8, false },
    { ZYDIS_ISA_SET_PREFETCH_NOP, X86_FEAT_EXT1_EDX, 29, false },
};

/* Sets that need a second bit. */
static const struct {
    ZydisISASet set;
    uint8_t word, bit;
} also[] = {
    { ZYDIS_ISA_SET_AVXAES, X86_FEAT_1_ECX, 25 },
    { ZYDIS_ISA_SET_AVX_GFNI, X86_FEAT_7_ECX, 8 },
};

/* Instructions of sets that have others in them too. */
static const struct {
    ZydisMnemonic mnemonic;
    uint8_t word, bit;
} instructions[] = {
    { ZYDIS_MNEMONIC_RDTSC, X86_FEAT_1_EDX, 4 },
    { ZYDIS_MNEMONIC_VPCLMULQDQ, X86_FEAT_1_ECX, 1 },
    { ZYDIS_MNEMONIC_RDMSR, X86_FEAT_1_EDX, 5 },
    { ZYDIS_MNEMONIC_WRMSR, X86_FEAT_1_EDX, 5 },
    { ZYDIS_MNEMONIC_CMPXCHG8B, X86_FEAT_1_EDX, 8 },
    { ZYDIS_MNEMONIC_SYSENTER, X86_FEAT_1_EDX, 11 },
    { ZYDIS_MNEMONIC_SYSEXIT, X86_FEAT_1_EDX, 11 },
    { ZYDIS_MNEMONIC_FCOMI, X86_FEAT_1_EDX, 15 },
    { ZYDIS_MNEMONIC_FCOMIP, X86_FEAT_1_EDX, 15 },
    { ZYDIS_MNEMONIC_FUCOMI, X86_FEAT_1_EDX, 15 },
    { ZYDIS_MNEMONIC_FUCOMIP, X86_FEAT_1_EDX, 15 },
    { ZYDIS_MNEMONIC_SYSCALL, X86_FEAT_EXT1_EDX, 11 },
    { ZYDIS_MNEMONIC_SYSRET, X86_FEAT_EXT1_EDX, 11 },
};

/* What SSE added to the instructions with MMX registers. */
static const ZydisMnemonic sse_of_mmx[] = {
    ZYDIS_MNEMONIC_MASKMOVQ, ZYDIS_MNEMONIC_MOVNTQ, ZYDIS_MNEMONIC_PAVGB,    ZYDIS_MNEMONIC_PAVGW,
    ZYDIS_MNEMONIC_PEXTRW,   ZYDIS_MNEMONIC_PINSRW, ZYDIS_MNEMONIC_PMAXSW,   ZYDIS_MNEMONIC_PMAXUB,
    ZYDIS_MNEMONIC_PMINSW,   ZYDIS_MNEMONIC_PMINUB, ZYDIS_MNEMONIC_PMOVMSKB, ZYDIS_MNEMONIC_PMULHUW,
    ZYDIS_MNEMONIC_PSADBW,   ZYDIS_MNEMONIC_PSHUFW,
};

/* Most instructions are always there: those that may not be are of one of these sets or mnemonics.
 */
static bool asked_sets[ZYDIS_ISA_SET_MAX_VALUE + 1], asked_mnemonics[ZYDIS_MNEMONIC_MAX_VALUE + 1];

static void init_asked(void)
{
    static gsize once;

    if (!g_once_init_enter(&once)) {
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(sets); i++) {
        asked_sets[sets[i].set] = true;
    }
    asked_sets[ZYDIS_ISA_SET_LAHF] = true;
    for (size_t i = 0; i < G_N_ELEMENTS(instructions); i++) {
        asked_mnemonics[instructions[i].mnemonic] = true;
    }
    g_once_init_leave(&once, 1);
}

static bool set_offered(const X86CpuModel *model, ZydisISASet set)
{
    bool known = false;

    for (size_t i = 0; i < G_N_ELEMENTS(sets); i++) {
        if (sets[i].set == set) {
            if (x86_cpu_model_has(model, sets[i].word, 1u << sets[i].bit)) {
                return true;
            }
            known = true;
        }
    }
    return !known;
}

static bool also_offered(const X86CpuModel *model, ZydisISASet set)
{
    for (size_t i = 0; i < G_N_ELEMENTS(also); i++) {
        if (also[i].set == set) {
            return x86_cpu_model_has(model, also[i].word, 1u << also[i].bit);
        }
    }
    return true;
}

static bool instruction_offered(const X86CpuModel *model, ZydisMnemonic mnemonic)
{
    for (size_t i = 0; i < G_N_ELEMENTS(instructions); i++) {
        if (instructions[i].mnemonic == mnemonic) {
            return x86_cpu_model_has(model, instructions[i].word, 1u << instructions[i].bit);
        }
    }
    return true;
}

static bool is_sse_of_mmx(const ZydisDecodedInstruction *raw)
{
    for (size_t i = 0; i < G_N_ELEMENTS(sse_of_mmx); i++) {
        if (raw->meta.isa_set == ZYDIS_ISA_SET_PENTIUMMMX && raw->mnemonic == sse_of_mmx[i]) {
            return true;
        }
    }
    return false;
}

bool soft_isa_offered(const X86CpuModel *model, const ZydisDecodedInstruction *raw, unsigned mode)
{
    init_asked();
    if (!asked_sets[raw->meta.isa_set] && !asked_mnemonics[raw->mnemonic] &&
        raw->meta.isa_ext != ZYDIS_ISA_EXT_X87) {
        return true;
    }
    if (raw->mnemonic == ZYDIS_MNEMONIC_VMMCALL && x86_hv_is_asked(model)) {
        return true; /* also without SVM: a hypercall */
    }
    /* LAHF and SAHF: missing in 64-bit code only. */
    if (raw->meta.isa_set == ZYDIS_ISA_SET_LAHF && mode == 64 &&
        !x86_cpu_model_has(model, X86_FEAT_EXT1_ECX, CPUID_EXT1_ECX_LAHF_LM)) {
        return false;
    }
    if (raw->meta.isa_ext == ZYDIS_ISA_EXT_X87 && !set_offered(model, ZYDIS_ISA_SET_X87)) {
        return false;
    }
    if (is_sse_of_mmx(raw) && !set_offered(model, ZYDIS_ISA_SET_SSE)) {
        return false;
    }
    return set_offered(model, raw->meta.isa_set) && also_offered(model, raw->meta.isa_set) &&
           instruction_offered(model, raw->mnemonic);
}

bool soft_isa_native(const ZydisDecodedInstruction *raw)
{
    if (raw->meta.isa_set == ZYDIS_ISA_SET_PPRO) { /* it has system instructions in it too */
        return raw->meta.isa_ext == ZYDIS_ISA_EXT_X87;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(sets); i++) {
        if (sets[i].set == raw->meta.isa_set) {
            return sets[i].native;
        }
    }
    return false;
}
