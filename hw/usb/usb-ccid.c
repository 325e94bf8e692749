/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "hw/usb/ccid.h"
#include "hw/usb/usb-device.h"
#include "util/error.h"

enum { NOTIFY_ENDPOINT = 0x81, IN_ENDPOINT = 0x82, OUT_ENDPOINT = 0x03, PACKET = 64 };
enum { HEAD = 10, MESSAGE_MAX = HEAD + CCID_APDU_MAX, PARAMETERS = 7 };
/* Messages (6.1 to 6.3). */
enum {
    SET_PARAMETERS = 0x61,
    POWER_ON = 0x62,
    POWER_OFF = 0x63,
    GET_SLOT_STATUS = 0x65,
    GET_PARAMETERS = 0x6c,
    RESET_PARAMETERS = 0x6d,
    TRANSFER = 0x6f,
    ABORT = 0x72,
    DATA_BLOCK = 0x80,
    SLOT_STATUS = 0x81,
    ANSWER_PARAMETERS = 0x82,
    SLOT_CHANGE = 0x50,
};
/* Status and error of an answer (6.2.6). */
enum { ACTIVE = 0, INACTIVE = 1, NO_CARD = 2, FAILED = 0x40 };
enum { ERROR_UNKNOWN = 0, ERROR_LENGTH = 1, ERROR_SLOT = 5, ERROR_MUTE = 0xfe };
enum { REQUEST_ABORT = 1, GET_CLOCKS = 2, GET_RATES = 3, CLOCK_KHZ = 4000, RATE = 9600 };

typedef struct CcidBus {
    Bus parent;
    struct UsbCcid *reader; /* borrowed */
} CcidBus;
OBJECT_CAST_DEFINE(CcidBus, CCID_BUS, TYPE_CCID_BUS)

typedef struct UsbCcid {
    UsbDevice parent;
    uint8_t out[MESSAGE_MAX], in[MESSAGE_MAX];
    uint32_t out_size;          /* bytes of a message that came */
    uint32_t in_size, in_taken; /* bytes of an answer, and that the host has taken */
    bool ends;                  /* and an empty packet ends it */
    bool waits;                 /* for the card's answer to the message with `sequence` */
    uint8_t sequence;
    bool powered;
    bool changed; /* the host does not know whether a card is there */
    /* wiring */
    CcidBus *bus;
    CcidCard *card; /* borrowed */
} UsbCcid;
OBJECT_CAST_DEFINE(UsbCcid, USB_CCID, TYPE_USB_CCID)

#define LONG(x) (x) & 0xff, (x) >> 8 & 0xff, (x) >> 16 & 0xff, (x) >> 24 & 0xff
/* What it can do (5.1): whole commands of short length; all that has to do with the line it does by
 * itself. */
static const uint8_t abilities[] = {
    54,
    0x21,
    0x10,
    0x01,
    0,
    7,
    LONG(3),
    LONG(CLOCK_KHZ),
    LONG(CLOCK_KHZ),
    0,
    LONG(RATE),
    LONG(RATE),
    0,
    LONG(254),
    LONG(0),
    LONG(0),
    LONG(0x000204ba),
    LONG(MESSAGE_MAX),
    0xff,
    0xff,
    0,
    0,
    0,
    1,
};
static const UsbEndpoint endpoints[] = { { NOTIFY_ENDPOINT, USB_INTERRUPT, PACKET, 255 },
                                         { IN_ENDPOINT, USB_BULK, PACKET, 0 },
                                         { OUT_ENDPOINT, USB_BULK, PACKET, 0 } };
static const UsbInterface interface = { .class = 0x0b,
                                        .extra = abilities,
                                        .extra_size = sizeof(abilities),
                                        .endpoints = endpoints,
                                        .endpoint_count = 3 };
static const UsbConfiguration full_speed = { 64, USB_SELF_POWERED | USB_WAKES, 50, &interface, 1 };
static const UsbDescription description = {
    .vendor = 0x08e6,
    .product = 0x4433,
    .maker = "QEMU",
    .name = "QEMU USB CCID",
    .serial = "1",
    .speeds = { [USB_SPEED_FULL] = &full_speed },
};

