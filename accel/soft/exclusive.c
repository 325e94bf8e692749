/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/soft/exclusive.h"

#include "accel/soft/mmu.h"
#include "util/machine-lock.h"

/* A vCPU has the machine for itself. Written with the machine lock. The writer sets it (seq_cst)
 * and then looks for open sections; a reader opens its section, with a fence, and then looks here:
 * so one of the two sees the other. */
static atomic_bool stopped;

void soft_section_enter(SoftCpu *s)
{
    if (!s->reader) {
        return;
    }
    memory_read_enter(s->reader);
    while (G_UNLIKELY(atomic_load_explicit(&stopped, memory_order_acquire))) {
        memory_read_leave(s->reader);
        machine_lock(); /* the other one has it until it is done */
        machine_unlock();
        memory_read_enter(s->reader);
    }
}

void soft_exclusive_begin(SoftCpu *s, bool everyone)
{
    if (s->reader) {
        memory_read_leave(s->reader);
    }
    machine_lock();
    if (everyone) {
        atomic_store(&stopped, true);
        memory_synchronize();
    }
    s->exclusive = true;
    if (s->reader) {
        memory_read_enter(s->reader);
    }
    soft_catch_up(s);
}

void soft_exclusive_end(SoftCpu *s)
{
    s->exclusive = false;
    atomic_store_explicit(&stopped, false, memory_order_release);
    machine_unlock();
}
