/* SPDX-License-Identifier: GPL-2.0-or-later */
/* USB in HMP. */
#include "hw/usb/usb-bus.h"
#include "hw/usb/usb-host-find.h"
#include "monitor/hmp.h"

void hmp_info_usb(Hmp *hmp, char **argv)
{
    bool found = false;

    for (unsigned i = 0; i < buses()->len; i++) {
        const Bus *bus = buses()->pdata[i];

        if (!object_is_a(&bus->parent, TYPE_USB_BUS)) {
            continue;
        }
        found = true;
        for (unsigned n = 0; n < bus->children->len; n++) {
            const UsbDevice *dev = USB_DEVICE(bus->children->pdata[n]);

            hmp_printf(hmp, "  Device %u.%u, Port %s, Speed %s Mb/s, Product %s%s%s\n",
                       USB_BUS(bus)->number, dev->address, dev->port->path,
                       usb_speed_name(dev->speed), dev->description->name,
                       dev->parent.id ? ", ID: " : "", dev->parent.id ? dev->parent.id : "");
        }
    }
    if (!found) {
        hmp_printf(hmp, "Error: this machine has no USB; -device qemu-xhci is a controller\n");
    }
}

void hmp_info_usbhost(Hmp *hmp, char **argv)
{
    const UsbHostMatch any = { 0 };
    g_autoptr(GPtrArray) found = usb_host_find(USB_HOST_FOLDER, &any);

    for (unsigned i = 0; i < found->len; i++) {
        const UsbHostInfo *info = found->pdata[i];

        hmp_printf(hmp, "  Bus %u, Addr %u, Port %s, Speed %s Mb/s\n    USB device %04x:%04x%s%s\n",
                   info->bus, info->address, info->port, info->speed, info->vendor, info->product,
                   *info->name ? ", " : "", info->name);
    }
    if (!found->len) {
        hmp_printf(hmp, "the host has no USB devices\n");
    }
}
