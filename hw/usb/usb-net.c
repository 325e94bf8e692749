/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb-net: a network card by USB (Class Definitions for Communications Devices 1.2, and the
 * Ethernet Networking Control Model, ECM120). Frames go by two bulk endpoints of the data
 * interface, which has them in its alternate 1 only; a packet that is not full ends a frame. The
 * control interface tells of the link. Machine lock for everything.
 */
#include <string.h>

#include "hw/core/runstate.h"
#include "hw/net/nic.h"
#include "hw/usb/usb-desc.h"
#include "hw/usb/usb-device.h"

#define TYPE_USB_NET "usb-net"

enum { EVENT_ENDPOINT = 0x81, IN_ENDPOINT = 0x82, OUT_ENDPOINT = 0x02 };
enum { CONTROL_INTERFACE = 0, DATA_INTERFACE = 1, DATA_ON = 1 };
enum { FRAME_MAX = 1514, EVENT_BYTES = 8, MAC_STRING = 10 };

/* Requests and notifications (ECM120, tables 6 and 11). */
enum { SET_MULTICAST_FILTERS = 0x40, SET_PACKET_FILTER = 0x43, NETWORK_CONNECTION = 0x00 };
/* Of the filter: who is let in. */
enum {
    FILTER_ALL = 1,
    FILTER_MULTICAST_ALL = 2,
    FILTER_OWN = 4,
    FILTER_BROADCAST = 8,
    FILTER_MULTICAST = 16
};

typedef struct UsbNet {
    UsbDevice parent;
    /* configuration */
    Nic nic;
    /* state */
    uint16_t filter;
    bool told; /* the host knows of the link */
    uint16_t in_len, in_pos, out_len;
    bool in_full;  /* there is a frame for the host, be it of nothing more */
    bool too_long; /* the one that comes */
    uint8_t in[FRAME_MAX], out[FRAME_MAX];
} UsbNet;
OBJECT_CAST_DEFINE(UsbNet, USB_NET, TYPE_USB_NET)

/* Header (CDC 1.20), union of the two interfaces, Ethernet: the string of its address, no
 * statistics, frames of 1514 bytes, no filters of single addresses. */
static const uint8_t functional[] = {
    0x05, 0x24, 0x00, 0x20,       0x01, 0x05, 0x24, 0x06, CONTROL_INTERFACE, DATA_INTERFACE,
    0x0d, 0x24, 0x0f, MAC_STRING, 0x00, 0x00, 0x00, 0x00, FRAME_MAX & 0xff,  FRAME_MAX >> 8,
    0x00, 0x00, 0x00
};

#define INTERFACES(name, packet, interval)                                                       \
    static const UsbEndpoint name##_events[] = { { EVENT_ENDPOINT, USB_INTERRUPT, 16,            \
                                                   interval } };                                 \
    static const UsbEndpoint name##_data[] = { { IN_ENDPOINT, USB_BULK, packet, 0 },             \
                                               { OUT_ENDPOINT, USB_BULK, packet, 0 } };          \
    static const UsbInterface name##_interfaces[] = { { .number = CONTROL_INTERFACE,             \
                                                        .class = 2,                              \
                                                        .subclass = 6,                           \
                                                        .extra = functional,                     \
                                                        .extra_size = sizeof(functional),        \
                                                        .endpoints = name##_events,              \
                                                        .endpoint_count = 1 },                   \
                                                      { .number = DATA_INTERFACE, .class = 10 }, \
                                                      { .number = DATA_INTERFACE,                \
                                                        .alternate = DATA_ON,                    \
                                                        .class = 10,                             \
                                                        .endpoints = name##_data,                \
                                                        .endpoint_count = 2 } };
INTERFACES(full, 64, 32)
INTERFACES(high, 512, 9)

static const UsbConfiguration full_speed = { 64, USB_SELF_POWERED, 0, full_interfaces, 3 };
static const UsbConfiguration high_speed = { 64, USB_SELF_POWERED, 0, high_interfaces, 3 };
static const UsbDescription description = {
    .vendor = 0x0525,
    .product = 0xa4a1, /* an Ethernet gadget of Linux */
    .class = 2,
    .maker = "QEMU",
    .name = "QEMU USB Network Interface",
    .serial = "1",
    .speeds = { [USB_SPEED_FULL] = &full_speed, [USB_SPEED_HIGH] = &high_speed },
};

static const UsbDescription *describe(const UsbDevice *dev)
{
    return &description;
}

/* ---- the network ---- */