static const UsbDescription *describe(const UsbDevice *dev)
{
    return &description;
}

/* ---- answers ---- */

static bool has_card(const UsbCcid *s)
{
    return s->card && s->card->atr_size;
}

/* An answer of @type with @size bytes at @data to the message in s->out. */
static void answer(UsbCcid *s, uint8_t type, int error, const uint8_t *data, unsigned size)
{
    uint8_t status = !has_card(s) ? NO_CARD : s->powered ? ACTIVE : INACTIVE;
    uint32_t length = GUINT32_TO_LE(size);

    memset(s->in, 0, HEAD);
    s->in[0] = type;
    memcpy(s->in + 1, &length, sizeof(length));
    s->in[6] = s->sequence;
    s->in[7] = status | (error < 0 ? 0 : FAILED);
    s->in[8] = (uint8_t)MAX(error, 0);
    if (size) {
        memcpy(s->in + HEAD, data, size);
    }
    s->in_size = HEAD + size;
    s->in_taken = 0;
    s->waits = false;
    usb_device_ready(&s->parent, IN_ENDPOINT);
}

void ccid_card_present(CcidCard *card, const uint8_t *atr, unsigned size)
{
    UsbCcid *s = card->reader;
    bool before = card->atr_size;

    card->atr_size = MIN(size, CCID_ATR_MAX);
    if (card->atr_size) {
        memcpy(card->atr, atr, card->atr_size);
    }
    if (!s || (before && size)) {
        return; /* the same one, which was reset */
    }
    s->powered = false;
    s->changed = true;
    if (s->waits) {
        answer(s, DATA_BLOCK, ERROR_MUTE, NULL, 0);
    }
    usb_device_ready(&s->parent, NOTIFY_ENDPOINT);
}

void ccid_card_answer(CcidCard *card, const uint8_t *data, unsigned size)
{
    UsbCcid *s = card->reader;

    if (s && s->waits) {
        bool fits = size <= CCID_APDU_MAX;

        answer(s, DATA_BLOCK, fits ? -1 : ERROR_LENGTH, data, fits ? size : 0);
    }
}

/* ---- messages ---- */

static void power_on(UsbCcid *s)
{
    if (!has_card(s)) {
        answer(s, DATA_BLOCK, ERROR_MUTE, NULL, 0);
        return;
    }
    s->powered = true;
    answer(s, DATA_BLOCK, -1, s->card->atr, s->card->atr_size);
}

static void transfer(UsbCcid *s)
{
    if (!has_card(s) || !s->powered) {
        answer(s, DATA_BLOCK, ERROR_MUTE, NULL, 0);
        return;
    }
    s->waits = true;
    ((const CcidCardClass *)object_ops(&s->card->parent.parent))
        ->command(s->card, s->out + HEAD, s->out_size - HEAD);
}

/* A whole one is there. */
static void take_message(UsbCcid *s)
{
    /* Of the protocol T=0, or T=1. */
    static const uint8_t parameters[PARAMETERS] = { 0x11, 0x10, 0x00, 0x4d, 0x00, 0xfe, 0x00 };

    s->sequence = s->out[6];
    if (s->out[5]) {
        answer(s, s->out[0] == TRANSFER || s->out[0] == POWER_ON ? DATA_BLOCK : SLOT_STATUS,
               ERROR_SLOT, NULL, 0);
        return;
    }
    switch (s->out[0]) {
    case POWER_ON:
        power_on(s);
        break;
    case POWER_OFF:
        s->powered = false;
        answer(s, SLOT_STATUS, -1, NULL, 0);
        break;
    case GET_SLOT_STATUS:
    case ABORT:
        answer(s, SLOT_STATUS, -1, NULL, 0);
        break;
    case GET_PARAMETERS:
    case RESET_PARAMETERS:
    case SET_PARAMETERS:
        answer(s, ANSWER_PARAMETERS, -1, parameters, sizeof(parameters));
        s->in[9] = 1; /* T=1 */
        break;
    case TRANSFER:
        transfer(s);
        break;
    default:
        answer(s, SLOT_STATUS, ERROR_UNKNOWN, NULL, 0);
        break;
    }
}

