/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/usb/usb-bus.h"

#include <string.h>

#include "util/error.h"

/* ---- ports ---- */

void usb_port_add(UsbBus *bus, UsbPort *port, unsigned number)
{
    port->bus = bus;
    port->dev = NULL;
    g_snprintf(port->path, sizeof(port->path), "%s%s%u", port->above ? port->above->path : "",
               port->above ? "." : "", number);
    g_ptr_array_add(bus->ports, port);
}

void usb_port_remove(UsbPort *port)
{
    g_ptr_array_remove(port->bus->ports, port);
}

UsbDevice *usb_port_find(UsbPort *port, uint8_t address)
{
    const UsbBus *bus = port->bus;
    const UsbPort *root = port->master ? port->master : port;

    if (port->dev && port->dev->address == address) {
        return port->dev;
    }
    for (unsigned i = 0; port->dev && i < bus->ports->len; i++) {
        UsbPort *other = bus->ports->pdata[i];
        const UsbPort *top = other;
        bool enabled = true;

        while (enabled && top->above) {
            enabled = top->enabled;
            top = top->above;
        }
        if (enabled && top == root && other->dev && other->dev->address == address) {
            return other->dev;
        }
    }
    return NULL;
}

/* ---- companions ---- */

bool usb_companion_add(const char *name, unsigned first, UsbPort *ports, unsigned count,
                       GError **errp)
{
    Bus *found = bus_find(TYPE_USB_BUS, name, errp);
    const UsbBus *bus = found ? USB_BUS(found) : NULL;

    if (!bus) {
        return false;
    }
    if (!bus->ops->add_companion) {
        error_set(errp, "masterbus=%s: its controller has no companions; ich9-usb-ehci1 has", name);
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        if (!bus->ops->add_companion(bus->opaque, &ports[i], first + i, errp)) {
            usb_companion_remove(ports, i);
            return false;
        }
    }
    return true;
}

void usb_companion_remove(UsbPort *ports, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (ports[i].master) {
            const UsbBus *bus = ports[i].master->bus;

            bus->ops->remove_companion(bus->opaque, &ports[i]);
        }
    }
}

/* ---- places ---- */

bool usb_port_shows(const UsbPort *port)
{
    return port->dev && port->dev->parent.realized && !port->dev->absent;
}

UsbSpeed usb_port_speed(const UsbDevice *dev, unsigned speeds)
{
    UsbSpeed found = USB_SPEEDS;

    for (unsigned speed = 0; speed < USB_SPEEDS; speed++) {
        if (dev->description->speeds[speed] && speeds & 1u << speed) {
            found = (UsbSpeed)speed;
        }
    }
    return found;
}

/* The speed that device and port have in common, the highest one; USB_SPEEDS: none. */
static UsbSpeed common_speed(const UsbDevice *dev, const UsbPort *port)
{
    return usb_port_speed(dev, port->speeds);
}

char *usb_port_firmware_path(const UsbPort *port, const char *kind)
{
    g_auto(GStrv) numbers = g_strsplit(port->path, ".", -1);
    g_autoptr(GString) place = g_string_new(NULL);

    for (unsigned i = 0; numbers[i]; i++) {
        g_string_append_printf(place, "/%s@%s", numbers[i + 1] ? "hub" : kind, numbers[i]);
    }
    return g_string_free(g_steal_pointer(&place), FALSE);
}

UsbPort *usb_port_called(const UsbBus *bus, const char *path)
{
    for (unsigned i = 0; i < bus->ports->len; i++) {
        UsbPort *port = bus->ports->pdata[i];

        if (strcmp(port->path, path) == 0) {
            return port;
        }
    }
    return NULL;
}

static bool is_taken(const UsbPort *port, const UsbDevice *except)
{
    return port->dev && port->dev != except;
}

static UsbPort *find_port(const UsbBus *bus, const UsbDevice *dev, GError **errp)
{
    const char *name = bus->parent.parent.name;
    bool some_free = false;

    if (dev->port_path) {
        UsbPort *port = usb_port_called(bus, dev->port_path);

        if (!port) {
            error_set(errp, "port=%s: bus '%s' has no such port; 'info usb' lists its devices",
                      dev->port_path, name);
        } else if (is_taken(port, NULL)) {
            g_autofree char *there = device_describe(&port->dev->parent);

            error_set(errp, "port=%s: %s is there already", port->path, there);
        } else if (common_speed(dev, port) == USB_SPEEDS) {
            error_set(errp, "port=%s: it has another speed than the device", port->path);
        } else {
            return port;
        }
        return NULL;
    }
    for (unsigned i = 0; i < bus->ports->len; i++) {
        UsbPort *port = bus->ports->pdata[i];

        if (!is_taken(port, NULL)) {
            some_free = true;
            if (common_speed(dev, port) != USB_SPEEDS) {
                return port;
            }
        }
    }
    error_set(errp, "bus '%s' has no free port%s; a usb-hub has more", name,
              some_free ? " of the device's speed" : "");
    return NULL;
}

