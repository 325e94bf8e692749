/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ports of the root hub (sections 4.19, 5.4.8): those of USB 2, then those of USB 3, of which no
 * device is. */
#include "hw/usb/xhci.h"
#include "util/error.h"

#define PORT_BYTES 0x10u

/* Of PORTSC. */
enum {
    CONNECTED = 1 << 0,
    ENABLED = 1 << 1,
    RESET = 1 << 4,
    LINK_SHIFT = 5,
    LINK = 0xf << LINK_SHIFT,
    POWER = 1 << 9,
    SPEED_SHIFT = 10,
    SPEED = 0xf << SPEED_SHIFT,
    INDICATOR = 3 << 14,
    LINK_WRITE = 1 << 16,
    CONNECT_CHANGE = 1 << 17,
    ENABLE_CHANGE = 1 << 18,
    RESET_CHANGE = 1 << 21,
    LINK_CHANGE = 1 << 22,
    CHANGES = 0x7f << 17,
    WAKES = 7 << 25,
};
/* Of the link. */
enum { U0 = 0, U3 = 3, DISABLED = 4, DETECTS = 5, POLLING = 7, RESUME = 15 };

static void set_link(Xhci *s, unsigned port, uint32_t link)
{
    s->ports[port] = (s->ports[port] & ~(uint32_t)LINK) | link << LINK_SHIFT;
}

static uint32_t link_of(const Xhci *s, unsigned port)
{
    return (s->ports[port] & LINK) >> LINK_SHIFT;
}

/* Bits of PORTSC that are set now, of which the guest is told (4.19.2). */
static void changed(Xhci *s, unsigned port, uint32_t bits)
{
    if (bits & ~s->ports[port]) {
        s->port_news |= 1u << port;
    }
    s->ports[port] |= bits;
    xhci_tell_ports(s);
}

void xhci_tell_ports(Xhci *s)
{
    while (s->port_news && xhci_runs(s) && xhci_event_room(s, NULL)) {
        unsigned port = (unsigned)__builtin_ctz(s->port_news);

        s->port_news &= s->port_news - 1;
        s->usbsts |= XHCI_STS_PCD;
        xhci_post_event(s, (XhciTrb){ (uint64_t)(port + 1) << 24, XHCI_SUCCESS << 24,
                                      XHCI_PORT_CHANGE << XHCI_TRB_TYPE_SHIFT });
    }
}

/* ---- devices ---- */

/* What is at it is there, to be reset by the guest. */
static void connect(Xhci *s, unsigned port)
{
    static const uint32_t speeds[USB_SPEEDS] = {
        [USB_SPEED_FULL] = 1, [USB_SPEED_LOW] = 2, [USB_SPEED_HIGH] = 3
    };
    const UsbPort *at = &s->usb_ports[port % G_N_ELEMENTS(s->usb_ports)];

    s->ports[port] &= ~(uint32_t)(CONNECTED | ENABLED | LINK | SPEED);
    if (port < s->p2 && usb_port_shows(at) && s->ports[port] & POWER) {
        s->ports[port] |= CONNECTED | speeds[at->dev->speed] << SPEED_SHIFT;
        set_link(s, port, POLLING);
    }
}

static void attached(UsbPort *port)
{
    Xhci *s = port->opaque;

    connect(s, port->index);
    changed(s, port->index, CONNECT_CHANGE);
}

static void detached(UsbPort *port)
{
    Xhci *s = port->opaque;

    if (!(s->ports[port->index] & CONNECTED)) {
        return;
    }
    s->ports[port->index] &= ~(uint32_t)(CONNECTED | ENABLED | LINK | SPEED);
    changed(s, port->index, CONNECT_CHANGE);
    xhci_run_endpoints(s);
}

static void wakeup(UsbPort *port)
{
    Xhci *s = port->opaque;

    if (link_of(s, port->index) == U3) {
        set_link(s, port->index, RESUME);
        changed(s, port->index, LINK_CHANGE);
    }
}

static const UsbPortOps port_ops = { attached, detached, wakeup };
static const UsbBusOps bus_ops = { xhci_ready };

bool xhci_add_ports(Xhci *s, GError **errp)
{
    s->bus = usb_bus_new(&s->parent.parent, &bus_ops, s, errp);
    for (unsigned i = 0; s->bus && i < s->p2; i++) {
        s->usb_ports[i] =
            (UsbPort){ .ops = &port_ops,
                       .opaque = s,
                       .index = i,
                       .speeds = 1 << USB_SPEED_LOW | 1 << USB_SPEED_FULL | 1 << USB_SPEED_HIGH };
        usb_port_add(s->bus, &s->usb_ports[i], i + 1);
    }
    return s->bus;
}

