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
    uint32_t apic_id;  /* PROP_UNSET before it has a place and nobody gave it */
    int32_t socket_id, die_id, core_id, thread_id, node_id; /* -1: the same */
    struct json_object
        *given;             /* what is said of this one beside its model: its features; or NULL */
    bool start_powered_off; /* true for all but the bootstrap processor: they wait for a SIPI */
    /* wiring */
    CpuSlot *slot; /* of the machine */
} X86CpuDevice;

#define TYPE_CPU       "cpu"
#define TYPE_X86_CPU   "x86_64-cpu"
#define X86_CPU_SUFFIX "-x86_64-cpu"
OBJECT_CAST_DEFINE(X86CpuDevice, X86_CPU_DEVICE, TYPE_X86_CPU)

/* @text of -cpu, "MODEL,...", with what -global says of the model in front of what it says itself;
 * g_free. */
char *x86_cpu_with_globals(const char *text);
/* What APIC IDs each place for a CPU of @machine has, for CPUs of model @model, of which the
 * topology is set, too. */
void x86_cpu_arrange(Machine *machine, X86CpuModel *model);
/* Before @xdev is realized: it is of @model, but for what was given for it alone, and will be CPU
 * @index of @machine. */
bool x86_cpu_device_place(X86CpuDevice *xdev, Machine *machine, const X86CpuModel *model,
                          unsigned index, GError **errp);

/* The CPU in slot @index of @machine; NULL: none is there, nor perhaps the slot, or the machine. */
X86Cpu *x86_cpu_at(const Machine *machine, unsigned index);
/* The first one in slot *@index or after it, with *@index its slot; NULL: there is none. */
X86Cpu *x86_cpu_next(const Machine *machine, unsigned *index);

#endif
