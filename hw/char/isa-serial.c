/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/char/isa-serial.h"

#include <inttypes.h>
#include <json-c/json.h>

#include "hw/char/isa-ports.h"
#include "hw/char/serial.h"
#include "hw/core/irq-lines.h"
#include "hw/intc/isa-irq.h"
#include "util/error.h"

/* Where the PC has its serial ports. */
static const struct {
    uint16_t port;
    uint8_t irq;
} isa_serial_places[ISA_SERIAL_PORTS] = { { 0x3f8, 4 }, { 0x2f8, 3 }, { 0x3e8, 4 }, { 0x2e8, 3 } };

typedef struct IsaSerial {
    Device parent;
    /* configuration */
    uint32_t index, iobase, irq_number;
    /* wiring */
    Irq irq;
    Serial port;
} IsaSerial;
OBJECT_CAST_DEFINE(IsaSerial, ISA_SERIAL, TYPE_ISA_SERIAL)

/* Ports in use: an array of IsaSerial *, borrowed. */
static GPtrArray *serials;

static bool serial_port_taken(uint32_t iobase)
{
    for (unsigned i = 0; serials && i < serials->len; i++) {
        const IsaSerial *other = g_ptr_array_index(serials, i);

        if (iobase < other->iobase + SERIAL_PORTS && other->iobase < iobase + SERIAL_PORTS) {
            return true;
        }
    }
    return false;
}

/* Find index, port and interrupt line where the user did not say. */
static bool serial_place(IsaSerial *s, GError **errp)
{
    if (s->index == PROP_UNSET) {
        s->index = 0;
        while (s->iobase == PROP_UNSET && s->index < ISA_SERIAL_PORTS &&
               serial_port_taken(isa_serial_places[s->index].port)) {
            s->index++;
        }
        if (s->index == ISA_SERIAL_PORTS) {
            error_set(errp, "all %d serial ports are in use; set 'iobase' and 'irq' for one more",
                      ISA_SERIAL_PORTS);
            return false;
        }
    }
    if (s->index >= ISA_SERIAL_PORTS) {
        error_set(errp, "serial port index %" PRIu32 " does not exist; it is 0 to %d", s->index,
                  ISA_SERIAL_PORTS - 1);
        return false;
    }
    if (s->iobase == PROP_UNSET) {
        s->iobase = isa_serial_places[s->index].port;
    }
    if (s->irq_number == PROP_UNSET) {
        s->irq_number = isa_serial_places[s->index].irq;
    }
    if (s->iobase > 0x10000 - SERIAL_PORTS) {
        error_set(errp, "'iobase' 0x%" PRIx32 " is no port for 8 registers; it is 0 to 0xfff8",
                  s->iobase);
        return false;
    }
    if (s->irq_number >= ISA_IRQS) {
        error_set(errp, "'irq' %" PRIu32 " does not exist; it is 0 to %d", s->irq_number,
                  ISA_IRQS - 1);
        return false;
    }
    if (!isa_ports_free("iobase", s->iobase, SERIAL_PORTS, errp)) {
        return false;
    }
    return true;
}

static void isa_serial_set_irq(Device *dev, int level)
{
    irq_set(&ISA_SERIAL(dev)->irq, level);
}

static bool isa_serial_realize(Device *dev, GError **errp)
{
    IsaSerial *s = ISA_SERIAL(dev);

    if (!serial_place(s, errp)) {
        return false;
    }
    s->irq = isa_irq(s->irq_number);
    s->port.dev = dev;
    s->port.set_irq = isa_serial_set_irq;
    if (!serial_realize(&s->port, errp)) {
        return false;
    }
    if (!serials) {
        serials = g_ptr_array_new();
    }
    g_ptr_array_add(serials, s);
    memory_region_add(memory_io(), s->iobase, &s->port.ports);
    return true;
}

static void isa_serial_unrealize(Device *dev)
{
    IsaSerial *s = ISA_SERIAL(dev);

    memory_region_remove(&s->port.ports);
    serial_unrealize(&s->port);
    g_ptr_array_remove(serials, s);
}

static void isa_serial_reset(Device *dev)
{
    serial_reset(&ISA_SERIAL(dev)->port);
}

static void isa_serial_init(Object *obj)
{
    IsaSerial *s = ISA_SERIAL(obj);

    s->index = s->iobase = s->irq_number = PROP_UNSET;
}

static const Property isa_serial_properties[] = {
    SERIAL_PROPERTIES(IsaSerial, port),
    { .name = "index",
      .kind = PROP_UINT32,
      .offset = offsetof(IsaSerial, index),
      .description = "0 to 3 for COM1 to COM4 (the first free one if not set)" },
    { .name = "iobase",
      .kind = PROP_UINT32,
      .offset = offsetof(IsaSerial, iobase),
      .description = "first of its 8 ports (by index if not set)" },
    { .name = "irq",
      .kind = PROP_UINT32,
      .offset = offsetof(IsaSerial, irq_number),
      .description = "ISA interrupt line, 0 to 15 (by index if not set)" },
    { .name = "wakeup",
      .kind = PROP_BOOL,
      .offset = offsetof(IsaSerial, port.wakeup),
      .has_default = true,
      .description = "input wakes a guest that sleeps (ACPI S3)" },
    { 0 },
};

static bool isa_serial_loaded(void *obj, GError **errp)
{
    return serial_post_load(&ISA_SERIAL(obj)->port, errp);
}

static const StateTable isa_serial_state = { .name = "serial",
                                             .version = 1,
                                             .fields = serial_fields,
                                             .base = offsetof(IsaSerial, port),
                                             .post_load = isa_serial_loaded };

static const DeviceClass isa_serial_ops = {
    .category = "input",
    .flags = DEVICE_USER_CREATABLE,
    .realize = isa_serial_realize,
    .unrealize = isa_serial_unrealize,
    .reset = isa_serial_reset,
    .state = &isa_serial_state,
};

static const ObjectType isa_serial_type = {
    .name = TYPE_ISA_SERIAL,
    .parent = TYPE_DEVICE,
    .description = "16550A serial port",
    .instance_size = sizeof(IsaSerial),
    .properties = isa_serial_properties,
    .ops = &isa_serial_ops,
    .init = isa_serial_init,
};
OBJECT_TYPE_REGISTER(isa_serial_type)

static const IrqLines isa_serial_lines[] = {
    { .type = TYPE_ISA_SERIAL, .out = true, .offset = offsetof(IsaSerial, irq), .count = 1 },
    {},
};
IRQ_LINES_REGISTER(isa_serial_lines)

Device *isa_serial_create(unsigned index, Chardev *chr, GError **errp)
{
    IsaSerial *s = ISA_SERIAL(device_new_onboard(TYPE_ISA_SERIAL));

    s->index = index;
    s->port.chr = chr;
    if (!device_realize(&s->parent, errp)) {
        object_unparent(&s->parent.parent);
        return NULL;
    }
    return &s->parent;
}

unsigned isa_serial_port(unsigned index)
{
    return isa_serial_places[index % ISA_SERIAL_PORTS].port;
}

unsigned isa_serial_irq(unsigned index)
{
    return isa_serial_places[index % ISA_SERIAL_PORTS].irq;
}
