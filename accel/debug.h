/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a debugger outside of the guest (monitor/gdb/) wants of an engine: breakpoints, single steps
 * (X86Cpu.debug_step), and to be told when a CPU has come to one. Machine lock for everything.
 */
#ifndef ACCEL_DEBUG_H
#define ACCEL_DEBUG_H

#include <glib.h>
#include <stdbool.h>

#include "target/i386/cpu.h"

typedef enum AccelBreakKind {
    ACCEL_BREAK_SOFT, /* as often as one likes; an engine may put an INT3 into memory for it */
    ACCEL_BREAK_HARD, /* an engine may have few of these and of what follows */
    ACCEL_WATCH_WRITE,
    ACCEL_WATCH_READ,
    ACCEL_WATCH_ACCESS,
    ACCEL_BREAK_KINDS,
} AccelBreakKind;

typedef struct AccelBreakpoint {
    AccelBreakKind kind;
    uint64_t addr; /* linear, on every CPU */
    uint64_t len;  /* bytes watched; 1 for instructions */
} AccelBreakpoint;

/* Why a CPU stands. */
typedef enum AccelStopReason {
    ACCEL_STOP_NONE,
    ACCEL_STOP_STEP,
    ACCEL_STOP_BREAKPOINT, /* RIP is that of the instruction, which has not run */
    ACCEL_STOP_WATCHPOINT, /* the access has happened; RIP is behind it */
} AccelStopReason;

typedef struct AccelStop {
    AccelStopReason reason;
    AccelBreakKind kind; /* of the breakpoint */
    uint64_t addr;       /* the watchpoint's, as it was set */
} AccelStop;

/* Of an engine; no CPU is in guest code. */
typedef struct AccelDebugOps {
    unsigned kinds; /* bits 1 << AccelBreakKind: those that it has */
    /* @b is not in the list yet; @cpu: by whose page tables. */
    bool (*insert)(const AccelBreakpoint *b, X86Cpu *cpu, GError **errp); /* NULL: nothing to do */
    void (*remove)(const AccelBreakpoint *b); /* it is in the list still */
} AccelDebugOps;

/* Of AccelBreakpoint, in the order in which they came. CPUs look when they begin to run. */
const GArray *accel_breakpoints(void);
/* Can there be breakpoints of @kind? If the engine has none at all, inserting one says so. */
bool accel_breakpoint_kind_known(AccelBreakKind kind);
/* The machine stands. An error if the engine has no breakpoints, or not one more. One that is there
 * already is fine. */
bool accel_breakpoint_insert(AccelBreakKind kind, uint64_t addr, uint64_t len, X86Cpu *cpu,
                             GError **errp);
/* False: there is none. */
bool accel_breakpoint_remove(AccelBreakKind kind, uint64_t addr, uint64_t len);
void accel_breakpoints_clear(void);

/* @fn is told of each CPU that came to a breakpoint or made its step, in the CPU's thread; it lets
 * the CPU stop. NULL: nobody wants to know. */
void accel_set_debug_handler(void (*fn)(X86Cpu *cpu, const AccelStop *stop));
/* Engines call this. */
void accel_debug_stop(X86Cpu *cpu, const AccelStop *stop);

#endif
