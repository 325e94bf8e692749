/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IDE buses: the place of one device, or of two, at a port or a channel of a controller. Machine
 * lock.
 */
#ifndef HW_IDE_IDE_BUS_H
#define HW_IDE_IDE_BUS_H

#include "hw/core/bus.h"
#include "hw/ide/ata-device.h"

#define TYPE_IDE_BUS "IDE"
#define IDE_UNITS    2

typedef struct IdeBus {
    Bus parent;
    AtaDevice *units[IDE_UNITS]; /* NULL: none there. Borrowed */
    unsigned max_units;
    unsigned number;       /* of its card's */
    unsigned first_serial; /* number in the serial number of unit 0, if nobody gives one */
    Device *card;
    const char *kind;      /* how firmware names the card ("ide"); borrowed for good */
    const AtaPortOps *ops; /* the port's, with its opaque */
    void *opaque;
} IdeBus;
OBJECT_CAST_DEFINE(IdeBus, IDE_BUS, TYPE_IDE_BUS)

/* Make bus @number of @card, with places for @max_units devices: ID.0 for card ID, else the first
 * ide.N that is free. Borrowed; it goes by ide_bus_free(). Error: the name is taken. */
IdeBus *ide_bus_new(Device *card, const char *kind, unsigned number, unsigned max_units,
                    const AtaPortOps *ops, void *opaque, GError **errp);
void ide_bus_free(IdeBus *bus); /* NULL is fine */

#endif
