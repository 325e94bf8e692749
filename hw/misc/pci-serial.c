/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pci-serial: a 16550A serial port (hw/char/serial.h) as a PCI function with eight ports and INTA.
 * Guests know it by its class, 07.00 with the programming interface of a 16550.
 */
#include "hw/char/serial.h"
#include "hw/pci/pci.h"

#define TYPE_PCI_SERIAL "pci-serial"

typedef struct PciSerial {
    PciDevice parent;
    Serial port;
} PciSerial;
OBJECT_CAST_DEFINE(PciSerial, PCI_SERIAL, TYPE_PCI_SERIAL)

static const PciRegister pci_serial_registers[] = {
    { PCI_VENDOR_ID, 2, 0x1b36 },
    { PCI_DEVICE_ID, 2, 0x0002 },
    { PCI_COMMAND, 2, 0, PCI_COMMAND_IO | PCI_COMMAND_INTX_DISABLE },
    { PCI_REVISION_ID, 1, 1 },
    { PCI_CLASS_PROG, 1, 2 },        /* 16550 */
    { PCI_CLASS_DEVICE, 2, 0x0700 }, /* serial port */
    { PCI_SUBSYSTEM_VENDOR_ID, 2, PCI_SUBSYSTEM_VENDOR_BOARD },
    { PCI_SUBSYSTEM_ID, 2, PCI_SUBSYSTEM_BOARD },
    { PCI_INTERRUPT_LINE, 1, 0, 0xff },
    { PCI_INTERRUPT_PIN, 1, 1 },
};

static void pci_serial_set_irq(Device *dev, int level)
{
    pci_set_irq(PCI_DEVICE(dev), level);
}

static bool pci_serial_realize(PciDevice *dev, GError **errp)
{
    PciSerial *s = PCI_SERIAL(dev);

    s->port.dev = &dev->parent;
    s->port.set_irq = pci_serial_set_irq;
    if (!serial_realize(&s->port, errp)) {
        return false;
    }
    pci_add_bar(dev, 0, PCI_BAR_IO, &s->port.ports);
    return true;
}

static void pci_serial_unrealize(PciDevice *dev)
{
    serial_unrealize(&PCI_SERIAL(dev)->port);
}

static void pci_serial_reset(PciDevice *dev)
{
    serial_reset(&PCI_SERIAL(dev)->port);
}

/* The port's own state is all there is. */
static void pci_serial_loaded(PciDevice *dev)
{
}

static const StateTable port_state = {
    .name = "serial", .version = 1, .fields = serial_fields, .post_load = serial_post_load
};

static const StateField pci_serial_fields[] = {
    STATE_STRUCT(PciSerial, parent, &pci_device_state),
    STATE_STRUCT(PciSerial, port, &port_state),
    {},
};

static const StateTable pci_serial_state = { .name = TYPE_PCI_SERIAL,
                                             .version = 1,
                                             .fields = pci_serial_fields };

static const PciFunctionClass pci_serial_ops = {
    .device = { PCI_DEVICE_CLASS_CORE, .category = "input",
                .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG, .state = &pci_serial_state },
    .realize = pci_serial_realize,
    .unrealize = pci_serial_unrealize,
    .reset = pci_serial_reset,
    .loaded = pci_serial_loaded,
};

static void pci_serial_init(Object *obj)
{
    pci_set_registers(PCI_DEVICE(obj), pci_serial_registers, G_N_ELEMENTS(pci_serial_registers));
}

static const Property pci_serial_properties[] = {
    SERIAL_PROPERTIES(PciSerial, port),
    { 0 },
};

static const ObjectType pci_serial_type = {
    .name = TYPE_PCI_SERIAL,
    .parent = TYPE_PCI_DEVICE,
    .description = "16550A serial port, a PCI function",
    .instance_size = sizeof(PciSerial),
    .properties = pci_serial_properties,
    .ops = &pci_serial_ops,
    .init = pci_serial_init,
};
OBJECT_TYPE_REGISTER(pci_serial_type)
