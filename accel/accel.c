/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/accel.h"

#include "qom/object.h"
#include "util/error.h"

AccelOptions accel_options;

static const AccelOps *current;

const AccelOps *accel_current(void)
{
    return current;
}

void accel_set(const AccelOps *ops)
{
    current = ops;
}

const AccelApicOps *accel_apics(void)
{
    return current && current->apics ? current->apics() : NULL;
}

bool accel_has_smm(GError **errp)
{
    if (!current || !current->init_smm) {
        error_set(errp, "the %s engine has no system management mode",
                  current ? current->name : "missing");
        return false;
    }
    return !current->has_smm || current->has_smm(errp);
}

bool accel_memory_room(unsigned ranges, GError **errp)
{
    return !current || !current->memory_room || current->memory_room(ranges, errp);
}

static const ObjectType accel_type = {
    .name = TYPE_ACCEL,
    .parent = "object",
    .description = "an engine that runs the CPUs",
    .instance_size = sizeof(Object),
    .abstract = true,
};
OBJECT_TYPE_REGISTER(accel_type)
