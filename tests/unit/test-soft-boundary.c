/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The translator is made to leave at every instruction boundary: generated instructions
 * (cpu-case.c) are run by the interpreter at one go, and once for each boundary in them with an
 * interruption there, on translated code. That is a #DB, which a breakpoint of the guest's own
 * raises before the instruction, and whose handler goes back by IRET. Registers, flags, x87, XMM,
 * YMM and memory must be the same in the end.
 *
 *   CPU_TEST_SEED=N    repeat one run;  CPU_TEST_CASES=N  how many of each kind
 */
#include <Zydis/Zydis.h>
#include <inttypes.h>
#include <string.h>

#include "accel/soft/breakpoint.h"
#include "accel/soft/flags.h"
#include "accel/soft/native.h"
#include "accel/soft/options.h"
#include "accel/soft/translate/translator.h"
#include "tests/unit/cpu-case.h"
#include "tests/unit/soft-harness.h"

#define DEFAULT_CASES 20000
#define FLAGS_USED    (SOFT_ARITH_FLAGS | RFLAGS_DF | RFLAGS_AC)
#define TURNS         1000
#define CODE_USED     0x4000 /* then all is dropped: a new breakpoint goes through all blocks */

enum {
    HANDLER = 0x70000,
    COUNTER = 0x71000, /* of interruptions */
    IST_STACK = 0x72000,
    SEL_CODE64 = 0x08,
};

static uint8_t initial_data[DATA_SIZE];

/* It has to set RF in the image of the flags, or the breakpoint would be come to again. */
GUEST_CODE(handler, 64, "incq 0x71000\n\torl $0x10000, 16(%rsp)\n\tiretq");

/* #DB by an interrupt stack, so that nothing of the case's is written to. */
static void set_handler(SoftHarness *h)
{
    uint64_t stack = IST_STACK,
             gate[2] = { (HANDLER & 0xffff) | SEL_CODE64 << 16 | 1ull << 32 /* IST1 */ |
                             0x8eull << 40 /* 64-bit interrupt gate */ |
                             (uint64_t)(HANDLER >> 16) << 48,
                         0 };

    memcpy(h->ram + HARNESS_IDT + EXC_DB * 16, gate, sizeof(gate));
    memcpy(h->ram + HARNESS_TSS + 0x24, &stack, 8);
    memcpy(h->ram + HANDLER, code_handler, (size_t)(code_handler_end - code_handler));
}

/* A CPU; with the RAM of @other if there is one. */
static SoftHarness *make_harness(SoftTranslate translate, unsigned bits, const SoftHarness *other)
{
    soft_options = (SoftOptions){ translate, 8, false };
    g_setenv("SOFT_TRANSLATE", translate == SOFT_TRANSLATE_OFF ? "off" : "all", true);
    SoftHarness *h = other ? harness_new_cpu(other) : harness_new();
    harness_reset(h, bits == 64 ? HARNESS_USER64 : HARNESS_USER32);
    if (x86_cpu_model_has(&h->cpu->model, X86_FEAT_1_ECX, CPUID_1_ECX_AVX)) {
        h->cpu->cr4 |= CR4_OSXSAVE;
        h->cpu->xcr0 = XCR0_X87 | XCR0_SSE | XCR0_AVX;
    }
    g_assert_true(!h->s->translator == (translate == SOFT_TRANSLATE_OFF));
    return h;
}

/* With an interruption before the instruction at @at; 0: none. */
static void run(SoftHarness *h, const Case *c, uint64_t at, State *st)
{
    X86Cpu *cpu = h->cpu;

    *st = c->start;
    memcpy(h->ram + DATA_BASE, initial_data, DATA_SIZE);
    memcpy(cpu->regs, st->regs, sizeof(st->regs));
    cpu->rip = st->rip;
    soft_set_rflags(h->s, st->rflags | RFLAGS_ONE);
    memcpy(cpu->fxsave, st->fx, FX_USED);
    memcpy(cpu->ymm_high, st->ymm_high, sizeof(st->ymm_high));
    native_fpu_sanitize(cpu);
    cpu->cr2 = 0;
    cpu->dr[0] = at;
    cpu->dr[7] = DR7_FIXED_ONE | (at ? DR7_ENABLE(0) : 0);
    soft_breakpoints_update(h->s);
    soft_update_mode(h->s);
    st->vector = harness_run(h, TURNS);
    memcpy(st->regs, cpu->regs, sizeof(st->regs));
    st->rip = cpu->rip;
    st->rflags = soft_get_rflags(h->s) & FLAGS_USED & ~(uint64_t)c->undefined;
    st->cr2 = cpu->cr2;
    memcpy(st->fx, cpu->fxsave, FX_USED);
    memcpy(st->ymm_high, cpu->ymm_high, sizeof(st->ymm_high));
}

