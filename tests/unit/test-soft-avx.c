/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * AVX and XSAVE on the software CPU: what enables them, faults, upper halves, gathers and masked
 * moves, and the forms of the XSAVE area. What vector instructions compute, test-cpu-vs-host.c
 * compares with the real CPU.
 */
#include <string.h>

#include "accel/soft/native.h"
#include "tests/unit/soft-harness.h"

static SoftHarness *h;

enum { AREA = HARNESS_DATA, ALL = XCR0_X87 | XCR0_SSE | XCR0_AVX };

static bool has_avx(void)
{
    if (!x86_cpu_model_has(&h->cpu->model, X86_FEAT_1_ECX, CPUID_1_ECX_AVX)) {
        g_test_skip("the host has no AVX");
        return false;
    }
    return true;
}

static void prepare(HarnessMode mode)
{
    X86Cpu *cpu = h->cpu;

    harness_reset(h, mode);
    memset(h->ram + HARNESS_DATA, 0, 0x3000);
    if (mode != HARNESS_REAL) {
        cpu->cr4 |= CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE;
        cpu->xcr0 = ALL;
    }
    cpu->regs[X86_RBX] = mode == HARNESS_REAL ? 0x500 : HARNESS_DATA;
    cpu->regs[X86_RAX] = ALL;
    for (unsigned reg = 0; reg < 16; reg++) {
        memset(native_xmm(h->s, reg), (int)(0x10 + reg), 16);
        memset(native_ymm_high(h->s, reg), (int)(0x80 + reg), 16);
    }
}

static bool is_filled(const uint8_t *bytes, uint8_t value, unsigned len)
{
    for (unsigned i = 0; i < len; i++) {
        if (bytes[i] != value) {
            return false;
        }
    }
    return true;
}

#define VADDPS      "c5ec58cb"   /* vaddps ymm1, ymm2, ymm3 */
#define VMOVAPS_X   "c5f8280b"   /* vmovaps xmm1, [rbx] */
#define VMOVAPS_Y   "c5fc280b"   /* vmovaps ymm1, [rbx] */
#define VMOVUPS_Y   "c5fc100b"   /* vmovups ymm1, [rbx] */
#define VMOVNTPS_Y  "c5fc2b0b"   /* vmovntps [rbx], ymm1 */
#define VPADDB_MEM  "c5edfc0b"   /* vpaddb ymm1, ymm2, [rbx] */
#define ANDN        "c4e278f2c0" /* of BMI1: no vector registers */
#define VZEROUPPER  "c5f877"
#define VZEROALL    "c5fc77"
#define MOVAPS      "0f28ca"       /* movaps xmm1, xmm2 */
#define VMOVAPS_REG "c5f828ca"     /* vmovaps xmm1, xmm2 */
#define VPSHUFB     "c4e26900cb"   /* vpshufb xmm1, xmm2, xmm3 */
#define VPCMPISTRM  "c4e37962cb00" /* writes xmm0 */
#define VGATHERDPS  "c4e26d920c83" /* vgatherdps ymm1, [rbx + ymm0 * 4], ymm2 */
#define VMASKLOAD   "c4e26d2c0b"   /* vmaskmovps ymm1, ymm2, [rbx] */
#define VMASKSTORE  "c4e26d2e0b"   /* vmaskmovps [rbx], ymm2, ymm1 */
#define XGETBV      "0f01d0"
#define XSETBV      "0f01d1"
#define XSAVE       "480fae23"
#define XSAVEOPT    "480fae33"
#define XSAVEC      "480fc723"
#define XSAVES      "480fc72b"
#define XRSTOR      "480fae2b"
#define XRSTORS     "480fc71b"

/* ---- what they need ---- */

