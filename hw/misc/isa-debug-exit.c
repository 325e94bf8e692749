/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The debug exit: a write to its port ends the program, with a status that says what was written.
 * Test guests report success or failure by it. `-device isa-debug-exit[,iobase=0x501][,iosize=2]`.
 */
#include "accel/vcpu.h"
#include "hw/char/isa-ports.h"
#include "hw/core/device.h"
#include "hw/core/runstate.h"
#include "memory/memory.h"
#include "util/error.h"

#define DEFAULT_PORT 0x501
#define DEFAULT_SIZE 2
#define MAX_SIZE     8

typedef struct DebugExit {
    Device parent;
    /* configuration */
    uint32_t iobase, iosize;
    /* wiring */
    MemoryRegion ports;
} DebugExit;
OBJECT_CAST_DEFINE(DebugExit, DEBUG_EXIT, "isa-debug-exit")

static uint64_t debug_exit_read(void *opaque, hwaddr addr, unsigned size)
{
    return 0;
}

/* Bit 0 of the status is always set, so that it cannot be taken for an ordinary shutdown. */
static void debug_exit_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    runstate_set_exit_status((int)((value << 1 | 1) & 0xff));
    runstate_request_shutdown(SHUTDOWN_CAUSE_GUEST_SHUTDOWN);
    vcpu_stop_self();
}

static const MemoryRegionOps debug_exit_ops = { debug_exit_read, debug_exit_write, 1, 4 };

static bool debug_exit_realize(Device *dev, GError **errp)
{
    DebugExit *s = DEBUG_EXIT(dev);

    if (s->iosize == 0 || s->iosize > MAX_SIZE) {
        error_set(errp, "'iosize' %" PRIu32 " is not possible; it is 1 to %d bytes", s->iosize,
                  MAX_SIZE);
        return false;
    }
    if (s->iobase > 0x10000 - s->iosize) {
        error_set(errp,
                  "'iobase' 0x%" PRIx32 " is no port; with this 'iosize' it is 0 to 0x%" PRIx32,
                  s->iobase, 0x10000 - s->iosize);
        return false;
    }
    if (!isa_ports_free("iobase", s->iobase, s->iosize, errp)) {
        return false;
    }
    memory_region_init_io(&s->ports, &debug_exit_ops, s, "isa-debug-exit", s->iosize);
    memory_region_add(memory_io(), s->iobase, &s->ports);
    return true;
}

static void debug_exit_unrealize(Device *dev)
{
    DebugExit *s = DEBUG_EXIT(dev);

    memory_region_remove(&s->ports);
    memory_region_destroy(&s->ports);
}

static const Property debug_exit_properties[] = {
    { .name = "iobase",
      .kind = PROP_UINT32,
      .offset = offsetof(DebugExit, iobase),
      .description = "its first port",
      .has_default = true,
      .default_int = DEFAULT_PORT },
    { .name = "iosize",
      .kind = PROP_UINT32,
      .offset = offsetof(DebugExit, iosize),
      .description = "how many ports it has",
      .has_default = true,
      .default_int = DEFAULT_SIZE },
    { 0 },
};

static const DeviceClass debug_exit_device_ops = {
    .category = "misc",
    .flags = DEVICE_USER_CREATABLE,
    .realize = debug_exit_realize,
    .unrealize = debug_exit_unrealize,
};

static const ObjectType debug_exit_type = {
    .name = "isa-debug-exit",
    .parent = TYPE_DEVICE,
    .description = "Ends the program when the guest writes to its port",
    .instance_size = sizeof(DebugExit),
    .properties = debug_exit_properties,
    .ops = &debug_exit_device_ops,
};
OBJECT_TYPE_REGISTER(debug_exit_type)
