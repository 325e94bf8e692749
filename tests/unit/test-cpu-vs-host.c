/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The software CPU against the real one: the same generated instructions, from the same state, on
 * both; then registers, flags, x87, XMM and memory are compared.
 *
 * Instructions are made from random bytes of every opcode map, so that what the decoder knows is
 * what is tested. The host runs a case by returning from a signal into it, and stops at the INT3
 * behind it (or at the fault): the kernel's signal frame is both the way in and the way out.
 *
 *   CPU_TEST_SEED=N    repeat one run;  CPU_TEST_CASES=N  how many (default 400,000)
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "accel/soft/flags.h"
#include "accel/soft/native.h"
#include "tests/unit/soft-harness.h"

/* Linear addresses, the same on the host and (identity-mapped) in the guest. */
#define CODE_BASE  0x800000ul
#define CODE_SIZE  0x400000ul
#define DATA_BASE  0xd00000ul
#define DATA_SIZE  0x4000ul
#define DATA_MID   (DATA_BASE + DATA_SIZE / 2)
#define CASE_SPACE 128u
#define MAX_INSNS  6

#define DEFAULT_CASES 400000

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

static uint64_t edge_value(void)
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

/* ---- the state of a case ---- */

typedef struct State {
    uint64_t regs[16]; /* by encoding */
    uint64_t rip, rflags;
    uint8_t fx[512];
    int vector;
    uint64_t cr2;
} State;

static uint8_t initial_data[DATA_SIZE];
static uint8_t *host_data, *host_code;

/* ---- running on the host ---- */

static const int greg_of[16] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                 REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                 REG_R12, REG_R13, REG_R14, REG_R15 };
#define FLAGS_USED (SOFT_ARITH_FLAGS | RFLAGS_DF)
#define FX_USED    416

static ucontext_t home; /* where the test itself was */
static struct {
    uint8_t fx[FX_USED];
} home_fpu;
static State *host_state;
static volatile int host_phase;

static void put_fpu(ucontext_t *uc, const uint8_t *fx)
{
    uint8_t *frame = (uint8_t *)uc->uc_mcontext.fpregs;
    uint32_t magic;
    memcpy(frame, fx, FX_USED);
    memcpy(&magic, frame + 464, 4);
    if (magic == 0x46505853) { /* an XSAVE area follows: say that x87 and SSE state is there */
        frame[512] |= 3;
    }
}

/* SIGUSR1 brings us in; SIGTRAP or a fault brings us back. */
static void on_signal(int sig, siginfo_t *info, void *context)
{
    ucontext_t *uc = context;
    greg_t *g = uc->uc_mcontext.gregs;
    if (sig == SIGUSR1) {
        memcpy(&home.uc_mcontext.gregs, g, sizeof(home.uc_mcontext.gregs));
        memcpy(home_fpu.fx, uc->uc_mcontext.fpregs, FX_USED);
        for (int i = 0; i < 16; i++) {
            g[greg_of[i]] = host_state->regs[i];
        }
        g[REG_RIP] = host_state->rip;
        g[REG_EFL] = (g[REG_EFL] & ~(greg_t)FLAGS_USED) | (host_state->rflags & FLAGS_USED);
        put_fpu(uc, host_state->fx);
        host_phase = 1;
        return;
    }
    if (host_phase != 1) {
        signal(sig, SIG_DFL); /* a bug of the test itself */
        return;
    }
    host_phase = 2;
    for (int i = 0; i < 16; i++) {
        host_state->regs[i] = g[greg_of[i]];
    }
    host_state->rip = g[REG_RIP];
    host_state->rflags = g[REG_EFL] & FLAGS_USED;
    host_state->vector = g[REG_TRAPNO];
    host_state->cr2 = g[REG_CR2];
    memcpy(host_state->fx, uc->uc_mcontext.fpregs, FX_USED);
    memcpy(g, &home.uc_mcontext.gregs, sizeof(home.uc_mcontext.gregs));
    put_fpu(uc, home_fpu.fx);
}

