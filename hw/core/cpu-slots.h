/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The places for CPUs of a machine, of which there are maxcpus, and the CPUs that are there.
 * Machine lock.
 */
#ifndef HW_CORE_CPU_SLOTS_H
#define HW_CORE_CPU_SLOTS_H

#include "hw/core/smp.h"

typedef struct CpuSlot {
    uint32_t socket, die, core, thread; /* each counts within what is before it */
    uint32_t arch_id;      /* what the guest knows the CPU by (APIC ID); set when CPUs are made */
    struct Device *device; /* the CPU, realized; borrowed; NULL: none is there */
} CpuSlot;

/* Zeros, then cpu_slots_arrange(). The NUMA node of each is NumaConfig.cpu_node. */
typedef struct CpuSlots {
    CpuSlot *list; /* by CPU index */
    unsigned count;
} CpuSlots;

/* Make the places of @smp, which is complete; before there are CPUs. */
void cpu_slots_arrange(CpuSlots *slots, const SmpTopology *smp);
/* How many CPUs are there. */
unsigned cpu_slots_present(const CpuSlots *slots);
/* Free what the above made. */
void cpu_slots_drop(CpuSlots *slots);

#endif
