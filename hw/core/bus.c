/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/core/bus.h"

#include <string.h>

#include "util/error.h"

static GPtrArray *all_buses; /* of Bus *, borrowed */

static void bus_init(Object *obj)
{
    BUS(obj)->children = g_ptr_array_new();
    if (!all_buses) {
        all_buses = g_ptr_array_new();
    }
    g_ptr_array_add(all_buses, obj);
}

static void bus_finalize(Object *obj)
{
    g_ptr_array_remove(all_buses, obj);
    g_ptr_array_unref(BUS(obj)->children);
}

static const BusClass bus_base_class = { 0 };

static const ObjectType bus_type = {
    .name = TYPE_BUS,
    .parent = "object",
    .description = "what devices sit on",
    .instance_size = sizeof(Bus),
    .abstract = true,
    .ops = &bus_base_class,
    .init = bus_init,
    .finalize = bus_finalize,
};
OBJECT_TYPE_REGISTER(bus_type)

const GPtrArray *buses(void)
{
    static GPtrArray none;

    return all_buses ? all_buses : &none;
}

static Bus *bus_named(const char *name)
{
    for (unsigned i = 0; i < buses()->len; i++) {
        Bus *bus = buses()->pdata[i];

        if (!bus_class(bus)->internal && g_strcmp0(bus->parent.name, name) == 0) {
            return bus;
        }
    }
    return NULL;
}

Bus *bus_new(const char *type, const char *name, Object *owner, GError **errp)
{
    const ObjectType *found = object_type_find(type);
    const BusClass *class = found ? object_type_ops(found) : NULL;
    g_autoptr(Object) obj = NULL;

    if (class && !class->internal && bus_named(name)) {
        error_set(errp, "there is a bus with the name '%s' already; choose another id", name);
        return NULL;
    }
    obj = object_new(type, errp);
    if (!obj || !object_add_child(owner, name, obj, errp)) {
        return NULL;
    }
    return BUS(obj); /* the tree has a reference */
}

Bus *bus_find(const char *type, const char *name, GError **errp)
{
    g_autoptr(GString) names = g_string_new(NULL);
    Bus *full = NULL;

    for (unsigned i = 0; i < buses()->len; i++) {
        Bus *bus = buses()->pdata[i];

        if (!object_is_a(&bus->parent, type)) {
            continue;
        }
        if (!name && bus_class(bus)->is_full && bus_class(bus)->is_full(bus)) {
            full = full ? full : bus;
            continue;
        }
        if (!name || g_strcmp0(bus->parent.name, name) == 0) {
            return bus;
        }
        g_string_append_printf(names, "%s'%s'", names->len ? ", " : "", bus->parent.name);
    }
    if (full) {
        return full;
    }
    if (!names->len) {
        error_set(errp, "this machine has no %s bus", type);
    } else {
        error_set(errp, "there is no %s bus '%s'; those there are: %s", type, name, names->str);
    }
    return NULL;
}

/* ---- devices ---- */

static void insert_child(Bus *bus, Device *dev)
{
    int (*compare)(const Device *a, const Device *b) = bus_class(bus)->compare;
    unsigned at = bus->children->len;

    while (compare && at > 0 && compare(bus->children->pdata[at - 1], dev) > 0) {
        at--;
    }
    g_ptr_array_insert(bus->children, (int)at, dev);
}

bool bus_attach(Device *dev, GError **errp)
{
    const char *type = device_class(dev)->bus;
    Bus *bus = dev->bus ? dev->bus : bus_find(type, dev->bus_name, errp);

    if (!bus || (bus_class(bus)->attach && !bus_class(bus)->attach(bus, dev, errp))) {
        return false;
    }
    dev->bus = bus;
    insert_child(bus, dev);
    return true;
}

void bus_detach(Device *dev)
{
    Bus *bus = dev->bus;

    if (bus && g_ptr_array_remove(bus->children, dev)) {
        if (bus_class(bus)->detach) {
            bus_class(bus)->detach(bus, dev);
        }
        dev->bus = NULL;
    }
}
