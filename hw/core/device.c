/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/core/device.h"

#include <string.h>

#include "block/backend.h"
#include "hw/core/bus.h"
#include "hw/core/failover.h"
#include "hw/core/hotplug.h"
#include "hw/core/irq-lines.h"
#include "hw/core/machine.h"
#include "hw/core/unplug.h"
#include "qapi/qapi-events.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/trace.h"

/* Of Device *, each a reference, in the order of realization. */
static GPtrArray *realized_devices;

static struct json_object *device_get_hotpluggable(Object *obj, const Property *prop, GError **errp)
{
    return json_object_new_boolean(device_has_flags(DEVICE(obj), DEVICE_HOTPLUG));
}

/* ---- what it shows the guest ---- */

typedef struct Place {
    MemoryRegion *mr, *container;
    hwaddr addr;
    int priority;
} Place;

static void place_fill(const Place *place)
{
    if (!place->mr->container) {
        memory_region_add_overlap(place->container, place->addr, place->mr, place->priority);
    }
}

static void place_empty(const Place *place)
{
    if (place->mr->container) {
        memory_region_remove(place->mr);
    }
}

/* In one change of the memory map. */
static void places_foreach(Device *dev, void (*fn)(const Place *place))
{
    memory_transaction_begin();
    for (unsigned i = 0; dev->places && i < dev->places->len; i++) {
        fn(&g_array_index(dev->places, Place, i));
    }
    memory_transaction_commit();
}

void device_map(Device *dev, MemoryRegion *container, hwaddr addr, MemoryRegion *mr, int priority)
{
    const Place place = { mr, container, addr, priority };

    if (!dev->places) {
        dev->places = g_array_new(FALSE, FALSE, sizeof(Place));
    }
    g_array_append_val(dev->places, place);
    if (dev->realized) {
        place_fill(&place);
    }
}

static void place_destroy(const Place *place)
{
    place_empty(place);
    memory_region_destroy(place->mr);
}

static void device_finalize(Object *obj)
{
    Device *dev = DEVICE(obj);

    g_free(dev->id);
    places_foreach(dev, place_destroy);
    g_clear_pointer(&dev->places, g_array_unref);
}

static const Property device_properties[] = {
    { .name = "realized",
      .kind = PROP_BOOL,
      .offset = offsetof(Device, realized),
      .description = "works as part of the machine",
      .read_only = true },
    { .name = "hotplugged",
      .kind = PROP_BOOL,
      .offset = offsetof(Device, hotplugged),
      .description = "was plugged after the machine was made",
      .read_only = true },
    { .name = "hotpluggable",
      .kind = PROP_CUSTOM,
      .custom_type = "bool",
      .description = "can be plugged and unplugged while the machine runs",
      .read_only = true,
      .get = device_get_hotpluggable },
    { 0 },
};

static const DeviceClass device_base_class = { 0 };

static const ObjectType device_type = {
    .name = TYPE_DEVICE,
    .parent = "object",
    .description = "a part of the machine",
    .instance_size = sizeof(Device),
    .abstract = true,
    .properties = device_properties,
    .ops = &device_base_class,
    .finalize = device_finalize,
};
OBJECT_TYPE_REGISTER(device_type)

/* Everything that can fail. Nothing is left behind then. */
static bool try_realize(Device *dev, const HotplugHandler *handler, GError **errp)
{
    const DeviceClass *class = device_class(dev);
    Machine *machine = machine_current();

    if (class->flags & DEVICE_NEEDS_SLOT && !handler) {
        error_set(errp, "machine '%s' cannot take a '%s'",
                  machine ? machine_ops(machine)->name : "(none)", object_typename(&dev->parent));
        return false;
    }
    return (!handler || !handler->pre_plug || handler->pre_plug(machine, dev, errp)) &&
           (!class->realize || class->realize(dev, errp));
}

char *device_describe(const Device *dev)
{
    const char *type = object_typename(&dev->parent);

    return dev->id ? g_strdup_printf("%s '%s'", type, dev->id) : g_strdup(type);
}

