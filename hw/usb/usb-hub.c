/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb-hub: a hub of full speed (USB 2.0, chapter 11), whose ports are more of the bus: of the hub
 * at port 1 they are 1.1, 1.2 and so on. Machine lock for everything.
 */
#include <string.h>

#include "hw/usb/usb-bus.h"
#include "util/error.h"

#define TYPE_USB_HUB "usb-hub"

enum { PORTS_MAX = 8, STATUS_ENDPOINT = 0x81, HUB_DESCRIPTOR = 0x29 };
enum { GET_STATUS = 0, CLEAR_FEATURE = 1, SET_FEATURE = 3, GET_DESCRIPTOR = 6 };

/* wPortStatus (11.24.2.7.1), and above it wPortChange: bits have the numbers of features. */
enum {
    CONNECTED = 1 << 0,
    ENABLED = 1 << 1,
    SUSPENDED = 1 << 2,
    RESET = 1 << 4,
    POWER = 1 << 8,
    LOW_SPEED = 1 << 9,
    CHANGES = 0x1f << 16,
};
enum {
    FEATURE_ENABLE = 1,
    FEATURE_SUSPEND = 2,
    FEATURE_RESET = 4,
    FEATURE_POWER = 8,
    FEATURE_CHANGES = 16,
    FEATURE_CHANGES_END = 21
};
enum {
    CONNECT_CHANGE = 1 << 16,
    ENABLE_CHANGE = 1 << 17,
    SUSPEND_CHANGE = 1 << 18,
    RESET_CHANGE = 1 << 20
};

typedef struct UsbHub {
    UsbDevice parent;
    uint32_t status[PORTS_MAX];
    /* configuration */
    uint32_t count;
    /* wiring */
    UsbPort ports[PORTS_MAX];
} UsbHub;
OBJECT_CAST_DEFINE(UsbHub, USB_HUB, TYPE_USB_HUB)

static const UsbEndpoint endpoints[] = { { STATUS_ENDPOINT, USB_INTERRUPT, 2, 0xff } };
static const UsbInterface interface = { .class = 9, .endpoints = endpoints, .endpoint_count = 1 };
static const UsbConfiguration full_speed = { 8, USB_SELF_POWERED | USB_WAKES, 0, &interface, 1 };
static const UsbDescription description = {
    .vendor = 0x0409,
    .product = 0x55aa,
    .release = 0x0101,
    .class = 9,
    .maker = "QEMU",
    .name = "QEMU USB Hub",
    .serial = "314159",
    .speeds = { [USB_SPEED_FULL] = &full_speed },
};

static const UsbDescription *describe(const UsbDevice *dev)
{
    return &description;
}

/* ---- ports ---- */

static void update(UsbHub *s, unsigned i)
{
    uint32_t status = s->status[i];

    s->ports[i].enabled = status & CONNECTED && status & ENABLED && !(status & SUSPENDED);
}

static void change(UsbHub *s, unsigned i, uint32_t bits)
{
    s->status[i] |= bits;
    update(s, i);
    usb_device_ready(&s->parent, STATUS_ENDPOINT);
}

static void connect(UsbHub *s, unsigned i)
{
    const UsbDevice *dev = s->ports[i].dev;

    s->status[i] &= ~(uint32_t)(CONNECTED | ENABLED | SUSPENDED | LOW_SPEED);
    if (usb_port_shows(&s->ports[i]) && s->status[i] & POWER) {
        s->status[i] |= CONNECTED | (dev->speed == USB_SPEED_LOW ? LOW_SPEED : 0);
        change(s, i, CONNECT_CHANGE);
    }
    update(s, i);
}

static void attached(UsbPort *port)
{
    connect(port->opaque, port->index);
}

static void detached(UsbPort *port)
{
    UsbHub *s = port->opaque;
    uint32_t before = s->status[port->index];

    s->status[port->index] &= ~(uint32_t)(CONNECTED | ENABLED | SUSPENDED | LOW_SPEED);
    if (before & CONNECTED) {
        change(s, port->index, CONNECT_CHANGE | (before & ENABLED ? ENABLE_CHANGE : 0));
    }
}

