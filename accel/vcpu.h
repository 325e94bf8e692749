/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vCPU threads: start, stop, wake, INIT/SIPI; the same for every engine.
 *
 * A vCPU thread runs its engine without the machine lock, and waits with it (on a condition) while
 * it is stopped, halted or waiting for SIPI. All functions here need the machine lock unless said.
 */
#ifndef ACCEL_VCPU_H
#define ACCEL_VCPU_H

#include <glib.h>
#include <stdbool.h>

#include "memory/reader.h"
#include "target/i386/cpu.h"

/* Allocate the current engine's CPU structure, zeroed. Freed with vcpu_free(). */
X86Cpu *vcpu_alloc(void);
void vcpu_free(X86Cpu *cpu); /* after vcpu_destroy(), or never created */

/* Make the thread; it stays stopped until vcpu_resume_all() or vcpu_start(). */
bool vcpu_create(X86Cpu *cpu, GError **errp);
/* Let one that was made while others ran run with them; if they do not, it goes on with them. */
void vcpu_start(X86Cpu *cpu);
/* Ask it to end, and wait for that: others may have the lock meanwhile. Not from a vCPU's thread,
 * of which this one might want something before it ends. */
void vcpu_destroy(X86Cpu *cpu);

/* All threads out of guest code and their state synchronised into X86Cpu when it returns. If called
 * from a vCPU thread, that vCPU stops when it next leaves the engine (its state is current). */
void vcpu_pause_all(void);
void vcpu_resume_all(void);
/* The engine has the state of all that stand: what a machine was loaded with is there before a
 * device interrupts, and does not come over it. */
void vcpu_settle_all(void);
bool vcpu_all_paused(void);
/* A vCPU that is held stands on when vcpu_resume_all() lets the others run. Before that. */
void vcpu_hold(X86Cpu *cpu, bool hold);
/* Called in a vCPU's thread (elsewhere it does nothing): that vCPU runs no more guest code until
 * vcpu_resume_all(), once it is back from the device access that it is in. */
void vcpu_stop_self(void);
/* Called in a vCPU's thread: the same until vcpu_wait_end() of what it returns, as often as this
 * was called; it counts as paused meanwhile. NULL: this is another thread. */
X86Cpu *vcpu_wait_self(void);
void vcpu_wait_end(X86Cpu *cpu); /* which may be gone */
/* Called in a vCPU's thread, by a device that is accessed: it, with its general registers up to
 * date. What is changed of them is the guest's when vcpu_self_set_registers() was called. What a
 * read returns still goes over it. NULL: this is another thread. */
X86Cpu *vcpu_self_registers(void);
void vcpu_self_set_registers(void);
/* Is there such a wait? For engines, in the vCPU's thread, without the lock: the instruction that
 * it began in is the last one. */
bool vcpu_waits(const X86Cpu *cpu);

/* Let guest code run only 100 - @percent of the time, on every vCPU; 0: all of it. Naps end early
 * when the vCPU is to stop. The timer is the main loop's. */
#define VCPU_MAX_THROTTLE 99u
void vcpu_set_throttle(unsigned percent);
unsigned vcpu_throttle(void);

/* Let the vCPU change no more than so many pages (DIRTY_PAGE) a second, as a counting tracker tells
 * (memory/dirty.h); 0: as many as it can. */
void vcpu_set_dirty_limit(X86Cpu *cpu, uint64_t pages);
uint64_t vcpu_dirty_limit(const X86Cpu *cpu);
/* How many it has changed since it was made, and how long it was held back for that. */
uint64_t vcpu_dirty_pages(const X86Cpu *cpu);
uint64_t vcpu_dirty_rested_us(const X86Cpu *cpu);

/* Run @fn(@cpu, @opaque) in the CPU's thread, outside guest code, machine lock held, and wait. */
void vcpu_run_on(X86Cpu *cpu, void (*fn)(X86Cpu *cpu, void *opaque), void *opaque);
void vcpu_foreach(void (*fn)(X86Cpu *cpu, void *opaque), void *opaque);

/* The vCPU's entry in the list of memory-map readers; engines enter and leave it around guest code.
 * Own thread, no lock. */
MemoryReader *vcpu_reader(X86Cpu *cpu);

/* Thread id for query-cpus-fast; 0 if it has no thread. */
int vcpu_thread_id(const X86Cpu *cpu);

#endif
