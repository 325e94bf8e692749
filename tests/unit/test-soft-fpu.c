/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x87 and SSE exceptions of the software CPU: pending ones, however FSW came to be, are the guest's
 * #MF at its next waiting instruction; and no exception of the host in a thunk ends the program.
 * Whether each instruction raises what hardware raises is test-cpu-vs-host's task.
 */
#include <string.h>

#include "accel/soft/engine.h"
#include "accel/soft/native.h"
#include "target/i386/fpu-pins.h"
#include "tests/unit/soft-guest.h"

#define IMAGE HARNESS_DATA
/* 512 bytes further: what FXSAVE and FNSTSW find. */
#define RESULT (HARNESS_DATA + 512)

enum { IE = 1, ZE = 4, PENDING = FSW_ES | FSW_B };

/* ---- instructions that load FCW or FSW ----
 * RBX: the image; RSI: the result. Each loads, stores FSW without waiting, and waits at the label.
 */

#define LOADS(name, load) \
    GUEST_CODE(name, 64, "fninit\n\t" load "\n\tfnstsw (%rsi)\n\tfnstcw 2(%rsi)\n\tnop\n\tfld1")

LOADS(fxrstor, "fxrstor (%rbx)");
LOADS(fxrstor64, "fxrstor64 (%rbx)");
LOADS(fldenv, "fldenv (%rbx)");
LOADS(fldenv16, "data16 fldenv (%rbx)");
LOADS(frstor, "frstor (%rbx)");
LOADS(frstor16, "data16 frstor (%rbx)");
/* FLDCW unmasks what is set already: the flags come by FLDENV with all masked. */
LOADS(fldcw, "fldenv (%rdi)\n\tfldcw (%rbx)");

typedef struct Loader {
    const char *name;
    const uint8_t *code, *end;
    uint8_t fsw_at; /* offset of FSW in its image; 0: FLDCW */
} Loader;

#define LOADER(name, fsw_at)                          \
    {                                                 \
#name, code_##name, code_##name##_end, fsw_at \
    }
static const Loader loaders[] = {
    LOADER(fxrstor, 2), LOADER(fxrstor64, 2), LOADER(fldenv, 4), LOADER(fldenv16, 2),
    LOADER(frstor, 4),  LOADER(frstor16, 2),  LOADER(fldcw, 0),
};

static void make_image(const Loader *l, uint16_t fcw, uint16_t fsw)
{
    memset(h->ram + IMAGE, 0, 1536);
    put16(IMAGE, fcw);
    if (l->fsw_at) {
        put16(IMAGE + l->fsw_at, fsw);
        put16(IMAGE + 2 * l->fsw_at, l->fsw_at == 4 || strstr(l->name, "16") ? 0xffff : 0);
    }
    put32(IMAGE + FX_MXCSR, strstr(l->name, "fx") ? 0x1f80 : 0);
    /* For FLDCW. */
    put16(IMAGE + 1024, 0x37f);
    put16(IMAGE + 1024 + 4, fsw);
    put16(IMAGE + 1024 + 8, 0xffff);
}

static void run_loader(const Loader *l, uint16_t fcw, uint16_t fsw)
{
    bool pending = fsw & ~fcw & FSW_EXCEPTIONS;

    harness_reset(h, HARNESS_USER64);
    make_image(l, fcw, fsw);
    h->cpu->regs[X86_RBX] = IMAGE;
    h->cpu->regs[X86_RSI] = RESULT;
    h->cpu->regs[X86_RDI] = IMAGE + 1024;
    harness_load(h, l->code, (size_t)(l->end - l->code));
    int vector = harness_run(h, 100);
    if (vector != (pending ? EXC_MF : -1)) {
        g_test_message("%s, FCW %04x FSW %04x: ended with %d", l->name, fcw, fsw, vector);
        g_test_fail();
    }
    if (pending) { /* at FLD1, the last instruction */
        g_assert_cmphex(h->cpu->rip, ==, HARNESS_CODE + (uint64_t)(l->end - l->code) - 2);
    }
    uint16_t expected = (uint16_t)((fsw & ~PENDING) | (pending ? PENDING : 0));
    g_assert_cmphex(get16(RESULT), ==, expected);
    g_assert_cmphex(get16(RESULT + 2) & 0x3f, ==, fcw & 0x3f);
}

