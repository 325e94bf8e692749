/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ports, and who has them (section 4.2 of the specification): until the guest says that the
 * controller is configured, all are the companions'; then they are its own, but those that the
 * guest gives to a companion. A device that has got another owner is new to that one.
 */
#include "hw/usb/ehci.h"

#include "util/error.h"

enum {
    CHANGES = EHCI_PORT_CONNECT_CHANGE | EHCI_PORT_ENABLE_CHANGE,
    LINE_STATE = EHCI_PORT_K_STATE | EHCI_PORT_J_STATE,
    TEST_AND_WAKE = 0x7f << 16,
};

static bool is_ours(const Ehci *s, unsigned i)
{
    return !(s->ports[i] & EHCI_PORT_OWNER);
}

static void update(Ehci *s, unsigned i)
{
    uint32_t value = s->ports[i];

    s->usb_ports[i].enabled = is_ours(s, i) && value & EHCI_PORT_CONNECTED &&
                              value & EHCI_PORT_ENABLED &&
                              !(value & (EHCI_PORT_RESET | EHCI_PORT_SUSPENDED));
}

static void tell_change(Ehci *s)
{
    s->status |= EHCI_STS_PORT_CHANGE;
    ehci_update_interrupt(s);
}

/* The speed that it has at its owner. */
static void choose_speed(Ehci *s, unsigned i)
{
    const UsbPort *port = &s->usb_ports[i];
    unsigned speeds = port->companion && !is_ours(s, i) ? port->companion->speeds : port->speeds;
    UsbSpeed speed = usb_port_speed(port->dev, speeds);

    if (speed != USB_SPEEDS) {
        port->dev->speed = speed;
    }
}

static uint32_t line_state(const Ehci *s, unsigned i)
{
    const UsbDevice *dev = s->usb_ports[i].dev;

    return dev && dev->speed == USB_SPEED_LOW ? EHCI_PORT_K_STATE : EHCI_PORT_J_STATE;
}

/* ---- coming and going ---- */

/* Has its companion, if there is one, a speed of the device's? */
static bool suits_companion(const UsbPort *port)
{
    return port->companion && usb_port_speed(port->dev, port->companion->speeds) != USB_SPEEDS;
}

/* What is at the port, if something is, is seen by its owner. */
static void connect(Ehci *s, unsigned i)
{
    UsbPort *port = &s->usb_ports[i];

    if (!usb_port_shows(port)) {
        return;
    }
    choose_speed(s, i);
    if (!is_ours(s, i)) {
        if (suits_companion(port)) {
            port->companion->dev = port->dev;
            port->companion->ops->attached(port->companion);
        }
        return;
    }
    s->ports[i] &= ~(uint32_t)(EHCI_PORT_ENABLED | EHCI_PORT_SUSPENDED | EHCI_PORT_RESUME);
    s->ports[i] |= EHCI_PORT_CONNECTED | EHCI_PORT_CONNECT_CHANGE;
    update(s, i);
    tell_change(s);
}

static void disconnect(Ehci *s, unsigned i)
{
    UsbPort *companion = s->usb_ports[i].companion;
    uint32_t *value = &s->ports[i];

    if (companion && companion->dev) {
        companion->ops->detached(companion);
        companion->dev = NULL;
    }
    if (*value & EHCI_PORT_CONNECTED) {
        *value |=
            EHCI_PORT_CONNECT_CHANGE | (*value & EHCI_PORT_ENABLED ? EHCI_PORT_ENABLE_CHANGE : 0);
        *value &= ~(uint32_t)(EHCI_PORT_CONNECTED | EHCI_PORT_ENABLED | EHCI_PORT_SUSPENDED |
                              EHCI_PORT_RESUME);
        update(s, i);
        tell_change(s);
    }
}

static void change_owner(Ehci *s, unsigned i, bool ours)
{
    UsbDevice *dev = s->usb_ports[i].dev;

    if (ours == is_ours(s, i)) {
        return;
    }
    disconnect(s, i);
    s->ports[i] ^= EHCI_PORT_OWNER;
    update(s, i);
    if (usb_port_shows(&s->usb_ports[i])) {
        usb_device_port_reset(dev);
    }
    connect(s, i);
}

static void attached(UsbPort *port)
{
    connect(port->opaque, port->index);
}

