/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The translator against the interpreter: the same program, run both ways from the same state, ends
 * in the same one; also when it is made to leave its blocks all the time, when blocks have one
 * instruction, when the room for code is too small, and while signals come. Single instructions are
 * compared with the real processor by test-cpu-vs-host-translate.
 */
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/time.h>

#include "accel/soft/block.h"
#include "accel/soft/engine.h"
#include "accel/soft/tlb.h"
#include "accel/soft/translate/translator.h"
#include "tests/unit/translate-case.h"
#include "util/machine-lock.h"

/* Flags from block to block, calls to another page and back, memory of all kinds, SSE. */
GUEST_CODE(mixed, 64,
           "xor %eax, %eax\n\t"
           "mov $30000, %ecx\n\t"
           "movabs $0x9e3779b97f4a7c15, %rbx\n\t"
           "mov $0x100000, %esi\n\t"
           "xor %edx, %edx\n\t"
           "cvtsi2sd %ecx, %xmm1\n\t"
           "xorps %xmm0, %xmm0\n"
           "1: call 2f\n\t"
           "add %rbx, %rax\n\t"
           "adc $0, %rdx\n\t"
           "test $4, %al\n\t"
           "jz 3f\n\t"
           "xor %rdx, %rax\n\t"
           "rol $7, %r14\n"
           "3: movzbl %al, %r10d\n\t"
           "add %rax, (%rsi,%r10,8)\n\t"
           "sbb %r11, %r11\n\t"
           "xor %r11, %r15\n\t"
           "addsd %xmm1, %xmm0\n\t"
           "dec %ecx\n\t"
           "jnz 1b\n\t"
           "jmp 4f\n\t"
           ".skip 4096, 0xcc\n"
           "2: push %rax\n\t"
           "imul $77, (%rsi), %r14\n\t"
           "lea 5(%rax,%rcx,4), %rax\n\t"
           "bswap %rax\n\t"
           "pop %r12\n\t"
           "add %r12, %rax\n\t"
           "movsd %xmm0, 2048(%rsi)\n\t"
           "cmova %r12, %r13\n\t"
           "inc %r8\n\t"
           "setc %r9b\n\t"
           "ret\n"
           /* Loops of one block with SSE: accesses that cross pages, flags from round to round, a
            * condition that reads memory. */
           "4: mov $3000, %ecx\n\t"
           "xorps %xmm4, %xmm4\n"
           "5: movsd (%rsi,%rcx), %xmm5\n\t"
           "addsd %xmm1, %xmm5\n\t"
           "addsd %xmm5, %xmm4\n\t"
           "dec %ecx\n\t"
           "jnz 5b\n\t"
           "mov $4096, %ecx\n\t"
           "stc\n"
           "6: adc %rbx, %rdx\n\t"
           "movups %xmm4, (%rsi,%rcx)\n\t"
           "paddq %xmm4, %xmm6\n\t"
           "movups 1(%rsi,%rcx), %xmm7\n\t"
           "pxor %xmm7, %xmm4\n\t"
           "dec %ecx\n\t"
           "jnz 6b\n\t"
           "mov $2000, %ecx\n"
           "7: paddq %xmm4, %xmm6\n\t"
           "dec %ecx\n\t"
           "mov %ecx, 4090(%rsi)\n\t"
           "cmpl $0, 4090(%rsi)\n\t"
           "jne 7b\n\t"
           /* Moves that share a check, across a page, overlapping, and aligned. */
           "lea 100(%rsi), %rdi\n\t"
           "mov $70, %ecx\n"
           "8: movups (%rdi), %xmm8\n\t"
           "movups 16(%rdi), %xmm9\n\t"
           "movups 48(%rdi), %xmm10\n\t"
           "movups 32(%rdi), %xmm11\n\t"
           "movups %xmm9, 1(%rdi)\n\t"
           "movups %xmm8, 17(%rdi)\n\t"
           "movups %xmm10, -15(%rdi)\n\t"
           "add $61, %rdi\n\t"
           "dec %ecx\n\t"
           "jnz 8b\n\t"
           "lea 64(%rsi), %rdi\n\t"
           "mov $60, %ecx\n"
           "9: movaps (%rdi), %xmm12\n\t"
           "movaps 32(%rdi), %xmm13\n\t"
           "movaps %xmm12, 16(%rdi)\n\t"
           "movaps %xmm13, 48(%rdi)\n\t"
           "movaps %xmm4, 64(%rdi)\n\t"
           "add $64, %rdi\n\t"
           "dec %ecx\n\t"
           "jnz 9b\n\t"
           /* LOCKed ones: each size, registers that are not in the host's, across a page. */
           "mov $500, %ecx\n"
           "10: lock add %ecx, (%rsi)\n\t"
           "lock subq $3, 8(%rsi)\n\t"
           "mov %ecx, %r11d\n\t"
           "lock xadd %r11, 16(%rsi)\n\t"
           "xchg %r14, 24(%rsi)\n\t"
           "xchg %dl, 30(%rsi,%rcx)\n\t"
           "lock xaddw %dx, 32(%rsi)\n\t"
           "sbb %r9, %r9\n\t"
           "mov 40(%rsi), %rax\n\t"
           "lea (%rax,%rcx), %rdx\n\t"
           "lock cmpxchg %rdx, 40(%rsi)\n\t"
           "setz %r8b\n\t"
           "mov %ecx, %eax\n\t"
           "lock cmpxchg %edx, 48(%rsi)\n\t"
           "adc %rax, %r12\n\t"
           "lock cmpxchg %r15, 64(%rsi)\n\t"
           "lock cmpxchg %cl, 72(%rsi)\n\t"
           "adc %rax, %r12\n\t"
           "lock xorb %dl, 4093(%rsi)\n\t"
           "lock addw %dx, 4095(%rsi)\n\t"
           "adc $0, %r12\n\t"
           "lock and %r15, 56(%rsi)\n\t"
           "setp %r10b\n\t"
           "add %r10, %r13\n\t"
           "lock adc %rcx, 80(%rsi)\n\t"
           "dec %ecx\n\t"
           "jnz 10b\n\t"
           "nop");

