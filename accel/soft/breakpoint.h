/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Breakpoints of the software CPU: those of DR0 to DR3 (SDM vol. 3 chapter 17), and those of a
 * debugger outside of the guest (accel/debug.h), which the guest does not see. None costs anything
 * while it is not armed: code with breakpoints has blocks of its own (SOFT_KEY_BREAK), and accesses
 * to a page with a data breakpoint go the TLB's slow path, where these functions are called. All in
 * the vCPU's own thread, or while it stands.
 */
#ifndef ACCEL_SOFT_BREAKPOINT_H
#define ACCEL_SOFT_BREAKPOINT_H

#include "accel/soft/soft.h"

#define SOFT_MAX_WATCH (1u << 20) /* bytes of one of the debugger's watchpoints */

void soft_breakpoints_init(SoftCpu *s);
void soft_breakpoints_destroy(SoftCpu *s);
/* DR0-DR3, DR7 or CR4.DE have changed. mode_key may change: the running block must end. */
void soft_breakpoints_update(SoftCpu *s);
/* The same, and the debugger's may have changed, too. Machine lock. */
void soft_breakpoints_load(SoftCpu *s);

/* ---- instructions ---- */

/* A turn of the engine begins at cpu.rip: breakpoints there are passed over if RF is set, which it
 * is no more after that, or if the instruction before held debug exceptions back. */
void soft_breakpoints_begin(SoftCpu *s);
/* Does an instruction at linear address @addr have one? */
bool soft_breakpoint_at(const SoftCpu *s, uint64_t addr);
/* The instruction at @rip, which has one, is about to run. True: its #DB was
 * delivered instead, or the debugger wants the CPU to stop. */
bool soft_breakpoint_reached(SoftCpu *s, uint64_t rip);

/* ---- data and ports ---- */

/* Is there one for data on the page at linear address @page? */
bool soft_breakpoints_watch(const SoftCpu *s, uint64_t page);
/* @op accesses memory, by linear address, or ports. If there is a breakpoint, the trap follows the
 * instruction, or the iteration of a string instruction, and the running block ends there. @op
 * NULL: an event is delivered, and the trap comes before its handler's first instruction. */
void soft_breakpoints_access(SoftCpu *s, const Uop *op, uint64_t addr, unsigned len,
                             SoftAccess access);
void soft_breakpoints_port(SoftCpu *s, const Uop *op, unsigned port, unsigned len);

#endif
