/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The devices that firmware boots from, in the order of their property "bootindex". Machine lock.
 */
#ifndef HW_CORE_BOOT_ORDER_H
#define HW_CORE_BOOT_ORDER_H

#include "hw/core/device.h"

/* How firmware shows a disk to systems that know cylinders, heads and sectors only, whatever the
 * disk itself says. All 0: as it likes. */
typedef struct BootGeometry {
    uint32_t cyls, heads, secs;
} BootGeometry;

#define BOOT_GEOMETRY_PROPERTY(NAME, member, text, at)                                        \
    {                                                                                         \
        .name = (NAME), .kind = PROP_UINT32, .offset = (at) + offsetof(BootGeometry, member), \
        .has_default = true, .description = (text)                                            \
    }
/* Rows of a table of properties, for a structure that has a BootGeometry at the offset @at. */
#define BOOT_GEOMETRY_PROPERTIES(at)                                                               \
    BOOT_GEOMETRY_PROPERTY("lcyls", cyls, "cylinders that the BIOS tells of; 0: as it likes", at), \
        BOOT_GEOMETRY_PROPERTY("lheads", heads, "heads that it tells of", at),                     \
        BOOT_GEOMETRY_PROPERTY("lsecs", secs, "sectors of a track that it tells of", at)

typedef struct BootDevice {
    Device *dev;
    int32_t index; /* -1: it has a geometry */
    Device *card;
    const char *kind;
    char *below;
    BootGeometry geometry;
} BootDevice;

/* @dev has bootindex @index; -1: it is not in the list. Firmware knows it by the way to @card,
 * which is @dev or what its bus belongs to: the name that @card's bus has for it, of a @kind such
 * as "scsi" (borrowed for good), and what is @below that ("/disk@0,0"). Error: another one has the
 * index. */
bool boot_order_add(Device *dev, int32_t index, Device *card, const char *kind, const char *below,
                    GError **errp);
/* Firmware is told the @geometry of @dev, which it knows by the same names. Error: not all three
 * are given, or they are more than a BIOS can tell. */
bool boot_geometry_add(Device *dev, const BootGeometry *geometry, Device *card, const char *kind,
                       const char *below, GError **errp);
/* @dev goes, and with it the way to what it is the card of. Harmless if it is not there. */
void boot_order_remove(Device *dev);
/* Call @fn for each, in order. */
void boot_order_foreach(void (*fn)(const BootDevice *boot, void *opaque), void *opaque);
/* Call @fn for each that has a geometry. */
void boot_geometry_foreach(void (*fn)(const BootDevice *boot, void *opaque), void *opaque);

#endif