/* Each flag, masked and not, with ES and B as they should not be. */
static void test_loads(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(loaders); i++) {
        for (unsigned flag = 0; flag < 6; flag++) {
            const uint16_t bit = 1u << flag;
            run_loader(&loaders[i], 0x37f, bit);
            run_loader(&loaders[i], (uint16_t)(0x37f & ~bit), bit);
            run_loader(&loaders[i], (uint16_t)(0x37f & ~bit), (uint16_t)(~bit & 0x3f));
            run_loader(&loaders[i], 0x37f, bit | PENDING);
            run_loader(&loaders[i], 0x340, bit | FSW_ES);
        }
        run_loader(&loaders[i], 0x340, 0);
        run_loader(&loaders[i], 0x340, PENDING);
    }
}

/* ---- with an exception pending ---- */

#define WITH_PENDING(name, text) GUEST_CODE(name, 64, "fxrstor (%rbx)\n\t" text)

/* These do not wait: each leaves a state in which FLD1 runs. */
WITH_PENDING(fnclex, "fnclex\n\tfld1");
WITH_PENDING(fninit, "fninit\n\tfld1");
WITH_PENDING(fnstenv, "fnstenv (%rsi)\n\tfld1");
WITH_PENDING(fnsave, "fnsave (%rsi)\n\tfld1");
WITH_PENDING(fxsave, "fxsave (%rsi)\n\tfnclex\n\tfld1");
WITH_PENDING(sse, "addps %xmm0, %xmm1\n\tcvtsi2sd %eax, %xmm2\n\tfnclex\n\tfld1");
/* These do. */
WITH_PENDING(fwait, "fwait");
WITH_PENDING(fldcw2, "fldcw (%rbx)");
WITH_PENDING(fldenv2, "fldenv (%rbx)");
WITH_PENDING(frstor2, "frstor (%rbx)");
WITH_PENDING(fist, "fistpl (%rsi)");
WITH_PENDING(fisttp, "fisttpl (%rsi)");
WITH_PENDING(fnop, "fnop");
WITH_PENDING(emms, "emms");
WITH_PENDING(paddb, "paddb %mm0, %mm1");
WITH_PENDING(movd, "movd %mm0, %eax");
WITH_PENDING(cvt, "cvtpi2ps %mm0, %xmm0");
WITH_PENDING(maskmovq, "maskmovq %mm0, %mm1");

#define PAIR(name)                            \
    {                                         \
#name, code_##name, code_##name##_end \
    }
typedef struct Text {
    const char *name;
    const uint8_t *code, *end;
} Text;
static const Text no_wait[] = { PAIR(fnclex), PAIR(fninit), PAIR(fnstenv),
                                PAIR(fnsave), PAIR(fxsave), PAIR(sse) };
static const Text waits[] = { PAIR(fwait), PAIR(fldcw2), PAIR(fldenv2), PAIR(frstor2),
                              PAIR(fist),  PAIR(fisttp), PAIR(fnop),    PAIR(emms),
                              PAIR(paddb), PAIR(movd),   PAIR(cvt),     PAIR(maskmovq) };

static int run_pending(const Text *t)
{
    harness_reset(h, HARNESS_LONG64);
    memset(h->ram + IMAGE, 0, 1024);
    put16(IMAGE + FX_FCW, 0x37e);
    put16(IMAGE + FX_FSW, IE);
    put32(IMAGE + FX_MXCSR, 0x1f80);
    h->cpu->regs[X86_RBX] = IMAGE;
    h->cpu->regs[X86_RSI] = RESULT;
    h->cpu->regs[X86_RDI] = RESULT;
    harness_load(h, t->code, (size_t)(t->end - t->code));
    return harness_run(h, 100);
}

static void test_pending(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(no_wait); i++) {
        g_test_message("%s", no_wait[i].name);
        g_assert_cmpint(run_pending(&no_wait[i]), ==, -1);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(waits); i++) {
        g_test_message("%s", waits[i].name);
        g_assert_cmpint(run_pending(&waits[i]), ==, EXC_MF);
        g_assert_cmphex(h->cpu->rip, ==, HARNESS_CODE + 3);
    }
}

