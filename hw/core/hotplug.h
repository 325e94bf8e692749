/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Hot-plug handlers: what is done around the realization of a device, by the bus that it sits on
 * (Bus.hotplug), or for types that sit on none, by the machine's slots for them
 * (MachineOps.hotplug).
 */
#ifndef HW_CORE_HOTPLUG_H
#define HW_CORE_HOTPLUG_H

#include "hw/core/device.h"

typedef struct Machine Machine;

typedef struct HotplugHandler {
    const char *device_type; /* the machine's: of which type (with subtypes) */
    /* All checks; changes nothing but the device's unset properties (slot, addr) on success. */
    bool (*pre_plug)(Machine *machine, Device *dev, GError **errp);
    /* After realize; cannot fail. */
    void (*plug)(Machine *machine, Device *dev);
    /* Ask the guest; NULL: unplug at once. plug has made Device.unplug the record of it. */
    bool (*unplug_request)(Machine *machine, Device *dev, GError **errp);
    /* Undo plug, before unrealize. */
    void (*unplug)(Machine *machine, Device *dev);
} HotplugHandler;

/* That of the bus that @dev is on, or of the current machine for its type; or NULL. */
const HotplugHandler *hotplug_handler_for(const Device *dev);

#endif
