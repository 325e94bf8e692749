/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/char/isa-debugcon.h"

#include "chardev/chardev.h"
#include "hw/char/isa-ports.h"
#include "memory/memory.h"
#include "util/error.h"

#define DEFAULT_PORT 0xe9

typedef struct Debugcon {
    Device parent;
    /* configuration */
    uint32_t iobase, readback;
    char *chardev;
    /* wiring */
    Chardev *chr; /* -debugcon's choice, instead of `chardev` */
    CharFrontend fe;
    MemoryRegion port;
} Debugcon;
OBJECT_CAST_DEFINE(Debugcon, DEBUGCON, TYPE_ISA_DEBUGCON)

static uint64_t debugcon_read(void *opaque, hwaddr addr, unsigned size)
{
    Debugcon *s = opaque;

    return s->readback;
}

static void debugcon_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Debugcon *s = opaque;
    uint8_t byte = value;

    char_write(&s->fe, &byte, 1);
}

static const MemoryRegionOps debugcon_ops = { debugcon_read, debugcon_write, 1, 1 };

static bool debugcon_realize(Device *dev, GError **errp)
{
    Debugcon *s = DEBUGCON(dev);
    Chardev *chr = s->chardev ? chardev_find(s->chardev) : s->chr;

    if (!chr) {
        error_set(errp,
                  s->chardev ? "chardev '%s' not found; make it with -chardev ...,id=%s"
                             : "'chardev' is not set; isa-debugcon needs one",
                  s->chardev, s->chardev);
        return false;
    }
    if (s->iobase > 0xffff) {
        error_set(errp, "'iobase' 0x%" PRIx32 " is no port; it is 0 to 0xffff", s->iobase);
        return false;
    }
    if (!isa_ports_free("iobase", s->iobase, 1, errp)) {
        return false;
    }
    s->fe = (CharFrontend){ 0 };
    if (!char_attach(chr, &s->fe, errp)) {
        return false;
    }
    memory_region_init_io(&s->port, &debugcon_ops, s, "isa-debugcon", 1);
    memory_region_add(memory_io(), s->iobase, &s->port);
    return true;
}

static void debugcon_unrealize(Device *dev)
{
    Debugcon *s = DEBUGCON(dev);

    memory_region_remove(&s->port);
    memory_region_destroy(&s->port);
    char_detach(&s->fe);
}

static const Property debugcon_properties[] = {
    { .name = "chardev",
      .kind = PROP_STRING,
      .offset = offsetof(Debugcon, chardev),
      .description = "id of the character device that gets what is written" },
    { .name = "iobase",
      .kind = PROP_UINT32,
      .offset = offsetof(Debugcon, iobase),
      .description = "its port",
      .has_default = true,
      .default_int = DEFAULT_PORT },
    { .name = "readback",
      .kind = PROP_UINT32,
      .offset = offsetof(Debugcon, readback),
      .description = "what the port reads as, by which firmware finds it",
      .has_default = true,
      .default_int = 0xe9 },
    { 0 },
};

static const DeviceClass debugcon_device_ops = {
    .category = "misc",
    .flags = DEVICE_USER_CREATABLE,
    .realize = debugcon_realize,
    .unrealize = debugcon_unrealize,
};

static const ObjectType debugcon_type = {
    .name = TYPE_ISA_DEBUGCON,
    .parent = TYPE_DEVICE,
    .description = "Debug console port",
    .instance_size = sizeof(Debugcon),
    .properties = debugcon_properties,
    .ops = &debugcon_device_ops,
};
OBJECT_TYPE_REGISTER(debugcon_type)

Device *isa_debugcon_create(Chardev *chr, GError **errp)
{
    Debugcon *s = DEBUGCON(device_new_onboard(TYPE_ISA_DEBUGCON));

    s->chr = chr;
    if (!device_realize(&s->parent, errp)) {
        object_unparent(&s->parent.parent);
        return NULL;
    }
    return &s->parent;
}