/* ---- SSE ---- */

GUEST_CODE(divps, 64, "ldmxcsr (%rbx)\n\tdivps %xmm0, %xmm1\n\tstmxcsr 4(%rbx)");

/* Division by zero, unmasked: #XM, or #UD if the system does not take it; flags are set, the
 * register is not. Flags that are set and unmasked already raise nothing by themselves. */
static void test_unmasked_sse(void)
{
    const float one[4] = { 1, 1, 1, 1 };
    for (unsigned i = 0; i < 2; i++) {
        harness_reset(h, HARNESS_LONG64);
        memset(native_xmm(h->s, 0), 0, 16);
        memcpy(native_xmm(h->s, 1), one, 16);
        h->cpu->regs[X86_RBX] = HARNESS_DATA;
        put32(HARNESS_DATA, 0x1f80 & ~(ZE << 7));
        if (i) {
            h->cpu->cr4 &= ~(uint64_t)CR4_OSXMMEXCPT;
        }
        GUEST_LOAD(h, divps);
        g_assert_cmpint(harness_run(h, 10), ==, i ? EXC_UD : EXC_XM);
        g_assert_cmphex(h->cpu->rip, ==, HARNESS_CODE + 3);
        g_assert_cmphex(h->cpu->fxsave[FX_MXCSR] & MXCSR_EXCEPTIONS, ==, ZE);
        g_assert_cmpmem(native_xmm(h->s, 1), 16, one, 16);
    }
    harness_reset(h, HARNESS_LONG64);
    memcpy(native_xmm(h->s, 0), one, 16);
    memcpy(native_xmm(h->s, 1), one, 16);
    h->cpu->regs[X86_RBX] = HARNESS_DATA;
    put32(HARNESS_DATA, 0x3f); /* all set, none masked */
    GUEST_LOAD(h, divps);
    g_assert_cmpint(harness_run(h, 10), ==, -1);
    g_assert_cmphex(get16(HARNESS_DATA + 4), ==, 0x3f);
}

GUEST_CODE(ldmxcsr, 64, "ldmxcsr (%rbx)");

static void test_reserved_mxcsr(void)
{
    for (unsigned bit = 0; bit < 32; bit++) {
        harness_reset(h, HARNESS_LONG64);
        h->cpu->regs[X86_RBX] = HARNESS_DATA;
        put32(HARNESS_DATA, 1u << bit);
        GUEST_LOAD(h, ldmxcsr);
        g_assert_cmpint(harness_run(h, 10), ==, bit < 16 ? -1 : EXC_GP);
    }
}

/* ---- state from outside ---- */

GUEST_CODE(everything, 64, "addps %xmm0, %xmm1\n\tfnstsw (%rbx)\n\tfld1");

/* A debugger or a stream writes what it likes. */
static void test_state_from_outside(void)
{
    harness_reset(h, HARNESS_LONG64);
    memset(h->cpu->fxsave, 0xff, sizeof(h->cpu->fxsave));
    memset(h->cpu->fxsave + FX_FCW, 0, 2);
    h->cpu->regs[X86_RBX] = HARNESS_DATA;
    accel_soft.put_state(h->cpu);
    GUEST_LOAD(h, everything);
    g_assert_cmpint(harness_run(h, 10), ==, EXC_MF);
    g_assert_cmphex(get16(HARNESS_DATA), ==, 0xffff);

    harness_reset(h, HARNESS_LONG64);
    memset(h->cpu->fxsave, 0, sizeof(h->cpu->fxsave));
    memset(h->cpu->fxsave + FX_MXCSR + 2, 0xff, 2);
    memset(h->cpu->fxsave + FX_FSW, PENDING & 0xff, 1);
    h->cpu->regs[X86_RBX] = HARNESS_DATA;
    accel_soft.put_state(h->cpu);
    GUEST_LOAD(h, everything);
    g_assert_cmpint(harness_run(h, 10), ==, -1);
    g_assert_cmphex(get16(HARNESS_DATA), ==, 0);
}

/* ---- CR0.NE clear: FERR# and IGNNE# ---- */

