/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The software CPU against the real one: the same generated instructions (cpu-case.c), from the
 * same state, on both; then registers, flags, x87, XMM and memory are compared.
 *
 * The host runs a case by returning from a signal into it, and stops at the INT3 behind it (or at
 * the fault): the kernel's signal frame is both the way in and the way out. 32-bit code is run in
 * compatibility mode.
 *
 *   CPU_TEST_SEED=N    repeat one run;  CPU_TEST_CASES=N  how many of each kind
 */
#include <inttypes.h>

#include <Zydis/Zydis.h>
#include <cpuid.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "accel/soft/flags.h"
#include "accel/soft/native.h"
#include "tests/unit/cpu-case.h"
#include "tests/unit/soft-harness.h"

#define DEFAULT_CASES  250000
#define ALIGNED_EVERY  8    /* one of so many cases has AC set */
#define HOST_USER32_CS 0x23 /* Linux: a 32-bit code segment for everyone */
#define HOST_USER_DS   0x2b

static uint8_t initial_data[DATA_SIZE];
static uint8_t *host_data, *host_code;
static unsigned code_bits;

/* ---- running on the host ---- */

static const int greg_of[16] = { REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP,
                                 REG_RSI, REG_RDI, REG_R8,  REG_R9,  REG_R10, REG_R11,
                                 REG_R12, REG_R13, REG_R14, REG_R15 };
#define FLAGS_USED (SOFT_ARITH_FLAGS | RFLAGS_DF | RFLAGS_AC)

#define FRAME_MAGIC 0x46505853
#define HALVES_SIZE sizeof(((State *)0)->ymm_high)

static ucontext_t home; /* where the test itself was */
static struct {
    uint8_t fx[FX_USED];
    uint8_t ymm_high[16][16];
} home_fpu;
static State *host_state;
static volatile int host_phase;

/* Where the signal frame has the upper halves of YMM registers, in the standard form of XSAVE;
 * NULL: it has none. */
static uint8_t *frame_ymm_high(const ucontext_t *uc)
{
    uint8_t *frame = (uint8_t *)uc->uc_mcontext.fpregs;
    uint32_t magic;
    unsigned eax, ebx, ecx, edx;

    memcpy(&magic, frame + 464, 4);
    if (magic != FRAME_MAGIC || !(frame[472] & XCR0_AVX) || /* xfeatures of the frame */
        !__get_cpuid_count(0xd, 2, &eax, &ebx, &ecx, &edx)) {
        return NULL;
    }
    return frame + ebx;
}

static void put_ymm_high(ucontext_t *uc, const void *halves)
{
    uint8_t *to = frame_ymm_high(uc);
    if (to) {
        memcpy(to, halves, HALVES_SIZE);
        ((uint8_t *)uc->uc_mcontext.fpregs)[512] |= XCR0_AVX;
    }
}

/* What is not in use is not in the frame: zero. */
static void get_ymm_high(const ucontext_t *uc, void *halves)
{
    const uint8_t *from = frame_ymm_high(uc);
    bool used = from && (((const uint8_t *)uc->uc_mcontext.fpregs)[512] & XCR0_AVX);

    if (used) {
        memcpy(halves, from, HALVES_SIZE);
    } else {
        memset(halves, 0, HALVES_SIZE);
    }
}

static void put_fpu(ucontext_t *uc, const uint8_t *fx)
{
    uint8_t *frame = (uint8_t *)uc->uc_mcontext.fpregs;
    uint32_t magic;
    memcpy(frame, fx, FX_USED);
    memcpy(&magic, frame + 464, 4);
    if (magic == FRAME_MAGIC) { /* an XSAVE area follows: say that x87 and SSE state is there */
        frame[512] |= 3;
    }
}

