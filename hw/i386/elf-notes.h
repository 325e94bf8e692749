/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A processor's registers as notes of an ELF core file.
 */
#ifndef HW_I386_ELF_NOTES_H
#define HW_I386_ELF_NOTES_H

#include <glib.h>

#include "target/i386/cpu.h"

/* Append its notes: NT_PRSTATUS (Linux, struct elf_prstatus), for debuggers, with a thread id that
 * is the CPU's number plus 1; "QEMU" (type 0), with the control registers and descriptor tables
 * that crash(8) wants to find its way in a kernel whose address was randomised; NT_PRFPREG, what
 * FXSAVE stores; and, if the CPU model has XSAVE, NT_X86_XSTATE, with the whole YMM registers if it
 * has those. The CPU is stopped. */
void x86_elf_notes_append(GByteArray *out, const X86Cpu *cpu);

#endif
