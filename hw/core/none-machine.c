/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The empty machine: no CPUs, no devices, and memory only if -m asks for it. Management tools ask
 * it what there is. A model for its CPUs is looked at, as on a machine that has some. */
#include "hw/core/machine-ram.h"
#include "target/i386/cpuid.h"

static bool none_init(Machine *machine, GError **errp)
{
    X86CpuModel model;

    if (machine->cpu_model && !x86_cpu_model_parse(&model, machine->cpu_model, errp)) {
        return false;
    }
    if (machine->ram.size == 0) {
        return true;
    }
    MemoryRegion *ram = machine_ram_make(machine, errp);
    if (ram) {
        memory_region_add(memory_system(), 0, ram);
    }
    return ram;
}

static const MachineOps none_ops = {
    .name = "none",
    .description = "empty machine",
    .ram_id = "ram",
    .default_ram_size = 0,
    .init = none_init,
};

static const ObjectType none_machine_type = {
    .name = "none-machine",
    .parent = TYPE_MACHINE,
    .description = "empty machine",
    .ops = &none_ops,
};
OBJECT_TYPE_REGISTER(none_machine_type)
