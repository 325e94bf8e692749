/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/accel.h"

static void (*shutdown_handler)(X86Cpu *cpu);
static void (*internal_error_handler)(X86Cpu *cpu);

void accel_set_shutdown_handler(void (*fn)(X86Cpu *cpu))
{
    shutdown_handler = fn;
}

void accel_shutdown(X86Cpu *cpu)
{
    if (shutdown_handler) {
        shutdown_handler(cpu);
    }
}

void accel_set_internal_error_handler(void (*fn)(X86Cpu *cpu))
{
    internal_error_handler = fn;
}

void accel_internal_error(X86Cpu *cpu)
{
    if (internal_error_handler) {
        internal_error_handler(cpu);
    }
}