static void test_enabled(void)
{
    static const struct {
        const char *code;
        uint64_t cr0, cr4_off, xcr0;
        int vector;
    } cases[] = {
        { VADDPS, 0, 0, ALL, -1 },
        { VADDPS, 0, CR4_OSXSAVE, ALL, EXC_UD },
        { VADDPS, CR0_TS, CR4_OSXSAVE, ALL, EXC_UD },
        { VADDPS, 0, 0, XCR0_X87 | XCR0_SSE, EXC_UD },
        { VADDPS, 0, 0, XCR0_X87, EXC_UD },
        { VADDPS, CR0_TS, 0, ALL, EXC_NM },
        { VADDPS, CR0_EM, 0, ALL, -1 },
        { VADDPS, 0, CR4_OSFXSR, ALL, -1 },
        { VMOVUPS_Y, 0, CR4_OSXSAVE, ALL, EXC_UD },
        { VMOVUPS_Y, CR0_TS, 0, ALL, EXC_NM },
        { VGATHERDPS, 0, CR4_OSXSAVE, ALL, EXC_UD },
        { VMASKLOAD, CR0_TS, 0, ALL, EXC_NM },
        { VZEROUPPER, 0, 0, XCR0_X87, EXC_UD },
        { ANDN, CR0_TS, CR4_OSXSAVE, XCR0_X87, -1 },
        { XGETBV, CR0_TS, CR4_OSXSAVE, ALL, EXC_UD },
        { XGETBV, CR0_TS, 0, ALL, -1 },
        { XSAVE, 0, CR4_OSXSAVE, ALL, EXC_UD },
        { XSAVE, CR0_TS, 0, ALL, EXC_NM },
        { XSAVEC, CR0_TS, 0, ALL, EXC_NM },
        { XRSTOR, CR0_TS, 0, ALL, EXC_NM },
        { XRSTOR, CR0_TS, CR4_OSXSAVE, ALL, EXC_UD },
    };

    for (size_t i = 0; has_avx() && i < G_N_ELEMENTS(cases); i++) {
        prepare(HARNESS_LONG64);
        h->cpu->cr0 |= cases[i].cr0;
        h->cpu->cr4 &= ~cases[i].cr4_off;
        h->cpu->xcr0 = cases[i].xcr0;
        g_test_message("case %zu", i);
        g_assert_cmpint(harness_run_hex(h, cases[i].code), ==, cases[i].vector);
    }
}

/* VEX is for protected mode; prefixes that it has built in are not allowed before it. */
static void test_encodings(void)
{
    static const char *const refused[] = {
        "66c5ec58cb",   /* operand size */
        "f3c5ec58cb",   /* REP */
        "f2c5ec58cb",   /* REPNE */
        "48c5ec58cb",   /* REX */
        "f0c5ec58cb",   /* LOCK */
        "c5e428cb",     /* vmovaps with a third operand */
        "c4e26d920c93", /* vgatherdps ymm1, [rbx + ymm2 * 4], ymm2 */
        "c4e275920c83", /* vgatherdps ymm1, [rbx + ymm0 * 4], ymm1 */
    };

    if (!has_avx()) {
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(refused); i++) {
        prepare(HARNESS_LONG64);
        int vector = harness_run_hex(h, refused[i]);
        g_test_message("%s", refused[i]);
        g_assert_cmpint(vector, ==, EXC_UD);
    }
    /* In 32-bit code LDS with a register operand; in real mode nothing. */
    prepare(HARNESS_FLAT32);
    g_assert_cmpint(harness_run_hex(h, VADDPS), ==, -1);
    prepare(HARNESS_REAL);
    h->cpu->cr4 |= CR4_OSXSAVE;
    h->cpu->xcr0 = ALL;
    g_assert_cmpint(harness_run_hex(h, VADDPS), ==, EXC_UD);
    prepare(HARNESS_REAL);
    g_assert_cmpint(harness_run_hex(h, ANDN), ==, EXC_UD);
}

static void test_alignment(void)
{
    static const struct {
        const char *code;
        unsigned offset;
        int vector;
    } cases[] = {
        { VMOVAPS_X, 16, -1 },      { VMOVAPS_X, 8, EXC_GP }, { VMOVAPS_Y, 32, -1 },
        { VMOVAPS_Y, 16, EXC_GP },  { VMOVUPS_Y, 1, -1 },     { VMOVNTPS_Y, 32, -1 },
        { VMOVNTPS_Y, 16, EXC_GP }, { VPADDB_MEM, 3, -1 },    { XSAVE, 64, -1 },
        { XSAVE, 32, EXC_GP },      { XRSTOR, 16, EXC_GP },   { XSAVEC, 8, EXC_GP },
    };

    for (size_t i = 0; has_avx() && i < G_N_ELEMENTS(cases); i++) {
        prepare(HARNESS_LONG64);
        h->cpu->regs[X86_RBX] += cases[i].offset;
        g_assert_cmpint(harness_run_hex(h, cases[i].code), ==, cases[i].vector);
    }
}

/* ---- upper halves ---- */