static void run_mixed(SoftOptions options, bool pressed, Outcome *o)
{
    set_soft_options(options);
    g_autoptr(SoftHarness) h = harness_new();
    harness_reset(h, HARNESS_LONG64);
    memset(h->ram + HARNESS_DATA, 0, DATA_BYTES);
    GUEST_LOAD(h, mixed);
    Press p = {};
    if (pressed) {
        press_begin(&p, h);
    }
    g_assert_cmpint(harness_run(h, TURNS), ==, -1);
    press_end(&p);
    const SoftTranslator *tr = h->s->translator;
    g_assert_true(options.translate == SOFT_TRANSLATE_OFF ? !tr : tr->cache.used > tr->thunks_size);
    keep_outcome(h, o);
}

static void test_mixed(void)
{
    static const struct {
        SoftOptions options;
        bool pressed;
    } ways[] = {
        { { SOFT_TRANSLATE_OFF, 1, true }, false },  { { SOFT_TRANSLATE_ON, 1, false }, false },
        { { SOFT_TRANSLATE_ALL, 1, false }, false }, { { SOFT_TRANSLATE_ALL, 1, true }, false },
        { { SOFT_TRANSLATE_ALL, 1, false }, true },  { { SOFT_TRANSLATE_ON, 1, false }, true },
        { { SOFT_TRANSLATE_ALL, 1, true }, true },
    };
    Outcome expected, found;

    run_mixed((SoftOptions){ SOFT_TRANSLATE_OFF, 1, false }, false, &expected);
    g_assert_cmphex(expected.regs[X86_RCX], ==, 0);
    for (unsigned i = 0; i < G_N_ELEMENTS(ways); i++) {
        run_mixed(ways[i].options, ways[i].pressed, &found);
        assert_same_outcome(&expected, &found);
    }
}

/* ---- signals ---- */

static _Atomic unsigned signals;

static void count_signal(int number)
{
    atomic_fetch_add(&signals, 1);
}

/* Translated code has registers of the guest's where C has others; a signal's handler, which is C,
 * runs on the same stack. */
