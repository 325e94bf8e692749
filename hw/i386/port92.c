/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/i386/port92.h"

#include "hw/core/runstate.h"

enum {
    RESET = 1 << 0,
    A20 = 1 << 1,
};

typedef struct Port92 {
    Device parent;
    uint8_t value;
    /* wiring */
    MemoryRegion port;
} Port92;
OBJECT_CAST_DEFINE(Port92, PORT92, TYPE_PORT92)

static uint64_t port92_read(void *opaque, hwaddr addr, unsigned size)
{
    Port92 *s = opaque;

    return s->value;
}

static void port92_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Port92 *s = opaque;
    bool reset = value & RESET && !(s->value & RESET);

    s->value = value;
    if (reset) {
        runstate_request_reset(SHUTDOWN_CAUSE_GUEST_RESET);
    }
}

static const MemoryRegionOps port92_ops = { port92_read, port92_write, 1, 1 };

static void port92_reset(Device *dev)
{
    PORT92(dev)->value = A20;
}

static const StateField port92_fields[] = {
    STATE_UINT(Port92, value),
    {},
};

static const StateTable port92_state = { .name = "port92", .version = 1, .fields = port92_fields };

static const DeviceClass port92_device_ops = {
    .category = "misc",
    .reset = port92_reset,
    .state = &port92_state,
};

static const ObjectType port92_type = {
    .name = TYPE_PORT92,
    .parent = TYPE_DEVICE,
    .description = "System control port A (0x92)",
    .instance_size = sizeof(Port92),
    .ops = &port92_device_ops,
};
OBJECT_TYPE_REGISTER(port92_type)

void port92_create(MemoryRegion *io)
{
    Port92 *s = PORT92(device_new_onboard(TYPE_PORT92));

    s->value = A20;
    memory_region_init_io(&s->port, &port92_ops, s, "port92", 1);
    device_map(&s->parent, io, 0x92, &s->port, 0);
    device_realize(&s->parent, NULL);
}