/* It wakes at once, and so does what is above, if that sleeps, too. */
static void wakeup(UsbPort *port)
{
    UsbHub *s = port->opaque;

    if (s->status[port->index] & SUSPENDED) {
        s->status[port->index] &= ~(uint32_t)SUSPENDED;
        usb_device_suspend(port->dev, false);
        change(s, port->index, SUSPEND_CHANGE);
    }
}

static const UsbPortOps port_ops = { attached, detached, wakeup };

/* ---- requests ---- */

static int get_descriptor(UsbHub *s, uint8_t *data)
{
    /* Each port has power of its own; all can be removed. */
    const uint8_t bytes[] = {
        11, HUB_DESCRIPTOR, (uint8_t)s->count, 0x0a, 0, 1, 0, 0, 0, 0xff, 0xff
    };

    memcpy(data, bytes, sizeof(bytes));
    return sizeof(bytes);
}

static int set_port_feature(UsbHub *s, unsigned i, unsigned feature)
{
    UsbDevice *dev = s->status[i] & CONNECTED ? s->ports[i].dev : NULL;

    switch (feature) {
    case FEATURE_POWER:
        if (!(s->status[i] & POWER)) {
            s->status[i] |= POWER;
            connect(s, i);
        }
        return 0;
    case FEATURE_RESET:
        if (dev) {
            usb_device_port_reset(dev);
            s->status[i] &= ~(uint32_t)SUSPENDED;
            s->status[i] |= ENABLED;
            change(s, i, RESET_CHANGE);
        }
        return 0;
    case FEATURE_SUSPEND:
        if (dev && s->status[i] & ENABLED) {
            s->status[i] |= SUSPENDED;
            usb_device_suspend(dev, true);
            update(s, i);
        }
        return 0;
    default:
        return -1;
    }
}

static int clear_port_feature(UsbHub *s, unsigned i, unsigned feature)
{
    if (feature >= FEATURE_CHANGES && feature < FEATURE_CHANGES_END) {
        s->status[i] &= ~(1u << feature);
        return 0;
    }
    switch (feature) {
    case FEATURE_ENABLE:
        s->status[i] &= ~(uint32_t)ENABLED;
        break;
    case FEATURE_SUSPEND:
        if (s->status[i] & SUSPENDED && s->status[i] & CONNECTED) {
            wakeup(&s->ports[i]);
        }
        break;
    case FEATURE_POWER:
        s->status[i] &= ~(uint32_t)(POWER | CONNECTED | ENABLED | SUSPENDED | LOW_SPEED);
        break;
    default:
        return -1;
    }
    update(s, i);
    return 0;
}

static int get_port_status(const UsbHub *s, unsigned i, uint8_t *data)
{
    uint32_t status = GUINT32_TO_LE(s->status[i]);

    memcpy(data, &status, sizeof(status));
    return sizeof(status);
}

static int hub_control(UsbDevice *dev, const UsbSetup *setup, uint8_t *data)
{
    UsbHub *s = USB_HUB(dev);
    unsigned port = (setup->index & 0xffu) - 1;
    bool of_port = port < s->count;

    switch (setup->request) {
    case USB_REQUEST(USB_TO_HOST | USB_CLASS, GET_DESCRIPTOR):
        return get_descriptor(s, data);
    case USB_REQUEST(USB_TO_HOST | USB_CLASS, GET_STATUS):
        memset(data, 0, 4); /* power is there, and not too much of it */
        return 4;
    case USB_REQUEST(USB_CLASS, CLEAR_FEATURE):
    case USB_REQUEST(USB_CLASS, SET_FEATURE):
        return setup->value <= 1 ? 0 : -1;
    case USB_REQUEST(USB_TO_HOST | USB_CLASS | USB_OTHER, GET_STATUS):
        return of_port ? get_port_status(s, port, data) : -1;
    case USB_REQUEST(USB_CLASS | USB_OTHER, SET_FEATURE):
        return of_port ? set_port_feature(s, port, setup->value) : -1;
    case USB_REQUEST(USB_CLASS | USB_OTHER, CLEAR_FEATURE):
        return of_port ? clear_port_feature(s, port, setup->value) : -1;
    default:
        return -1;
    }
}

