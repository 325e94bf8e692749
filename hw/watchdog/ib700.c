/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ib700: the watchdog of the iBASE IB700 board (its manual, "Watchdog Timer Configuration"). A
 * write to one port starts it, or starts it again; a write to the other stops it. It cannot be
 * read.
 */
#include "hw/char/isa-ports.h"
#include "hw/core/device.h"
#include "hw/watchdog/watchdog.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/timer.h"

#define TYPE_IB700 "ib700"

enum {
    PORTS = 0x441,
    PORT_COUNT = 3,
    STOP = 0, /* of them */
    START = 2,
    LONGEST = 30, /* seconds; each step of the four bits that are written to START takes off 2 */
    STEP = 2,
    STEPS = 15,
};

typedef struct Ib700 {
    Device parent;
    /* wiring */
    MemoryRegion ports;
    /* state */
    Timer *timer;
} Ib700;
OBJECT_CAST_DEFINE(Ib700, IB700, TYPE_IB700)

static uint64_t ib700_read(void *opaque, hwaddr addr, unsigned size)
{
    return 0xff;
}

static void ib700_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Ib700 *s = opaque;

    if (addr == START) {
        timer_mod(s->timer, clock_ns() + (LONGEST - STEP * (value & STEPS)) * NS_PER_SEC);
    } else if (addr == STOP) {
        timer_del(s->timer);
    }
}

static const MemoryRegionOps ib700_ops = { ib700_read, ib700_write, 1, 1 };

static void ib700_expired(void *opaque)
{
    watchdog_fired();
}

static void ib700_reset(Device *dev)
{
    timer_del(IB700(dev)->timer);
}

static bool ib700_realize(Device *dev, GError **errp)
{
    Ib700 *s = IB700(dev);

    if (!isa_ports_free(NULL, PORTS, PORT_COUNT, errp)) {
        return false;
    }
    s->timer = timer_new(ib700_expired, s);
    memory_region_init_io(&s->ports, &ib700_ops, s, TYPE_IB700, PORT_COUNT);
    device_map(dev, memory_io(), PORTS, &s->ports, 0);
    return true;
}

static void ib700_unrealize(Device *dev)
{
    Ib700 *s = IB700(dev);

    memory_region_destroy(&s->ports);
    timer_free(s->timer);
}

static const StateField ib700_fields[] = {
    STATE_TIMER(Ib700, timer),
    {},
};

static const StateTable ib700_state = { .name = TYPE_IB700, .version = 1, .fields = ib700_fields };

static const DeviceClass ib700_device_ops = {
    .category = "watchdog",
    .flags = DEVICE_USER_CREATABLE,
    .realize = ib700_realize,
    .unrealize = ib700_unrealize,
    .reset = ib700_reset,
    .state = &ib700_state,
};

static const ObjectType ib700_type = {
    .name = TYPE_IB700,
    .parent = TYPE_DEVICE,
    .description = "Watchdog: iBASE IB700, ports 0x441 and 0x443",
    .instance_size = sizeof(Ib700),
    .ops = &ib700_device_ops,
};
OBJECT_TYPE_REGISTER(ib700_type)
