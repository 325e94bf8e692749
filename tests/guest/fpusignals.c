/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exceptions of the FPU and of SSE in an unprivileged process, from states that it has loaded
 * itself: each is a signal of its own, and nobody else's. Prints "fpusignals: N wrong".
 */
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define ROUNDS 20

/* Control word with invalid operations unmasked; status word with one that has happened, and which
 * leaves out that it is pending (ES, B). */
enum { FCW_UNMASKED = 0x37e, FSW_INVALID = 0x0001, MXCSR_DEFAULT = 0x1f80 };

static uint8_t area[1024] __attribute__((aligned(64)));
static sigjmp_buf back;
static int wrong;

static void handler(int signal)
{
    siglongjmp(back, signal);
}

/* The next instruction that waits has the exception that is pending. */
static void by_fxrstor(void)
{
    __asm__ volatile("fninit; fxsave %0" : "=m"(area));
    memcpy(area, (uint16_t[]){ FCW_UNMASKED, FSW_INVALID }, 4);
    __asm__ volatile("fxrstor %0; fld1" : : "m"(area));
}

static void by_fxrstor64(void)
{
    __asm__ volatile("fninit; fxsave64 %0" : "=m"(area));
    memcpy(area, (uint16_t[]){ FCW_UNMASKED, FSW_INVALID }, 4);
    __asm__ volatile("fxrstor64 %0; fwait" : : "m"(area));
}

static void by_fldenv(void)
{
    __asm__ volatile("fninit; fnstenv %0" : "=m"(area));
    memcpy(area, (uint32_t[]){ FCW_UNMASKED, FSW_INVALID }, 8);
    __asm__ volatile("fldenv %0; fldz" : : "m"(area));
}

static void by_frstor(void)
{
    __asm__ volatile("fninit; fnsave %0" : "=m"(area));
    memcpy(area, (uint32_t[]){ FCW_UNMASKED, FSW_INVALID }, 8);
    __asm__ volatile("frstor %0; fwait" : : "m"(area));
}

static void by_unmasking(void)
{
    static const uint16_t unmasked = FCW_UNMASKED;

    /* 0 / 0, while it is masked. */
    __asm__ volatile("fninit; fldz; fldz; fdivrp; fldcw %0; fwait" : : "m"(unmasked));
}

static void by_sse(void)
{
    static const uint32_t none_masked = 0;

    __asm__ volatile("ldmxcsr %0; xorps %%xmm0, %%xmm0; divss %%xmm0, %%xmm0"
                     :
                     : "m"(none_masked)
                     : "xmm0");
}

static void by_reserved_bits(void)
{
    static const uint32_t reserved = 0xffffffff;

    __asm__ volatile("ldmxcsr %0" : : "m"(reserved));
}

static void by_reserved_bits_of_fxrstor(void)
{
    __asm__ volatile("fninit; fxsave %0" : "=m"(area));
    memset(area + 24, 0xff, 4);
    __asm__ volatile("fxrstor %0" : : "m"(area));
}

/* An exception that is masked is none. */
static void by_nothing(void)
{
    __asm__ volatile("fninit; fxsave %0" : "=m"(area));
    memcpy(area + 2, (uint16_t[]){ FSW_INVALID }, 2);
    __asm__ volatile("fxrstor %0; fld1; fwait" : : "m"(area));
}

static const struct {
    const char *name;
    void (*run)(void);
    int signal;
} cases[] = {
    { "fxrstor", by_fxrstor, SIGFPE },
    { "fxrstor64", by_fxrstor64, SIGFPE },
    { "fldenv", by_fldenv, SIGFPE },
    { "frstor", by_frstor, SIGFPE },
    { "fldcw", by_unmasking, SIGFPE },
    { "divss", by_sse, SIGFPE },
    { "ldmxcsr", by_reserved_bits, SIGSEGV },
    { "fxrstor, MXCSR", by_reserved_bits_of_fxrstor, SIGSEGV },
    { "masked", by_nothing, 0 },
};

int main(void)
{
    static const uint32_t mxcsr = MXCSR_DEFAULT;

    signal(SIGFPE, handler);
    signal(SIGSEGV, handler);
    for (volatile unsigned round = 0; round < ROUNDS; round++) {
        for (volatile unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            int got = sigsetjmp(back, 1);

            if (!got) {
                cases[i].run();
            }
            __asm__ volatile("fninit; ldmxcsr %0" : : "m"(mxcsr));
            if (got != cases[i].signal) {
                printf("%s: signal %d, and not %d\n", cases[i].name, got, cases[i].signal);
                wrong++;
            }
        }
    }
    printf("fpusignals: %d wrong\n", wrong);
    return wrong != 0;
}