static bool attach(Bus *bus, Device *obj, GError **errp)
{
    UsbDevice *dev = USB_DEVICE(obj);
    UsbPort *port;

    dev->description = usb_device_class(dev)->describe(dev);
    port = find_port(USB_BUS(bus), dev, errp);
    if (port) {
        dev->port = port;
        dev->speed = common_speed(dev, port);
        port->dev = dev;
    }
    return port;
}

static void detach(Bus *bus, Device *obj)
{
    UsbDevice *dev = USB_DEVICE(obj);

    dev->port->dev = NULL;
    dev->port = NULL;
}

static bool is_full(const Bus *obj)
{
    const UsbBus *bus = USB_BUS(obj);

    for (unsigned i = 0; i < bus->ports->len; i++) {
        if (!is_taken(bus->ports->pdata[i], NULL)) {
            return false;
        }
    }
    return true;
}

static char *describe(const Device *obj)
{
    const UsbDevice *dev = USB_DEVICE(obj);

    return g_strdup_printf("addr %u.%u, port %s, speed %s Mb/s, name %s, attached",
                           USB_BUS(obj->bus)->number, dev->address, dev->port->path,
                           usb_speed_name(dev->speed), dev->description->name);
}

/* ---- coming and going ---- */

static void plugged(Machine *machine, Device *obj)
{
    UsbPort *port = USB_DEVICE(obj)->port;

    if (!port->dev->absent) {
        port->ops->attached(port);
    }
}

static void unplugged(Machine *machine, Device *obj)
{
    UsbPort *port = USB_DEVICE(obj)->port;

    port->ops->detached(port); /* also of an absent one: a saved machine may say that it is seen */
}

static const HotplugHandler hotplug = { .plug = plugged, .unplug = unplugged };

/* ---- the bus itself ---- */

static char *bus_name(const Device *card)
{
    if (card->id) {
        return g_strdup_printf("%s.0", card->id);
    }
    for (unsigned n = 0;; n++) {
        g_autofree char *name = g_strdup_printf("usb-bus.%u", n);

        if (!bus_find(TYPE_USB_BUS, name, NULL)) {
            return g_steal_pointer(&name);
        }
    }
}

/* The first that no other bus has. */
static unsigned free_number(void)
{
    unsigned number = 0;

    for (unsigned i = 0; i < buses()->len; i++) {
        const Object *bus = buses()->pdata[i];

        if (object_is_a(bus, TYPE_USB_BUS) && USB_BUS(bus)->ops && USB_BUS(bus)->number == number) {
            number++;
            i = UINT_MAX; /* from the beginning */
        }
    }
    return number;
}

UsbBus *usb_bus_new(Device *card, const UsbBusOps *ops, void *opaque, GError **errp)
{
    g_autofree char *name = bus_name(card);
    Bus *made = bus_new(TYPE_USB_BUS, name, &card->parent, errp);
    UsbBus *bus = made ? USB_BUS(made) : NULL;

    if (bus) {
        bus->number = free_number();
        bus->parent.hotplug = &hotplug;
        bus->card = card;
        bus->ops = ops;
        bus->opaque = opaque;
    }
    return bus;
}

static void bus_init(Object *obj)
{
    USB_BUS(obj)->ports = g_ptr_array_new();
}

static void bus_finalize(Object *obj)
{
    g_ptr_array_unref(USB_BUS(obj)->ports);
}

static const BusClass bus_class_table = {
    .attach = attach, .detach = detach, .is_full = is_full, .describe = describe
};

static const ObjectType bus_type = {
    .name = TYPE_USB_BUS,
    .parent = TYPE_BUS,
    .description = "devices of a USB controller",
    .instance_size = sizeof(UsbBus),
    .ops = &bus_class_table,
    .init = bus_init,
    .finalize = bus_finalize,
};
OBJECT_TYPE_REGISTER(bus_type)
