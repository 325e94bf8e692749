/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Descriptors as bytes (USB 2.0, 9.5 and 9.6), out of the tables that describe a device. */
#ifndef HW_USB_USB_DESC_H
#define HW_USB_USB_DESC_H

#include "hw/usb/usb-device.h"

enum {
    USB_DESC_DEVICE = 1,
    USB_DESC_CONFIGURATION = 2,
    USB_DESC_STRING = 3,
    USB_DESC_INTERFACE = 4,
    USB_DESC_ENDPOINT = 5,
    USB_DESC_QUALIFIER = 6,
    USB_DESC_OTHER_SPEED = 7
};

#define USB_STRING_UNITS 126 /* of UTF-16, in a string descriptor */

/* Write the descriptor of @type with number @index to @data, which has room for USB_CONTROL_MAX
 * bytes: how many they are, or -1: there is none. */
int usb_desc_get(const UsbDevice *dev, uint8_t type, uint8_t index, uint8_t *data);
/* Write the descriptor of the string @text; how many bytes it has. */
int usb_desc_string(const char *text, uint8_t *data);

#endif
