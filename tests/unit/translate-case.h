/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the tests of the translator have in common: how a program is run in each mode, what it
 * leaves, and a thread that makes a CPU leave its blocks all the time.
 */
#ifndef TESTS_UNIT_TRANSLATE_CASE_H
#define TESTS_UNIT_TRANSLATE_CASE_H

#include "accel/soft/native.h"
#include "accel/soft/options.h"
#include "tests/unit/soft-harness.h"

enum { DATA_BYTES = 4096, TURNS = 1 << 28 };

typedef struct Outcome {
    uint64_t regs[16], rflags;
    uint8_t fx[FX_XMM + 256];
    uint8_t data[DATA_BYTES];
} Outcome;

typedef struct Press {
    X86Cpu *cpu;
    _Atomic bool stop;
    GThread *thread; /* NULL: none */
} Press;

/* What @h, which has run, has left. */
void keep_outcome(const SoftHarness *h, Outcome *o);
void assert_same_outcome(const Outcome *a, const Outcome *b);

/* For the next harness. */
void set_soft_options(SoftOptions options);

/* Ask the CPU of @h to leave its blocks, again and again, until press_end(). */
void press_begin(Press *p, SoftHarness *h);
/* Nothing after no press_begin(). */
void press_end(Press *p);

#endif
