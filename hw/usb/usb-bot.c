/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * usb-bot: a SCSI bus by USB's bulk-only transport, with disks and CDs as LUNs 0 to 15. Machine
 * lock for everything.
 */
#include "hw/usb/usb-bulk-only.h"

#define TYPE_USB_BOT "usb-bot"
#define MAX_LUN      15 /* GET MAX LUN and bCBWLUN (3.2, 5.1) */

typedef struct UsbBot {
    UsbBulkOnly parent;
} UsbBot;

static const UsbDescription description = {
    .vendor = 0x46f4,
    .product = 0x0001,
    .maker = "QEMU",
    .name = "QEMU USB MSD",
    .serial = "1",
    .speeds = { [USB_SPEED_FULL] = &usb_bulk_only_full_speed,
                [USB_SPEED_HIGH] = &usb_bulk_only_high_speed },
};

static const UsbDescription *describe(const UsbDevice *dev)
{
    return &description;
}

static const UsbScsiOps scsi_ops = { .unit = usb_scsi_bus_unit, USB_BULK_ONLY_SCSI_OPS };

static bool bot_realize(UsbDevice *dev, GError **errp)
{
    UsbScsi *s = USB_SCSI(dev);

    s->ops = &scsi_ops;
    return usb_scsi_bus_realize(s, MAX_LUN, true, errp);
}

static void bot_unrealize(UsbDevice *dev)
{
    usb_scsi_bus_unrealize(USB_SCSI(dev));
}

static void device_reset(Device *obj)
{
    usb_device_reset(obj);
    usb_scsi_bus_drain(USB_SCSI(obj));
}

static const StateField bot_fields[] = {
    STATE_STRUCT(UsbBot, parent, &usb_bulk_only_state),
    {},
};
static const StateTable bot_state = { .name = TYPE_USB_BOT, .version = 1, .fields = bot_fields };

static const UsbDeviceClass bot_ops = {
    .device = { .category = "storage",
                .bus = TYPE_USB_BUS,
                .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG,
                .realize = usb_device_realize,
                .unrealize = usb_device_unrealize,
                .reset = device_reset,
                .wake = usb_device_wake,
                .state = &bot_state },
    .describe = describe,
    .realize = bot_realize,
    .unrealize = bot_unrealize,
    USB_BULK_ONLY_CLASS,
};

static const Property bot_properties[] = {
    USB_SERIAL_PROPERTY,
    USB_SCSI_ATTACHED_PROPERTY,
    { 0 },
};

static const ObjectType bot_type = {
    .name = TYPE_USB_BOT,
    .parent = TYPE_USB_DEVICE,
    .description = "SCSI bus by USB (bulk-only transport)",
    .instance_size = sizeof(UsbBot),
    .properties = bot_properties,
    .ops = &bot_ops,
};
OBJECT_TYPE_REGISTER(bot_type)
