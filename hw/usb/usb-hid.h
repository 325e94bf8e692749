/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Human interface devices (HID 1.11): what keyboards, mice and tablets have in common. Reports go
 * by an interrupt endpoint, one for each thing that happened; without anything new it answers NAK,
 * or after some time (SET_IDLE) the last report again. Machine lock for everything.
 */
#ifndef HW_USB_USB_HID_H
#define HW_USB_USB_HID_H

#include "hw/usb/usb-device.h"
#include "util/timer.h"

#define TYPE_USB_HID "usb-hid"

#define USB_HID_REPORT     8 /* bytes, at most */
#define USB_HID_DESCRIPTOR 9 /* of the class; it follows the one of the interface */

typedef struct UsbHid {
    UsbDevice parent;
    uint8_t idle;     /* units of 4 ms until a report is repeated; 0: never */
    uint8_t protocol; /* 0: that of the boot, 1: that of the report descriptor */
    bool due;         /* the last report is to be repeated */
    Timer *repeat;
    /* configuration */
    uint32_t usb_version;
} UsbHid;
OBJECT_CAST_DEFINE(UsbHid, USB_HID, TYPE_USB_HID)

/* What types define. */
typedef struct UsbHidClass {
    UsbDeviceClass usb;
    const UsbDescription *description, *full_speed; /* the latter for usb_version=1 */
    const uint8_t *report_descriptor;
    unsigned report_descriptor_size;
    /* Take the next thing that happened into what is reported; false: nothing did. */
    bool (*advance)(UsbHid *hid);
    /* Write what is reported to @report; how many bytes. */
    unsigned (*report)(UsbHid *hid, uint8_t *report);
    void (*set_report)(UsbHid *hid, const uint8_t *report, unsigned size); /* may be NULL */
    /* Nothing happened, and nothing is pressed. */
    void (*clear)(UsbHid *hid);
} UsbHidClass;

/* What their UsbDeviceClass begins with. */
#define USB_HID_CLASS_BASE(state_)                                             \
    .device = USB_DEVICE_CLASS("input", state_), .describe = usb_hid_describe, \
    .reset = usb_hid_reset, .control = usb_hid_control, .data = usb_hid_data
const UsbDescription *usb_hid_describe(const UsbDevice *dev);
void usb_hid_reset(UsbDevice *dev);
int usb_hid_control(UsbDevice *dev, const UsbSetup *setup, uint8_t *data);
UsbStatus usb_hid_data(UsbDevice *dev, const UsbEndpoint *endpoint, uint8_t *data, unsigned *size);
/* For `realize` and `unrealize` of types. */
bool usb_hid_realize(UsbHid *hid, GError **errp);
void usb_hid_unrealize(UsbHid *hid);
/* Something happened. */
void usb_hid_happened(UsbHid *hid);
/* The descriptor of the class, for a report descriptor of that size. */
#define USB_HID_EXTRA(size)                                           \
    {                                                                 \
        9, 0x21, 0x11, 0x01, 0, 1, 0x22, (uint8_t)(size), (size) >> 8 \
    }

extern const StateTable usb_hid_state;

#endif
