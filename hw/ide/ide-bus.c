/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/ide/ide-bus.h"

#include "util/error.h"

/* Of all buses that there are. */
static unsigned count_buses(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < buses()->len; i++) {
        count += object_is_a(buses()->pdata[i], TYPE_IDE_BUS);
    }
    return count;
}

IdeBus *ide_bus_new(Device *card, const char *kind, unsigned number, unsigned max_units,
                    const AtaPortOps *ops, void *opaque, GError **errp)
{
    g_autofree char *name = card->id ? g_strdup_printf("%s.%u", card->id, number) : NULL;
    unsigned before = count_buses();
    IdeBus *bus;

    for (unsigned n = 0; !name || (!card->id && bus_find(TYPE_IDE_BUS, name, NULL)); n++) {
        g_free(name);
        name = g_strdup_printf("ide.%u", n);
    }
    bus = IDE_BUS(bus_new(TYPE_IDE_BUS, name, OBJECT(card), errp));
    if (bus) {
        bus->number = number;
        bus->max_units = max_units;
        bus->first_serial = before * IDE_UNITS + 1;
        bus->card = card;
        bus->kind = kind;
        bus->ops = ops;
        bus->opaque = opaque;
    }
    return bus;
}

void ide_bus_free(IdeBus *bus)
{
    if (bus) {
        object_unparent(OBJECT(bus));
    }
}

/* ---- its devices ---- */

static bool ide_attach(Bus *parent, Device *dev, GError **errp)
{
    IdeBus *bus = IDE_BUS(parent);
    AtaDevice *ata = ATA_DEVICE(dev);
    unsigned unit = ata->unit;

    for (unsigned i = 0; unit == PROP_UNSET && i < bus->max_units; i++) {
        unit = bus->units[i] ? unit : i;
    }
    if (unit == PROP_UNSET) {
        error_set(errp, "bus '%s' is full: bus= may name another one", OBJECT(bus)->name);
        return false;
    }
    if (unit >= bus->max_units) {
        error_set(errp, "unit=%u: bus '%s' has %s", unit, OBJECT(bus)->name,
                  bus->max_units > 1 ? "units 0 and 1" : "unit 0 only");
        return false;
    }
    if (bus->units[unit]) {
        g_autofree char *other = device_describe(&bus->units[unit]->parent);

        error_set(errp, "unit=%u of bus '%s' is that of %s", unit, OBJECT(bus)->name, other);
        return false;
    }
    bus->units[unit] = ata;
    ata->unit = unit;
    return true;
}

static void ide_detach(Bus *parent, Device *dev)
{
    IDE_BUS(parent)->units[ATA_DEVICE(dev)->unit] = NULL;
}

static bool ide_is_full(const Bus *parent)
{
    const IdeBus *bus = IDE_BUS(parent);

    return parent->children->len == bus->max_units;
}

static int ide_compare(const Device *a, const Device *b)
{
    return (int)ATA_DEVICE(a)->unit - (int)ATA_DEVICE(b)->unit;
}

static const BusClass ide_bus_class = {
    .attach = ide_attach,
    .detach = ide_detach,
    .is_full = ide_is_full,
    .compare = ide_compare,
};

static const ObjectType ide_bus_type = {
    .name = TYPE_IDE_BUS,
    .parent = TYPE_BUS,
    .description = "IDE bus",
    .instance_size = sizeof(IdeBus),
    .ops = &ide_bus_class,
};
OBJECT_TYPE_REGISTER(ide_bus_type)
