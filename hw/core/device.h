/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices: objects that are realized (made to work), reset, and perhaps plugged while the machine
 * runs. A device type is an ObjectType with parent "device" (or a subtype) whose `ops` is a
 * DeviceClass. Machine lock for everything.
 */
#ifndef HW_CORE_DEVICE_H
#define HW_CORE_DEVICE_H

#include "memory/memory.h"
#include "qom/object.h"
#include "util/state.h"

typedef struct Device {
    Object parent;
    char *id;        /* NULL if the user gave none */
    char *bus_name;  /* property "bus" of types that need one; NULL: the first of its kind */
    struct Bus *bus; /* hw/core/bus.h; borrowed; NULL: on none */
    bool realized;
    bool hotplugged; /* plugged after the machine was started */
    /* The record of requests to unplug it, if its guest is asked; borrowed from its slot. */
    struct UnplugRecord *unplug;
    GArray *places; /* what it shows the guest: device_map(); NULL: nothing yet */
} Device;

/* Bits of DeviceClass.flags. */
enum {
    DEVICE_USER_CREATABLE = 1 << 0, /* by -device */
    DEVICE_PLUG = 1 << 1,           /* and by device_add, while the machine runs */
    DEVICE_UNPLUG = 1 << 2,         /* by device_del, while the machine runs */
    DEVICE_NEEDS_SLOT = 1 << 3, /* realize fails where no HotplugHandler is there for the type */
    DEVICE_HOTPLUG = DEVICE_PLUG | DEVICE_UNPLUG,
};

typedef struct DeviceClass {
    const char *category; /* "memory", "input", "misc", ...: a heading in -device help */
    const char *bus;      /* type of the bus that it sits on (hw/core/bus.h); NULL: on none */
    unsigned flags;       /* DEVICE_* */
    bool (*realize)(Device *dev, GError **errp); /* may be NULL; leaves nothing behind on failure */
    void (*unrealize)(Device *dev);              /* may be NULL */
    void (*reset)(Device *dev);                  /* to the state after power-up; may be NULL */
    /* Instead of reset when the guest wakes from S3 (ACPI 6.4, 16.1.3), in which only memory and
     * what must be able to wake it have power: for those, and for what keeps memory, or tells the
     * guest what happened meanwhile. NULL: reset. */
    void (*wake)(Device *dev);
    /* May the machine be saved or migrated with @dev, as it is now? NULL: yes. */
    bool (*check_migrate)(const Device *dev, GError **errp);
    const StateTable *state; /* what of it a snapshot keeps; NULL: nothing changes after realize */
    /* Can the guest be asked to give @dev back, as it is now? NULL: yes. */
    bool (*check_unplug)(Device *dev, GError **errp);
    /* What it is as a memory device (hw/mem/memory-device.h); NULL: it is none. */
    const struct MemoryDeviceOps *memory;
} DeviceClass;

#define TYPE_DEVICE "device"
OBJECT_CAST_DEFINE(Device, DEVICE, TYPE_DEVICE)

static inline const DeviceClass *device_class(const Device *dev)
{
    return object_ops(&dev->parent);
}
/* All of @flags? */
static inline bool device_has_flags(const Device *dev, unsigned flags)
{
    return (device_class(dev)->flags & flags) == flags;
}

/* Users may call the type @type by the name @alias, too, where it is not one of a type itself. At
 * start-up, before main(); both are borrowed for good. */
void device_alias_register(const char *alias, const char *type);
/* The type that users call @name, be it one of devices or not; NULL: there is none. */
const ObjectType *device_type_called(const char *name);
/* The other name of @type; NULL: it has none. */
const char *device_type_alias(const ObjectType *type);

/* What to call it in messages: "pc-dimm 'd0'" or "pc-dimm"; g_free. */
char *device_describe(const Device *dev);

/* Realize with the hot-plug handler around it: pre_plug, realize, plug. */
bool device_realize(Device *dev, GError **errp);
/* Show @mr, which is @dev's, at @addr of @container while @dev is realized, with @priority among
 * overlapping regions: from now on, or from its realization on. Undone by generic code before
 * unrealize, so that nothing gets in any more then; @mr is destroyed with @dev at the latest. */
void device_map(Device *dev, MemoryRegion *container, hwaddr addr, MemoryRegion *mr, int priority);
/* Undo device_realize(): the handler's unplug; regions are taken out, lines that it raises are
 * lowered, the bus has its place again. It can be realized again, and is then as after power-up
 * once it was reset. What is behind it, such as the devices of its bus, must be gone before. */
void device_unrealize(Device *dev);
/* Unrealize and take out of the tree; DEVICE_DELETED if the device has an id or was asked to go. */
void device_unplug(Device *dev);

/* A board's own device: new, put under /machine/unattached/device[N], realized by the caller after
 * it has set properties. Aborts on an unknown type (a programming error). Borrowed reference. */
Device *device_new_onboard(const char *type);
/* The same for one that users know by the path /machine/NAME, which is free. */
Device *device_new_onboard_named(const char *type, const char *name);

/* -device, device_add: @props has "driver" and perhaps "id"; goes to /machine/peripheral/ID or
 * /machine/peripheral-anon/device[N]. Nothing is left behind on failure. */
Device *device_add(struct json_object *props, GError **errp);
/* Are the type, the id and the properties such that device_add() may succeed? */
bool device_check(struct json_object *props, GError **errp);
/* device_del: @id is an id or a path. Asks the hot-plug handler; returns when the request is made.
 */
bool device_del(const char *id, GError **errp);
/* The same, and withdraw the request @seconds (0 < seconds <= DEVICE_DEL_MAX_SECONDS) of the
 * virtual clock later if the guest did not answer: while the machine stands still, so does the
 * time. A request that was pending gets this deadline. */
bool device_del_within(const char *id, double seconds, GError **errp);
#define DEVICE_DEL_MAX_SECONDS 1e9
/* Withdraw the request that is pending, at once. */
bool device_del_cancel(const char *id, GError **errp);

/* Call @fn for each realized device, in the order of realization, until it returns false; then
 * false.
 */
bool devices_foreach(bool (*fn)(Device *dev, void *opaque), void *opaque);

/* Reset every realized device, in the order of realization. Machines: see machine_reset(). */
void devices_reset(void);
/* The same at the end of S3: `wake` where there is one. See machine_wake(). */
void devices_wake(void);
/* A `wake` that leaves everything as it is. */
void device_keep(Device *dev);

#endif
