/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pvpanic: one register by which a guest says that it has panicked (QEMU's published interface,
 * docs/specs/pvpanic). Reads tell which events the device takes; a write reports those whose bits
 * it has. `-device pvpanic[,ioport=0x505]` has it as a port, which ACPI describes;
 * `-device pvpanic-pci` as memory of a PCI function.
 *
 * What a panic leads to is said by -action panic= and set-action. Machine lock.
 */
#ifndef HW_MISC_PVPANIC_H
#define HW_MISC_PVPANIC_H

#include <stdint.h>

#include "memory/memory.h"
#include "qom/object.h"

enum {
    PVPANIC_PANICKED = 1 << 0,    /* it is over */
    PVPANIC_CRASHLOADED = 1 << 1, /* a crash kernel takes over, and the guest goes on with it */
    PVPANIC_EVENTS = PVPANIC_PANICKED | PVPANIC_CRASHLOADED,
};

/* The register, as the whole of a region of 1 or more bytes; its opaque is a PvPanic. */
typedef struct PvPanic {
    /* configuration */
    uint8_t events; /* property: PVPANIC_* that it takes */
} PvPanic;
extern const MemoryRegionOps pvpanic_region_ops;

/* Property.check of "events": an error names the bits that there are. */
bool pvpanic_check_events(Object *obj, const Property *prop, struct json_object *value,
                          GError **errp);
/* For type tables: the property "events" of @Type, whose PvPanic is @member. */
#define PVPANIC_PROPERTY_EVENTS(Type, member)                                                   \
    {                                                                                           \
        .name = "events", .kind = PROP_UINT8, .offset = offsetof(Type, member.events),          \
        .description = "what it takes: 1, a panic, 2, that a crash kernel takes over; 3, both", \
        .has_default = true, .default_int = PVPANIC_EVENTS, .check = pvpanic_check_events       \
    }

/* The port of the machine's "pvpanic" device; 0: there is none. Main thread. */
uint16_t pvpanic_isa_port(void);

#endif