static bool is_on(const UsbNet *s)
{
    return s->parent.configuration && s->parent.alternates[DATA_INTERFACE] == DATA_ON;
}

static bool wants(const UsbNet *s, const uint8_t *frame)
{
    static const uint8_t broadcast[NET_MAC_SIZE] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

    if (s->filter & FILTER_ALL) {
        return true;
    }
    if (memcmp(frame, broadcast, NET_MAC_SIZE) == 0) {
        return s->filter & FILTER_BROADCAST;
    }
    return frame[0] & 1 ? s->filter & (FILTER_MULTICAST_ALL | FILTER_MULTICAST)
                        : s->filter & FILTER_OWN && memcmp(frame, s->nic.mac, NET_MAC_SIZE) == 0;
}

static bool receive(NetClient *nc, const NetOffload *o, const uint8_t *frame, size_t size)
{
    UsbNet *s = nc->opaque;

    if (!runstate_is_running()) {
        return false;
    }
    if (!is_on(s) || size < 2 * NET_MAC_SIZE + 2 || size > FRAME_MAX || !wants(s, frame)) {
        return true; /* it is lost */
    }
    if (s->in_full) {
        return false;
    }
    memcpy(s->in, frame, size);
    s->in_len = (uint16_t)size;
    s->in_pos = 0;
    s->in_full = true;
    usb_device_ready(&s->parent, IN_ENDPOINT);
    return true;
}

static void link_changed(NetClient *nc)
{
    UsbNet *s = nc->opaque;

    s->told = false;
    usb_device_ready(&s->parent, EVENT_ENDPOINT);
}

static char *describe_card(NetClient *nc)
{
    const UsbNet *s = nc->opaque;
    g_autofree char *mac = net_mac_text(s->nic.mac);

    return g_strdup_printf("model=usb-net,macaddr=%s", mac);
}

static void announce(Nic *nic)
{
    nic_send_rarp(nic, nic->mac);
}

static const NicOps nic_ops = {
    .client = { .receive = receive, .link_changed = link_changed, .describe = describe_card },
    .announce = announce,
};

static void machine_starts(void *opaque)
{
    net_client_ready(&USB_NET(opaque)->nic.client);
}

/* ---- the host ---- */

/* A frame of whole packets has one of nothing behind it. */
static UsbStatus give_frame(UsbNet *s, unsigned packet, uint8_t *data, unsigned *size)
{
    if (!s->in_full) {
        return USB_NAK;
    }
    *size = MIN(*size, (unsigned)(s->in_len - s->in_pos));
    memcpy(data, s->in + s->in_pos, *size);
    s->in_pos += (uint16_t)*size;
    if (s->in_pos == s->in_len && (*size % packet || !*size)) {
        s->in_full = false;
        net_client_ready(&s->nic.client);
    }
    return USB_OK;
}

static UsbStatus take_frame(UsbNet *s, unsigned packet, const uint8_t *data, unsigned size)
{
    if (s->too_long || size > FRAME_MAX - (unsigned)s->out_len) {
        s->too_long = true;
    } else {
        memcpy(s->out + s->out_len, data, size);
        s->out_len += (uint16_t)size;
    }
    if (size % packet || !size) {
        if (!s->too_long && s->out_len) {
            net_send(&s->nic.client, s->out, s->out_len);
        }
        s->out_len = 0;
        s->too_long = false;
    }
    return USB_OK;
}

static UsbStatus give_event(UsbNet *s, uint8_t *data, unsigned *size)
{
    const uint8_t event[EVENT_BYTES] = {
        0xa1, NETWORK_CONNECTION, net_link_is_up(&s->nic.client), 0, CONTROL_INTERFACE, 0, 0, 0
    };

    if (s->told || *size < EVENT_BYTES) {
        return USB_NAK;
    }
    memcpy(data, event, EVENT_BYTES);
    *size = EVENT_BYTES;
    s->told = true;
    return USB_OK;
}

static UsbStatus net_data(UsbDevice *dev, const UsbEndpoint *endpoint, uint8_t *data,
                          unsigned *size)
{
    UsbNet *s = USB_NET(dev);

    switch (endpoint->address) {
    case IN_ENDPOINT:
        return give_frame(s, endpoint->max_packet, data, size);
    case OUT_ENDPOINT:
        return take_frame(s, endpoint->max_packet, data, *size);
    default:
        return give_event(s, data, size);
    }
}

