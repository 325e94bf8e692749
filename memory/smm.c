/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "memory/smm.h"

#define SMRAM_PRIORITY 1 /* over the rest */

AddressSpace address_space_smm;

static MemoryRegion root, rest, smram;
static bool made;

void memory_smm_init(void)
{
    if (made) {
        return;
    }
    made = true;
    memory_region_init_container(&root, "smm", UINT64_MAX);
    memory_region_init_alias(&rest, "smm-memory", memory_system(), 0, UINT64_MAX);
    memory_region_init_container(&smram, "smram", UINT64_MAX);
    memory_region_add(&root, 0, &rest);
    memory_region_add_overlap(&root, 0, &smram, SMRAM_PRIORITY);
    address_space_init(&address_space_smm, &root, "cpu-smm");
}

MemoryRegion *memory_smram(void)
{
    return made ? &smram : NULL;
}