static void host_setup(void)
{
    static uint8_t stack[256 * 1024];
    const stack_t alt = { .ss_sp = stack, .ss_size = sizeof(stack) };
    struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    sigfillset(&sa.sa_mask);
    g_assert_cmpint(sigaltstack(&alt, NULL), ==, 0);
    const int sigs[] = { SIGUSR1, SIGTRAP, SIGSEGV, SIGILL, SIGFPE, SIGBUS };
    for (unsigned i = 0; i < G_N_ELEMENTS(sigs); i++) {
        g_assert_cmpint(sigaction(sigs[i], &sa, NULL), ==, 0);
    }
    host_code = mmap((void *)CODE_BASE, CODE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    host_data = mmap((void *)DATA_BASE, DATA_SIZE, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    g_assert_true(host_code == (void *)CODE_BASE && host_data == (void *)DATA_BASE);
}

static void host_run(State *state)
{
    host_state = state;
    host_phase = 0;
    raise(SIGUSR1);
    g_assert_cmpint(host_phase, ==, 2);
}

/* ---- running on the software CPU ---- */

static void soft_run(SoftHarness *h, State *state)
{
    X86Cpu *cpu = h->cpu;
    memcpy(cpu->regs, state->regs, sizeof(state->regs));
    cpu->rip = state->rip;
    soft_set_rflags(h->s, state->rflags | RFLAGS_ONE);
    memcpy(cpu->fxsave, state->fx, FX_USED);
    cpu->cr2 = 0;
    state->vector = harness_run(h, 1000);
    cpu->rip += state->vector == -1; /* the HLT in the place of the host's INT3 */
    state->vector = state->vector == -1 ? EXC_BP : state->vector;
    memcpy(state->regs, cpu->regs, sizeof(state->regs));
    state->rip = cpu->rip;
    state->rflags = soft_get_rflags(h->s) & FLAGS_USED;
    state->cr2 = cpu->cr2;
    memcpy(state->fx, cpu->fxsave, FX_USED);
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
static bool set_included(const X86CpuModel *model, ZydisISASet set)
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
    if (keep_pointers &&
        (op->mem.index != ZYDIS_REGISTER_NONE ||
         (op->mem.base != ZYDIS_REGISTER_RIP && op->mem.base != ZYDIS_REGISTER_EIP &&
          op->mem.base != ZYDIS_REGISTER_NONE && !is_pointer(ZydisRegisterGetId(op->mem.base))))) {
        return false; /* an instruction before may have changed it */
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
static const X86CpuModel *model;

static bool acceptable(const State *st, const ZydisDecodedInstruction *raw,
                       const ZydisDecodedOperand *ops, uint64_t next_rip, bool keep_pointers)
{
    if (category_excluded(raw) || mnemonic_excluded(raw->mnemonic) ||
        !set_included(model, raw->meta.isa_set) || raw->meta.branch_type == ZYDIS_BRANCH_TYPE_FAR) {
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
                cls == ZYDIS_REGCLASS_DEBUG || cls == ZYDIS_REGCLASS_YMM) {
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

static uint32_t undefined_flags(const ZydisDecodedInstruction *raw)
{
    switch (raw->mnemonic) {
    case ZYDIS_MNEMONIC_MUL:
    case ZYDIS_MNEMONIC_IMUL:
        return RFLAGS_SF | RFLAGS_ZF | RFLAGS_AF | RFLAGS_PF;
    case ZYDIS_MNEMONIC_DIV:
    case ZYDIS_MNEMONIC_IDIV:
        return RFLAGS_ARITH;
    case ZYDIS_MNEMONIC_AND:
    case ZYDIS_MNEMONIC_OR:
    case ZYDIS_MNEMONIC_XOR:
    case ZYDIS_MNEMONIC_TEST:
    case ZYDIS_MNEMONIC_ANDN:
    case ZYDIS_MNEMONIC_BLSI:
    case ZYDIS_MNEMONIC_BLSR:
    case ZYDIS_MNEMONIC_BLSMSK:
    case ZYDIS_MNEMONIC_BZHI:
        return RFLAGS_AF | RFLAGS_PF;
    case ZYDIS_MNEMONIC_SHL:
    case ZYDIS_MNEMONIC_SHR:
    case ZYDIS_MNEMONIC_SAR:
        return RFLAGS_AF | RFLAGS_OF | RFLAGS_CF; /* by count; see defined_shift_flags() */
    case ZYDIS_MNEMONIC_ROL:
    case ZYDIS_MNEMONIC_ROR:
    case ZYDIS_MNEMONIC_RCL:
    case ZYDIS_MNEMONIC_RCR:
        return RFLAGS_OF;
    case ZYDIS_MNEMONIC_SHLD:
    case ZYDIS_MNEMONIC_SHRD:
        return raw->operand_width == 16 ? RFLAGS_ARITH : RFLAGS_AF | RFLAGS_OF;
    case ZYDIS_MNEMONIC_BT:
    case ZYDIS_MNEMONIC_BTS:
    case ZYDIS_MNEMONIC_BTR:
    case ZYDIS_MNEMONIC_BTC:
        return RFLAGS_OF | RFLAGS_SF | RFLAGS_AF | RFLAGS_PF;
    case ZYDIS_MNEMONIC_BSF:
    case ZYDIS_MNEMONIC_BSR:
    case ZYDIS_MNEMONIC_LZCNT:
    case ZYDIS_MNEMONIC_TZCNT:
        return RFLAGS_OF | RFLAGS_SF | RFLAGS_AF | RFLAGS_PF | RFLAGS_CF;
    case ZYDIS_MNEMONIC_BEXTR:
        return RFLAGS_AF | RFLAGS_SF | RFLAGS_PF;
    default:
        return 0;
    }
}

/* ---- making cases ---- */

static void random_fpu(uint8_t *fx)
{
    memset(fx, 0, FX_USED);
    uint16_t fcw = 0x37f, fsw = (rnd() & 7) << 11;
    uint32_t mxcsr = 0x1f80;
    if (below(4) == 0) {
        fcw = 0x40 | (rnd() & 0xf00) | (below(4) ? 0x3f : rnd() & 0x3f);
        mxcsr = (rnd() & 0x6000) | (below(4) ? 0x1f80 : rnd() & 0x1f80) | (below(2) ? 0x8000 : 0);
        fcw = (fcw & 0x300) == 0x100 ? fcw | 0x300 : fcw;
    }
    memcpy(fx + FX_FCW, &fcw, 2);
    memcpy(fx + FX_FSW, &fsw, 2);
    fx[FX_FTW] = below(3) ? 0xff : rnd();
    memcpy(fx + FX_MXCSR, &mxcsr, 4);
    for (int i = 0; i < 8; i++) {
        uint64_t mantissa = edge_value() | (below(8) ? 1ull << 63 : 0);
        uint16_t exponent = below(3) ? 0x3ff0 + below(40) : below(2) ? rnd() : 0x7fff;
        memcpy(fx + 32 + 16 * i, &mantissa, 8);
        memcpy(fx + 40 + 16 * i, &exponent, 2);
    }
    for (int i = 0; i < 32; i++) {
        uint64_t v = edge_value();
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

static void random_state(State *st, uint64_t rip)
{
    memset(st, 0, sizeof(*st));
    for (unsigned i = 0; i < 16; i++) {
        st->regs[i] = is_pointer(i) ? DATA_MID + (int64_t)below(512) - 256 : edge_value();
    }
    if (below(4)) {
        st->regs[4] &= ~15ull;
        st->regs[3] &= ~15ull;
    }
    st->regs[1] = below(2) ? below(66) : st->regs[1];
    st->rip = rip;
    st->rflags = rnd() & SOFT_ARITH_FLAGS;
    random_fpu(st->fx);
}

/* Random bytes that have a fair chance to be an instruction. */
static void random_bytes(uint8_t *b)
{
    static const uint8_t prefixes[] = { 0x66, 0xf2, 0xf3, 0x67, 0x2e, 0xf0 };
    unsigned n = 0;
    while (below(3) == 0 && n < 3) {
        b[n++] = prefixes[below(below(8) ? 3 : 6)];
    }
    if (below(2)) {
        b[n++] = 0x40 | below(16);
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
        if (below(3) == 0) { /* VEX: BMI */
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

static ZydisDecoder decoder;

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

typedef struct Case {
    State start;
    uint8_t code[CASE_SPACE];
    unsigned len;
    uint32_t undefined; /* flags not compared */
    unsigned mnemonic;
} Case;

static void make_case(Case *c, uint64_t rip)
{
    random_state(&c->start, rip);
    memset(c->code, 0xcc, sizeof(c->code));
    unsigned count = below(4) ? 1 : 2 + below(MAX_INSNS - 1);
    c->len = 0;
    c->undefined = 0;
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
        uint32_t undefined = undefined_flags(&raw);
        if (count > 1 && undefined) {
            continue; /* the next instruction could read them */
        }
        c->undefined |= undefined;
        c->mnemonic = raw.mnemonic;
        memcpy(c->code + c->len, insn, n);
        c->len += n;
        i++;
    }
    if (below(16) == 0) {
        c->start.rflags |= RFLAGS_DF;
    }
}

/* ---- comparing ---- */

static void print_case(const Case *c, const State *host, const State *soft, unsigned number,
                       uint64_t seed)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_string_append_printf(text, "case %u, seed %lu:", number, (unsigned long)seed);
    for (unsigned i = 0; i < c->len; i++) {
        g_string_append_printf(text, " %02x", c->code[i]);
    }
    unsigned at = 0;
    while (at < c->len) {
        ZydisDisassembledInstruction insn;
        if (!ZYAN_SUCCESS(ZydisDisassembleIntel(ZYDIS_MACHINE_MODE_LONG_64, c->start.rip + at,
                                                c->code + at, c->len - at, &insn))) {
            break;
        }
        g_string_append_printf(text, "\n    %s", insn.text);
        at += insn.info.length;
    }
    g_string_append_printf(text, "\n  vector host %d soft %d, rip host %lx soft %lx start %lx",
                           host->vector, soft->vector, (unsigned long)host->rip,
                           (unsigned long)soft->rip, (unsigned long)c->start.rip);
    g_string_append_printf(text, "\n  flags host %03lx soft %03lx start %03lx undefined %03x",
                           (unsigned long)host->rflags, (unsigned long)soft->rflags,
                           (unsigned long)c->start.rflags, c->undefined);
    for (int i = 0; i < 16; i++) {
        if (host->regs[i] != soft->regs[i]) {
            g_string_append_printf(text, "\n  reg %d host %lx soft %lx start %lx", i,
                                   (unsigned long)host->regs[i], (unsigned long)soft->regs[i],
                                   (unsigned long)c->start.regs[i]);
        }
    }
    for (unsigned i = 0; i < FX_USED; i += 4) {
        if (memcmp(host->fx + i, soft->fx + i, 4)) {
            uint32_t h, s, b;
            memcpy(&h, host->fx + i, 4);
            memcpy(&s, soft->fx + i, 4);
            memcpy(&b, c->start.fx + i, 4);
            g_string_append_printf(text, "\n  fx+%u host %08x soft %08x start %08x", i, h, s, b);
        }
    }
    g_test_message("%s", text->str);
}

/* What the host's kernel calls a fault and what the processor does agree in the vector. */
static bool same(const Case *c, State *host, State *soft, const uint8_t *soft_data)
{
    uint32_t flags = FLAGS_USED & ~c->undefined;
    if (host->vector != soft->vector || host->rip != soft->rip ||
        (host->rflags & flags) != (soft->rflags & flags) ||
        memcmp(host->regs, soft->regs, sizeof(host->regs))) {
        return false;
    }
    /* FOP, FIP, FDP: the host keeps them only while an exception is pending. */
    memset(host->fx + FX_FOP, 0, 18);
    memset(soft->fx + FX_FOP, 0, 18);
    memset(host->fx + FX_MXCSR_MASK, 0, 4);
    memset(soft->fx + FX_MXCSR_MASK, 0, 4);
    return !memcmp(host->fx, soft->fx, FX_USED) && !memcmp(host_data, soft_data, DATA_SIZE);
}

static void test_random(void)
{
    const char *seed_text = g_getenv("CPU_TEST_SEED"), *cases_text = g_getenv("CPU_TEST_CASES");
    uint64_t seed = seed_text ? g_ascii_strtoull(seed_text, NULL, 0) : 20260101;
    unsigned cases = cases_text ? g_ascii_strtoull(cases_text, NULL, 0) : DEFAULT_CASES;
    unsigned mismatches = 0, faults = 0;
    g_autofree uint8_t *covered = g_malloc0(ZYDIS_MNEMONIC_MAX_VALUE + 1);

    rng_state = seed * 2 + 1;
    for (unsigned i = 0; i < DATA_SIZE; i += 8) {
        uint64_t v = edge_value();
        memcpy(initial_data + i, &v, 8);
    }
    host_setup();
    ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
    g_autoptr(SoftHarness) h = harness_new();
    harness_reset(h, HARNESS_USER64);
    h->cpu->cr4 |= CR4_OSFXSR | CR4_OSXMMEXCPT;
    soft_update_mode(h->s);
    model = &h->cpu->model;

    for (unsigned i = 0; i < cases; i++) {
        uint64_t rip = CODE_BASE + (uint64_t)i * CASE_SPACE % CODE_SIZE;
        if (rip == CODE_BASE) {
            harness_flush(h);
        }
        Case c;
        make_case(&c, rip);
        covered[c.mnemonic] = 1;
        memcpy((void *)rip, c.code, CASE_SPACE);
        memset(h->ram + rip, 0xf4, CASE_SPACE);
        memcpy(h->ram + rip, c.code, c.len);
        memcpy(host_data, initial_data, DATA_SIZE);
        memcpy(h->ram + DATA_BASE, initial_data, DATA_SIZE);

        State host = c.start, soft = c.start;
        host_run(&host);
        soft_run(h, &soft);
        faults += host.vector != EXC_BP;
        if (!same(&c, &host, &soft, h->ram + DATA_BASE)) {
            if (mismatches++ < 20) {
                print_case(&c, &host, &soft, i, seed);
            }
        }
    }
    unsigned kinds = 0;
    for (unsigned i = 0; i <= ZYDIS_MNEMONIC_MAX_VALUE; i++) {
        kinds += covered[i];
    }
    g_test_message("seed %lu: %u cases, %u mnemonics, %u faults, %u mismatches",
                   (unsigned long)seed, cases, kinds, faults, mismatches);
    g_assert_cmpuint(mismatches, ==, 0);
    if (!cases_text) {
        g_assert_cmpuint(kinds, >, 480);
        g_assert_cmpuint(cases, >=, 200000);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cpu/against-the-host", test_random);
    return g_test_run();
}