/* A bit for each port that has changed, from 1 on. */
static UsbStatus hub_data(UsbDevice *dev, const UsbEndpoint *endpoint, uint8_t *data,
                          unsigned *size)
{
    const UsbHub *s = USB_HUB(dev);
    uint16_t changed = 0;

    for (unsigned i = 0; i < s->count; i++) {
        changed |= s->status[i] & CHANGES ? (uint16_t)(2u << i) : 0;
    }
    if (!changed) {
        return USB_NAK;
    }
    *size = MIN(*size, 1 + s->count / 8);
    changed = GUINT16_TO_LE(changed);
    memcpy(data, &changed, *size);
    return USB_OK;
}

/* ---- life ---- */

static void hub_reset(UsbDevice *dev)
{
    UsbHub *s = USB_HUB(dev);

    for (unsigned i = 0; i < s->count; i++) {
        s->status[i] = 0;
        update(s, i);
    }
}

static unsigned tiers(const UsbPort *port)
{
    return port ? 1 + tiers(port->above) : 0;
}

static bool hub_realize(UsbDevice *dev, GError **errp)
{
    UsbHub *s = USB_HUB(dev);

    if (s->count < 1 || s->count > PORTS_MAX) {
        error_set(errp, "ports=%u: a hub has 1 to %d", s->count, PORTS_MAX);
        return false;
    }
    if (tiers(dev->port) >= USB_TIERS) {
        error_set(errp, "port=%s: there can be no more than %d hubs behind each other",
                  dev->port->path, USB_TIERS - 1);
        return false;
    }
    for (unsigned i = 0; i < s->count; i++) {
        s->ports[i] = (UsbPort){ .ops = &port_ops,
                                 .opaque = s,
                                 .index = i,
                                 .speeds = 1 << USB_SPEED_LOW | 1 << USB_SPEED_FULL,
                                 .above = dev->port };
        usb_port_add(dev->port->bus, &s->ports[i], i + 1);
    }
    return true;
}

/* What is behind it goes before. */
static void hub_unrealize(UsbDevice *dev)
{
    UsbHub *s = USB_HUB(dev);

    for (unsigned i = 0; i < s->count; i++) {
        if (s->ports[i].dev) {
            device_unplug(&s->ports[i].dev->parent);
        }
        usb_port_remove(&s->ports[i]);
    }
}

static bool check_loaded(void *obj, GError **errp)
{
    UsbHub *s = obj;

    for (unsigned i = 0; i < PORTS_MAX; i++) {
        if (s->status[i] & CONNECTED && (i >= s->count || !usb_port_shows(&s->ports[i]))) {
            error_set(errp, "port %u has a device, and there is none", i + 1);
            return false;
        }
        update(s, i);
    }
    return true;
}

static const StateField hub_fields[] = {
    STATE_STRUCT(UsbHub, parent, &usb_device_state),
    STATE_UINTS(UsbHub, status),
    {},
};
static const StateTable hub_state = {
    .name = TYPE_USB_HUB, .version = 1, .fields = hub_fields, .post_load = check_loaded
};

static const UsbDeviceClass hub_ops = {
    .device = USB_DEVICE_CLASS("usb", &hub_state),
    .describe = describe,
    .realize = hub_realize,
    .unrealize = hub_unrealize,
    .reset = hub_reset,
    .control = hub_control,
    .data = hub_data,
};

static const Property hub_properties[] = {
    { .name = "ports",
      .kind = PROP_UINT32,
      .offset = offsetof(UsbHub, count),
      .has_default = true,
      .default_int = PORTS_MAX,
      .description = "how many it has, 1 to 8" },
    USB_SERIAL_PROPERTY,
    { 0 },
};

static const ObjectType hub_type = {
    .name = TYPE_USB_HUB,
    .parent = TYPE_USB_DEVICE,
    .description = "USB hub",
    .instance_size = sizeof(UsbHub),
    .properties = hub_properties,
    .ops = &hub_ops,
};
OBJECT_TYPE_REGISTER(hub_type)
