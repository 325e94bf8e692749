/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb-serial: a serial port by USB with the interface of FTDI's FT232BM: settings go by requests of
 * the vendor, data by two bulk endpoints. Each packet to the host begins with two bytes of status.
 * Machine lock for everything.
 */
#include <string.h>

#include "chardev/char.h"
#include "chardev/chardev.h"
#include "hw/usb/usb-device.h"
#include "util/error.h"

#define TYPE_USB_SERIAL "usb-serial"

enum { QUEUE = 512, PACKET = 64, HEAD = 2, IN_ENDPOINT = 0x81, OUT_ENDPOINT = 0x02 };
enum { VENDOR = 0x40 };
enum {
    REQUEST_RESET = 0,
    MODEM_CONTROL = 1,
    FLOW_CONTROL = 2,
    BAUD_RATE = 3,
    DATA_FORMAT = 4,
    MODEM_STATUS = 5,
    EVENT_CHARACTER = 6,
    ERROR_CHARACTER = 7,
    SET_LATENCY = 9,
    GET_LATENCY = 10
};
enum { RESET_ALL = 0, PURGE_INPUT = 1, PURGE_OUTPUT = 2 };
/* First and second byte of a packet to the host. */
enum { MODEM_ALWAYS = 0x01, MODEM_CTS = 0x10, MODEM_DSR = 0x20, MODEM_CARRIER = 0x80 };
enum { LINE_BREAK = 0x10, LINE_EMPTY = 0x60 };
enum { FORMAT_BREAK = 1 << 14, LATENCY = 16, CLOCK = 3000000, SPEED_MAX = 3000000 };

typedef struct UsbSerial {
    UsbDevice parent;
    uint8_t queue[QUEUE]; /* what the host has not taken */
    uint32_t head, count;
    bool told; /* the host knows the status */
    bool got_break;
    uint8_t latency;
    uint32_t divisor; /* as the host gave it, 17 bits */
    uint16_t format;
    /* configuration */
    char *chardev;
    /* wiring */
    CharFrontend fe;
    bool connected; /* somebody is at the other side */
} UsbSerial;
OBJECT_CAST_DEFINE(UsbSerial, USB_SERIAL, TYPE_USB_SERIAL)

static const UsbEndpoint endpoints[] = { { IN_ENDPOINT, USB_BULK, PACKET, 0 },
                                         { OUT_ENDPOINT, USB_BULK, PACKET, 0 } };
static const UsbInterface interface = {
    .class = 0xff, .subclass = 0xff, .protocol = 0xff, .endpoints = endpoints, .endpoint_count = 2
};
static const UsbConfiguration full_speed = { 8, 0, 50, &interface, 1 };
static const UsbDescription description = {
    .vendor = 0x0403,
    .product = 0x6001,
    .release = 0x0400,
    .maker = "QEMU",
    .name = "QEMU USB SERIAL",
    .serial = "1",
    .speeds = { [USB_SPEED_FULL] = &full_speed },
};

static const UsbDescription *describe(const UsbDevice *dev)
{
    return &description;
}

/* ---- the line ---- */

/* The divisor has eighths, in an order of its own. */
static unsigned speed_of(uint32_t divisor)
{
    static const uint8_t eighths[] = { 0, 4, 2, 1, 3, 5, 6, 7 };
    uint32_t value = (divisor & 0x3fff) * 8 + eighths[divisor >> 14 & 7];

    if (value < 8) {
        return SPEED_MAX;
    }
    return value == 8 ? SPEED_MAX / 3 * 2 : CLOCK * 8u / value;
}

static void set_line(UsbSerial *s)
{
    static const CharParity parities[8] = { CHAR_PARITY_NONE, CHAR_PARITY_ODD, CHAR_PARITY_EVEN,
                                            CHAR_PARITY_MARK, CHAR_PARITY_SPACE };
    const CharLine line = { .speed = speed_of(s->divisor),
                            .data_bits = CLAMP(s->format & 0xff, 5, 8),
                            .stop_bits = s->format >> 11 & 3 ? 2 : 1,
                            .parity = parities[s->format >> 8 & 7] };

    char_set_line(&s->fe, &line);
}

static int can_receive(void *opaque)
{
    const UsbSerial *s = opaque;

    return s->parent.configuration ? QUEUE - (int)s->count : 0;
}

static void receive(void *opaque, const uint8_t *bytes, int size)
{
    UsbSerial *s = opaque;

    for (int i = 0; i < size && s->count < QUEUE; i++) {
        s->queue[(s->head + s->count++) % QUEUE] = bytes[i];
    }
    usb_device_ready(&s->parent, IN_ENDPOINT);
}

static void event(void *opaque, CharEvent event)
{
    UsbSerial *s = opaque;

    if (event == CHAR_EVENT_BREAK) {
        s->got_break = true;
    } else if (event == CHAR_EVENT_OPENED || event == CHAR_EVENT_CLOSED) {
        s->connected = event == CHAR_EVENT_OPENED;
        set_line(s);
    } else {
        return;
    }
    s->told = false;
    usb_device_ready(&s->parent, IN_ENDPOINT);
}

/* ---- the host ---- */

static void put_status(const UsbSerial *s, uint8_t *data)
{
    data[0] = MODEM_ALWAYS | (s->connected ? MODEM_CTS | MODEM_DSR | MODEM_CARRIER : 0);
    data[1] = LINE_EMPTY | (s->got_break ? LINE_BREAK : 0);
}

