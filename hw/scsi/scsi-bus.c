/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/scsi/scsi-bus.h"

#include "util/error.h"

/* ---- places ---- */

static int compare(const Device *a, const Device *b)
{
    const ScsiDevice *x = SCSI_DEVICE(a), *y = SCSI_DEVICE(b);

    if (x->channel != y->channel) {
        return x->channel < y->channel ? -1 : 1;
    }
    if (x->target != y->target) {
        return x->target < y->target ? -1 : 1;
    }
    return x->lun < y->lun ? -1 : x->lun > y->lun;
}

ScsiDevice *scsi_bus_find(const ScsiBus *bus, unsigned channel, unsigned target, unsigned lun,
                          ScsiDevice **other)
{
    *other = NULL;
    for (unsigned i = 0; i < bus->units->len; i++) {
        ScsiDevice *dev = bus->units->pdata[i];

        if (dev->channel == channel && dev->target == target) {
            if (dev->lun == lun) {
                return dev;
            }
            *other = *other ? *other : dev;
        }
    }
    return NULL;
}

static const Device *device_at(const Bus *bus, unsigned channel, unsigned target, unsigned lun)
{
    for (unsigned i = 0; i < bus->children->len; i++) {
        const ScsiDevice *dev = SCSI_DEVICE(bus->children->pdata[i]);

        if (dev->channel == channel && dev->target == target && dev->lun == lun) {
            return &dev->parent;
        }
    }
    return NULL;
}

static bool check_place(const ScsiBus *bus, const ScsiDevice *dev, GError **errp)
{
    const char *name = bus->parent.parent.name;

    if (dev->channel > bus->max_channel) {
        error_set(errp, "channel=%u: bus '%s' has channels up to %u", dev->channel, name,
                  bus->max_channel);
    } else if (dev->target != PROP_UNSET && dev->target > bus->max_target) {
        error_set(errp, "scsi-id=%u: bus '%s' has targets up to %u", dev->target, name,
                  bus->max_target);
    } else if (dev->lun != PROP_UNSET && dev->lun > bus->max_lun) {
        error_set(errp, "lun=%u: bus '%s' has LUNs up to %u", dev->lun, name, bus->max_lun);
    } else {
        return true;
    }
    return false;
}

/* The first target that is free at the LUN, or the first free LUN of the target. */
static bool find_place(const ScsiBus *bus, ScsiDevice *dev, GError **errp)
{
    bool any_target = dev->target == PROP_UNSET, any_lun = !any_target && dev->lun == PROP_UNSET;
    unsigned target = any_target ? 0 : dev->target, lun = dev->lun == PROP_UNSET ? 0 : dev->lun;
    const Device *there;

    while ((there = device_at(&bus->parent, dev->channel, target, lun))) {
        if (any_target && target < bus->max_target) {
            target++;
        } else if (any_lun && lun < bus->max_lun) {
            lun++;
        } else {
            g_autofree char *name = device_describe(there);

            error_set(errp, "bus '%s' has %s at channel %u, scsi-id %u, lun %u: choose another",
                      bus->parent.parent.name, name, dev->channel, target, lun);
            return false;
        }
    }
    dev->target = target;
    dev->lun = lun;
    return true;
}

static bool attach(Bus *bus, Device *dev, GError **errp)
{
    const ScsiBus *scsi = SCSI_BUS(bus);
    ScsiDevice *device = SCSI_DEVICE(dev);

    return check_place(scsi, device, errp) && find_place(scsi, device, errp);
}

static char *describe(const Device *dev)
{
    const ScsiDevice *device = SCSI_DEVICE(dev);

    return g_strdup_printf("channel %u, scsi-id %u, lun %u", device->channel, device->target,
                           device->lun);
}

/* ---- coming and going ---- */

/* The other units of @dev's target are told, which then report others. */
static void tell_target(const ScsiBus *bus, const ScsiDevice *dev)
{
    for (unsigned i = 0; i < bus->units->len; i++) {
        ScsiDevice *other = bus->units->pdata[i];

        if (other != dev && other->channel == dev->channel && other->target == dev->target) {
            scsi_unit_attention(&other->unit, SCSI_ATTENTION_LUNS);
        }
    }
}

static void plugged(Machine *machine, Device *dev)
{
    ScsiBus *bus = SCSI_BUS(dev->bus);
    ScsiDevice *device = SCSI_DEVICE(dev);
    unsigned at = bus->units->len;

    bus->ops->enter(bus);
    while (at > 0 && compare(bus->units->pdata[at - 1], dev) > 0) {
        at--;
    }
    g_ptr_array_insert(bus->units, (int)at, device);
    if (dev->hotplugged) {
        tell_target(bus, device);
    }
    bus->ops->leave(bus);
    if (dev->hotplugged && bus->ops->plugged) {
        bus->ops->plugged(bus, device);
    }
}

static void unplugged(Machine *machine, Device *dev)
{
    ScsiBus *bus = SCSI_BUS(dev->bus);
    ScsiDevice *device = SCSI_DEVICE(dev);

    bus->ops->enter(bus);
    g_ptr_array_remove(bus->units, device);
    tell_target(bus, device);
    bus->ops->leave(bus);
    block_drain(device->conf.backend);
    if (bus->ops->unplugged) {
        bus->ops->unplugged(bus, device);
    }
}

static const HotplugHandler hotplug = { .plug = plugged, .unplug = unplugged };

void scsi_bus_drain(const ScsiBus *bus)
{
    for (unsigned i = 0; i < bus->units->len; i++) {
        const ScsiDevice *dev = bus->units->pdata[i];

        block_drain(dev->conf.backend);
    }
}

/* ---- the bus itself ---- */

static char *bus_name(const Device *card)
{
    if (card->id) {
        return g_strdup_printf("%s.0", card->id);
    }
    for (unsigned n = 0;; n++) {
        g_autofree char *name = g_strdup_printf("scsi.%u", n);

        if (!bus_find(TYPE_SCSI_BUS, name, NULL)) {
            return g_steal_pointer(&name);
        }
    }
}

ScsiBus *scsi_bus_new(Object *controller, Device *card, Loop *loop, const ScsiBusOps *ops,
                      unsigned max_channel, unsigned max_target, unsigned max_lun, GError **errp)
{
    g_autofree char *name = bus_name(card);
    Bus *made = bus_new(TYPE_SCSI_BUS, name, controller, errp);
    ScsiBus *bus = made ? SCSI_BUS(made) : NULL;

    if (bus) {
        bus->parent.hotplug = &hotplug;
        bus->ops = ops;
        bus->card = card;
        bus->kind = "scsi";
        bus->loop = loop;
        bus->max_channel = max_channel;
        bus->max_target = max_target;
        bus->max_lun = max_lun;
    }
    return bus;
}

static void bus_init(Object *obj)
{
    SCSI_BUS(obj)->units = g_ptr_array_new();
}

static void bus_finalize(Object *obj)
{
    g_ptr_array_unref(SCSI_BUS(obj)->units);
    g_free(SCSI_BUS(obj)->place);
}

static const BusClass bus_class_table = { .attach = attach,
                                          .compare = compare,
                                          .describe = describe };

static const ObjectType bus_type = {
    .name = TYPE_SCSI_BUS,
    .parent = TYPE_BUS,
    .description = "disks and CDs of a SCSI controller",
    .instance_size = sizeof(ScsiBus),
    .ops = &bus_class_table,
    .init = bus_init,
    .finalize = bus_finalize,
};
OBJECT_TYPE_REGISTER(bus_type)
