/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the targets with a hostile guest share. Their input is a list of steps: a byte that selects
 * the step, then the bytes that it takes; past the end there are zeros.
 */
#ifndef TESTS_FUZZ_GUEST_H
#define TESTS_FUZZ_GUEST_H

#include "tests/fuzz/fuzz.h"

#define FUZZ_STEPS 32 /* a power of two, so that all are as likely */

typedef struct FuzzInput {
    const uint8_t *data;
    size_t left;
} FuzzInput;

typedef void FuzzStep(FuzzInput *in);

/* The next @n bytes, at most 8, least significant first. */
uint64_t fuzz_take(FuzzInput *in, unsigned n);

/* Take steps until the input ends; NULL among them does nothing. New ones come behind the others,
 * so that the corpus keeps its meaning. */
void fuzz_run_steps(FuzzStep *const steps[FUZZ_STEPS], const uint8_t *data, size_t size);

/* ---- what management does, and time ---- */

FuzzStep fuzz_step_plug;   /* a memory backend and a DIMM, which may be wrong */
FuzzStep fuzz_step_unplug; /* ask for one back, for some time perhaps, or withdraw that */
/* The same for one of @count devices, whose ids are @kind with a number. */
void fuzz_unplug(const char *kind, unsigned count, FuzzInput *in);
FuzzStep fuzz_step_unplug_now; /* tear it out */
FuzzStep fuzz_step_time;       /* at most 20 ms */
FuzzStep fuzz_step_next_timer; /* to the next expiry */
FuzzStep fuzz_step_settle;     /* let the main loop run */
FuzzStep fuzz_step_reset;
FuzzStep fuzz_step_powerdown;
FuzzStep fuzz_step_run; /* or pause */

/* ---- what the guest's AML does ---- */

FuzzStep fuzz_step_slot; /* right or wrong: select a slot, write flags or an _OST pair */

/* ---- processors ---- */

/* Whose the accesses are from now on: processor 0 (@which 1), 1 (3) or nobody (0, 2). Local APICs
 * ask for it. */
void fuzz_as_cpu(unsigned which);

FuzzStep fuzz_step_cpu; /* what one does to its local APIC beside accesses to memory */

/* ---- what holds after each input ---- */

/* Slots, the list of DIMMs and guest memory tell the same. */
void fuzz_check_dimms(Machine *machine);

#endif