/* As many packets as there are, but no empty one behind a full one. */
static UsbStatus give(UsbSerial *s, uint8_t *data, unsigned *size)
{
    unsigned done = 0;

    if ((!s->count && s->told) || *size < HEAD) {
        return USB_NAK;
    }
    do {
        unsigned room = MIN(*size - done, (unsigned)PACKET) - HEAD;
        unsigned bytes = MIN(room, s->count);

        put_status(s, data + done);
        s->got_break = false;
        done += HEAD;
        for (; bytes; bytes--, s->count--) {
            data[done++] = s->queue[s->head];
            s->head = (s->head + 1) % QUEUE;
        }
    } while (s->count && done % PACKET == 0 && *size - done > HEAD);
    s->told = done % PACKET; /* one that is not full ends the transfer */
    *size = done;
    char_accept_input(&s->fe);
    return USB_OK;
}

static UsbStatus serial_data(UsbDevice *dev, const UsbEndpoint *endpoint, uint8_t *data,
                             unsigned *size)
{
    UsbSerial *s = USB_SERIAL(dev);

    if (endpoint->address == IN_ENDPOINT) {
        return give(s, data, size);
    }
    char_write(&s->fe, data, *size);
    return USB_OK;
}

static void purge(UsbSerial *s)
{
    memset(s->queue, 0, sizeof(s->queue));
    s->head = s->count = 0;
}

static int serial_control(UsbDevice *dev, const UsbSetup *setup, uint8_t *data)
{
    UsbSerial *s = USB_SERIAL(dev);

    switch (setup->request) {
    case USB_REQUEST(VENDOR, REQUEST_RESET):
        if (setup->value != PURGE_OUTPUT) {
            purge(s);
        }
        return 0;
    case USB_REQUEST(VENDOR, BAUD_RATE):
        s->divisor = setup->value | (setup->index & 1u) << 16;
        set_line(s);
        return 0;
    case USB_REQUEST(VENDOR, DATA_FORMAT):
        if ((s->format ^ setup->value) & FORMAT_BREAK) {
            char_set_break(&s->fe, setup->value & FORMAT_BREAK);
        }
        s->format = setup->value;
        set_line(s);
        return 0;
    case USB_REQUEST(VENDOR, SET_LATENCY):
        s->latency = (uint8_t)setup->value;
        return 0;
    case USB_REQUEST(VENDOR, MODEM_CONTROL):
    case USB_REQUEST(VENDOR, FLOW_CONTROL):
    case USB_REQUEST(VENDOR, EVENT_CHARACTER):
    case USB_REQUEST(VENDOR, ERROR_CHARACTER):
        return 0; /* there are no such lines, and nothing is lost on the way */
    case USB_REQUEST(USB_TO_HOST | VENDOR, MODEM_STATUS):
        put_status(s, data);
        return HEAD;
    case USB_REQUEST(USB_TO_HOST | VENDOR, GET_LATENCY):
        data[0] = s->latency;
        return 1;
    default:
        return -1;
    }
}

static void configured(UsbDevice *dev)
{
    char_accept_input(&USB_SERIAL(dev)->fe);
}

/* ---- life ---- */

static void serial_reset(UsbDevice *dev)
{
    UsbSerial *s = USB_SERIAL(dev);

    purge(s);
    s->told = s->got_break = false;
    s->latency = LATENCY;
    s->divisor = CLOCK / 9600;
    if (s->format & FORMAT_BREAK) {
        char_set_break(&s->fe, false);
    }
    s->format = 8;
}

static bool serial_realize(UsbDevice *dev, GError **errp)
{
    UsbSerial *s = USB_SERIAL(dev);
    Chardev *chr = s->chardev ? chardev_find(s->chardev) : NULL;

    if (!chr) {
        error_set(errp, "chardev '%s' not found; a usb-serial needs one: -chardev ...,id=ID",
                  s->chardev ? s->chardev : "");
        return false;
    }
    s->fe = (CharFrontend){ .can_receive = can_receive,
                            .receive = receive,
                            .event = event,
                            .opaque = s,
                            .can_change = true };
    return char_attach(chr, &s->fe, errp);
}

static void serial_unrealize(UsbDevice *dev)
{
    char_detach(&USB_SERIAL(dev)->fe);
}

static const StateField serial_fields[] = {
    STATE_STRUCT(UsbSerial, parent, &usb_device_state),
    STATE_UINTS(UsbSerial, queue),
    STATE_UINT_MAX(UsbSerial, head, QUEUE - 1),
    STATE_UINT_MAX(UsbSerial, count, QUEUE),
    STATE_BOOL(UsbSerial, told),
    STATE_BOOL(UsbSerial, got_break),
    STATE_UINT(UsbSerial, latency),
    STATE_UINT_MAX(UsbSerial, divisor, 0x1ffff),
    STATE_UINT(UsbSerial, format),
    {},
};
static const StateTable serial_state = { .name = TYPE_USB_SERIAL,
                                         .version = 1,
                                         .fields = serial_fields };

static const UsbDeviceClass serial_ops = {
    .device = USB_DEVICE_CLASS("input", &serial_state),
    .describe = describe,
    .realize = serial_realize,
    .unrealize = serial_unrealize,
    .reset = serial_reset,
    .configured = configured,
    .control = serial_control,
    .data = serial_data,
};

static const Property serial_properties[] = {
    { .name = "chardev",
      .kind = PROP_STRING,
      .offset = offsetof(UsbSerial, chardev),
      .description = "id of the character device at the other side" },
    USB_SERIAL_PROPERTY,
    { 0 },
};

static const ObjectType serial_type = {
    .name = TYPE_USB_SERIAL,
    .parent = TYPE_USB_DEVICE,
    .description = "USB serial port",
    .instance_size = sizeof(UsbSerial),
    .properties = serial_properties,
    .ops = &serial_ops,
};
OBJECT_TYPE_REGISTER(serial_type)
