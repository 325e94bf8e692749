/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Mass Storage Class, Bulk-Only Transport 1.0: the host sends a command in a wrapper (CBW), then
 * moves data, then asks how that went (CSW). While a piece of the data is under way at the unit,
 * the device answers NAK. Machine lock for everything.
 */
#ifndef HW_USB_USB_BULK_ONLY_H
#define HW_USB_USB_BULK_ONLY_H

#include "hw/usb/usb-scsi.h"

#define USB_BULK_ONLY_STAGES   4
#define USB_BULK_ONLY_STATUSES 3

typedef struct UsbBulkOnly {
    UsbScsi parent;
    uint8_t stage;
    uint32_t tag;
    uint32_t left; /* bytes that the host still wants to move */
    uint8_t status;
} UsbBulkOnly;
OBJECT_CAST_DEFINE(UsbBulkOnly, USB_BULK_ONLY, TYPE_USB_DEVICE)

/* As usb_scsi_state. */
extern const StateTable usb_bulk_only_state;

/* Its configurations, for descriptions. */
extern const UsbConfiguration usb_bulk_only_full_speed, usb_bulk_only_high_speed;

/* The rest of UsbScsiOps, beside `unit`. */
#define USB_BULK_ONLY_SCSI_OPS \
    .moved = usb_bulk_only_moved, .dropped = usb_bulk_only_dropped, .lost = usb_bulk_only_lost
void usb_bulk_only_moved(UsbScsi *s, ScsiEnd how);
void usb_bulk_only_dropped(UsbScsi *s);
void usb_bulk_only_lost(UsbScsi *s);

/* For UsbDeviceClass, beside description and life. */
#define USB_BULK_ONLY_CLASS                                                                     \
    .reset = usb_bulk_only_reset, .control = usb_bulk_only_control, .data = usb_bulk_only_data, \
    .unhalted = usb_bulk_only_unhalted
void usb_bulk_only_reset(UsbDevice *dev);
int usb_bulk_only_control(UsbDevice *dev, const UsbSetup *setup, uint8_t *data);
UsbStatus usb_bulk_only_data(UsbDevice *dev, const UsbEndpoint *endpoint, uint8_t *data,
                             unsigned *size);
void usb_bulk_only_unhalted(UsbDevice *dev, uint8_t address);

#endif
