/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The slot of an SD host controller: a bus on which there is one card, or none. Machine lock. */
#ifndef HW_SD_SD_BUS_H
#define HW_SD_SD_BUS_H

#include "hw/core/bus.h"

#define TYPE_SD_BUS "sd-bus"

struct SdCard;

typedef struct SdBus {
    Bus parent;
    /* wiring */
    struct SdCard *card; /* from its plugging on, as long as it works; borrowed; NULL: none */
    void (*changed)(Object *owner); /* there is another card, or none */
} SdBus;
OBJECT_CAST_DEFINE(SdBus, SD_BUS, TYPE_SD_BUS)

/* A slot of @owner, with which it goes, by the name "sd-bus", or "sd-bus.N" where that is taken.
 * Borrowed. NULL with an error if there can be none. */
SdBus *sd_bus_new(Object *owner, void (*changed)(Object *owner), GError **errp);

#endif