static void test_upper_halves(void)
{
    static const struct {
        const char *code;
        unsigned reg;
        int high; /* what fills the upper half then */
    } cases[] = {
        { MOVAPS, 1, 0x81 }, { VMOVAPS_REG, 1, 0 }, { VMOVAPS_X, 1, 0 },
        { VPSHUFB, 1, 0 },   { VPCMPISTRM, 0, 0 },  { VZEROUPPER, 15, 0 },
        { VZEROALL, 15, 0 }, { VZEROALL, 0, 0 },    { VMOVUPS_Y, 2, 0x82 },
    };

    if (!has_avx()) {
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        prepare(HARNESS_LONG64);
        g_assert_cmpint(harness_run_hex(h, cases[i].code), ==, -1);
        g_assert_true(is_filled(native_ymm_high(h->s, cases[i].reg), (uint8_t)cases[i].high, 16));
    }
    g_assert_true(is_filled(native_xmm(h->s, 0), 0x10, 16));
    prepare(HARNESS_FLAT32); /* eight registers */
    g_assert_cmpint(harness_run_hex(h, VZEROALL), ==, -1);
    g_assert_true(is_filled(native_ymm_high(h->s, 7), 0, 16));
    g_assert_true(is_filled(native_ymm_high(h->s, 8), 0x88, 16));
    g_assert_true(is_filled(native_xmm(h->s, 8), 0x18, 16));
}

/* ---- elements ---- */

static void set_lanes(unsigned reg, const uint32_t lanes[8])
{
    memcpy(native_xmm(h->s, reg), lanes, 16);
    memcpy(native_ymm_high(h->s, reg), lanes + 4, 16);
}

static uint32_t lane(unsigned reg, unsigned i)
{
    const uint8_t *half = i < 4 ? native_xmm(h->s, reg) : native_ymm_high(h->s, reg);
    uint32_t value;

    memcpy(&value, half + 4 * (i % 4), 4);
    return value;
}

static const uint32_t some[8] = { 0x80000000, 0,          0xffffffff, 0,
                                  0x80000000, 0x7fffffff, 0,          0x80000000 };

static void test_gather(void)
{
    const uint32_t indices[8] = { 0, 1, (uint32_t)-1, 3, 100, 5, 6, 7 };
    uint32_t *data = (uint32_t *)(h->ram + HARNESS_DATA + 0x800);

    if (!has_avx()) {
        return;
    }
    prepare(HARNESS_LONG64);
    for (int i = -2; i < 200; i++) {
        data[i] = 0x1000u + (uint32_t)i;
    }
    h->cpu->regs[X86_RBX] = HARNESS_DATA + 0x800;
    set_lanes(0, indices);
    set_lanes(2, some);
    g_assert_cmpint(harness_run_hex(h, VGATHERDPS), ==, -1);
    for (unsigned i = 0; i < 8; i++) {
        uint32_t kept = i < 4 ? 0x11111111 : 0x81818181;
        g_assert_cmphex(lane(1, i), ==, some[i] >> 31 ? 0x1000u + indices[i] : kept);
        g_assert_cmphex(lane(2, i), ==, 0);
    }
}

/* A fault in the middle: what was loaded is there, and the mask says what is left. */
static void test_gather_fault(void)
{
    const uint32_t indices[8] = { 0, 0, 1, 0, HARNESS_RAM_SIZE / 4, 0, 0, 2 };

    if (!has_avx()) {
        return;
    }
    prepare(HARNESS_LONG64);
    h->cpu->regs[X86_RBX] = HARNESS_DATA;
    memset(h->ram + HARNESS_DATA, 0x77, 64);
    set_lanes(0, indices);
    set_lanes(2, some);
    g_assert_cmpint(harness_run_hex(h, VGATHERDPS), ==, EXC_PF);
    g_assert_cmphex(h->s->fault.cr2, ==, HARNESS_DATA + HARNESS_RAM_SIZE);
    g_assert_cmphex(lane(1, 0), ==, 0x77777777);
    g_assert_cmphex(lane(1, 2), ==, 0x77777777);
    g_assert_cmphex(lane(1, 4), ==, 0x81818181);
    g_assert_cmphex(lane(2, 0) | lane(2, 2), ==, 0);
    g_assert_cmphex(lane(2, 4) & lane(2, 7), ==, 0x80000000);
}