static void test_signals(void)
{
    const struct sigaction count = { .sa_handler = count_signal, .sa_flags = SA_RESTART };
    const struct itimerval often = { { 0, 1000 }, { 0, 1000 } }, never = {};
    struct sigaction before;
    Outcome expected, found;

    run_mixed((SoftOptions){ SOFT_TRANSLATE_OFF, 1, false }, false, &expected);
    sigaction(SIGPROF, &count, &before);
    /* By the processor time that is used, so as many come on a busy host. */
    setitimer(ITIMER_PROF, &often, NULL);
    for (SoftTranslate mode = SOFT_TRANSLATE_OFF; mode <= SOFT_TRANSLATE_ALL; mode++) {
        atomic_store(&signals, 0);
        while (atomic_load(&signals) < 20) {
            run_mixed((SoftOptions){ mode, 1, false }, false, &found);
            assert_same_outcome(&expected, &found);
        }
    }
    setitimer(ITIMER_PROF, &never, NULL);
    sigaction(SIGPROF, &before, NULL);
}

/* More code than there is room for: 30000 blocks "add $n, %rax; jmp", twice. */
static void test_small_cache(void)
{
    enum { BLOCKS = 30000, STRIDE = 16, CODE = 0x200000 };

    set_soft_options((SoftOptions){ SOFT_TRANSLATE_ALL, 1, false });
    g_autoptr(SoftHarness) h = harness_new();
    harness_reset(h, HARNESS_LONG64);
    for (uint32_t i = 0; i < BLOCKS; i++) {
        uint8_t *at = h->ram + CODE + STRIDE * i;
        const uint8_t add[] = { 0x48, 0x05 }, jump[] = { 0xeb, STRIDE - 8 };
        memcpy(at, add, 2);
        memcpy(at + 2, &i, 4);
        memcpy(at + 6, jump, 2);
    }
    h->ram[CODE + STRIDE * BLOCKS] = 0xf4;
    harness_flush(h);
    uint32_t epoch = h->s->cache->epoch;
    for (unsigned round = 1; round <= 2; round++) {
        h->cpu->rip = CODE;
        g_assert_cmpint(harness_run(h, TURNS), ==, -1);
        g_assert_cmphex(h->cpu->regs[X86_RAX], ==, (uint64_t)BLOCKS * (BLOCKS - 1) / 2 * round);
    }
    g_assert_cmpuint(h->s->cache->epoch, >, epoch);
}
/* ---- exit_request ---- */

/* Blocks of one page that lead to each other for ever: each turn ends, since one of them looks. */
GUEST_CODE(in_page, 64,
           "1: inc %rax\n\t"
           "test $3, %al\n\t"
           "jz 3f\n\t"
           "inc %rbx\n"
           "2: jmp 4f\n\t"
           "nop\n"
           "3: cmp $7, %al\n\t"
           "jne 1b\n\t"
           "nop\n"
           "4: jmp 1b");

static void test_cycle_is_left(void)
{
    for (SoftTranslate mode = SOFT_TRANSLATE_OFF; mode <= SOFT_TRANSLATE_ALL; mode++) {
        set_soft_options((SoftOptions){ mode, 1, false });
        g_autoptr(SoftHarness) h = harness_new();
        harness_reset(h, HARNESS_LONG64);
        GUEST_LOAD(h, in_page);
        Press p = {};
        press_begin(&p, h);
        for (unsigned i = 0; i < 100; i++) {
            g_assert_cmpint(harness_run(h, 1), ==, -2);
        }
        press_end(&p);
    }
}

/* A device that has something for the CPU: it is to come at the end of the block that the access
 * was in, though the blocks behind that are led to without a look. */
enum { DEVICE = 0x2000000 };
static SoftHarness *device_harness;
static bool calling;

static uint64_t call_read(void *opaque, hwaddr addr, unsigned size)
{
    return 0;
}

static void call_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    if (calling) {
        atomic_store(&device_harness->cpu->exit_request, true);
    }
}
static const MemoryRegionOps call_ops = { call_read, call_write, 1, 8 };

GUEST_CODE(called, 64,
           "mov %rax, (%rsi)\n\t"
           "inc %rbx\n\t"
           "jmp 1f\n\t"
           "nop\n"
           "1: inc %rcx\n\t"
           "jmp 2f\n\t"
           "nop\n"
           "2: inc %rdx\n\t"
           "nop");

