/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The SCSI bus of a USB device: target 0, with LUNs. */
#include "hw/usb/usb-scsi.h"
#include "util/error.h"
#include "util/loop.h"

static UsbScsi *device_of(const ScsiBus *bus)
{
    return USB_SCSI(bus->parent.parent.parent);
}

/* ---- units ---- */

ScsiUnit *usb_scsi_bus_unit(UsbScsi *s, unsigned lun, bool *absent)
{
    ScsiDevice *other, *dev = scsi_bus_find(s->bus, 0, 0, lun, &other);

    *absent = !dev;
    dev = dev ? dev : other;
    return dev ? &dev->unit : NULL;
}

unsigned usb_scsi_bus_last_lun(const UsbScsi *s)
{
    const GPtrArray *units = s->bus->units;
    const ScsiDevice *last = units->len ? units->pdata[units->len - 1] : NULL;

    return last ? last->lun : 0;
}

void usb_scsi_bus_drain(UsbScsi *s)
{
    scsi_bus_drain(s->bus);
}

/* ---- the bus's calls ---- */

static void enter(ScsiBus *bus)
{
}

static void leave(ScsiBus *bus)
{
}

/* A command that is not under way can be at it still: its data are. */
static void unplugged(ScsiBus *bus, ScsiDevice *dev)
{
    UsbScsi *s = device_of(bus);

    if (s->open && (s->lun == dev->lun || (s->begun && s->request.unit == &dev->unit))) {
        usb_scsi_drop(s);
        s->ops->lost(s);
    }
}

/* ---- what the guest sees of it ---- */

static void show(UsbScsi *s, bool shown)
{
    UsbPort *port = s->parent.port;

    if (s->attached == shown) {
        return;
    }
    s->attached = shown;
    if (shown) {
        s->parent.absent = false;
        port->ops->attached(port);
    } else {
        port->ops->detached(port);
        s->parent.absent = true;
        usb_device_port_reset(&s->parent);
    }
}

struct json_object *usb_scsi_get_attached(Object *obj, const Property *prop, GError **errp)
{
    return json_object_new_boolean(USB_SCSI(obj)->attached);
}

bool usb_scsi_set_attached(Object *obj, const Property *prop, struct json_object *value,
                           GError **errp)
{
    UsbScsi *s = USB_SCSI(obj);
    bool shown;

    if (!qapi_place_from_json(&qapi_bool_type, value, prop->name, &shown, errp)) {
        return false;
    }
    if (!s->parent.parent.realized) {
        error_set(errp, "'%s' is set when the device is there, by qom-set", prop->name);
        return false;
    }
    show(s, shown);
    return true;
}

/* ---- life ---- */

bool usb_scsi_bus_realize(UsbScsi *s, unsigned max_lun, bool asks_sense, GError **errp)
{
    static const ScsiBusOps ops = { .enter = enter, .leave = leave, .unplugged = unplugged };
    Device *dev = &s->parent.parent;

    s->bus = scsi_bus_new(&dev->parent, dev, loop_main(), &ops, 0, 0, max_lun, errp);
    if (!s->bus) {
        return false;
    }
    s->bus->card = s->parent.port->bus->card;
    s->bus->kind = "usb";
    s->bus->place = usb_port_firmware_path(s->parent.port, "storage");
    s->bus->asks_sense = asks_sense;
    s->attached = !dev->hotplugged;
    s->parent.absent = !s->attached;
    usb_scsi_realize(s);
    return true;
}

void usb_scsi_bus_unrealize(UsbScsi *s)
{
    usb_scsi_unrealize(s);
    usb_scsi_drop(s);
    scsi_bus_drain(s->bus);
    object_unparent(&s->bus->parent.parent);
    s->bus = NULL;
}
