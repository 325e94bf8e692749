/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The register, and the device that has it as a port. */
#include "hw/misc/pvpanic.h"

#include <inttypes.h>
#include <json-c/json.h>

#include "hw/char/isa-ports.h"
#include "hw/core/device.h"
#include "hw/core/runstate.h"
#include "util/error.h"

#define DEFAULT_PORT 0x505

static uint64_t pvpanic_read(void *opaque, hwaddr addr, unsigned size)
{
    const PvPanic *s = opaque;

    return s->events;
}

static void pvpanic_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    const PvPanic *s = opaque;

    value &= s->events;
    if (value & PVPANIC_PANICKED) {
        runstate_guest_panicked(NULL);
    } else if (value & PVPANIC_CRASHLOADED) {
        runstate_guest_crashloaded();
    }
}

const MemoryRegionOps pvpanic_region_ops = { pvpanic_read, pvpanic_write, 1, 1 };

bool pvpanic_check_events(Object *obj, const Property *prop, struct json_object *value,
                          GError **errp)
{
    int64_t events = json_object_get_int64(value);

    if (events & ~PVPANIC_EVENTS) {
        error_set(errp,
                  "'events' %" PRId64 " has bits that are no event; it is the sum of 1 (a panic) "
                  "and 2 (a crash kernel takes over)",
                  events);
        return false;
    }
    return true;
}

/* ---- as a port ---- */

#define TYPE_PVPANIC "pvpanic"

typedef struct PvPanicIsa {
    Device parent;
    /* configuration */
    PvPanic panic;
    uint16_t ioport;
    /* wiring */
    MemoryRegion port;
} PvPanicIsa;
OBJECT_CAST_DEFINE(PvPanicIsa, PVPANIC_ISA, TYPE_PVPANIC)

uint16_t pvpanic_isa_port(void)
{
    Object *found = object_find_type(TYPE_PVPANIC);

    return found && DEVICE(found)->realized ? PVPANIC_ISA(found)->ioport : 0;
}

static bool pvpanic_isa_realize(Device *dev, GError **errp)
{
    PvPanicIsa *s = PVPANIC_ISA(dev);
    uint16_t other = pvpanic_isa_port();

    if (other) {
        error_set(errp, "there is a pvpanic device already, at port 0x%" PRIx16 "; one is enough",
                  other);
        return false;
    }
    if (!isa_ports_free("ioport", s->ioport, 1, errp)) {
        return false;
    }
    memory_region_init_io(&s->port, &pvpanic_region_ops, &s->panic, "pvpanic", 1);
    device_map(dev, memory_io(), s->ioport, &s->port, 0);
    return true;
}

static void pvpanic_isa_unrealize(Device *dev)
{
    memory_region_destroy(&PVPANIC_ISA(dev)->port);
}

static const Property pvpanic_isa_properties[] = {
    { .name = "ioport",
      .kind = PROP_UINT16,
      .offset = offsetof(PvPanicIsa, ioport),
      .description = "its port",
      .has_default = true,
      .default_int = DEFAULT_PORT },
    PVPANIC_PROPERTY_EVENTS(PvPanicIsa, panic),
    { 0 },
};

static const DeviceClass pvpanic_isa_device_ops = {
    .category = "misc",
    .flags = DEVICE_USER_CREATABLE,
    .realize = pvpanic_isa_realize,
    .unrealize = pvpanic_isa_unrealize,
};

static const ObjectType pvpanic_isa_type = {
    .name = TYPE_PVPANIC,
    .parent = TYPE_DEVICE,
    .description = "A port by which the guest reports a panic",
    .instance_size = sizeof(PvPanicIsa),
    .properties = pvpanic_isa_properties,
    .ops = &pvpanic_isa_device_ops,
};
OBJECT_TYPE_REGISTER(pvpanic_isa_type)
