/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The USB devices of the host, as its kernel lists them in a folder. Machine lock. */
#ifndef HW_USB_USB_HOST_FIND_H
#define HW_USB_USB_HOST_FIND_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define USB_HOST_FOLDER "/sys/bus/usb/devices"

/* What of a device is wanted: 0 and NULL stand for any. */
typedef struct UsbHostMatch {
    uint32_t vendor, product, bus, address;
    const char *port; /* "1", "1.2" */
} UsbHostMatch;

typedef struct UsbHostInfo {
    uint32_t vendor, product, bus, address;
    char *port, *speed, *name; /* never NULL */
} UsbHostInfo;

/* Those in @folder that are as @match says and no hubs, by bus and address: of UsbHostInfo *, which
 * it owns. */
GPtrArray *usb_host_find(const char *folder, const UsbHostMatch *match);

#endif
