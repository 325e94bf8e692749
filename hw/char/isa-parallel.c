/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/char/isa-parallel.h"

#include <inttypes.h>

#include "chardev/char.h"
#include "chardev/chardev.h"
#include "hw/char/isa-ports.h"
#include "hw/core/irq-lines.h"
#include "hw/intc/isa-irq.h"
#include "memory/memory.h"
#include "util/error.h"

enum { DATA, STATUS, CONTROL };
#define PORTS ISA_PARALLEL_PORTS

/* Inputs from the printer, as their pins are: BUSY is read inverted. */
enum {
    STATUS_RESERVED = 0x01,
    STATUS_ERROR_N = 0x08,
    STATUS_SELECTED = 0x10,
    STATUS_ACK_N = 0x40,
    STATUS_BUSY_N = 0x80,
};
#define STATUS_IDLE \
    (STATUS_RESERVED | STATUS_ERROR_N | STATUS_SELECTED | STATUS_ACK_N | STATUS_BUSY_N)

enum {
    CONTROL_STROBE = 0x01,
    CONTROL_INIT_N = 0x04,
    CONTROL_SELECT = 0x08,
    CONTROL_IRQ = 0x10,
    CONTROL_INPUT = 0x20, /* the data lines are the other side's */
    CONTROL_RESERVED = 0xc0,
};

static const uint16_t parallel_ports[ISA_PARALLELS] = { 0x378, 0x278, 0x3bc };

typedef struct IsaParallel {
    Device parent;
    /* configuration */
    uint32_t index, iobase, irq_number;
    char *chardev; /* property: id of the printer */
    /* wiring */
    Chardev *chr; /* -parallel's choice, instead of `chardev` */
    CharFrontend fe;
    Irq irq;
    MemoryRegion ports;
    /* state */
    uint8_t data, status, control;
    bool pending; /* the interrupt, until the guest reads the status */
} IsaParallel;
OBJECT_CAST_DEFINE(IsaParallel, ISA_PARALLEL, TYPE_ISA_PARALLEL)

static IsaParallel *parallels[ISA_PARALLELS]; /* by index; NULL: none */

static void parallel_update(IsaParallel *s)
{
    irq_set(&s->irq, s->pending && s->control & CONTROL_IRQ);
}

/* The beginning of a strobe: the printer takes the byte, and is busy until the strobe ends. */
static void parallel_strobe(IsaParallel *s)
{
    char_write(&s->fe, &s->data, 1);
    s->status &= ~STATUS_BUSY_N;
}

/* It has taken it: a pulse of nACK, whose end is the interrupt. The guest sees its low level once.
 */
static void parallel_acknowledge(IsaParallel *s)
{
    s->status |= STATUS_BUSY_N;
    s->status &= ~STATUS_ACK_N;
    s->pending = s->control & CONTROL_IRQ;
}

static void parallel_write_control(IsaParallel *s, uint8_t value)
{
    uint8_t changed = s->control ^ value;

    s->control = value | CONTROL_RESERVED;
    if (!(value & CONTROL_INIT_N)) {
        s->status = STATUS_IDLE; /* the printer begins anew */
    } else if (changed & CONTROL_STROBE && value & CONTROL_SELECT) {
        if (value & CONTROL_STROBE) {
            parallel_strobe(s);
        } else {
            parallel_acknowledge(s);
        }
    }
    if (!(value & CONTROL_IRQ)) {
        s->pending = false;
    }
    parallel_update(s);
}

static uint8_t parallel_read_status(IsaParallel *s)
{
    uint8_t value = s->status;

    s->status |= STATUS_ACK_N;
    s->pending = false;
    parallel_update(s);
    return value;
}

static uint64_t parallel_read(void *opaque, hwaddr addr, unsigned size)
{
    IsaParallel *s = opaque;

    switch (addr) {
    case DATA: /* nobody drives the lines but the guest itself */
        return s->control & CONTROL_INPUT ? 0xff : s->data;
    case STATUS:
        return parallel_read_status(s);
    case CONTROL:
        return s->control;
    }
    return 0xff;
}

static void parallel_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    IsaParallel *s = opaque;

    if (addr == DATA) {
        s->data = (uint8_t)value;
    } else if (addr == CONTROL) {
        parallel_write_control(s, (uint8_t)value);
    }
}

static const MemoryRegionOps parallel_ops = { parallel_read, parallel_write, 1, 1 };

static void parallel_reset(Device *dev)
{
    IsaParallel *s = ISA_PARALLEL(dev);

    s->data = 0xff;
    s->status = STATUS_IDLE;
    s->control = CONTROL_RESERVED | CONTROL_SELECT | CONTROL_INIT_N;
    s->pending = false;
    parallel_update(s);
}

