/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/core/smi.h"

#include "accel/vcpu.h"

static void raise_one(X86Cpu *cpu, void *opaque)
{
    x86_cpu_smi(cpu);
}

static void raise_if_first(X86Cpu *cpu, void *opaque)
{
    if (cpu->index == 0) {
        x86_cpu_smi(cpu);
    }
}

void smi_raise_all(void)
{
    vcpu_foreach(raise_one, NULL);
}

void smi_raise_first(void)
{
    vcpu_foreach(raise_if_first, NULL);
}

void smi_raise_current(void)
{
    if (current_cpu) {
        x86_cpu_smi(current_cpu);
    } else {
        smi_raise_first();
    }
}
