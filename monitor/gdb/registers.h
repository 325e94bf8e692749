/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registers that GDB knows, with their numbers, and the description of them that it asks for
 * ("Debugging with GDB", appendix "Target Descriptions"). What there is depends on the CPU model:
 * without long mode there are 8 general registers of 32 bits. Machine lock.
 */
#ifndef MONITOR_GDB_REGISTERS_H
#define MONITOR_GDB_REGISTERS_H

#include <glib.h>
#include <stdbool.h>

#include "target/i386/cpu.h"

/* target.xml; g_free. */
char *gdb_registers_describe(const X86CpuModel *model);
/* Append register @n, as hexadecimal text, little endian; false: there is no such register. */
bool gdb_register_get(X86Cpu *cpu, unsigned n, GString *out);
/* Set it from the first bytes of @data. Returns how many, or 0: it cannot be set to that, or @len
 * is too small. The CPU stands. */
unsigned gdb_register_set(X86Cpu *cpu, unsigned n, const uint8_t *data, size_t len);
/* How many there are. */
unsigned gdb_registers_count(const X86CpuModel *model);

#endif