bool device_realize(Device *dev, GError **errp)
{
    const DeviceClass *class = device_class(dev);
    Machine *machine = machine_current();

    dev->hotplugged = machine && machine->ready;
    if (class->bus && !bus_attach(dev, errp)) {
        return false;
    }
    const HotplugHandler *handler = hotplug_handler_for(dev);
    if (!try_realize(dev, handler, errp)) {
        bus_detach(dev);
        return false;
    }
    dev->realized = true;
    trace(TRACE_DEVICE_REALIZE, "%s id '%s'", object_typename(&dev->parent),
          dev->id ? dev->id : "");
    places_foreach(dev, place_fill);
    object_settle(&dev->parent, true);
    if (!realized_devices) {
        realized_devices = g_ptr_array_new();
    }
    g_ptr_array_add(realized_devices, object_ref(&dev->parent));
    if (dev->hotplugged && class->reset) {
        class->reset(dev);
    }
    if (handler && handler->plug) {
        handler->plug(machine, dev);
    }
    return true;
}

void device_unrealize(Device *dev)
{
    const HotplugHandler *handler = hotplug_handler_for(dev);

    trace(TRACE_DEVICE_UNREALIZE, "%s id '%s'", object_typename(&dev->parent),
          dev->id ? dev->id : "");
    if (handler && handler->unplug) {
        handler->unplug(machine_current(), dev);
    }
    places_foreach(dev, place_empty);
    irq_lines_lower(dev);
    if (device_class(dev)->unrealize) {
        device_class(dev)->unrealize(dev);
    }
    bus_detach(dev);
    dev->realized = false;
    object_settle(&dev->parent, false);
    if (g_ptr_array_remove(realized_devices, dev)) {
        object_unref(&dev->parent);
    }
}

static void take_out(Device *dev, bool asked);

static bool is_within(const Object *obj, const Object *ancestor)
{
    while (obj && obj != ancestor) {
        obj = obj->parent;
    }
    return obj != NULL;
}

/* What users have put on the buses that @dev offers goes before it. */
static void take_out_children(const Device *dev)
{
    for (unsigned i = 0; i < buses()->len; i++) {
        const Bus *bus = buses()->pdata[i];

        while (!bus_class(bus)->internal && bus->children->len &&
               is_within(&bus->parent, &dev->parent)) {
            take_out(bus->children->pdata[bus->children->len - 1], false);
        }
    }
}

/* @asked: by a user. */
static void take_out(Device *dev, bool asked)
{
    g_autofree char *path = object_path(&dev->parent);

    object_ref(&dev->parent); /* until the end of this function */
    take_out_children(dev);
    if (dev->realized) {
        block_backend_leave(path);
        device_unrealize(dev);
    }
    object_unparent(&dev->parent);
    failover_device_gone(dev);
    if (dev->id || asked) {
        qapi_event_send_device_deleted(dev->id, path);
    }
    object_unref(&dev->parent);
}

void device_unplug(Device *dev)
{
    take_out(dev, dev->unplug && unplug_asked(dev->unplug));
}

static Device *new_onboard(const char *type, const char *folder, const char *name)
{
    g_autoptr(GError) err = NULL;
    Object *obj = object_new(type, &err);

    if (!obj || !object_add_child(object_container(folder), name, obj, &err)) {
        g_error("on-board device: %s", err->message);
    }
    object_unref(obj); /* the tree has one */
    return DEVICE(obj);
}

Device *device_new_onboard(const char *type)
{
    return new_onboard(type, "/machine/unattached", "device[*]");
}

Device *device_new_onboard_named(const char *type, const char *name)
{
    return new_onboard(type, "/machine", name);
}

/* ---- device_add ---- */

static bool props_get_string(struct json_object *props, const char *key, const char **out,
                             GError **errp)
{
    struct json_object *value;

    *out = NULL;
    if (!json_object_object_get_ex(props, key, &value)) {
        return true;
    }
    if (!json_object_is_type(value, json_type_string)) {
        error_set(errp, "'%s' must be a string", key);
        return false;
    }
    *out = json_object_get_string(value);
    return true;
}