/* Elements that are masked out cannot fault. */
static void test_masked(void)
{
    const uint32_t low[8] = { 0x80000000, 0, 0x80000000, 0, 0, 0, 0, 0 };
    uint64_t edge = HARNESS_RAM_SIZE - 16;

    if (!has_avx()) {
        return;
    }
    prepare(HARNESS_LONG64);
    h->cpu->regs[X86_RBX] = edge;
    memset(h->ram + edge, 0x55, 16);
    set_lanes(2, low);
    g_assert_cmpint(harness_run_hex(h, VMASKLOAD), ==, -1);
    for (unsigned i = 0; i < 8; i++) {
        g_assert_cmphex(lane(1, i), ==, low[i] ? 0x55555555 : 0);
    }
    prepare(HARNESS_LONG64);
    h->cpu->regs[X86_RBX] = edge;
    memset(h->ram + edge, 0x55, 16);
    set_lanes(2, low);
    g_assert_cmpint(harness_run_hex(h, VMASKSTORE), ==, -1);
    g_assert_true(is_filled(h->ram + edge, 0x11, 4));
    g_assert_true(is_filled(h->ram + edge + 4, 0x55, 4));
    /* One beyond the RAM faults, and nothing is stored. */
    prepare(HARNESS_LONG64);
    h->cpu->regs[X86_RBX] = edge;
    memset(h->ram + edge, 0x55, 16);
    set_lanes(2, some);
    g_assert_cmpint(harness_run_hex(h, VMASKSTORE), ==, EXC_PF);
    g_assert_true(is_filled(h->ram + edge, 0x55, 16));
}

/* ---- XCR0 ---- */

static void test_xcr0(void)
{
    static const struct {
        uint64_t value;
        uint32_t number;
        HarnessMode mode;
        int vector;
    } cases[] = {
        { XCR0_X87, 0, HARNESS_LONG64, -1 },
        { ALL, 0, HARNESS_LONG64, -1 },
        { XCR0_X87 | XCR0_SSE, 0, HARNESS_LONG64, -1 },
        { 0, 0, HARNESS_LONG64, EXC_GP },
        { XCR0_SSE, 0, HARNESS_LONG64, EXC_GP },
        { XCR0_X87 | XCR0_AVX, 0, HARNESS_LONG64, EXC_GP },
        { ALL | 1 << 5, 0, HARNESS_LONG64, EXC_GP },
        { ALL | XCR0_PKRU, 0, HARNESS_LONG64, -1 },
        { UINT64_C(1) << 62 | 1, 0, HARNESS_LONG64, EXC_GP },
        { XCR0_X87, 1, HARNESS_LONG64, EXC_GP },
        { XCR0_X87, 0, HARNESS_USER64, EXC_GP },
    };

    for (size_t i = 0; has_avx() && i < G_N_ELEMENTS(cases); i++) {
        prepare(cases[i].mode);
        h->cpu->regs[X86_RAX] = (uint32_t)cases[i].value;
        h->cpu->regs[X86_RDX] = cases[i].value >> 32;
        h->cpu->regs[X86_RCX] = cases[i].number;
        int vector = harness_run_hex(h, XSETBV);
        g_assert_cmpint(vector, ==, cases[i].vector);
        g_assert_cmphex(h->cpu->xcr0, ==, cases[i].vector == -1 ? cases[i].value : ALL);
    }
}

static void test_xgetbv(void)
{
    if (!has_avx()) {
        return;
    }
    prepare(HARNESS_USER64);
    h->cpu->regs[X86_RCX] = 0;
    h->cpu->regs[X86_RDX] = 5;
    g_assert_cmpint(harness_run_hex(h, XGETBV), ==, -1);
    g_assert_cmphex(h->cpu->regs[X86_RAX], ==, ALL);
    g_assert_cmphex(h->cpu->regs[X86_RDX], ==, 0);
    prepare(HARNESS_USER64); /* in use: all but AVX */
    memset(h->cpu->ymm_high, 0, sizeof(h->cpu->ymm_high));
    h->cpu->fxsave[FX_ST] = 1;
    h->cpu->regs[X86_RCX] = 1;
    g_assert_cmpint(harness_run_hex(h, XGETBV), ==, -1);
    g_assert_cmphex(h->cpu->regs[X86_RAX], ==, XCR0_X87 | XCR0_SSE);
    prepare(HARNESS_USER64);
    h->cpu->regs[X86_RCX] = 2;
    g_assert_cmpint(harness_run_hex(h, XGETBV), ==, EXC_GP);
}

/* ---- areas ---- */