static int mac_string(const UsbNet *s, uint8_t *data)
{
    char text[2 * NET_MAC_SIZE + 1];

    for (unsigned i = 0; i < NET_MAC_SIZE; i++) {
        g_snprintf(text + 2 * i, 3, "%02X", s->nic.mac[i]);
    }
    return usb_desc_string(text, data);
}

static int net_control(UsbDevice *dev, const UsbSetup *setup, uint8_t *data)
{
    enum { GET_DESCRIPTOR = 6 };
    UsbNet *s = USB_NET(dev);

    switch (setup->request) {
    case USB_REQUEST(USB_TO_HOST, GET_DESCRIPTOR):
        return setup->value == (USB_DESC_STRING << 8 | MAC_STRING) ? mac_string(s, data) : -1;
    case USB_REQUEST(USB_CLASS | USB_INTERFACE, SET_PACKET_FILTER):
        s->filter = setup->value;
        return 0;
    case USB_REQUEST(USB_CLASS | USB_INTERFACE, SET_MULTICAST_FILTERS):
        return 0; /* there are none: all come */
    default:
        return -1;
    }
}

/* What waits for room comes then, or is lost. */
static void forget_frames(UsbNet *s)
{
    s->in_len = s->in_pos = s->out_len = 0;
    s->in_full = s->too_long = false;
    memset(s->in, 0, sizeof(s->in));
    memset(s->out, 0, sizeof(s->out));
    if (s->nic.client.ops) { /* else it is just being made */
        net_client_ready(&s->nic.client);
    }
}

/* Of a machine that stands nothing changes: it is being loaded. */
static void net_configured(UsbDevice *dev)
{
    UsbNet *s = USB_NET(dev);

    if (!runstate_is_running()) {
        return;
    }
    if (!is_on(s)) {
        forget_frames(s);
    }
    s->told = false;
    usb_device_ready(dev, EVENT_ENDPOINT);
}

/* ---- life ---- */

static void net_reset(UsbDevice *dev)
{
    UsbNet *s = USB_NET(dev);

    forget_frames(s);
    s->filter = FILTER_OWN | FILTER_BROADCAST | FILTER_MULTICAST_ALL;
    s->told = false;
}

static bool net_realize(UsbDevice *dev, GError **errp)
{
    UsbNet *s = USB_NET(dev);

    if (!nic_realize(&s->nic, &dev->parent, &nic_ops, s, 1, errp)) {
        return false;
    }
    runstate_add_start(machine_starts, s);
    return true;
}

static void net_unrealize(UsbDevice *dev)
{
    UsbNet *s = USB_NET(dev);

    runstate_remove_start(machine_starts, s);
    nic_unrealize(&s->nic);
}

static bool net_loaded(void *obj, GError **errp)
{
    UsbNet *s = obj;

    if (s->in_pos > s->in_len) { /* the rest of a frame is not there */
        s->in_len = s->in_pos = 0;
    }
    return true;
}

static const StateField net_fields[] = {
    STATE_STRUCT(UsbNet, parent, &usb_device_state),
    STATE_UINT(UsbNet, filter),
    STATE_BOOL(UsbNet, told),
    STATE_UINT_MAX(UsbNet, in_len, FRAME_MAX),
    STATE_UINT_MAX(UsbNet, in_pos, FRAME_MAX),
    STATE_UINT_MAX(UsbNet, out_len, FRAME_MAX),
    STATE_BOOL(UsbNet, in_full),
    STATE_BOOL(UsbNet, too_long),
    STATE_UINTS(UsbNet, in),
    STATE_UINTS(UsbNet, out),
    {},
};
static const StateTable net_state = {
    .name = TYPE_USB_NET, .version = 1, .fields = net_fields, .post_load = net_loaded
};

static const UsbDeviceClass net_ops = {
    .device = USB_DEVICE_CLASS("network", &net_state),
    .describe = describe,
    .realize = net_realize,
    .unrealize = net_unrealize,
    .reset = net_reset,
    .configured = net_configured,
    .control = net_control,
    .data = net_data,
};

static const Property net_properties[] = {
    NIC_PROPERTIES(UsbNet, nic),
    USB_SERIAL_PROPERTY,
    { 0 },
};

static const ObjectType net_type = {
    .name = TYPE_USB_NET,
    .parent = TYPE_USB_DEVICE,
    .description = "USB network card (CDC Ethernet)",
    .instance_size = sizeof(UsbNet),
    .properties = net_properties,
    .ops = &net_ops,
};
OBJECT_TYPE_REGISTER(net_type)
