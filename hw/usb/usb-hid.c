/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/usb/usb-hid.h"

#include <string.h>

#include "util/clock.h"
#include "util/error.h"

enum { DESC_HID = 0x21, DESC_REPORT = 0x22 };
enum {
    GET_DESCRIPTOR = 6,
    GET_REPORT = 1,
    GET_IDLE = 2,
    GET_PROTOCOL = 3,
    SET_REPORT = 9,
    SET_IDLE = 10,
    SET_PROTOCOL = 11
};
enum { INPUT_REPORT = 1, OUTPUT_REPORT = 2, PROTOCOL_REPORT = 1, ENDPOINT = 0x81 };

#define IDLE_UNIT_NS (4 * (NS_PER_SEC / 1000))

static const UsbHidClass *class_of(const UsbHid *hid)
{
    return object_ops(&hid->parent.parent.parent);
}

const UsbDescription *usb_hid_describe(const UsbDevice *dev)
{
    const UsbHid *hid = USB_HID(dev);

    return hid->usb_version == 1 ? class_of(hid)->full_speed : class_of(hid)->description;
}

/* ---- time ---- */

static void count_idle(UsbHid *hid)
{
    if (hid->idle) {
        timer_mod(hid->repeat, clock_ns() + hid->idle * IDLE_UNIT_NS);
    } else {
        timer_del(hid->repeat);
    }
}

static void repeat_expired(void *opaque)
{
    UsbHid *hid = opaque;

    hid->due = true;
    usb_device_ready(&hid->parent, ENDPOINT);
}

void usb_hid_happened(UsbHid *hid)
{
    usb_device_ready(&hid->parent, ENDPOINT);
}

/* ---- requests ---- */

static int get_descriptor(UsbHid *hid, const UsbSetup *setup, uint8_t *data)
{
    const UsbHidClass *class = class_of(hid);
    const UsbInterface *interface = usb_device_configuration(&hid->parent)->interfaces;

    if (setup->value == DESC_HID << 8) {
        memcpy(data, interface->extra, interface->extra_size);
        return (int)interface->extra_size;
    }
    if (setup->value == DESC_REPORT << 8) {
        memcpy(data, class->report_descriptor, class->report_descriptor_size);
        return (int)class->report_descriptor_size;
    }
    return -1;
}

static int get_report(UsbHid *hid, const UsbSetup *setup, uint8_t *data)
{
    return setup->value >> 8 == INPUT_REPORT ? (int)class_of(hid)->report(hid, data) : -1;
}

static int set_report(UsbHid *hid, const UsbSetup *setup, uint8_t *data)
{
    if (setup->value >> 8 != OUTPUT_REPORT || !class_of(hid)->set_report) {
        return -1;
    }
    class_of(hid)->set_report(hid, data, setup->length);
    return 0;
}

static int get_idle(UsbHid *hid, const UsbSetup *setup, uint8_t *data)
{
    data[0] = hid->idle;
    return 1;
}

static int set_idle(UsbHid *hid, const UsbSetup *setup, uint8_t *data)
{
    hid->idle = (uint8_t)(setup->value >> 8);
    count_idle(hid);
    return 0;
}

static int get_protocol(UsbHid *hid, const UsbSetup *setup, uint8_t *data)
{
    data[0] = hid->protocol;
    return 1;
}

static int set_protocol(UsbHid *hid, const UsbSetup *setup, uint8_t *data)
{
    if (setup->value > PROTOCOL_REPORT) {
        return -1;
    }
    hid->protocol = (uint8_t)setup->value;
    return 0;
}

static const struct {
    uint16_t request;
    int (*fn)(UsbHid *hid, const UsbSetup *setup, uint8_t *data);
} requests[] = {
    { USB_REQUEST(USB_TO_HOST | USB_INTERFACE, GET_DESCRIPTOR), get_descriptor },
    { USB_REQUEST(USB_TO_HOST | USB_CLASS | USB_INTERFACE, GET_REPORT), get_report },
    { USB_REQUEST(USB_TO_HOST | USB_CLASS | USB_INTERFACE, GET_IDLE), get_idle },
    { USB_REQUEST(USB_TO_HOST | USB_CLASS | USB_INTERFACE, GET_PROTOCOL), get_protocol },
    { USB_REQUEST(USB_CLASS | USB_INTERFACE, SET_REPORT), set_report },
    { USB_REQUEST(USB_CLASS | USB_INTERFACE, SET_IDLE), set_idle },
    { USB_REQUEST(USB_CLASS | USB_INTERFACE, SET_PROTOCOL), set_protocol },
};

int usb_hid_control(UsbDevice *dev, const UsbSetup *setup, uint8_t *data)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(requests); i++) {
        if (requests[i].request == setup->request && setup->index == 0) {
            return requests[i].fn(USB_HID(dev), setup, data);
        }
    }
    return -1;
}

UsbStatus usb_hid_data(UsbDevice *dev, const UsbEndpoint *endpoint, uint8_t *data, unsigned *size)
{
    UsbHid *hid = USB_HID(dev);
    uint8_t report[USB_HID_REPORT];

    if (!class_of(hid)->advance(hid) && !hid->due) {
        return USB_NAK;
    }
    hid->due = false;
    count_idle(hid);
    *size = MIN(*size, class_of(hid)->report(hid, report));
    memcpy(data, report, *size);
    return USB_OK;
}

/* ---- life ---- */

void usb_hid_reset(UsbDevice *dev)
{
    UsbHid *hid = USB_HID(dev);

    hid->idle = 0;
    hid->protocol = PROTOCOL_REPORT;
    hid->due = false;
    timer_del(hid->repeat);
    class_of(hid)->clear(hid);
}

bool usb_hid_realize(UsbHid *hid, GError **errp)
{
    if (hid->usb_version != 1 && hid->usb_version != 2) {
        error_set(errp, "usb_version=%u: it is 1 or 2", hid->usb_version);
        return false;
    }
    hid->repeat = timer_new(repeat_expired, hid);
    return true;
}

void usb_hid_unrealize(UsbHid *hid)
{
    g_clear_pointer(&hid->repeat, timer_free);
}

static const StateField hid_fields[] = {
    STATE_STRUCT(UsbHid, parent, &usb_device_state),
    STATE_UINT(UsbHid, idle),
    STATE_UINT_MAX(UsbHid, protocol, PROTOCOL_REPORT),
    STATE_BOOL(UsbHid, due),
    STATE_TIMER(UsbHid, repeat),
    {},
};
const StateTable usb_hid_state = { .name = TYPE_USB_HID, .version = 1, .fields = hid_fields };

static const Property hid_properties[] = {
    { .name = "usb_version",
      .kind = PROP_UINT32,
      .offset = offsetof(UsbHid, usb_version),
      .has_default = true,
      .default_int = 2,
      .description = "1: it knows full speed only; 2: high speed, too" },
    USB_SERIAL_PROPERTY,
    { 0 },
};

static const ObjectType hid_type = {
    .name = TYPE_USB_HID,
    .parent = TYPE_USB_DEVICE,
    .description = "a USB device for people",
    .instance_size = sizeof(UsbHid),
    .abstract = true,
    .properties = hid_properties,
};
OBJECT_TYPE_REGISTER(hid_type)
