/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The devices that firmware boots from, in the order of their property "bootindex". Machine lock.
 */
#ifndef HW_CORE_BOOT_ORDER_H
#define HW_CORE_BOOT_ORDER_H

#include "hw/core/device.h"

typedef struct BootDevice {
    Device *dev;
    int32_t index;
    Device *card;
    const char *kind;
    char *below;
} BootDevice;

/* @dev has bootindex @index; -1: it is not in the list. Firmware knows it by the way to @card,
 * which is @dev or what its bus belongs to: the name that @card's bus has for it, of a @kind such
 * as "scsi" (borrowed for good), and what is @below that ("/disk@0,0"). Error: another one has the
 * index. */
bool boot_order_add(Device *dev, int32_t index, Device *card, const char *kind, const char *below,
                    GError **errp);
/* @dev goes, and with it the way to what it is the card of. Harmless if it is not there. */
void boot_order_remove(Device *dev);
/* Call @fn for each, in order. */
void boot_order_foreach(void (*fn)(const BootDevice *boot, void *opaque), void *opaque);

#endif