/* The next device is this controller's first (4.2.2). */
static void detached(UsbPort *port)
{
    Ehci *s = port->opaque;

    disconnect(s, port->index);
    if (s->configured) {
        s->ports[port->index] &= ~(uint32_t)EHCI_PORT_OWNER;
    }
}

static void wakeup(UsbPort *port)
{
    Ehci *s = port->opaque;
    uint32_t *value = &s->ports[port->index];

    if (!is_ours(s, port->index)) {
        if (port->companion && port->companion->dev) {
            port->companion->ops->wakeup(port->companion);
        }
    } else if (*value & EHCI_PORT_SUSPENDED && !(*value & EHCI_PORT_RESUME)) {
        *value |= EHCI_PORT_RESUME;
        tell_change(s);
    }
}

/* ---- what the guest writes ---- */

static void write_reset(Ehci *s, unsigned i, bool on)
{
    UsbDevice *dev = s->usb_ports[i].dev;
    uint32_t *value = &s->ports[i];
    bool connected = *value & EHCI_PORT_CONNECTED;

    if (on && !(*value & EHCI_PORT_RESET)) {
        *value &= ~(uint32_t)(EHCI_PORT_ENABLED | EHCI_PORT_SUSPENDED | EHCI_PORT_RESUME);
        *value |= EHCI_PORT_RESET;
        if (connected) {
            usb_device_port_reset(dev);
        }
    } else if (!on && *value & EHCI_PORT_RESET) {
        *value &= ~(uint32_t)EHCI_PORT_RESET;
        *value |= connected && dev->speed == USB_SPEED_HIGH ? EHCI_PORT_ENABLED : 0;
    }
}

static void write_suspend(Ehci *s, unsigned i, uint32_t value)
{
    uint32_t *port = &s->ports[i];

    if (value & EHCI_PORT_SUSPENDED && *port & EHCI_PORT_ENABLED) {
        *port |= EHCI_PORT_SUSPENDED;
    }
    if (*port & EHCI_PORT_SUSPENDED && value & EHCI_PORT_RESUME) {
        *port |= EHCI_PORT_RESUME;
    } else if (*port & EHCI_PORT_RESUME && !(value & EHCI_PORT_RESUME)) {
        *port &= ~(uint32_t)(EHCI_PORT_RESUME | EHCI_PORT_SUSPENDED);
    }
    if (*port & EHCI_PORT_CONNECTED) {
        usb_device_suspend(s->usb_ports[i].dev, *port & EHCI_PORT_SUSPENDED);
    }
}

void ehci_port_written(Ehci *s, unsigned i, uint32_t value)
{
    uint32_t *port = &s->ports[i];

    *port &= ~(value & CHANGES);
    *port = (*port & ~(uint32_t)TEST_AND_WAKE) | (value & TEST_AND_WAKE);
    if (s->configured) {
        change_owner(s, i, !(value & EHCI_PORT_OWNER));
    }
    if (is_ours(s, i)) {
        *port &= value | ~(uint32_t)EHCI_PORT_ENABLED;
        write_suspend(s, i, value);
        write_reset(s, i, value & EHCI_PORT_RESET);
    }
    /* What the line says is of no use once it is enabled. */
    *port &= ~(uint32_t)LINE_STATE;
    update(s, i);
}

void ehci_configure(Ehci *s, bool configured)
{
    if (configured == s->configured) {
        return;
    }
    s->configured = configured;
    for (unsigned i = 0; i < EHCI_PORTS; i++) {
        change_owner(s, i, configured);
    }
}

void ehci_reset_ports(Ehci *s)
{
    s->configured = false;
    for (unsigned i = 0; i < EHCI_PORTS; i++) {
        UsbDevice *dev = s->usb_ports[i].dev;
        bool was_ours = is_ours(s, i);

        s->ports[i] = EHCI_PORT_POWER | EHCI_PORT_OWNER;
        update(s, i);
        if (was_ours && usb_port_shows(&s->usb_ports[i])) {
            usb_device_port_reset(dev);
            connect(s, i);
        }
    }
}

uint32_t ehci_port_value(const Ehci *s, unsigned i)
{
    uint32_t value = s->ports[i];
    bool shows = value & EHCI_PORT_CONNECTED && !(value & (EHCI_PORT_ENABLED | EHCI_PORT_RESET));

    return value | (shows ? line_state(s, i) : 0);
}