static bool same(const State *a, const State *b)
{
    return a->vector == b->vector && a->rip == b->rip && a->rflags == b->rflags &&
           a->cr2 == b->cr2 && !memcmp(a->regs, b->regs, sizeof(a->regs)) &&
           !memcmp(a->fx, b->fx, FX_USED) && !memcmp(a->ymm_high, b->ymm_high, sizeof(a->ymm_high));
}

static void load(SoftHarness *h, const Case *c, uint64_t rip)
{
    memset(h->ram + rip, 0xf4, CASE_SPACE);
    memcpy(h->ram + rip, c->code, c->len);
}

/* Length of the instruction at @at; 0: it is none. */
static unsigned length(const Case *c, unsigned at, unsigned bits)
{
    ZydisDisassembledInstruction insn;
    ZydisMachineMode mode =
        bits == 64 ? ZYDIS_MACHINE_MODE_LONG_64 : ZYDIS_MACHINE_MODE_LONG_COMPAT_32;

    return ZYAN_SUCCESS(ZydisDisassembleIntel(mode, 0, c->code + at, c->len - at, &insn))
               ? insn.info.length
               : 0;
}

/* What it is compared with, and the data then. */
typedef struct Expected {
    State state;
    uint8_t data[DATA_SIZE];
} Expected;

typedef struct Totals {
    unsigned boundaries, wrong;
} Totals;

static void at_each_boundary(SoftHarness *off, SoftHarness *all, const Case *c, unsigned bits,
                             Totals *totals)
{
    static Expected expected;
    State found;
    unsigned n;

    load(off, c, c->start.rip);
    run(off, c, 0, &expected.state);
    memcpy(expected.data, off->ram + DATA_BASE, DATA_SIZE);
    for (unsigned at = 0; at < c->len && (n = length(c, at, bits)); at += n) {
        run(all, c, c->start.rip + at, &found);
        totals->boundaries++;
        if (!same(&expected.state, &found) ||
            memcmp(expected.data, all->ram + DATA_BASE, DATA_SIZE) != 0) {
            totals->wrong++;
            g_test_message("boundary %u of the case at %" PRIx64 ": vector %d, %d; rip %" PRIx64
                           ", %" PRIx64 "; flags %" PRIx64 ", %" PRIx64,
                           at, c->start.rip, expected.state.vector, found.vector,
                           expected.state.rip, found.rip, expected.state.rflags, found.rflags);
        }
    }
}

static void boundaries(unsigned bits)
{
    const char *seed_text = g_getenv("CPU_TEST_SEED"), *cases_text = g_getenv("CPU_TEST_CASES");
    uint64_t seed = seed_text ? g_ascii_strtoull(seed_text, NULL, 0) : 20260102;
    unsigned cases = cases_text ? (unsigned)g_ascii_strtoull(cases_text, NULL, 0) : DEFAULT_CASES;
    g_autoptr(SoftHarness) off = make_harness(SOFT_TRANSLATE_OFF, bits, NULL);
    g_autoptr(SoftHarness) all = make_harness(SOFT_TRANSLATE_ALL, bits, off);
    Totals totals = { 0 };
    uint64_t interruptions;

    set_handler(all);
    cpu_case_begin(seed, bits, &off->cpu->model);
    for (unsigned i = 0; i < DATA_SIZE; i += 8) {
        uint64_t v = cpu_case_value();
        memcpy(initial_data + i, &v, 8);
    }
    for (unsigned i = 0; i < cases; i++) {
        uint64_t rip = CODE_BASE + (uint64_t)i * CASE_SPACE % CODE_USED;
        Case c;

        if (rip == CODE_BASE) {
            harness_flush(off);
            harness_flush(all);
        }
        cpu_case_make(&c, rip);
        at_each_boundary(off, all, &c, bits, &totals);
    }
    memcpy(&interruptions, all->ram + COUNTER, 8);
    g_test_message("seed %" PRIu64 ": %u cases, %u boundaries, %" PRIu64
                   " interruptions, %u mismatches",
                   seed, cases, totals.boundaries, interruptions, totals.wrong);
    g_assert_cmpuint(totals.wrong, ==, 0);
    /* Some are not come to: behind a fault. */
    g_assert_cmpuint(interruptions, >, totals.boundaries / 2);
    g_assert_cmpuint(interruptions, <=, totals.boundaries);
}

static void test_64(void)
{
    boundaries(64);
}

static void test_32(void)
{
    boundaries(32);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/soft-boundary/64-bit", test_64);
    g_test_add_func("/soft-boundary/32-bit", test_32);
    return g_test_run();
}
