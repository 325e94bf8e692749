/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/core/cpu-slots.h"

#include <glib.h>

void cpu_slots_arrange(CpuSlots *slots, const SmpTopology *smp)
{
    cpu_slots_drop(slots);
    slots->list = g_new0(CpuSlot, smp->maxcpus);
    slots->count = smp->maxcpus;
    for (unsigned i = 0; i < slots->count; i++) {
        unsigned core = i / smp->threads, die = core / smp->cores;

        slots->list[i] = (CpuSlot){ .socket = die / smp->dies,
                                    .die = die % smp->dies,
                                    .core = core % smp->cores,
                                    .thread = i % smp->threads };
    }
}

unsigned cpu_slots_present(const CpuSlots *slots)
{
    unsigned present = 0;

    for (unsigned i = 0; i < slots->count; i++) {
        present += slots->list[i].device != NULL;
    }
    return present;
}

void cpu_slots_drop(CpuSlots *slots)
{
    g_clear_pointer(&slots->list, g_free);
    slots->count = 0;
}