/* ---- the host ---- */

static UsbStatus take(UsbCcid *s, const uint8_t *data, unsigned *size)
{
    uint32_t length = 0;

    if (s->waits || s->in_size) {
        return USB_NAK; /* one after the other */
    }
    if (*size > MESSAGE_MAX - s->out_size) {
        s->out_size = 0;
        return USB_STALL;
    }
    memcpy(s->out + s->out_size, data, *size);
    s->out_size += *size;
    if (s->out_size < HEAD) {
        s->out_size = *size % PACKET ? 0 : s->out_size;
        return USB_OK;
    }
    memcpy(&length, s->out + 1, sizeof(length));
    length = GUINT32_FROM_LE(length);
    if (length > CCID_APDU_MAX || s->out_size > HEAD + length) {
        s->out_size = 0;
        return USB_STALL;
    }
    if (s->out_size == HEAD + length) {
        take_message(s);
        s->out_size = 0;
    }
    return USB_OK;
}

static UsbStatus give(UsbCcid *s, uint8_t *data, unsigned *size)
{
    if (s->ends) {
        s->ends = false;
        *size = 0;
        return USB_OK;
    }
    if (!s->in_size) {
        return USB_NAK;
    }
    *size = MIN(*size, s->in_size - s->in_taken);
    memcpy(data, s->in + s->in_taken, *size);
    s->in_taken += *size;
    if (s->in_taken == s->in_size) {
        s->ends = s->in_size % PACKET == 0;
        s->in_size = s->in_taken = 0;
        usb_device_ready(&s->parent, OUT_ENDPOINT);
    }
    return USB_OK;
}

static UsbStatus ccid_data(UsbDevice *dev, const UsbEndpoint *endpoint, uint8_t *data,
                           unsigned *size)
{
    UsbCcid *s = USB_CCID(dev);

    if (endpoint->address == OUT_ENDPOINT) {
        return take(s, data, size);
    }
    if (endpoint->address == IN_ENDPOINT) {
        return give(s, data, size);
    }
    if (!s->changed || *size < 2) {
        return USB_NAK;
    }
    s->changed = false;
    data[0] = SLOT_CHANGE;
    data[1] = 2 | has_card(s);
    *size = 2;
    return USB_OK;
}

static int ccid_control(UsbDevice *dev, const UsbSetup *setup, uint8_t *data)
{
    uint32_t clock = GUINT32_TO_LE(CLOCK_KHZ), rate = GUINT32_TO_LE(RATE);

    switch (setup->request) {
    case USB_REQUEST(USB_CLASS | USB_INTERFACE, REQUEST_ABORT):
        return 0;
    case USB_REQUEST(USB_TO_HOST | USB_CLASS | USB_INTERFACE, GET_CLOCKS):
        memcpy(data, &clock, sizeof(clock));
        return sizeof(clock);
    case USB_REQUEST(USB_TO_HOST | USB_CLASS | USB_INTERFACE, GET_RATES):
        memcpy(data, &rate, sizeof(rate));
        return sizeof(rate);
    default:
        return -1;
    }
}

/* ---- the bus ---- */

static bool attach(Bus *bus, Device *dev, GError **errp)
{
    UsbCcid *s = CCID_BUS(bus)->reader;

    if (s->card) {
        error_set(errp, "bus '%s' has a card already, and one slot", bus->parent.name);
        return false;
    }
    s->card = CCID_CARD(dev);
    s->card->reader = s;
    s->changed = true;
    return true;
}

static void detach(Bus *bus, Device *dev)
{
    UsbCcid *s = CCID_BUS(bus)->reader;

    ccid_card_present(s->card, NULL, 0);
    s->card->reader = NULL;
    s->card = NULL;
}

static bool is_full(const Bus *bus)
{
    return CCID_BUS(bus)->reader->card;
}

static const BusClass bus_ops = { .attach = attach, .detach = detach, .is_full = is_full };

