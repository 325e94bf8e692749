/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A Linux program for x86-64-v3: several processes keep values of their own in all vector registers
 * while they are switched and interrupted by signals whose handlers use the registers too; and the
 * compiler's own vector code agrees with plain code. Prints "vectors: 0 wrong".
 */
#include <immintrin.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROCESSES = 3, ROUNDS = 300, SIGNALS = 20, NUMBERS = 1000 };

static volatile sig_atomic_t signals;

/* Spoils every register. */
static void on_signal(int number)
{
    __asm__ volatile(
        "vpcmpeqb %%ymm0, %%ymm0, %%ymm0\n\tvmovdqa %%ymm0, %%ymm1\n\t"
        "vmovdqa %%ymm0, %%ymm2\n\tvmovdqa %%ymm0, %%ymm3\n\tvmovdqa %%ymm0, %%ymm7\n\t"
        "vmovdqa %%ymm0, %%ymm8\n\tvmovdqa %%ymm0, %%ymm15" ::
            : "xmm0", "xmm1", "xmm2", "xmm3", "xmm7", "xmm8", "xmm15");
    signals = signals + 1;
    (void)number;
}

#define LOAD(n)  "vmovdqu 32*" #n "(%[in]), %%ymm" #n "\n\t"
#define STORE(n) "vmovdqu %%ymm" #n ", 32*" #n "(%[out])\n\t"
#define ALL(f)   f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7) f(8) f(9) f(10) f(11) f(12) f(13) f(14) f(15)

/* Registers from @in to @out, with system calls that give the processor away in between. */
static void carry(const uint8_t *in, uint8_t *out)
{
    long times = 50;

    __asm__ volatile(
        ALL(LOAD) "1:\n\tmov $24, %%eax\n\tsyscall\n\tdec %[times]\n\tjnz 1b\n\t" ALL(STORE)
        : [times] "+r"(times)
        : [in] "r"(in), [out] "r"(out)
        : "rax", "rcx", "r11", "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
          "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}

static unsigned keep_registers(unsigned seed)
{
    uint8_t in[512], out[512];
    unsigned wrong = 0;

    for (unsigned round = 0; round < ROUNDS || signals < SIGNALS; round++) {
        for (unsigned i = 0; i < sizeof(in); i++) {
            in[i] = (uint8_t)(seed * 37 + round * 11 + i * 7);
        }
        carry(in, out);
        wrong += memcmp(in, out, sizeof(in)) != 0;
    }
    return wrong;
}

/* Sums of whole numbers, exact in any order: fused multiplication, gathers, conversions. */
static unsigned compute(void)
{
    static float a[NUMBERS], b[NUMBERS];
    static int32_t at[NUMBERS];
    double plain = 0;
    __m256 sum = _mm256_setzero_ps();
    float lanes[8], vector = 0;

    for (int i = 0; i < NUMBERS; i++) {
        a[i] = (float)(i % 17);
        b[i] = (float)(i % 5);
        at[i] = (i * 7) % NUMBERS;
    }
    for (int i = 0; i < NUMBERS; i++) {
        volatile double product = (double)a[at[i]] * b[i];
        plain += product;
    }
    for (int i = 0; i < NUMBERS; i += 8) {
        __m256i index = _mm256_loadu_si256((const __m256i *)(at + i));
        sum = _mm256_fmadd_ps(_mm256_i32gather_ps(a, index, 4), _mm256_loadu_ps(b + i), sum);
    }
    _mm256_storeu_ps(lanes, sum);
    for (int i = 0; i < 8; i++) {
        vector += lanes[i];
    }
    return (double)vector != plain;
}

static unsigned child(unsigned seed)
{
    const struct itimerval often = { { 0, 1000 }, { 0, 1000 } };
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };

    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    return compute() + keep_registers(seed);
}

int main(void)
{
    unsigned wrong = 0;

    for (unsigned i = 0; i < PROCESSES; i++) {
        if (fork() == 0) {
            _exit(child(i) ? 1 : 0);
        }
    }
    for (unsigned i = 0; i < PROCESSES; i++) {
        int status = 0;
        wait(&status);
        wrong += status != 0;
    }
    printf("vectors: %u wrong\n", wrong);
    return wrong != 0;
}