/* ---- companions ---- */

uint32_t ehci_structure(const Ehci *s)
{
    enum { PER_COMPANION_SHIFT = 8, COMPANIONS_SHIFT = 12 };
    unsigned companions = 0, ports = 0;
    const void *last = NULL;

    for (unsigned i = 0; i < EHCI_PORTS; i++) {
        const UsbPort *companion = s->usb_ports[i].companion;

        if (companion) {
            ports++;
            companions += companion->opaque != last;
            last = companion->opaque;
        }
    }
    return EHCI_PORTS | (companions ? ports / companions : 0) << PER_COMPANION_SHIFT |
           companions << COMPANIONS_SHIFT;
}

static bool add_companion(void *opaque, UsbPort *port, unsigned number, GError **errp)
{
    Ehci *s = opaque;
    UsbPort *master;

    if (number >= EHCI_PORTS) {
        error_set(errp, "firstport=%u: port %u is one too many: bus '%s' has 0 to %u",
                  number - port->index, number, s->bus->parent.parent.name, EHCI_PORTS - 1);
        return false;
    }
    master = &s->usb_ports[number];
    if (master->companion) {
        error_set(errp, "firstport=%u: port %u has a companion already", number - port->index,
                  number);
        return false;
    }
    master->companion = port;
    master->speeds |= port->speeds;
    port->master = master;
    port->bus = s->bus;
    if (!is_ours(s, number)) {
        connect(s, number);
    }
    return true;
}

/* What was given to it is nobody's. */
static void remove_companion(void *opaque, UsbPort *port)
{
    UsbPort *master = port->master;

    port->dev = NULL;
    port->master = NULL;
    master->companion = NULL;
    master->speeds = 1 << USB_SPEED_HIGH;
}

/* ---- life ---- */

static void ready(void *opaque, UsbDevice *dev, uint8_t address)
{
    Ehci *s = opaque;
    const UsbPort *top = dev->port;

    while (top->above) {
        top = top->above;
    }
    if (is_ours(s, top->index)) {
        s->quiet = 0;
        ehci_go_on(s);
    } else if (s->usb_ports[top->index].companion) {
        UsbPort *companion = s->usb_ports[top->index].companion;

        companion->ops->ready(companion);
    }
}

static const UsbPortOps port_ops = { attached, detached, wakeup };
static const UsbBusOps bus_ops = { ready, add_companion, remove_companion };

bool ehci_add_ports(Ehci *s, GError **errp)
{
    s->bus = usb_bus_new(&s->parent.parent, &bus_ops, s, errp);
    for (unsigned i = 0; s->bus && i < EHCI_PORTS; i++) {
        s->usb_ports[i] =
            (UsbPort){ .ops = &port_ops, .opaque = s, .index = i, .speeds = 1 << USB_SPEED_HIGH };
        s->ports[i] = EHCI_PORT_POWER | EHCI_PORT_OWNER;
        usb_port_add(s->bus, &s->usb_ports[i], i + 1);
    }
    return s->bus;
}

void ehci_remove_ports(Ehci *s)
{
    for (unsigned i = 0; i < EHCI_PORTS; i++) {
        UsbPort *companion = s->usb_ports[i].companion;

        if (companion) {
            disconnect(s, i);
            remove_companion(s, companion);
        }
        usb_port_remove(&s->usb_ports[i]);
    }
    object_unparent(&s->bus->parent.parent);
    s->bus = NULL;
}

bool ehci_check_ports(void *opaque, GError **errp)
{
    Ehci *s = opaque;

    for (unsigned i = 0; i < EHCI_PORTS; i++) {
        UsbPort *port = &s->usb_ports[i];

        if (s->ports[i] & EHCI_PORT_CONNECTED && (!is_ours(s, i) || !usb_port_shows(port))) {
            error_set(errp, "port %u has a device, and there is none", i + 1);
            return false;
        }
        if (port->companion) {
            bool given = !is_ours(s, i) && usb_port_shows(port) && suits_companion(port);

            port->companion->dev = given ? port->dev : NULL;
        }
        if (port->dev) {
            choose_speed(s, i);
        }
        update(s, i);
    }
    return true;
}
