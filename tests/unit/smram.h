/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For tests of system management mode: memory at SMBASE that only the handler sees. */
#ifndef TESTS_UNIT_SMRAM_H
#define TESTS_UNIT_SMRAM_H

#include "memory/smm.h"
#include "target/i386/smm.h"
#include "util/machine-lock.h"

enum { SMRAM = X86_SMBASE_RESET, SMRAM_SIZE = 0x20000 };

static RamBlock *smram;
static MemoryRegion smram_region;

static inline void smram_make(void)
{
    GError *err = NULL;

    machine_lock();
    memory_smm_init();
    smram = ram_block_new("smram", SMRAM_SIZE, -1, false, false, 0, &err);
    g_assert_no_error(err);
    memory_region_init_ram(&smram_region, "smram", smram);
    memory_region_add(memory_smram(), SMRAM, &smram_region);
    machine_unlock();
}

static inline void smram_remove(void)
{
    machine_lock();
    memory_region_remove(&smram_region);
    memory_region_destroy(&smram_region);
    ram_block_unref(smram);
    machine_unlock();
}

#endif