static uint64_t area64(unsigned offset)
{
    uint64_t value;

    memcpy(&value, h->ram + AREA + offset, 8);
    return value;
}

/* Keep the state, spoil it, bring it back. */
static void check_round_trip(const char *save, const char *restore)
{
    uint8_t fx[416], high[256];

    prepare(HARNESS_LONG64);
    h->cpu->fxsave[FX_ST + 3] = 9;
    h->cpu->fxsave[FX_MXCSR + 1] = 0x3f;
    memcpy(fx, h->cpu->fxsave, sizeof(fx));
    memcpy(high, h->cpu->ymm_high, sizeof(high));
    g_assert_cmpint(harness_run_hex(h, save), ==, -1);
    g_assert_cmphex(area64(512), ==, ALL);
    memset(h->cpu->fxsave + FX_ST, 0xee, 384);
    memset(h->cpu->ymm_high, 0xee, 256);
    h->cpu->fxsave[FX_MXCSR + 1] = 0x1f;
    h->cpu->rip = HARNESS_CODE;
    g_assert_cmpint(harness_run_hex(h, restore), ==, -1);
    memset(fx + FX_MXCSR_MASK, 0, 4);
    memset(h->cpu->fxsave + FX_MXCSR_MASK, 0, 4);
    g_assert_cmpmem(h->cpu->fxsave, sizeof(fx), fx, sizeof(fx));
    g_assert_cmpmem(h->cpu->ymm_high, sizeof(high), high, sizeof(high));
}

static void test_round_trips(void)
{
    if (!has_avx()) {
        return;
    }
    check_round_trip(XSAVE, XRSTOR);
    check_round_trip(XSAVEOPT, XRSTOR);
    check_round_trip(XSAVEC, XRSTOR);
    check_round_trip(XSAVEC, XRSTORS);
    check_round_trip(XSAVES, XRSTORS);
}

/* Only what is asked for is written; what is not in use is written by XSAVE alone. */
static void test_what_is_written(void)
{
    if (!has_avx()) {
        return;
    }
    for (unsigned optimised = 0; optimised < 2; optimised++) {
        prepare(HARNESS_LONG64);
        memset(h->ram + AREA, 0xaa, 1024);
        memset(h->ram + AREA + 512, 0, 64);
        h->ram[AREA + 512] = XCR0_X87;
        memset(h->cpu->ymm_high, 0, 256);
        h->cpu->regs[X86_RAX] = XCR0_AVX;
        g_assert_cmpint(harness_run_hex(h, optimised ? XSAVEOPT : XSAVE), ==, -1);
        g_assert_cmphex(area64(512), ==, XCR0_X87);
        g_assert_true(is_filled(h->ram + AREA, 0xaa, FX_MXCSR));
        g_assert_cmphex(area64(FX_MXCSR), ==, UINT64_C(0xffff00001f80));
        g_assert_true(is_filled(h->ram + AREA + FX_ST, 0xaa, 480));
        g_assert_true(is_filled(h->ram + AREA + 576, optimised ? 0xaa : 0, 256));
        g_assert_true(is_filled(h->ram + AREA + 832, 0xaa, 64));
    }
    /* Compact: a header of its own; MXCSR goes with SSE. */
    prepare(HARNESS_LONG64);
    memset(h->ram + AREA, 0xaa, 1024);
    h->cpu->regs[X86_RAX] = XCR0_AVX;
    g_assert_cmpint(harness_run_hex(h, XSAVEC), ==, -1);
    g_assert_cmphex(area64(512), ==, XCR0_AVX);
    g_assert_cmphex(area64(520), ==, UINT64_C(1) << 63 | XCR0_AVX);
    g_assert_true(is_filled(h->ram + AREA, 0xaa, 512));
    g_assert_true(is_filled(h->ram + AREA + 576, 0x80, 16));
    /* In 32-bit code there are eight registers. */
    prepare(HARNESS_FLAT32);
    memset(h->ram + AREA, 0xaa, 1024);
    g_assert_cmpint(harness_run_hex(h, "0fae23"), ==, -1);
    g_assert_true(is_filled(h->ram + AREA + FX_XMM + 128, 0xaa, 128));
    g_assert_true(is_filled(h->ram + AREA + 576 + 128, 0xaa, 128));
}