/* An exception that waits is at 4, where RBX points; what follows waits at offset 4. */
GUEST_CODE(frozen_fld, 64, "fninit\n\tfldenv (%rbx)\n\tfld1\n\tfnstsw (%rsi)\n\tfnclex\n\tnop");
GUEST_CODE(frozen_wait, 64, "fninit\n\tfldenv (%rbx)\n\tfwait\n\tfnstsw (%rsi)\n\tfnclex\n\tnop");
GUEST_CODE(frozen_mmx, 64,
           "fninit\n\tfldenv (%rbx)\n\tpxor %mm0, %mm1\n\tfnstsw (%rsi)\n\tfnclex\n\tnop");
GUEST_CODE(frozen_masked, 64,
           "fninit\n\tfldenv (%rbx)\n\tmaskmovq %mm0, %mm1\n\tfnstsw (%rsi)\n\tfninit\n\tnop");
GUEST_CODE(frozen_divide, 64,
           "fninit\n\tfldenv (%rbx)\n\tfldz\n\tfdivrp\n\tfnstsw (%rsi)\n\tfnclex\n\tnop");
GUEST_CODE(frozen_restore, 64,
           "fninit\n\tfldenv (%rbx)\n\tfldenv (%rdi)\n\tfnstsw (%rsi)\n\tfnclex\n\tnop");
GUEST_CODE(frozen_fxrstor, 64,
           "fninit\n\tfxsave 0x400(%rbx)\n\tfldenv (%rbx)\n\tfwait\n\t"
           "fnstsw (%rsi)\n\tfxrstor 0x400(%rbx)\n\tnop");

static unsigned ferr_rises, ferr_falls;

static void count_ferr(void *opaque, X86Cpu *cpu)
{
    g_assert_true(opaque == h && cpu == h->cpu);
    (*(cpu->ferr ? &ferr_rises : &ferr_falls))++;
}

#define FROZEN(name, at, fsw)                          \
    {                                                  \
#name, code_##name, code_##name##_end, at, fsw \
    }
static const struct {
    const char *name;
    const uint8_t *code, *end;
    unsigned at;  /* of the instruction that waits */
    uint16_t fsw; /* exceptions after it, when they are ignored */
} frozen[] = {
    FROZEN(frozen_fld, 4, IE),      FROZEN(frozen_wait, 4, IE),   FROZEN(frozen_mmx, 4, IE),
    FROZEN(frozen_masked, 4, IE),   FROZEN(frozen_divide, 4, IE), FROZEN(frozen_restore, 4, ZE),
    FROZEN(frozen_fxrstor, 11, IE),
};

/* The CPU stands until an interrupt comes, and goes on when it is told to ignore the exception. */
static void test_frozen(void)
{
    x86_ferr_connect(count_ferr, h);
    for (unsigned i = 0; i < G_N_ELEMENTS(frozen); i++) {
        harness_reset(h, HARNESS_LONG64);
        h->cpu->cr0 &= ~(uint64_t)CR0_NE;
        make_image(&loaders[2], 0x37e, IE);
        put16(IMAGE + 1024, 0x37b); /* the other image */
        put16(IMAGE + 1024 + 4, ZE);
        h->cpu->regs[X86_RBX] = IMAGE;
        h->cpu->regs[X86_RSI] = RESULT;
        h->cpu->regs[X86_RDI] =
            frozen[i].code == code_frozen_restore ? IMAGE + 1024 : HARNESS_DATA + 0x800;
        put16(RESULT, 0);
        ferr_rises = ferr_falls = 0;
        h->deliver = true;
        harness_load(h, frozen[i].code, (size_t)(frozen[i].end - frozen[i].code));
        g_test_message("%s", frozen[i].name);
        for (unsigned again = 0; again < 2; again++) { /* whatever wakes it, it stands again */
            g_assert_cmpint(harness_run(h, 10), ==, -1);
            g_assert_true(h->cpu->halted);
            g_assert_cmphex(h->cpu->rip, ==, HARNESS_CODE + frozen[i].at);
            g_assert_cmpuint(ferr_rises, ==, 1);
            g_assert_cmpuint(ferr_falls, ==, 0);
        }
        x86_set_ignne(true);
        g_assert_cmpint(harness_run(h, 10), ==, -1);
        x86_set_ignne(false);
        g_assert_cmphex(h->cpu->rip, ==,
                        HARNESS_CODE + (uint64_t)(frozen[i].end - frozen[i].code) + 1);
        g_assert_cmphex(get16(RESULT) & (PENDING | FSW_EXCEPTIONS), ==, PENDING | frozen[i].fsw);
        g_assert_cmpuint(ferr_rises, ==, 1);
        g_assert_cmpuint(ferr_falls, ==, 1);
    }
    x86_ferr_connect(NULL, NULL);
    h->deliver = false;
}

