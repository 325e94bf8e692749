/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The empty machine: no CPUs, no memory, no devices. Management tools ask it what there is. */
#include "hw/core/machine.h"

static bool none_init(Machine *machine, GError **errp)
{
    return true;
}

static const MachineOps none_ops = {
    .name = "none",
    .description = "empty machine",
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
