/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/usb/usb-desc.h"

#include <string.h>

enum { STRING_LANGUAGES, STRING_MAKER, STRING_NAME, STRING_SERIAL };
enum { US_ENGLISH = 0x0409, USB_2 = 0x0200, USB_1 = 0x0110 };

static void put_word(uint8_t *at, uint16_t value)
{
    at[0] = (uint8_t)value;
    at[1] = (uint8_t)(value >> 8);
}

static const char *serial_of(const UsbDevice *dev)
{
    return dev->serial ? dev->serial : dev->description->serial;
}

static uint16_t release_of_bus(const UsbDevice *dev)
{
    return dev->speed == USB_SPEED_LOW ? USB_1 : USB_2;
}

static int put_device(const UsbDevice *dev, uint8_t *data)
{
    const UsbDescription *d = dev->description;

    memset(data, 0, 18);
    data[0] = 18;
    data[1] = USB_DESC_DEVICE;
    put_word(data + 2, release_of_bus(dev));
    data[4] = d->class;
    data[5] = d->subclass;
    data[6] = d->protocol;
    data[7] = usb_device_configuration(dev)->max_packet;
    put_word(data + 8, d->vendor);
    put_word(data + 10, d->product);
    put_word(data + 12, d->release);
    data[14] = STRING_MAKER;
    data[15] = STRING_NAME;
    data[16] = serial_of(dev) ? STRING_SERIAL : 0;
    data[17] = 1; /* configuration */
    return 18;
}

/* How it is at the other one of full and high speed; NULL: it does not run at that. */
static const UsbConfiguration *other_speed(const UsbDevice *dev)
{
    if (dev->speed == USB_SPEED_LOW) {
        return NULL;
    }
    return dev->description->speeds[dev->speed == USB_SPEED_HIGH ? USB_SPEED_FULL : USB_SPEED_HIGH];
}

static int put_qualifier(const UsbDevice *dev, uint8_t *data)
{
    const UsbDescription *d = dev->description;
    const UsbConfiguration *other = other_speed(dev);

    if (!other) {
        return -1;
    }
    const uint8_t bytes[] = {
        10,          USB_DESC_QUALIFIER, (uint8_t)USB_2,    USB_2 >> 8, d->class,
        d->subclass, d->protocol,        other->max_packet, 1,          0
    };
    memcpy(data, bytes, sizeof(bytes));
    return sizeof(bytes);
}

static unsigned put_interface(const UsbInterface *interface, uint8_t *data)
{
    const uint8_t head[] = { 9,
                             USB_DESC_INTERFACE,
                             interface->number,
                             interface->alternate,
                             (uint8_t)interface->endpoint_count,
                             interface->class,
                             interface->subclass,
                             interface->protocol,
                             0 };
    unsigned size = sizeof(head);

    memcpy(data, head, sizeof(head));
    if (interface->extra_size) {
        memcpy(data + size, interface->extra, interface->extra_size);
        size += interface->extra_size;
    }
    for (unsigned i = 0; i < interface->endpoint_count; i++) {
        const UsbEndpoint *e = &interface->endpoints[i];
        uint8_t *at = data + size;

        at[0] = e->audio ? 9 : 7;
        at[1] = USB_DESC_ENDPOINT;
        at[2] = e->address;
        at[3] = e->kind;
        put_word(at + 4, e->max_packet);
        at[6] = e->interval;
        at[7] = at[8] = 0; /* what comes next overwrites them, or they are its own */
        size += at[0];
        if (e->extra_size) {
            memcpy(data + size, e->extra, e->extra_size);
            size += e->extra_size;
        }
    }
    return size;
}

/* Tables are so small that it has room. */
static int put_configuration(const UsbConfiguration *c, uint8_t type, uint8_t *data)
{
    unsigned size = 9, numbers = 0;

    for (unsigned i = 0; c && i < c->interface_count; i++) {
        size += put_interface(&c->interfaces[i], data + size);
        numbers = MAX(numbers, c->interfaces[i].number + 1u);
    }
    if (!c) {
        return -1;
    }
    data[0] = 9;
    data[1] = type;
    put_word(data + 2, (uint16_t)size);
    data[4] = (uint8_t)numbers;
    data[5] = 1; /* its value */
    data[6] = 0;
    data[7] = 0x80 | c->attributes;
    data[8] = c->power;
    return (int)size;
}

int usb_desc_string(const char *text, uint8_t *data)
{
    glong units = 0;
    g_autofree gunichar2 *utf16 = g_utf8_to_utf16(text, -1, NULL, &units, NULL);

    units = utf16 ? MIN(units, USB_STRING_UNITS) : 0;
    data[0] = (uint8_t)(2 + 2 * units);
    data[1] = USB_DESC_STRING;
    for (glong i = 0; i < units; i++) {
        put_word(data + 2 + 2 * i, utf16[i]);
    }
    return data[0];
}

static int put_string(const UsbDevice *dev, uint8_t index, uint8_t *data)
{
    const char *const texts[] = { [STRING_MAKER] = dev->description->maker,
                                  [STRING_NAME] = dev->description->name,
                                  [STRING_SERIAL] = serial_of(dev) };

    if (index == STRING_LANGUAGES) {
        data[0] = 4;
        data[1] = USB_DESC_STRING;
        put_word(data + 2, US_ENGLISH);
        return 4;
    }
    return index < G_N_ELEMENTS(texts) && texts[index] ? usb_desc_string(texts[index], data) : -1;
}

int usb_desc_get(const UsbDevice *dev, uint8_t type, uint8_t index, uint8_t *data)
{
    switch (type) {
    case USB_DESC_DEVICE:
        return put_device(dev, data);
    case USB_DESC_CONFIGURATION:
        return index ? -1 : put_configuration(usb_device_configuration(dev), type, data);
    case USB_DESC_OTHER_SPEED:
        return index ? -1 : put_configuration(other_speed(dev), type, data);
    case USB_DESC_QUALIFIER:
        return put_qualifier(dev, data);
    case USB_DESC_STRING:
        return put_string(dev, index, data);
    default:
        return -1;
    }
}
