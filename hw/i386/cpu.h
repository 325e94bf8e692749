/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The processor as a device of the object tree. One type for each CPU model of target/i386/cpuid.h:
 * "qemu64-x86_64-cpu", "max-x86_64-cpu", ..., all with the parent "x86_64-cpu", whose parent is the
 * abstract "cpu". Realizing one makes the engine's CPU, its local APIC and its vCPU thread. Machine
 * lock for everything.
 */
#ifndef HW_I386_CPU_H
#define HW_I386_CPU_H

#include "hw/core/device.h"
#include "hw/core/machine.h"
#include "target/i386/cpu.h"

typedef struct X86CpuDevice {
    Device parent;
    X86Cpu *cpu; /* owned; NULL until realized */
    /* configuration */
    X86CpuModel model; /* CPUID contents, with the topology */
    uint32_t index;    /* 0 is the bootstrap processor */
    uint32_t apic_id;
    uint32_t socket_id, die_id, core_id, thread_id;
    bool start_powered_off; /* true for all but the bootstrap processor: they wait for a SIPI */
    /* wiring */
    X86Cpu **place; /* of the CPU among those of the machine */
} X86CpuDevice;

#define TYPE_CPU       "cpu"
#define TYPE_X86_CPU   "x86_64-cpu"
#define X86_CPU_SUFFIX "-x86_64-cpu"
OBJECT_CAST_DEFINE(X86CpuDevice, X86_CPU_DEVICE, TYPE_X86_CPU)

/* Make processor @index of @machine, whose array of CPUs has room for it, of the given model (its
 * topology members need not be set), under /machine/unattached. Realized: cpu is there, its thread
 * is stopped. Borrowed reference. */
X86CpuDevice *x86_cpu_device_create(const Machine *machine, const X86CpuModel *model,
                                    unsigned index, GError **errp);

#endif
