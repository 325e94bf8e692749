/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pending x87 exceptions: FXRSTOR, FLDENV and FLDCW make one of flags that are set and not masked,
 * whatever the image says of ES, and the next waiting instruction raises #MF.
 */
#include "runtime.h"

#define CR0_MP     (1u << 1)
#define CR0_EM     (1u << 2)
#define CR0_TS     (1u << 3)
#define CR0_NE     (1u << 5)
#define CR4_OSFXSR (3u << 9) /* and OSXMMEXCPT */

#define VECTOR_MF 16

static uint8_t image[512] __attribute__((aligned(16)));
static uint16_t env[14];
static volatile unsigned exceptions;

/* Takes the cause away, so that the instruction runs when it is repeated. */
static void on_mf(Frame *frame)
{
    (void)frame;
    exceptions++;
    __asm__ volatile("fnclex");
}

static uint16_t status(void)
{
    uint16_t value;
    __asm__ volatile("fnstsw %0" : "=m"(value));
    return value;
}

static void enable_fpu(void)
{
    uint32_t value;

    __asm__ volatile("mov %%cr0, %0" : "=r"(value));
    value = (value & ~(CR0_EM | CR0_TS)) | CR0_MP | CR0_NE;
    __asm__ volatile("mov %0, %%cr0" : : "r"(value));
    __asm__ volatile("mov %%cr4, %0" : "=r"(value));
    __asm__ volatile("mov %0, %%cr4" : : "r"(value | CR4_OSFXSR));
}

static void check_pending(const char *what)
{
    unsigned before = exceptions;

    check((status() & 0x8081) == 0x8081, what);
    __asm__ volatile("fld1; fstp %st(0)");
    check(exceptions == before + 1, "and the next instruction raises it");
}

void guest_main(void)
{
    const uint16_t unmasked = 0x37e;

    handlers[VECTOR_MF] = on_mf;
    enable_fpu();
    __asm__ volatile("fninit; fxsave %0" : "=m"(image));
    check(status() == 0, "nothing is pending after FNINIT");
    image[0] = unmasked & 0xff;
    image[1] = unmasked >> 8;
    image[2] = 1; /* IE; ES and B are clear */
    image[3] = 0;
    __asm__ volatile("fxrstor %0" : : "m"(image));
    check_pending("FXRSTOR of a flag that is not masked makes an exception pending");

    __asm__ volatile("fninit; fnstenv %0" : "=m"(env));
    env[0] = unmasked;
    env[2] = 1;
    __asm__ volatile("fldenv %0" : : "m"(env));
    check_pending("so does FLDENV");

    env[0] = 0x37f;
    __asm__ volatile("fninit; fldenv %0" : : "m"(env));
    check((status() & 0x8081) == 1, "a masked flag is no exception");
    __asm__ volatile("fldcw %0" : : "m"(unmasked));
    check_pending("FLDCW unmasks it");
    finish();
}