void xhci_remove_ports(Xhci *s)
{
    for (unsigned i = 0; i < s->p2; i++) {
        usb_port_remove(&s->usb_ports[i]);
    }
    object_unparent(&s->bus->parent.parent);
    s->bus = NULL;
}

void xhci_reset_ports(Xhci *s)
{
    s->port_news = 0;
    for (unsigned i = 0; i < XHCI_ALL_PORTS_MAX; i++) {
        s->ports[i] = POWER;
        connect(s, i);
        if (s->ports[i] & CONNECTED) {
            s->ports[i] |= CONNECT_CHANGE;
            s->port_news |= 1u << i;
        }
    }
}

UsbDevice *xhci_device_at(const Xhci *s, unsigned port, uint32_t route)
{
    g_autoptr(GString) path = g_string_new(NULL);
    const UsbPort *found;

    if (port < 1 || port > s->p2 || !(s->ports[port - 1] & ENABLED)) {
        return NULL;
    }
    g_string_printf(path, "%u", port);
    for (; route; route >>= 4) {
        g_string_append_printf(path, ".%u", route & 0xf);
    }
    found = usb_port_called(s->bus, path->str);
    return found && usb_port_shows(found) && (!found->above || found->enabled) ? found->dev : NULL;
}

bool xhci_check_ports(void *opaque, GError **errp)
{
    Xhci *s = opaque;

    for (unsigned i = 0; i < XHCI_ALL_PORTS_MAX; i++) {
        bool there = i < s->p2 && usb_port_shows(&s->usb_ports[i]);

        if (!there && s->ports[i] & CONNECTED) {
            error_set(errp, "port %u has a device, and there is none", i + 1);
            return false;
        }
    }
    s->port_news &= (1u << (s->p2 + s->p3)) - 1;
    return true;
}

/* ---- registers ---- */

uint32_t xhci_read_port(const Xhci *s, unsigned offset)
{
    unsigned port = offset / PORT_BYTES;
    uint32_t value;

    if (port >= s->p2 + s->p3 || offset % PORT_BYTES) {
        return 0;
    }
    value = s->ports[port];
    if (!(value & CONNECTED)) {
        value |= (uint32_t)(value & POWER ? DETECTS : DISABLED) << LINK_SHIFT;
    }
    return value;
}

static void reset_port(Xhci *s, unsigned port)
{
    UsbDevice *dev = s->usb_ports[port].dev;

    usb_device_port_reset(dev);
    s->ports[port] |= ENABLED;
    set_link(s, port, U0);
    changed(s, port, RESET_CHANGE);
}

/* The guest lets the link sleep, or wakes it. */
static void write_link(Xhci *s, unsigned port, uint32_t link)
{
    uint32_t before = link_of(s, port);

    if (link == U3 && before == U0) {
        set_link(s, port, U3);
        usb_device_suspend(s->usb_ports[port].dev, true);
    } else if (link == RESUME && before == U3) {
        set_link(s, port, RESUME);
    } else if (link == U0 && (before == U3 || before == RESUME)) {
        set_link(s, port, U0);
        usb_device_suspend(s->usb_ports[port].dev, false);
        changed(s, port, LINK_CHANGE);
        xhci_run_endpoints(s);
    }
}

static void set_power(Xhci *s, unsigned port, uint32_t value)
{
    uint32_t before = s->ports[port];

    s->ports[port] =
        (before & ~(uint32_t)(POWER | INDICATOR | WAKES)) | (value & (POWER | INDICATOR | WAKES));
    if ((before ^ value) & POWER) {
        connect(s, port);
        if ((before ^ s->ports[port]) & CONNECTED) {
            changed(s, port, CONNECT_CHANGE);
        }
    }
}

void xhci_port_written(Xhci *s, unsigned offset, uint32_t value)
{
    unsigned port = offset / PORT_BYTES;

    if (port >= s->p2 + s->p3 || offset % PORT_BYTES) {
        return;
    }
    s->ports[port] &= ~(value & CHANGES);
    set_power(s, port, value);
    if (!(s->ports[port] & CONNECTED)) {
        return;
    }
    if (value & RESET) {
        reset_port(s, port);
    } else if (value & ENABLED) {
        s->ports[port] &= ~(uint32_t)ENABLED; /* a one disables it */
        set_link(s, port, POLLING);
        xhci_run_endpoints(s);
    } else if (value & LINK_WRITE && s->ports[port] & ENABLED) {
        write_link(s, port, (value & LINK) >> LINK_SHIFT);
    }
}
