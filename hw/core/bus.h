/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Buses: what devices sit on. A device type that needs a bus names its type in DeviceClass.bus; a
 * bus is an object below the device that offers it, gives each device its place, and has the
 * handler that plugs it. Machine lock for everything.
 */
#ifndef HW_CORE_BUS_H
#define HW_CORE_BUS_H

#include "hw/core/device.h"
#include "hw/core/hotplug.h"

#define TYPE_BUS "bus"

typedef struct Bus {
    Object parent;
    /* Around the coming and going of its devices; NULL: nothing is to be done. */
    const HotplugHandler *hotplug;
    GPtrArray *children; /* of Device *, borrowed, in the order of their places */
} Bus;
OBJECT_CAST_DEFINE(Bus, BUS, TYPE_BUS)

/* What a kind of bus defines: the ops of its type. All may be NULL. */
typedef struct BusClass {
    /* Check the place that @dev asks for, or find one, and give it to it; @dev is not among the
     * children yet. Nothing is changed on failure. */
    bool (*attach)(Bus *bus, Device *dev, GError **errp);
    void (*detach)(Bus *bus, Device *dev);
    /* Has it no place left? Then a device whose user names no bus goes to another. */
    bool (*is_full)(const Bus *bus);
    /* As strcmp() does, by place; NULL: in the order in which they came. */
    int (*compare)(const Device *a, const Device *b);
    /* A line about @dev and its place, for `info qtree`; g_free. */
    char *(*describe)(const Device *dev);
    bool internal; /* for its owner only, not for users: its name need not be its own */
} BusClass;

static inline const BusClass *bus_class(const Bus *bus)
{
    return object_ops(&bus->parent);
}

/* Make a bus of @type as the child @name of @owner, with which it goes. Borrowed. An error if
 * another bus has the name. */
Bus *bus_new(const char *type, const char *name, Object *owner, GError **errp);
/* That of @type, or of a subtype, with the name @name; NULL: the first one that is not full, or
 * else the first. NULL with an error that lists those there are. Borrowed. */
Bus *bus_find(const char *type, const char *name, GError **errp);
/* All buses, in the order in which they were made: of Bus *. Borrowed; never NULL. */
const GPtrArray *buses(void);

/* ---- for device_realize() and its undoing ---- */

/* Put @dev, whose type needs a bus, on dev->bus if that is set, else on the one that is called
 * dev->bus_name. */
bool bus_attach(Device *dev, GError **errp);
/* Nothing happens if it is on none. */
void bus_detach(Device *dev);

#endif
