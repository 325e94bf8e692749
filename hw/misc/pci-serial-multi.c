/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pci-serial-2x and pci-serial-4x: several 16550A serial ports (hw/char/serial.h) as one PCI
 * function. Their registers follow each other in one I/O BAR, and they share INTA.
 */
#include "hw/char/serial.h"
#include "hw/pci/pci.h"

#define TYPE_PCI_SERIAL_MULTI "pci-serial-multi"

enum { MAX_PORTS = 4 };

typedef struct PciSerialMulti {
    PciDevice parent;
    /* configuration */
    char *chardev[MAX_PORTS];
    uint8_t prog_if;
    /* wiring */
    MemoryRegion bar;
    unsigned count; /* by type */
    /* state */
    Serial *ports; /* so many, while it is realized */
} PciSerialMulti;
OBJECT_CAST_DEFINE(PciSerialMulti, PCI_SERIAL_MULTI, TYPE_PCI_SERIAL_MULTI)

/* A port has changed its level: the pin is high while one of them is. */
static void multi_set_irq(Device *dev, int level)
{
    PciSerialMulti *s = PCI_SERIAL_MULTI(dev);
    bool any = false;

    for (unsigned i = 0; i < s->count; i++) {
        any |= s->ports[i].irq_level;
    }
    pci_set_irq(&s->parent, any);
}

static void multi_unrealize_ports(PciSerialMulti *s, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        s->ports[i].irq_level = false;
        serial_unrealize(&s->ports[i]);
    }
    g_clear_pointer(&s->ports, g_free);
}

static bool multi_realize(PciDevice *dev, GError **errp)
{
    PciSerialMulti *s = PCI_SERIAL_MULTI(dev);

    s->ports = g_new0(Serial, s->count);
    for (unsigned i = 0; i < s->count; i++) {
        s->ports[i].baudbase = SERIAL_BAUDBASE;
        s->ports[i].chardev = s->chardev[i];
        s->ports[i].dev = &dev->parent;
        s->ports[i].set_irq = multi_set_irq;
        if (!serial_realize(&s->ports[i], errp)) {
            multi_unrealize_ports(s, i);
            return false;
        }
    }
    dev->config[PCI_CLASS_PROG] = s->prog_if;
    memory_region_init_container(&s->bar, TYPE_PCI_SERIAL_MULTI, s->count * SERIAL_PORTS);
    for (unsigned i = 0; i < s->count; i++) {
        memory_region_add(&s->bar, i * SERIAL_PORTS, &s->ports[i].ports);
    }
    pci_add_bar(dev, 0, PCI_BAR_IO, &s->bar);
    return true;
}

static void multi_unrealize(PciDevice *dev)
{
    PciSerialMulti *s = PCI_SERIAL_MULTI(dev);

    for (unsigned i = 0; i < s->count; i++) {
        memory_region_remove(&s->ports[i].ports);
    }
    memory_region_destroy(&s->bar);
    multi_unrealize_ports(s, s->count);
}

static void multi_reset(PciDevice *dev)
{
    PciSerialMulti *s = PCI_SERIAL_MULTI(dev);

    for (unsigned i = 0; i < s->count; i++) {
        serial_reset(&s->ports[i]);
    }
}

/* The ports' own state is all there is. */
static void multi_loaded(PciDevice *dev)
{
}

static const StateTable port_state = {
    .name = "serial", .version = 1, .fields = serial_fields, .post_load = serial_post_load
};

static const StateField multi_fields[] = {
    STATE_STRUCT(PciSerialMulti, parent, &pci_device_state),
    STATE_ARRAY(PciSerialMulti, ports, count, &port_state),
    {},
};

static const StateTable multi_state = { .name = TYPE_PCI_SERIAL_MULTI,
                                        .version = 1,
                                        .fields = multi_fields };

static const PciFunctionClass multi_ops = {
    .device = { PCI_DEVICE_CLASS_CORE, .category = "input",
                .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG, .state = &multi_state },
    .realize = multi_realize,
    .unrealize = multi_unrealize,
    .reset = multi_reset,
    .loaded = multi_loaded,
};

static void multi_init(Object *obj, uint16_t device_id, unsigned count)
{
    const PciRegister registers[] = {
        { PCI_VENDOR_ID, 2, 0x1b36 },
        { PCI_DEVICE_ID, 2, device_id },
        { PCI_COMMAND, 2, 0, PCI_COMMAND_IO | PCI_COMMAND_INTX_DISABLE },
        { PCI_REVISION_ID, 1, 1 },
        { PCI_CLASS_DEVICE, 2, 0x0700 }, /* serial port */
        { PCI_SUBSYSTEM_VENDOR_ID, 2, PCI_SUBSYSTEM_VENDOR_BOARD },
        { PCI_SUBSYSTEM_ID, 2, PCI_SUBSYSTEM_BOARD },
        { PCI_INTERRUPT_LINE, 1, 0, 0xff },
        { PCI_INTERRUPT_PIN, 1, 1 },
    };

    pci_set_registers(PCI_DEVICE(obj), registers, G_N_ELEMENTS(registers));
    PCI_SERIAL_MULTI(obj)->count = count;
}

static void two_init(Object *obj)
{
    multi_init(obj, 0x0003, 2);
}

static void four_init(Object *obj)
{
    multi_init(obj, 0x0004, 4);
}

#define CHARDEV(n)                                                                \
    {                                                                             \
        .name = "chardev" #n, .kind = PROP_STRING,                                \
        .offset = offsetof(PciSerialMulti, chardev) + ((n)-1) * sizeof(char *),   \
        .description = "id of the character device at the other end of port " #n, \
    }
#define PROG_IF                                                                             \
    {                                                                                       \
        .name = "prog_if", .kind = PROP_UINT8, .offset = offsetof(PciSerialMulti, prog_if), \
        .has_default = true, .default_int = 2,                                              \
        .description = "programming interface of its class; 2: 16550",                      \
    }

static const Property two_properties[] = { CHARDEV(1), CHARDEV(2), PROG_IF, { 0 } };
static const Property four_properties[] = { CHARDEV(1), CHARDEV(2), CHARDEV(3),
                                            CHARDEV(4), PROG_IF,    { 0 } };

static const ObjectType multi_type = {
    .name = TYPE_PCI_SERIAL_MULTI,
    .parent = TYPE_PCI_DEVICE,
    .instance_size = sizeof(PciSerialMulti),
    .abstract = true,
};
OBJECT_TYPE_REGISTER(multi_type)

static const ObjectType two_type = {
    .name = "pci-serial-2x",
    .parent = TYPE_PCI_SERIAL_MULTI,
    .description = "two 16550A serial ports, a PCI function",
    .instance_size = sizeof(PciSerialMulti),
    .properties = two_properties,
    .ops = &multi_ops,
    .init = two_init,
};
OBJECT_TYPE_REGISTER(two_type)

static const ObjectType four_type = {
    .name = "pci-serial-4x",
    .parent = TYPE_PCI_SERIAL_MULTI,
    .description = "four 16550A serial ports, a PCI function",
    .instance_size = sizeof(PciSerialMulti),
    .properties = four_properties,
    .ops = &multi_ops,
    .init = four_init,
};
OBJECT_TYPE_REGISTER(four_type)