static void called(SoftTranslate mode)
{
    enum { RUNS = 40 }; /* enough to be translated */

    set_soft_options((SoftOptions){ mode, 1, false });
    g_autoptr(SoftHarness) h = harness_new();
    harness_reset(h, HARNESS_LONG64);
    *(uint64_t *)(h->ram + HARNESS_PT + 0x2000 + (DEVICE >> 21) * 8) = DEVICE | PTE_PS | 7;
    GUEST_LOAD(h, called);
    device_harness = h;
    h->cpu->regs[X86_RSI] = DEVICE;
    h->cpu->regs[X86_RDX] = 0;
    for (unsigned i = 0; i <= RUNS; i++) {
        calling = i == RUNS;
        h->cpu->rip = HARNESS_CODE;
        g_assert_cmpint(harness_run(h, calling ? 1 : TURNS), ==, calling ? -2 : -1);
    }
    g_assert_cmpuint(h->cpu->regs[X86_RBX], ==, RUNS + 1);
    g_assert_cmpuint(h->cpu->regs[X86_RCX], ==, RUNS);
    g_assert_cmpuint(h->cpu->regs[X86_RDX], ==, RUNS);
    g_assert_cmpint(harness_run(h, TURNS), ==, -1);
    g_assert_cmpuint(h->cpu->regs[X86_RDX], ==, RUNS + 1);
}

static void test_device_calls(void)
{
    MemoryRegion region;

    machine_lock();
    memory_region_init_io(&region, &call_ops, NULL, "device", 4096);
    memory_region_add(memory_system(), DEVICE, &region);
    machine_unlock();
    for (SoftTranslate mode = SOFT_TRANSLATE_OFF; mode <= SOFT_TRANSLATE_ALL; mode++) {
        called(mode);
    }
    machine_lock();
    memory_region_remove(&region);
    memory_region_destroy(&region);
    machine_unlock();
}

/* ---- many ways out of a block ---- */

/* Each instruction that C does makes the next one ask anew whether it may use SSE. */
GUEST_CODE(many_ways, 64,
           ".rept 31\n\tstmxcsr (%rdi)\n\taddps %xmm0, %xmm1\n\t.endr\n\taddps %xmm0, %xmm1");

static void test_many_ways(void)
{
    for (SoftTranslate mode = SOFT_TRANSLATE_OFF; mode <= SOFT_TRANSLATE_ALL; mode++) {
        set_soft_options((SoftOptions){ .translate = mode, .tb_size = 32 });
        SoftHarness *h = harness_new();
        const float one = 1, sum = 32;

        soft_options.translate = mode;
        harness_reset(h, HARNESS_LONG64);
        memcpy(h->cpu->fxsave + FX_XMM, &one, sizeof(one));
        h->cpu->regs[X86_RDI] = HARNESS_DATA;
        GUEST_LOAD(h, many_ways);
        g_assert_cmpint(harness_run(h, 10), ==, -1);
        g_assert_cmpmem(h->cpu->fxsave + FX_XMM + 16, sizeof(sum), &sum, sizeof(sum));
        harness_free(h);
    }
}

/* A page gets its first code: the store behind the call goes the slow way. */
GUEST_CODE(first_code, 64,
           "movb $0xb8, (%rdi)\n\t" /* mov $1, %eax; ret */
           "movb $1, 1(%rdi)\n\t"
           "movb $0xc3, 5(%rdi)\n\t"
           "call *%rdi\n\t"
           "mov %eax, %r12d\n\t"
           "movb $2, 1(%rdi)\n\t"
           "call *%rdi");

static void test_first_code(void)
{
    for (SoftTranslate mode = SOFT_TRANSLATE_OFF; mode <= SOFT_TRANSLATE_ALL; mode++) {
        set_soft_options((SoftOptions){ mode, 1, false });
        g_autoptr(SoftHarness) h = harness_new();
        harness_reset(h, HARNESS_LONG64);
        GUEST_LOAD(h, first_code);
        h->cpu->regs[X86_RDI] = 0x50000;
        g_assert_cmpint(harness_run(h, TURNS), ==, -1);
        g_assert_cmphex(h->cpu->regs[12], ==, 1);
        g_assert_cmphex(h->cpu->regs[X86_RAX], ==, 2);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/soft-translate/as-the-interpreter", test_mixed);
    g_test_add_func("/soft-translate/small-cache", test_small_cache);
    g_test_add_func("/soft-translate/signals", test_signals);
    g_test_add_func("/soft-translate/many-ways", test_many_ways);
    g_test_add_func("/soft-translate/cycle-is-left", test_cycle_is_left);
    g_test_add_func("/soft-translate/device-calls", test_device_calls);
    g_test_add_func("/soft-translate/first-code", test_first_code);
    return g_test_run();
}