/* Find index and port where the user did not say. */
static bool parallel_place(IsaParallel *s, GError **errp)
{
    if (s->index == PROP_UNSET) {
        s->index = 0;
        while (s->index < ISA_PARALLELS && parallels[s->index]) {
            s->index++;
        }
    }
    if (s->index >= ISA_PARALLELS) {
        error_set(errp, "there are %d parallel ports at most: 'index' is 0 to %d", ISA_PARALLELS,
                  ISA_PARALLELS - 1);
        return false;
    }
    if (parallels[s->index]) {
        error_set(errp, "there is a parallel port with 'index' %" PRIu32 " already", s->index);
        return false;
    }
    if (s->iobase == PROP_UNSET) {
        s->iobase = parallel_ports[s->index];
    }
    if (s->iobase > 0x10000 - PORTS) {
        error_set(errp, "'iobase' 0x%" PRIx32 " is no port for %d registers; it is 0 to 0x%x",
                  s->iobase, PORTS, 0x10000 - PORTS);
        return false;
    }
    if (s->irq_number >= ISA_IRQS) {
        error_set(errp, "'irq' %" PRIu32 " does not exist; it is 0 to %d", s->irq_number,
                  ISA_IRQS - 1);
        return false;
    }
    return isa_ports_free("iobase", s->iobase, PORTS, errp);
}

static bool parallel_attach(IsaParallel *s, GError **errp)
{
    Chardev *chr = s->chardev ? chardev_find(s->chardev) : s->chr;

    if (!chr) {
        error_set(errp, "chardev '%s' not found; a parallel port needs one: -chardev ...,id=ID",
                  s->chardev ? s->chardev : "");
        return false;
    }
    s->fe = (CharFrontend){ .opaque = s, .can_change = true };
    return char_attach(chr, &s->fe, errp);
}

static bool parallel_realize(Device *dev, GError **errp)
{
    IsaParallel *s = ISA_PARALLEL(dev);

    if (!parallel_place(s, errp) || !parallel_attach(s, errp)) {
        return false;
    }
    s->irq = isa_irq(s->irq_number);
    parallel_reset(dev);
    memory_region_init_io(&s->ports, &parallel_ops, s, "parallel", PORTS);
    memory_region_add(memory_io(), s->iobase, &s->ports);
    parallels[s->index] = s;
    return true;
}

static void parallel_unrealize(Device *dev)
{
    IsaParallel *s = ISA_PARALLEL(dev);

    parallels[s->index] = NULL;
    memory_region_remove(&s->ports);
    memory_region_destroy(&s->ports);
    char_detach(&s->fe);
}

bool isa_parallel_find(unsigned index, unsigned *port, unsigned *irq)
{
    const IsaParallel *s = parallels[index];

    if (s) {
        *port = s->iobase;
        *irq = s->irq_number;
    }
    return s;
}

static void parallel_init(Object *obj)
{
    IsaParallel *s = ISA_PARALLEL(obj);

    s->index = s->iobase = PROP_UNSET;
}

static const Property parallel_properties[] = {
    { .name = "index",
      .kind = PROP_UINT32,
      .offset = offsetof(IsaParallel, index),
      .description = "0 to 2 for LPT1 to LPT3 (the first free one if not set)" },
    { .name = "iobase",
      .kind = PROP_UINT32,
      .offset = offsetof(IsaParallel, iobase),
      .description = "first of its ports (by index if not set)" },
    { .name = "irq",
      .kind = PROP_UINT32,
      .offset = offsetof(IsaParallel, irq_number),
      .has_default = true,
      .default_int = 7,
      .description = "ISA interrupt line, 0 to 15" },
    { .name = "chardev",
      .kind = PROP_STRING,
      .offset = offsetof(IsaParallel, chardev),
      .description = "id of the character device that gets what is printed" },
    { 0 },
};

static const StateField parallel_fields[] = {
    STATE_UINT(IsaParallel, data),
    STATE_UINT(IsaParallel, status),
    STATE_UINT(IsaParallel, control),
    STATE_BOOL(IsaParallel, pending),
    {},
};

static const StateTable parallel_state = { .name = "parallel",
                                           .version = 1,
                                           .fields = parallel_fields };

static const DeviceClass parallel_device_ops = {
    .category = "input",
    .flags = DEVICE_USER_CREATABLE,
    .realize = parallel_realize,
    .unrealize = parallel_unrealize,
    .reset = parallel_reset,
    .state = &parallel_state,
};

static const ObjectType parallel_type = {
    .name = TYPE_ISA_PARALLEL,
    .parent = TYPE_DEVICE,
    .description = "Parallel port with a printer",
    .instance_size = sizeof(IsaParallel),
    .properties = parallel_properties,
    .ops = &parallel_device_ops,
    .init = parallel_init,
};
OBJECT_TYPE_REGISTER(parallel_type)

static const IrqLines parallel_lines[] = {
    { .type = TYPE_ISA_PARALLEL, .out = true, .offset = offsetof(IsaParallel, irq), .count = 1 },
    {},
};
IRQ_LINES_REGISTER(parallel_lines)

Device *isa_parallel_create(unsigned index, Chardev *chr, GError **errp)
{
    IsaParallel *s = ISA_PARALLEL(device_new_onboard(TYPE_ISA_PARALLEL));

    s->index = index;
    s->chr = chr;
    if (!device_realize(&s->parent, errp)) {
        object_unparent(&s->parent.parent);
        return NULL;
    }
    return &s->parent;
}
