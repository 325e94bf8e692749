/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "target/i386/fpu-pins.h"

static X86FerrChanged *ferr_changed;
static void *ferr_opaque;
/* Relaxed: a vCPU that finds it clear looks again with the machine lock. */
static _Atomic bool ignne;

void x86_ferr_connect(X86FerrChanged *changed, void *opaque)
{
    ferr_changed = changed;
    ferr_opaque = opaque;
}

void x86_set_ferr(X86Cpu *cpu, bool level)
{
    if (cpu->ferr == level) {
        return;
    }
    cpu->ferr = level;
    if (ferr_changed) {
        ferr_changed(ferr_opaque, cpu);
    }
}

void x86_set_ignne(bool level)
{
    atomic_store_explicit(&ignne, level, memory_order_relaxed);
}

bool x86_ignne(void)
{
    return atomic_load_explicit(&ignne, memory_order_relaxed);
}