/* ---- exceptions of the host ---- */

/* A thunk for an instruction that no guest can bring there. */
static NativeFrame run_bad(ZydisMnemonic mnemonic, uint64_t *regs, void *mem)
{
    NativeRequest r = { .thunk.whole_fpu = true };

    r.encoding.machine_mode = ZYDIS_MACHINE_MODE_LONG_64;
    r.encoding.mnemonic = mnemonic;
    if (mem) {
        r.encoding.operand_count = 1;
        r.encoding.operands[0].type = ZYDIS_OPERAND_TYPE_MEMORY;
        r.encoding.operands[0].mem.base = ZYDIS_REGISTER_R9;
        r.encoding.operands[0].mem.size = mnemonic == ZYDIS_MNEMONIC_DIV ? 8 : 512;
        r.thunk.mem_size = 8;
    }
    r.fixed_gprs = 1 << X86_RAX | 1 << X86_RDX;
    const NativeThunk *thunk = native_thunk_get(&r);
    g_assert_nonnull(thunk);
    NativeFrame frame = { .mem = mem, .fx = h->cpu->fxsave, .regs = regs };
    frame.mxcsr = frame.host_mxcsr = HOST_MXCSR;
    native_call(thunk, &frame);
    return frame;
}

static uint16_t host_fcw(void)
{
    uint16_t fcw;
    __asm__ volatile("fnstcw %0" : "=m"(fcw));
    return fcw;
}

static void test_host_exceptions(void)
{
    static uint8_t buffer[1024] __attribute__((aligned(64)));
    static const struct {
        ZydisMnemonic mnemonic;
        bool memory;
        unsigned offset;
        uint32_t fault;
    } cases[] = {
        { ZYDIS_MNEMONIC_UD2, false, 0, EXC_UD },    /* SIGILL */
        { ZYDIS_MNEMONIC_HLT, false, 0, EXC_GP },    /* SIGSEGV */
        { ZYDIS_MNEMONIC_INT3, false, 0, EXC_BP },   /* SIGTRAP */
        { ZYDIS_MNEMONIC_DIV, true, 0, EXC_DE },     /* SIGFPE */
        { ZYDIS_MNEMONIC_FXRSTOR, true, 8, EXC_GP }, /* misaligned */
    };

    harness_reset(h, HARNESS_LONG64);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        uint64_t regs[3] = { 5, 6, 7 };
        void *mem = cases[i].memory ? buffer + cases[i].offset : NULL;
        /* The thunk has loaded this when it faults; C's own must be back. */
        memset(h->cpu->fxsave + FX_FCW, 0x0c, 2);
        NativeFrame frame = run_bad(cases[i].mnemonic, regs, mem);
        g_assert_cmpuint(frame.fault, ==, cases[i].fault);
        g_assert_cmphex(host_fcw(), ==, HOST_FCW);
        g_assert_cmpuint(regs[X86_RAX], ==, 5);
        g_assert_true(1.0L / 3.0L > 0.333L); /* x87 registers are free */
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    h = harness_new();
    g_test_add_func("/soft-fpu/loads", test_loads);
    g_test_add_func("/soft-fpu/pending", test_pending);
    g_test_add_func("/soft-fpu/sse/unmasked", test_unmasked_sse);
    g_test_add_func("/soft-fpu/sse/reserved-bits", test_reserved_mxcsr);
    g_test_add_func("/soft-fpu/state-from-outside", test_state_from_outside);
    g_test_add_func("/soft-fpu/frozen", test_frozen);
    g_test_add_func("/soft-fpu/host-exceptions", test_host_exceptions);
    int status = g_test_run();
    harness_free(h);
    return status;
}