/* What shows the types there are, at the place where the user is. */
static const char *listed_by(void)
{
    return machine_current() && machine_current()->ready
               ? "`device_add help`, or qom-list-types with implements=device,"
               : "-device help";
}

static GHashTable *aliases; /* names of types, by other names */

void device_alias_register(const char *alias, const char *type)
{
    if (!aliases) {
        aliases = g_hash_table_new(g_str_hash, g_str_equal);
    }
    g_hash_table_insert(aliases, (void *)(uintptr_t)alias, (void *)(uintptr_t)type);
}

const ObjectType *device_type_called(const char *name)
{
    const ObjectType *type = object_type_find(name);
    const char *alias = type || !aliases ? NULL : g_hash_table_lookup(aliases, name);

    return alias ? object_type_find(alias) : type;
}

const char *device_type_alias(const ObjectType *type)
{
    GHashTableIter iter;
    void *alias, *name;

    if (aliases) {
        g_hash_table_iter_init(&iter, aliases);
        while (g_hash_table_iter_next(&iter, &alias, &name)) {
            if (strcmp(name, type->name) == 0) {
                return alias;
            }
        }
    }
    return NULL;
}

static const ObjectType *device_find_type(const char *driver, GError **errp)
{
    const ObjectType *type = device_type_called(driver);

    if (!type || !object_type_is_a(type, TYPE_DEVICE)) {
        error_set(errp, "there is no device type '%s'; %s lists those there are", driver,
                  listed_by());
        return NULL;
    }
    const DeviceClass *class = object_type_ops(type);
    if (type->abstract || !(class->flags & DEVICE_USER_CREATABLE)) {
        error_set(errp,
                  "'%s' is a part that only the machine itself has; %s lists what can be added",
                  driver, listed_by());
        return NULL;
    }
    if (machine_current() && machine_current()->ready && !(class->flags & DEVICE_PLUG)) {
        error_set(errp, "'%s' cannot be plugged while the machine runs; give it with -device",
                  driver);
        return NULL;
    }
    return type;
}

static bool device_check_id(const char *id, GError **errp)
{
    if (!id) {
        return true;
    }
    if (!object_id_wellformed(id)) {
        error_set(
            errp,
            "'%s' is no valid id: it must begin with a letter and go on with letters, digits, "
            "'-', '.' or '_'",
            id);
        return false;
    }
    if (object_child(object_container("/machine/peripheral"), id) || failover_has(id)) {
        error_set(errp, "there is a device with the id '%s' already; choose another id", id);
        return false;
    }
    return true;
}

/* One with the properties @props, in no tree yet; a reference. *@id is borrowed from them. */
static Object *object_of(struct json_object *props, const char **id, GError **errp)
{
    static const char *const skip[] = { "driver", "id", NULL };
    const char *driver;

    if (!props_get_string(props, "driver", &driver, errp) ||
        !props_get_string(props, "id", id, errp)) {
        return NULL;
    }
    if (!driver) {
        error_set(errp, "'driver' is missing: the type of the device; %s lists those there are",
                  listed_by());
        return NULL;
    }
    const ObjectType *type = device_find_type(driver, errp);
    if (!type || !device_check_id(*id, errp)) {
        return NULL;
    }
    g_autoptr(Object) obj = object_new(type->name, errp);
    return obj && object_set_properties(obj, props, skip, errp) ? g_steal_pointer(&obj) : NULL;
}

bool device_check(struct json_object *props, GError **errp)
{
    const char *id;
    g_autoptr(Object) obj = object_of(props, &id, errp);

    return obj;
}

Device *device_add(struct json_object *props, GError **errp)
{
    const char *id;
    g_autoptr(Object) obj = object_of(props, &id, errp);

    if (!obj) {
        return NULL;
    }
    Device *dev = DEVICE(obj);
    dev->id = g_strdup(id);
    Object *home = object_container(id ? "/machine/peripheral" : "/machine/peripheral-anon");
    if (!object_add_child(home, id ? id : "device[*]", obj, errp)) {
        return NULL;
    }
    if (!device_realize(dev, errp)) {
        object_unparent(obj);
        return NULL;
    }
    return dev;
}

