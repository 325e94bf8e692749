/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A software CPU with some RAM and nothing else, run in the calling thread: for unit tests.
 */
#ifndef TESTS_UNIT_SOFT_HARNESS_H
#define TESTS_UNIT_SOFT_HARNESS_H

#include <glib.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "accel/soft/soft.h"

typedef enum HarnessMode {
    HARNESS_REAL,   /* real mode, segments 0 */
    HARNESS_FLAT32, /* protected mode, flat 4 GiB segments, ring 0, no paging */
    HARNESS_LONG64, /* 64-bit, ring 0, identity page tables over the RAM (user + writable) */
    HARNESS_USER64, /* the same at ring 3 */
    HARNESS_USER32, /* the same, 32-bit code (compatibility mode) */
} HarnessMode;

/* Places in guest memory that the harness uses itself; the rest is the test's. All modes but real
 * have a GDT here. */
enum {
    HARNESS_RAM_SIZE = 16 << 20,
    HARNESS_CODE = 0x10000, /* code is loaded and started here (real mode: 0x7c00) */
    HARNESS_REAL_CODE = 0x7c00,
    HARNESS_STACK = 0x80000, /* initial stack pointer (real mode: 0x7000) */
    HARNESS_REAL_STACK = 0x7000,
    HARNESS_DATA = 0x100000, /* free for data */
    HARNESS_GDT = 0x1000,    /* 0x08 code64 0x10 data 0x18 code32 0x20 code16 0x28 data16,
                                0x30 user code32, 0x38 user data, 0x40 user code64, 0x48 TSS */
    HARNESS_IDT = 0x2000,
    HARNESS_TSS = 0x3000,
    HARNESS_PT = 0x4000, /* PML4; PDPT 0x5000; PD 0x6000 (2 MiB pages) */
};

typedef struct SoftHarness {
    SoftCpu *s;
    X86Cpu *cpu;
    uint8_t *ram; /* guest address 0 */
    RamBlock *block;
    MemoryRegion root, ram_region;
    /* What ended the last run: a fault's vector, or -1 (HLT), -2 (too many blocks). */
    int vector;
    int64_t error_code;
    /* Stop at the first fault (default) instead of delivering it through the IDT. */
    bool deliver;
    bool borrowed; /* the RAM is another harness's */
    /* After each of the engine's turns the CPU is saved, reset, and loaded. */
    bool moved;
    GThread *kicker; /* harness_kick()'s */
    atomic_bool kicks;
} SoftHarness;

/* A test program may make several, one after the other. The model is "max". */
SoftHarness *harness_new(void);
/* Another CPU with the RAM of @h, which must outlive it. Resetting either clears the first MiB. */
SoftHarness *harness_new_cpu(const SoftHarness *h);
void harness_free(SoftHarness *h);

/* All registers to the mode's initial state; memory below 1 MiB is cleared; interrupts are off.
 * rip is at the code's place. */
void harness_reset(SoftHarness *h, HarnessMode mode);

/* Copy @len bytes of code to the mode's place; decoded blocks are dropped. A HLT is appended. In
 * HARNESS_USER64 HLT faults with #GP, which ends the run as if it were reached (vector -1, rip
 * there). */
void harness_load(SoftHarness *h, const void *code, size_t len);

/* Load the bytes that @hex spells, up to 64 of them, and run them. */
int harness_run_hex(SoftHarness *h, const char *hex);

/* Guest code in the test's source, named @name: code_<name> to code_<name>_end. It lies in .rodata
 * and is copied to where it runs, so jumps in it are relative and addresses are written out. */
#define GUEST_CODE(name, mode, text)                                                           \
    extern const uint8_t code_##name[], code_##name##_end[];                                   \
    __asm__(".pushsection .rodata\n\t.code" #mode "\ncode_" #name ":\n\t" text "\ncode_" #name \
            "_end:\n\t.code64\n\t.popsection")
#define GUEST_LOAD(h, name) harness_load(h, code_##name, (size_t)(code_##name##_end - code_##name))

/* Run until HLT, a fault (unless deliver), or @max_turns engine turns. Returns h->vector. */
int harness_run(SoftHarness *h, unsigned max_turns);
/* From now on (@on), or no more, a thread ends the CPU's turn each millisecond, as the engine's
 * other threads do: for guests that may loop. */
void harness_kick(SoftHarness *h, bool on);

/* Put @code, and HLT behind it, to @at, where it is run next. What was decoded there stays. */
void harness_place(SoftHarness *h, uint64_t at, const uint8_t *code, const uint8_t *end);
/* Run two CPUs at once, each in a thread of its own as the engine runs it, until both halt. A fault
 * ends the program. */
void harness_run_together(SoftHarness *const both[2]);

/* Drop TLB and decoded code: after the test wrote page tables or code by itself. */
void harness_flush(SoftHarness *h);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(SoftHarness, harness_free)

#endif
