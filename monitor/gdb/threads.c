/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/core/machine.h"
#include "hw/i386/cpu.h"
#include "monitor/gdb/session.h"

#define PROCESS 1 /* the only one */

unsigned gdb_cpu_count(void)
{
    const Machine *machine = machine_current();

    return machine && gdb_cpu(0) ? machine->cpu_slots.count : 0;
}

X86Cpu *gdb_cpu(int index)
{
    return index >= 0 ? x86_cpu_at(machine_current(), (unsigned)index) : NULL;
}

X86Cpu *gdb_current_cpu(const GdbSession *g)
{
    X86Cpu *cpu = gdb_cpu((int)g->cpu);

    return cpu ? cpu : gdb_cpu(0);
}

/* A number, "0" for any and "-1" for all. */
static bool parse_id(const char **p, int *id)
{
    uint64_t value;

    if (**p == '-') {
        (*p)++;
        *id = GDB_ALL_THREADS;
        return gdb_parse_char(p, '1');
    }
    if (!gdb_parse_hex(p, &value) || value > INT32_MAX) {
        return false;
    }
    *id = value ? (int)value - 1 : GDB_ANY_THREAD;
    return true;
}

bool gdb_parse_thread(const char **p, int *index)
{
    int process = GDB_ANY_THREAD;

    if (gdb_parse_char(p, 'p')) {
        if (!parse_id(p, &process) || (process >= 0 && process != PROCESS - 1)) {
            return false;
        }
        if (!gdb_parse_char(p, '.')) {
            *index = GDB_ALL_THREADS;
            return true;
        }
    }
    return parse_id(p, index) && (*index < 0 || gdb_cpu(*index));
}

void gdb_append_thread(const GdbSession *g, GString *out, unsigned index)
{
    if (g->multiprocess) {
        g_string_append_printf(out, "p%02x.", PROCESS);
    }
    g_string_append_printf(out, "%02x", index + 1);
}