/* ---- device_del ---- */

static Device *device_find(const char *id, GError **errp)
{
    Object *obj = id[0] == '/' ? object_resolve(id, NULL)
                               : object_child(object_container("/machine/peripheral"), id);

    if (!obj || !object_is_a(obj, TYPE_DEVICE)) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                        "there is no device '%s'; it must be a device's id or path", id);
        return NULL;
    }
    return DEVICE(obj);
}

static bool unplug_request(Device *dev, const char *id, GError **errp)
{
    if (!device_has_flags(dev, DEVICE_UNPLUG)) {
        error_set(errp, "device '%s' is a '%s', which cannot be unplugged while the machine runs",
                  id, object_typename(&dev->parent));
        return false;
    }
    const HotplugHandler *handler = hotplug_handler_for(dev);
    if (!handler || !handler->unplug_request) {
        take_out(dev, true);
        return true;
    }
    return handler->unplug_request(machine_current(), dev, errp);
}

bool device_del(const char *id, GError **errp)
{
    if (failover_forget(id)) {
        g_autofree char *path = g_strdup_printf("/machine/peripheral/%s", id);

        qapi_event_send_device_deleted(id, path);
        return true;
    }
    Device *dev = device_find(id, errp);

    return dev && unplug_request(dev, id, errp);
}

/* A device whose unplug requests can be withdrawn. */
static Device *device_find_withdrawable(const char *id, const char *option, GError **errp)
{
    Device *dev = device_find(id, errp);

    if (dev && !dev->unplug) {
        error_set(errp, "a request to unplug a '%s' ('%s') cannot be withdrawn: leave '%s' out",
                  object_typename(&dev->parent), id, option);
        return NULL;
    }
    return dev;
}

bool device_del_within(const char *id, double seconds, GError **errp)
{
    Device *dev = device_find_withdrawable(id, "timeout", errp);

    if (!dev) {
        return false;
    }
    if (!(seconds > 0 && seconds <= DEVICE_DEL_MAX_SECONDS)) {
        error_set(errp, "'timeout' is %g: it must be a number of seconds above 0 and at most %g",
                  seconds, DEVICE_DEL_MAX_SECONDS);
        return false;
    }
    g_autoptr(Object) keep = object_ref(&dev->parent);
    if (!unplug_request(dev, id, errp)) {
        return false;
    }
    if (!dev->realized) { /* it went at once: nobody had to be asked */
        return true;
    }
    if (!dev->unplug->ops->check_withdraw(dev->unplug->opaque, errp)) {
        return false;
    }
    unplug_set_deadline(dev->unplug, MAX((int64_t)(seconds * NS_PER_SEC), 1));
    return true;
}

bool device_del_cancel(const char *id, GError **errp)
{
    Device *dev = device_find_withdrawable(id, "cancel", errp);

    if (!dev || !dev->unplug->ops->check_withdraw(dev->unplug->opaque, errp)) {
        return false;
    }
    dev->unplug->ops->withdraw(dev->unplug->opaque, "it was cancelled");
    return true;
}

bool devices_foreach(bool (*fn)(Device *dev, void *opaque), void *opaque)
{
    for (unsigned i = 0; realized_devices && i < realized_devices->len; i++) {
        if (!fn(realized_devices->pdata[i], opaque)) {
            return false;
        }
    }
    return true;
}

static void reset_all(bool woken)
{
    /* A reset may unplug (a pending ejection): go through a copy. */
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func((GDestroyNotify)object_unref);

    for (unsigned i = 0; realized_devices && i < realized_devices->len; i++) {
        g_ptr_array_add(list, object_ref(realized_devices->pdata[i]));
    }
    for (unsigned i = 0; i < list->len; i++) {
        Device *dev = list->pdata[i];
        const DeviceClass *class = device_class(dev);
        void (*fn)(Device * d) = woken && class->wake ? class->wake : class->reset;

        if (dev->realized && fn) {
            fn(dev);
        }
    }
}

void devices_reset(void)
{
    reset_all(false);
}

void devices_wake(void)
{
    reset_all(true);
}

void device_keep(Device *dev)
{
}
