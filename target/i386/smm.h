/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System management mode as data: the save state map, and the state in which a handler begins (AMD
 * APM vol. 2 sections 10.2 and 10.3; processors without long mode: SDM vol. 3 section 32.4.1).
 */
#ifndef TARGET_I386_SMM_H
#define TARGET_I386_SMM_H

#include "target/i386/cpu.h"

/* The map is the last 512 bytes of the 64 KiB from SMBASE on. */
#define X86_SMM_MAP_AT   0xfe00u
#define X86_SMM_MAP_SIZE 512u

#define X86_SMBASE_RESET 0x30000u /* SMBASE after a reset */
#define X86_SMM_ENTRY    0x8000u  /* where a handler begins, from SMBASE on */

/* Revision IDs: bit 17 says that SMBASE can be changed. */
#define X86_SMM_REVISION_LONG   0x20064u
#define X86_SMM_REVISION_LEGACY 0x20000u

/* @map becomes what a processor in @cpu's state stores when an SMI comes, in the form that its
 * model has. RFLAGS are complete. */
void x86_smm_save(const X86Cpu *cpu, uint8_t map[X86_SMM_MAP_SIZE]);
/* What the handler finds: real mode with 4 GiB segments at SMBASE, nothing enabled. NMIs are
 * blocked; a processor that halted does not. */
void x86_smm_enter(X86Cpu *cpu);
/* RSM: take the state from @map, and be out of the mode. @cr4: the bits of CR4 that the processor
 * has; @efer: those of EFER. False: no processor can be in that state, and it shuts down; @cpu is
 * as before. */
bool x86_smm_load(X86Cpu *cpu, const uint8_t map[X86_SMM_MAP_SIZE], uint64_t cr4, uint64_t efer);

#endif