/* SIGUSR1 brings us in; SIGTRAP or a fault brings us back. */
static void on_signal(int sig, siginfo_t *info, void *context)
{
    /* The kernel leaves AC set, and nothing here cares for alignment. */
    __asm__ volatile("pushfq\n\tandl %0, (%%rsp)\n\tpopfq" : : "i"(~RFLAGS_AC) : "cc", "memory");
    ucontext_t *uc = context;
    greg_t *g = uc->uc_mcontext.gregs;
    if (sig == SIGUSR1) {
        memcpy(&home.uc_mcontext.gregs, g, sizeof(home.uc_mcontext.gregs));
        memcpy(home_fpu.fx, uc->uc_mcontext.fpregs, FX_USED);
        get_ymm_high(uc, home_fpu.ymm_high);
        for (int i = 0; i < 16; i++) {
            g[greg_of[i]] = host_state->regs[i];
        }
        g[REG_RIP] = host_state->rip;
        g[REG_EFL] = (g[REG_EFL] & ~(greg_t)FLAGS_USED) | (host_state->rflags & FLAGS_USED);
        if (code_bits == 32) {
            g[REG_CSGSFS] = (g[REG_CSGSFS] & ~(greg_t)0xffff) | HOST_USER32_CS;
        }
        put_fpu(uc, host_state->fx);
        put_ymm_high(uc, host_state->ymm_high);
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
    get_ymm_high(uc, host_state->ymm_high);
    memcpy(g, &home.uc_mcontext.gregs, sizeof(home.uc_mcontext.gregs));
    put_fpu(uc, home_fpu.fx);
    put_ymm_high(uc, home_fpu.ymm_high);
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
    /* 64-bit code does not look at DS and ES; 32-bit code needs them. */
    __asm__ volatile("mov %0, %%ds\n\tmov %0, %%es" : : "r"(HOST_USER_DS));
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
    soft_update_mode(h->s); /* by AC */
    memcpy(cpu->fxsave, state->fx, FX_USED);
    memcpy(cpu->ymm_high, state->ymm_high, HALVES_SIZE);
    native_fpu_sanitize(cpu);
    cpu->cr2 = 0;
    state->vector = harness_run(h, 1000);
    cpu->rip += state->vector == -1; /* the HLT in the place of the host's INT3 */
    state->vector = state->vector == -1 ? EXC_BP : state->vector;
    memcpy(state->regs, cpu->regs, sizeof(state->regs));
    state->rip = cpu->rip;
    state->rflags = soft_get_rflags(h->s) & FLAGS_USED;
    state->cr2 = cpu->cr2;
    memcpy(state->fx, cpu->fxsave, FX_USED);
    memcpy(state->ymm_high, cpu->ymm_high, HALVES_SIZE);
}

static bool host_is_amd(void)
{
    unsigned eax, ebx, ecx, edx;

    return __get_cpuid(0, &eax, &ebx, &ecx, &edx) && ebx == signature_AMD_ebx;
}

/* Whether vectors must be aligned is up to the processor; the software CPU does as AMD's do. The
 * host's kernel must have set CR0.AM. */
static bool host_checks_alignment(void)
{
    State st = { .rip = CODE_BASE, .rflags = RFLAGS_AC };

    st.regs[X86_RBX] = DATA_BASE + 1;
    memcpy(host_code, "\x8b\x03\xcc", 3); /* MOV EAX, [RBX]; INT3 */
    host_run(&st);
    return st.vector == EXC_AC && host_is_amd();
}

/* ---- comparing ---- */

static void print_case(const Case *c, const State *host, const State *soft, unsigned number,
                       uint64_t seed)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_string_append_printf(text, "case %u, seed %" PRIu64 ":", number, seed);
    for (unsigned i = 0; i < c->len; i++) {
        g_string_append_printf(text, " %02x", c->code[i]);
    }
    unsigned at = 0;
    while (at < c->len) {
        ZydisDisassembledInstruction insn;
        if (!ZYAN_SUCCESS(ZydisDisassembleIntel(
                code_bits == 64 ? ZYDIS_MACHINE_MODE_LONG_64 : ZYDIS_MACHINE_MODE_LONG_COMPAT_32,
                c->start.rip + at, c->code + at, c->len - at, &insn))) {
            break;
        }
        g_string_append_printf(text, "\n    %s", insn.text);
        at += insn.info.length;
    }
    g_string_append_printf(
        text, "\n  vector host %d soft %d, rip host %" PRIx64 " soft %" PRIx64 " start %" PRIx64,
        host->vector, soft->vector, host->rip, soft->rip, c->start.rip);
    g_string_append_printf(
        text, "\n  flags host %03" PRIx64 " soft %03" PRIx64 " start %03" PRIx64 " undefined %03x",
        host->rflags, soft->rflags, c->start.rflags, c->undefined);
    for (int i = 0; i < 16; i++) {
        if (host->regs[i] != soft->regs[i]) {
            g_string_append_printf(text,
                                   "\n  reg %d host %" PRIx64 " soft %" PRIx64 " start %" PRIx64, i,
                                   host->regs[i], soft->regs[i], c->start.regs[i]);
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
    for (unsigned i = 0; i < 16; i++) {
        if (memcmp(host->ymm_high[i], soft->ymm_high[i], 16)) {
            uint64_t h[2], s[2];
            memcpy(h, host->ymm_high[i], 16);
            memcpy(s, soft->ymm_high[i], 16);
            g_string_append_printf(
                text, "\n  ymm%u high host %" PRIx64 " %" PRIx64 " soft %" PRIx64 " %" PRIx64, i,
                h[1], h[0], s[1], s[0]);
        }
    }
    g_test_message("%s", text->str);
}

/* What the host's kernel calls a fault and what the processor does agree in the vector. */
static void cut_registers(State *st)
{
    for (unsigned i = 0; i < 16;
         i++) { /* what compatibility mode leaves in the rest is undefined */
        st->regs[i] = i < 8 ? (uint32_t)st->regs[i] : 0;
    }
}

static unsigned top_of(const State *st)
{
    return st->fx[FX_FSW + 1] >> 3 & 7;
}

/* The register at ST(i) of the image; they move as TOP does. */
static const uint8_t *physical(const State *st, unsigned n)
{
    return st->fx + FX_ST + ((n - top_of(st)) & 7) * 16;
}

/* Intel's processors have made TOP 0 already when the store of an MMX register faults. @host gets
 * that of @soft, if it has the same registers. */
static void forget_top(State *host, const State *soft)
{
    for (unsigned n = 0; n < 8; n++) {
        if (memcmp(physical(host, n), physical(soft, n), 10)) {
            return;
        }
    }
    memcpy(host->fx + FX_ST, soft->fx + FX_ST, 8 * 16);
    host->fx[FX_FSW + 1] = (uint8_t)((host->fx[FX_FSW + 1] & ~0x38) | top_of(soft) << 3);
}

/* Does Intel's processors' way lead to something else? They find the exception of an operand,
 * which waits for the next instruction, before they look for the page to store to. */
static bool intel_differs(const Case *c, State *host, const State *soft)
{
    bool store = c->mnemonic == ZYDIS_MNEMONIC_FIST || c->mnemonic == ZYDIS_MNEMONIC_FISTP ||
                 c->mnemonic == ZYDIS_MNEMONIC_FISTTP || c->mnemonic == ZYDIS_MNEMONIC_FBSTP ||
                 c->mnemonic == ZYDIS_MNEMONIC_FST || c->mnemonic == ZYDIS_MNEMONIC_FSTP;

    if (host_is_amd() || soft->vector == EXC_BP) {
        return false;
    }
    if (host->vector == soft->vector && top_of(host) == 0) {
        forget_top(host, soft);
    }
    return store && soft->vector == EXC_PF && host->vector == EXC_BP && host->fx[FX_FSW] & FSW_ES;
}

static bool same(const Case *c, State *host, State *soft, const uint8_t *soft_data)
{
    uint32_t flags = FLAGS_USED & ~c->undefined;

    if (intel_differs(c, host, soft)) {
        return true;
    }
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
    return !memcmp(host->fx, soft->fx, FX_USED) &&
           !memcmp(host->ymm_high, soft->ymm_high, HALVES_SIZE) &&
           !memcmp(host_data, soft_data, DATA_SIZE);
}

static void compare(unsigned bits, unsigned least_kinds)
{
    const char *seed_text = g_getenv("CPU_TEST_SEED"), *cases_text = g_getenv("CPU_TEST_CASES");
    uint64_t seed = seed_text ? g_ascii_strtoull(seed_text, NULL, 0) : 20260101;
    unsigned cases = cases_text ? g_ascii_strtoull(cases_text, NULL, 0) : DEFAULT_CASES;
    unsigned mismatches = 0, faults = 0;
    g_autofree uint8_t *covered = g_malloc0(ZYDIS_MNEMONIC_MAX_VALUE + 1);

    code_bits = bits;
    g_autoptr(SoftHarness) h = harness_new();
    harness_reset(h, bits == 64 ? HARNESS_USER64 : HARNESS_USER32);
    h->cpu->cr0 |= CR0_AM;
    if (x86_cpu_model_has(&h->cpu->model, X86_FEAT_1_ECX, CPUID_1_ECX_AVX)) {
        h->cpu->cr4 |= CR4_OSXSAVE;
        h->cpu->xcr0 = XCR0_X87 | XCR0_SSE | XCR0_AVX;
    }
    bool aligned = host_checks_alignment();
    cpu_case_begin(seed, bits, &h->cpu->model);
    for (unsigned i = 0; i < DATA_SIZE; i += 8) {
        uint64_t v = cpu_case_value();
        memcpy(initial_data + i, &v, 8);
    }

    for (unsigned i = 0; i < cases; i++) {
        uint64_t rip = CODE_BASE + (uint64_t)i * CASE_SPACE % CODE_SIZE;
        if (rip == CODE_BASE) {
            harness_flush(h);
        }
        Case c;
        cpu_case_make(&c, rip);
        if (aligned && c.alignable && i % ALIGNED_EVERY == 0) {
            c.start.rflags |= RFLAGS_AC;
        }
        covered[c.mnemonic] = 1;
        memcpy((void *)rip, c.code, CASE_SPACE);
        memset(h->ram + rip, 0xf4, CASE_SPACE);
        memcpy(h->ram + rip, c.code, c.len);
        memcpy(host_data, initial_data, DATA_SIZE);
        memcpy(h->ram + DATA_BASE, initial_data, DATA_SIZE);

        State host = c.start, soft = c.start;
        host_run(&host);
        soft_run(h, &soft);
        if (bits == 32) {
            cut_registers(&host);
            cut_registers(&soft);
        }
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
    g_test_message("seed %" PRIu64 ": %u cases, %u mnemonics, %u faults, %u mismatches", seed,
                   cases, kinds, faults, mismatches);
    g_assert_cmpuint(mismatches, ==, 0);
    if (!cases_text) {
        g_assert_cmpuint(kinds, >=, least_kinds);
    }
}

/* Its handlers run before ours, and with the RFLAGS.AC of what was run. */
static bool under_thread_sanitizer(void)
{
#ifdef __SANITIZE_THREAD__
    g_test_skip("ThreadSanitizer's signal handlers do not bear RFLAGS.AC");
    return true;
#else
    return false;
#endif
}

static void test_64(void)
{
    if (!under_thread_sanitizer()) {
        compare(64, 480);
    }
}

static void test_32(void)
{
    if (!under_thread_sanitizer()) {
        compare(32, 400);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    host_setup();
    g_test_add_func("/cpu/against-the-host/64-bit", test_64);
    g_test_add_func("/cpu/against-the-host/32-bit", test_32);
    return g_test_run();
}
