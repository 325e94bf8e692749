/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/sd/sd-bus.h"

#include "hw/sd/sd-card.h"
#include "util/error.h"

static bool is_full(const Bus *bus)
{
    return bus->children->len;
}

static bool attach(Bus *bus, Device *dev, GError **errp)
{
    if (is_full(bus)) {
        error_set(errp, "'%s' has a card: unplug that one first, or add another controller",
                  bus->parent.name);
        return false;
    }
    return true;
}

static void set_card(Device *dev, SdCard *card)
{
    SdBus *bus = SD_BUS(dev->bus);

    bus->card = card;
    bus->changed(bus->parent.parent.parent);
}

static void plugged(Machine *machine, Device *dev)
{
    set_card(dev, SD_CARD(dev));
}

static void unplugged(Machine *machine, Device *dev)
{
    sd_card_drain(SD_CARD(dev));
    set_card(dev, NULL);
}

static const HotplugHandler hotplug = { .plug = plugged, .unplug = unplugged };

SdBus *sd_bus_new(Object *owner, void (*changed)(Object *owner), GError **errp)
{
    g_autofree char *name = g_strdup("sd-bus");

    for (unsigned n = 1; bus_find(TYPE_SD_BUS, name, NULL); n++) {
        g_free(name);
        name = g_strdup_printf("sd-bus.%u", n);
    }
    Bus *bus = bus_new(TYPE_SD_BUS, name, owner, errp);
    if (!bus) {
        return NULL;
    }
    bus->hotplug = &hotplug;
    SD_BUS(bus)->changed = changed;
    return SD_BUS(bus);
}

static const BusClass bus_ops = { .attach = attach, .is_full = is_full };

static const ObjectType bus_type = {
    .name = TYPE_SD_BUS,
    .parent = TYPE_BUS,
    .description = "slot for an SD card",
    .instance_size = sizeof(SdBus),
    .ops = &bus_ops,
};
OBJECT_TYPE_REGISTER(bus_type)