/* What the area has not is brought to its initial state. */
static void test_initial_state(void)
{
    if (!has_avx()) {
        return;
    }
    prepare(HARNESS_LONG64);
    h->cpu->fxsave[FX_ST + 5] = 1;
    h->ram[AREA + FX_MXCSR + 1] = 0x3f; /* loaded all the same */
    g_assert_cmpint(harness_run_hex(h, XRSTOR), ==, -1);
    g_assert_true(is_filled(h->cpu->fxsave + FX_ST, 0, 384));
    g_assert_true(is_filled((uint8_t *)h->cpu->ymm_high, 0, 256));
    g_assert_cmphex(h->cpu->fxsave[FX_MXCSR + 1], ==, 0x3f);
    g_assert_cmphex(h->cpu->fxsave[0] | h->cpu->fxsave[1] << 8, ==, 0x37f);
    prepare(HARNESS_LONG64);
    h->ram[AREA + FX_MXCSR + 1] = 0x3f;
    h->ram[AREA + 527] = 0x80; /* the compact form: not loaded */
    g_assert_cmpint(harness_run_hex(h, XRSTOR), ==, -1);
    g_assert_cmphex(h->cpu->fxsave[FX_MXCSR + 1], ==, 0x1f);
}

static void test_bad_areas(void)
{
    static const struct {
        const char *code;
        unsigned offset;
        uint8_t value;
        int vector;
    } cases[] = {
        { XRSTOR, 512, ALL, -1 },
        { XRSTOR, 512, 8, EXC_GP },
        { XRSTOR, 519, 0x80, EXC_GP },
        { XRSTOR, 520, 1, EXC_GP },
        { XRSTOR, 528, 1, EXC_GP },
        { XRSTOR, 536, 1, -1 },
        { XRSTOR, FX_MXCSR + 2, 1, EXC_GP },
        { XRSTORS, 0, 0, EXC_GP }, /* not compact */
        { XRSTOR, 527, 0x80, -1 },
        { XRSTOR, 527, 0x81, EXC_GP },
    };
    /* In the compact form. */
    static const struct {
        unsigned offset;
        uint8_t value;
        int vector;
    } compact[] = { { 520, ALL, -1 },   { 520, 8, EXC_GP }, { 512, 1, EXC_GP },
                    { 528, 1, EXC_GP }, { 575, 1, EXC_GP }, { FX_MXCSR + 2, 1, -1 } };

    if (!has_avx()) {
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        prepare(HARNESS_LONG64);
        h->ram[AREA + cases[i].offset] = cases[i].value;
        g_test_message("case %zu", i);
        g_assert_cmpint(harness_run_hex(h, cases[i].code), ==, cases[i].vector);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(compact); i++) {
        prepare(HARNESS_LONG64);
        h->ram[AREA + 527] = 0x80;
        h->ram[AREA + compact[i].offset] = compact[i].value;
        g_test_message("compact case %zu", i);
        g_assert_cmpint(harness_run_hex(h, XRSTOR), ==, compact[i].vector);
    }
    prepare(HARNESS_USER64);
    g_assert_cmpint(harness_run_hex(h, XSAVES), ==, EXC_GP);
}

/* PKRU's component: behind AVX's, but in the compact form without that. */
static void test_pkru(void)
{
    static const struct {
        const char *save;
        uint64_t wanted;
        unsigned offset;
    } cases[] = {
        { XSAVE, XCR0_PKRU, 832 },
        { XSAVE, ALL | XCR0_PKRU, 832 },
        { XSAVEC, ALL | XCR0_PKRU, 832 },
        { XSAVEC, XCR0_PKRU, 576 },
        { XSAVEC, XCR0_PKRU | XCR0_X87, 576 },
    };

    for (size_t i = 0; has_avx() && i < G_N_ELEMENTS(cases); i++) {
        prepare(HARNESS_LONG64);
        h->cpu->xcr0 = ALL | XCR0_PKRU;
        h->cpu->pkru = 0x12345678;
        h->cpu->regs[X86_RAX] = cases[i].wanted;
        memset(h->ram + AREA + 576, 0xaa, 300);
        g_assert_cmpint(harness_run_hex(h, cases[i].save), ==, -1);
        g_assert_cmphex(area64(cases[i].offset), ==, 0x12345678);
        g_assert_true(is_filled(h->ram + AREA + cases[i].offset + 8, 0xaa, 8));
        h->cpu->pkru = 5;
        h->cpu->rip = HARNESS_CODE;
        g_assert_cmpint(harness_run_hex(h, XRSTOR), ==, -1);
        g_assert_cmphex(h->cpu->pkru, ==, 0x12345678);
        h->ram[AREA + 513] = 0; /* not in use: initial */
        h->cpu->rip = HARNESS_CODE;
        g_assert_cmpint(harness_run_hex(h, XRSTOR), ==, -1);
        g_assert_cmphex(h->cpu->pkru, ==, 0);
    }
}

