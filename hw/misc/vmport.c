/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * VMware's port, by name: no machine has it. Clients look for the type before they say `-machine
 * vmport=off`.
 */
#include "hw/core/device.h"
#include "util/error.h"

static bool vmport_realize(Device *dev, GError **errp)
{
    error_set(errp, "there is no VMware port");
    return false;
}

static const DeviceClass vmport_class = { .category = "misc", .realize = vmport_realize };

static const ObjectType vmport_type = {
    .name = "vmport",
    .parent = TYPE_DEVICE,
    .description = "VMware's port; no machine has it",
    .instance_size = sizeof(Device),
    .ops = &vmport_class,
};
OBJECT_TYPE_REGISTER(vmport_type)
