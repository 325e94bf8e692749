/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Boot RAM: the memory backends that it is made of. Either all of it is one of the user's (-machine
 * memory-backend=), or each NUMA node's part is one (-numa node,memdev=), or it is one that we
 * make: anonymous memory, or with -mem-path a file. Machine lock for everything.
 */
#ifndef HW_CORE_MACHINE_RAM_H
#define HW_CORE_MACHINE_RAM_H

#include "hw/core/machine.h"

/* Find the backends and take them into use; set the nodes' `mem`, and the machine's RAM size where
 * -m does not tell it, by their sizes. Errors: no such backend, used already, read-only, sizes that
 * do not add up, two ways at once, an object that has MachineOps.ram_id where we need it. Called by
 * machine_init(). */
bool machine_ram_resolve(Machine *machine, GError **errp);

/* For MachineOps.init: boot RAM as one region of machine->ram.size bytes; borrowed. Makes our
 * backend if there is no other. */
MemoryRegion *machine_ram_make(Machine *machine, GError **errp);

/* Give the backends back; for the machine's end. */
void machine_ram_drop(Machine *machine);

#endif