static const ObjectType bus_type = {
    .name = TYPE_CCID_BUS,
    .parent = TYPE_BUS,
    .description = "the slot of a smart card reader",
    .instance_size = sizeof(CcidBus),
    .ops = &bus_ops,
};
OBJECT_TYPE_REGISTER(bus_type)

static const Property card_properties[] = {
    { .name = "bus",
      .kind = PROP_STRING,
      .offset = offsetof(CcidCard, parent.bus_name),
      .description = "name of the bus: ID.0 of a usb-ccid" },
    { 0 },
};

static const ObjectType card_type = {
    .name = TYPE_CCID_CARD,
    .parent = TYPE_DEVICE,
    .description = "a smart card",
    .instance_size = sizeof(CcidCard),
    .abstract = true,
    .properties = card_properties,
};
OBJECT_TYPE_REGISTER(card_type)

/* ---- life ---- */

static void ccid_reset(UsbDevice *dev)
{
    UsbCcid *s = USB_CCID(dev);

    memset(s->out, 0, sizeof(s->out));
    memset(s->in, 0, sizeof(s->in));
    s->out_size = s->in_size = s->in_taken = 0;
    s->ends = s->waits = s->powered = false;
    s->sequence = 0;
    s->changed = true;
}

static bool ccid_realize(UsbDevice *dev, GError **errp)
{
    UsbCcid *s = USB_CCID(dev);
    g_autofree char *name = dev->parent.id ? g_strdup_printf("%s.0", dev->parent.id) : NULL;
    Bus *bus;

    for (unsigned n = 0; !name; n++) {
        name = g_strdup_printf("ccid-bus.%u", n);
        if (bus_find(TYPE_CCID_BUS, name, NULL)) {
            g_clear_pointer(&name, g_free);
        }
    }
    bus = bus_new(TYPE_CCID_BUS, name, &dev->parent.parent, errp);
    if (!bus) {
        return false;
    }
    s->bus = CCID_BUS(bus);
    s->bus->reader = s;
    return true;
}

static void ccid_unrealize(UsbDevice *dev)
{
    UsbCcid *s = USB_CCID(dev);

    object_unparent(&s->bus->parent.parent);
    s->bus = NULL;
}

static bool check_loaded(void *obj, GError **errp)
{
    UsbCcid *s = obj;

    if (s->in_taken > s->in_size) {
        error_set(errp, "in_taken: %u is behind the end, %u", s->in_taken, s->in_size);
        return false;
    }
    s->waits = false; /* cards that are there are not saved */
    s->changed |= has_card(s);
    return true;
}

static const StateField ccid_fields[] = {
    STATE_STRUCT(UsbCcid, parent, &usb_device_state),
    STATE_UINTS(UsbCcid, out),
    STATE_UINTS(UsbCcid, in),
    STATE_UINT_MAX(UsbCcid, out_size, MESSAGE_MAX),
    STATE_UINT_MAX(UsbCcid, in_size, MESSAGE_MAX),
    STATE_UINT_MAX(UsbCcid, in_taken, MESSAGE_MAX),
    STATE_BOOL(UsbCcid, ends),
    STATE_BOOL(UsbCcid, waits),
    STATE_UINT(UsbCcid, sequence),
    STATE_BOOL(UsbCcid, powered),
    STATE_BOOL(UsbCcid, changed),
    {},
};
static const StateTable ccid_state = {
    .name = TYPE_USB_CCID, .version = 1, .fields = ccid_fields, .post_load = check_loaded
};

static const UsbDeviceClass ccid_ops = {
    .device = USB_DEVICE_CLASS("input", &ccid_state),
    .describe = describe,
    .realize = ccid_realize,
    .unrealize = ccid_unrealize,
    .reset = ccid_reset,
    .control = ccid_control,
    .data = ccid_data,
};

static const Property ccid_properties[] = { USB_SERIAL_PROPERTY, { 0 } };

static const ObjectType ccid_type = {
    .name = TYPE_USB_CCID,
    .parent = TYPE_USB_DEVICE,
    .description = "USB reader of smart cards",
    .instance_size = sizeof(UsbCcid),
    .properties = ccid_properties,
    .ops = &ccid_ops,
};
OBJECT_TYPE_REGISTER(ccid_type)
