/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The root hub's ports (section 7.4 of the specification). */
#include "hw/usb/ohci.h"
#include "util/error.h"

enum {
    CONNECTED = 1 << 0,
    ENABLED = 1 << 1,
    SUSPENDED = 1 << 2,
    POWER = 1 << 8,
    LOW_SPEED = 1 << 9,
    CONNECT_CHANGE = 1 << 16,
    ENABLE_CHANGE = 1 << 17,
    SUSPEND_CHANGE = 1 << 18,
    RESET_CHANGE = 1 << 20,
    CHANGES = 0x1f << 16,
};
/* What the guest writes. */
enum {
    CLEAR_ENABLE = 1 << 0,
    SET_ENABLE = 1 << 1,
    SET_SUSPEND = 1 << 2,
    CLEAR_SUSPEND = 1 << 3,
    SET_RESET = 1 << 4,
};

static void update(Ohci *s, unsigned i)
{
    uint32_t value = s->ports[i];

    s->usb_ports[i].enabled = value & CONNECTED && value & ENABLED && !(value & SUSPENDED);
}

/* The guest is told, and more so when all is asleep. */
static void tell(Ohci *s)
{
    s->status |= OHCI_INT_HUB;
    if ((s->control & OHCI_CTL_STATE) == OHCI_STATE_SUSPENDED) {
        s->status |= OHCI_INT_RESUME;
    }
    ohci_update_interrupt(s);
}

static void change(Ohci *s, unsigned i, uint32_t bits)
{
    s->ports[i] |= bits;
    update(s, i);
    if (bits & CHANGES) {
        tell(s);
    }
}

static void attached(UsbPort *port)
{
    Ohci *s = port->opaque;

    s->ports[port->index] &= ~(uint32_t)(ENABLED | SUSPENDED | LOW_SPEED);
    change(s, port->index,
           CONNECTED | CONNECT_CHANGE | (port->dev->speed == USB_SPEED_LOW ? LOW_SPEED : 0));
}

static void detached(UsbPort *port)
{
    Ohci *s = port->opaque;
    uint32_t before = s->ports[port->index];

    s->ports[port->index] &= ~(uint32_t)(CONNECTED | ENABLED | SUSPENDED | LOW_SPEED);
    if (before & CONNECTED) {
        change(s, port->index, CONNECT_CHANGE | (before & ENABLED ? ENABLE_CHANGE : 0));
    }
}

static void wakeup(UsbPort *port)
{
    Ohci *s = port->opaque;

    if (s->ports[port->index] & SUSPENDED) {
        s->ports[port->index] &= ~(uint32_t)SUSPENDED;
        usb_device_suspend(port->dev, false);
        change(s, port->index, SUSPEND_CHANGE);
    } else if ((s->control & OHCI_CTL_STATE) == OHCI_STATE_SUSPENDED) {
        tell(s);
    }
}

static void ready(void *opaque, UsbDevice *dev, uint8_t address)
{
    Ohci *s = opaque;

    s->quiet = 0;
    ohci_go_on(s);
}

static void port_ready(UsbPort *port)
{
    ready(port->opaque, port->dev, 0);
}

static const UsbPortOps port_ops = { attached, detached, wakeup, port_ready };
static const UsbBusOps bus_ops = { .ready = ready };

void ohci_port_written(Ohci *s, unsigned i, uint32_t value)
{
    UsbDevice *dev = s->ports[i] & CONNECTED ? s->usb_ports[i].dev : NULL;

    s->ports[i] &= ~(value & CHANGES);
    if (value & CLEAR_ENABLE) {
        s->ports[i] &= ~(uint32_t)ENABLED;
    }
    /* Of a port that is empty it is told only that it is. */
    if (value & (SET_ENABLE | SET_SUSPEND | SET_RESET) && !dev) {
        change(s, i, CONNECT_CHANGE);
    }
    if (value & SET_ENABLE && dev) {
        s->ports[i] |= ENABLED;
    }
    if (value & SET_SUSPEND && dev) {
        s->ports[i] |= SUSPENDED;
        usb_device_suspend(dev, true);
    }
    if (value & CLEAR_SUSPEND && dev && s->ports[i] & SUSPENDED) {
        s->ports[i] &= ~(uint32_t)SUSPENDED;
        usb_device_suspend(dev, false);
        change(s, i, SUSPEND_CHANGE);
    }
    if (value & SET_RESET && dev) {
        usb_device_port_reset(dev);
        s->ports[i] &= ~(uint32_t)SUSPENDED;
        change(s, i, ENABLED | RESET_CHANGE);
    }
    update(s, i);
}

void ohci_reset_ports(Ohci *s)
{
    for (unsigned i = 0; i < s->count; i++) {
        UsbDevice *dev = s->usb_ports[i].dev;

        s->ports[i] = POWER;
        if (usb_port_shows(&s->usb_ports[i])) {
            usb_device_port_reset(dev);
            s->ports[i] |=
                CONNECTED | CONNECT_CHANGE | (dev->speed == USB_SPEED_LOW ? LOW_SPEED : 0);
        }
        update(s, i);
    }
}

bool ohci_add_ports(Ohci *s, GError **errp)
{
    for (unsigned i = 0; i < s->count; i++) {
        s->usb_ports[i] = (UsbPort){ .ops = &port_ops,
                                     .opaque = s,
                                     .index = i,
                                     .speeds = 1 << USB_SPEED_LOW | 1 << USB_SPEED_FULL };
        s->ports[i] = POWER;
    }
    if (s->master) {
        return usb_companion_add(s->master, s->first_port, s->usb_ports, s->count, errp);
    }
    s->bus = usb_bus_new(&s->parent.parent, &bus_ops, s, errp);
    for (unsigned i = 0; s->bus && i < s->count; i++) {
        usb_port_add(s->bus, &s->usb_ports[i], i + 1);
    }
    return s->bus;
}

void ohci_remove_ports(Ohci *s)
{
    if (!s->bus) {
        usb_companion_remove(s->usb_ports, s->count);
        return;
    }
    for (unsigned i = 0; i < s->count; i++) {
        usb_port_remove(&s->usb_ports[i]);
    }
    object_unparent(&s->bus->parent.parent);
    s->bus = NULL;
}

bool ohci_check_ports(Ohci *s, GError **errp)
{
    for (unsigned i = 0; i < OHCI_PORTS_MAX; i++) {
        if (s->ports[i] & CONNECTED && (i >= s->count || !usb_port_shows(&s->usb_ports[i]))) {
            error_set(errp, "port %u has a device, and there is none", i + 1);
            return false;
        }
        update(s, i);
    }
    return true;
}
