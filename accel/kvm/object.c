/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What users see of the engine in "/accel". Its options are AccelOptions. */
#include "accel/accel.h"
#include "accel/kvm/kvm-internal.h"
#include "qom/object.h"

static struct json_object *get_slots(Object *obj, const Property *prop, GError **errp)
{
    return json_object_new_int64(kvm_vm.max_memslots);
}

static struct json_object *get_slots_used(Object *obj, const Property *prop, GError **errp)
{
    return json_object_new_int64(kvm_memslots_used());
}

static struct json_object *get_irqchip(Object *obj, const Property *prop, GError **errp)
{
    static const char *const names[] = {
        [KVM_IRQCHIP_OFF] = "off",
        [KVM_IRQCHIP_SPLIT] = "split",
        [KVM_IRQCHIP_FULL] = "on",
    };

    return json_object_new_string(names[kvm_vm.irqchip]);
}

static const Property properties[] = {
    { .name = "memory-slots",
      .kind = PROP_CUSTOM,
      .custom_type = "int",
      .description = "how many ranges of RAM KVM takes, a DIMM is one",
      .get = get_slots },
    { .name = "memory-slots-used",
      .kind = PROP_CUSTOM,
      .custom_type = "int",
      .description = "how many of them there are now",
      .get = get_slots_used },
    { .name = "kernel-irqchip",
      .kind = PROP_CUSTOM,
      .custom_type = "str",
      .description = "which interrupt controllers are the kernel's: on, split, off",
      .get = get_irqchip },
    { 0 },
};

static const ObjectType kvm_accel_type = {
    .name = KVM_ACCEL_TYPE,
    .parent = TYPE_ACCEL,
    .description = "the KVM engine",
    .properties = properties,
};
OBJECT_TYPE_REGISTER(kvm_accel_type)