/* The last byte is not there: nothing has been written. */
static void test_page_fault(void)
{
    uint64_t place = HARNESS_RAM_SIZE - 576;

    if (!has_avx()) {
        return;
    }
    prepare(HARNESS_LONG64);
    memset(h->ram + place, 0xaa, 576);
    h->cpu->regs[X86_RBX] = place;
    g_assert_cmpint(harness_run_hex(h, XSAVE), ==, EXC_PF);
    g_assert_true(is_filled(h->ram + place, 0xaa, 576));
    prepare(HARNESS_LONG64); /* without AVX's part it fits */
    h->cpu->regs[X86_RBX] = place;
    h->cpu->regs[X86_RAX] = XCR0_X87 | XCR0_SSE;
    g_assert_cmpint(harness_run_hex(h, XSAVE), ==, -1);
}

/* ---- CPUID ---- */

static void test_cpuid(void)
{
    X86CpuidRegs r;

    if (!has_avx()) {
        return;
    }
    prepare(HARNESS_LONG64);
    x86_cpuid(h->cpu, 1, 0, &r);
    g_assert_cmphex(r.ecx & CPUID_1_ECX_OSXSAVE, !=, 0);
    h->cpu->cr4 &= ~(uint64_t)CR4_OSXSAVE;
    x86_cpuid(h->cpu, 1, 0, &r);
    g_assert_cmphex(r.ecx & CPUID_1_ECX_OSXSAVE, ==, 0);
    x86_cpuid(h->cpu, 0xd, 0, &r);
    g_assert_cmphex(r.eax, ==, ALL | XCR0_PKRU);
    g_assert_cmpuint(r.ebx, ==, 832);
    g_assert_cmpuint(r.ecx, ==, 840);
    h->cpu->xcr0 = XCR0_X87 | XCR0_PKRU;
    x86_cpuid(h->cpu, 0xd, 0, &r);
    g_assert_cmpuint(r.ebx, ==, 840);
    x86_cpuid(h->cpu, 0xd, 1, &r);
    g_assert_cmpuint(r.ebx, ==, 584);
    x86_cpuid(h->cpu, 0xd, 9, &r);
    g_assert_cmpuint(r.eax, ==, 8);
    g_assert_cmpuint(r.ebx, ==, 832);
    h->cpu->xcr0 = XCR0_X87;
    x86_cpuid(h->cpu, 0xd, 0, &r);
    g_assert_cmpuint(r.ebx, ==, 576);
    x86_cpuid(h->cpu, 0xd, 2, &r);
    g_assert_cmpuint(r.eax, ==, 256);
    g_assert_cmpuint(r.ebx, ==, 576);
    x86_cpuid(h->cpu, 0xd, 3, &r);
    g_assert_cmphex(r.eax | r.ebx | r.ecx | r.edx, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    h = harness_new();
    g_test_add_func("/soft-avx/enabled", test_enabled);
    g_test_add_func("/soft-avx/encodings", test_encodings);
    g_test_add_func("/soft-avx/alignment", test_alignment);
    g_test_add_func("/soft-avx/upper-halves", test_upper_halves);
    g_test_add_func("/soft-avx/gather", test_gather);
    g_test_add_func("/soft-avx/gather-fault", test_gather_fault);
    g_test_add_func("/soft-avx/masked", test_masked);
    g_test_add_func("/soft-avx/xcr0", test_xcr0);
    g_test_add_func("/soft-avx/xgetbv", test_xgetbv);
    g_test_add_func("/soft-avx/round-trips", test_round_trips);
    g_test_add_func("/soft-avx/what-is-written", test_what_is_written);
    g_test_add_func("/soft-avx/initial-state", test_initial_state);
    g_test_add_func("/soft-avx/bad-areas", test_bad_areas);
    g_test_add_func("/soft-avx/pkru", test_pkru);
    g_test_add_func("/soft-avx/page-fault", test_page_fault);
    g_test_add_func("/soft-avx/cpuid", test_cpuid);
    int status = g_test_run();
    harness_free(h);
    return status;
}
