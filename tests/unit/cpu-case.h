/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cases for the comparison of the software CPU with the real one: some random instructions and a
 * state to run them from, such that they touch nothing but the data buffer.
 */
#ifndef TESTS_UNIT_CPU_CASE_H
#define TESTS_UNIT_CPU_CASE_H

#include <stdbool.h>
#include <stdint.h>

#include "target/i386/cpu.h"

/* Linear addresses, the same on the host and (identity-mapped) in the guest. */
#define CODE_BASE  0x800000ul
#define CODE_SIZE  0x400000ul
#define DATA_BASE  0xd00000ul
#define DATA_SIZE  0x4000ul
#define CASE_SPACE 128u
#define FX_USED    416 /* bytes of the FXSAVE image that hold state */

typedef struct State {
    uint64_t regs[16]; /* by encoding */
    uint64_t rip, rflags;
    uint8_t fx[512];
    uint8_t ymm_high[16][16];
    int vector;
    uint64_t cr2;
} State;

typedef struct Case {
    State start;
    uint8_t code[CASE_SPACE]; /* INT3 behind the first len bytes */
    unsigned len;
    uint32_t undefined; /* flags that are not compared */
    unsigned mnemonic;  /* of the last instruction */
    bool alignable;     /* its outcome with AC set is the same everywhere */
} Case;

/* Begin a sequence of cases that @seed determines: for 64-bit or (@bits 32) compatibility-mode
 * code, of the instructions that @model offers. */
void cpu_case_begin(uint64_t seed, unsigned bits, const X86CpuModel *model);
/* The next case, to be put at @rip. */
void cpu_case_make(Case *c, uint64_t rip);
/* A random value, often one at the edge of something. */
uint64_t cpu_case_value(void);

#endif
