/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * `info qom-tree`, `info qtree`, `info mtree`: objects, devices, memory regions.
 */
#include <inttypes.h>

#include "hw/core/bus.h"
#include "memory/smm.h"
#include "memory/memory.h"
#include "monitor/hmp.h"

/* ---- objects ---- */

static void print_tree(Hmp *hmp, const Object *obj, int indent)
{
    hmp_printf(hmp, "%*s/%s (%s)\n", indent, "", obj->name ? obj->name : "", object_typename(obj));
    for (guint i = 0; obj->children && i < obj->children->len; i++) {
        print_tree(hmp, g_ptr_array_index(obj->children, i), indent + 2);
    }
}

void hmp_info_qom_tree(Hmp *hmp, char **argv)
{
    const Object *top = object_resolve(argv[0] ? argv[0] : "/", NULL);

    if (top) {
        print_tree(hmp, top, 0);
    } else {
        hmp_printf(hmp, "Error: there is no object '%s', or more than one\n", argv[0]);
    }
}

/* ---- devices ---- */

static void print_properties(Hmp *hmp, Object *obj, int indent)
{
    g_autoptr(GPtrArray) properties = object_type_properties(obj->type);

    for (guint i = 0; i < properties->len; i++) {
        const Property *prop = g_ptr_array_index(properties, i);
        GError *err = NULL;
        struct json_object *value = object_property_get(obj, prop->name, &err);

        if (!err) {
            hmp_printf(hmp, "%*s%s = %s\n", indent, "", prop->name,
                       json_object_to_json_string_ext(value, JSON_C_TO_STRING_SPACED |
                                                                 JSON_C_TO_STRING_NOSLASHESCAPE));
        }
        json_object_put(value);
        g_clear_error(&err);
    }
}

static void print_device(Hmp *hmp, Device *dev, int indent);

static void print_bus(Hmp *hmp, const Bus *bus, int indent)
{
    hmp_printf(hmp, "%*sbus: %s\n%*s  type %s\n", indent, "", bus->parent.name, indent, "",
               object_typename(&bus->parent));
    for (guint i = 0; i < bus->children->len; i++) {
        print_device(hmp, bus->children->pdata[i], indent + 2);
    }
}

static void print_device(Hmp *hmp, Device *dev, int indent)
{
    const GPtrArray *children = dev->parent.children;

    hmp_printf(hmp, "%*sdev: %s, id \"%s\"\n", indent, "", object_typename(&dev->parent),
               dev->id ? dev->id : "");
    print_properties(hmp, &dev->parent, indent + 2);
    if (dev->bus && bus_class(dev->bus)->describe) {
        g_autofree char *text = bus_class(dev->bus)->describe(dev);

        hmp_printf(hmp, "%*s%s\n", indent + 2, "", text);
    }
    for (guint i = 0; children && i < children->len; i++) {
        Object *child = children->pdata[i];

        if (object_is_a(child, TYPE_BUS)) {
            print_bus(hmp, BUS(child), indent + 2);
        }
    }
}

void hmp_info_qtree(Hmp *hmp, char **argv)
{
    g_autoptr(GPtrArray) devices = object_list_type(TYPE_DEVICE);

    for (guint i = 0; i < devices->len; i++) {
        Device *dev = DEVICE(devices->pdata[i]);

        if (!dev->bus) { /* those on a bus come with it */
            print_device(hmp, dev, 0);
        }
    }
}

/* ---- memory regions ---- */

static const char *region_kind(const MemoryRegion *mr)
{
    static const char *const names[] = {
        [REGION_CONTAINER] = "container", [REGION_IO] = "i/o",          [REGION_RAM] = "ram",
        [REGION_ALIAS] = "alias",         [REGION_ROM_DEVICE] = "romd",
    };

    return mr->kind == REGION_RAM && mr->readonly ? "rom" : names[mr->kind];
}

typedef struct OwnerSearch {
    const MemoryRegion *mr;
    const Object *owner;
} OwnerSearch;

static bool is_owner(Object *obj, void *opaque)
{
    OwnerSearch *search = opaque;
    const ObjectType *type = obj->type;
    uintptr_t begin = (uintptr_t)obj, mr = (uintptr_t)search->mr;

    while (!type->instance_size) {
        type = object_type_parent(type);
    }
    if ((mr >= begin && mr < begin + type->instance_size) ||
        (search->mr->kind == REGION_IO && search->mr->opaque == obj)) {
        search->owner = obj;
        return false;
    }
    return true;
}

/* " owner:PATH" of the object whose region it is: it lies inside it, or has its functions. */
static void print_owner(Hmp *hmp, const MemoryRegion *mr)
{
    OwnerSearch search = { .mr = mr };
    g_autofree char *path = NULL;

    object_foreach(object_root(), is_owner, &search);
    path = search.owner ? object_path(search.owner) : NULL;
    if (path) {
        hmp_printf(hmp, " owner:%s", path);
    }
}

static gint by_address(gconstpointer a, gconstpointer b)
{
    const MemoryRegion *x = *(MemoryRegion *const *)a, *y = *(MemoryRegion *const *)b;

    return (x->addr > y->addr) - (x->addr < y->addr);
}

enum { WITH_OWNER = 1 << 0, WITH_DISABLED = 1 << 1 };

/* The tree below @mr, which lies at @base. */
static void print_region(Hmp *hmp, const MemoryRegion *mr, hwaddr base, int indent, unsigned with)
{
    g_autoptr(GPtrArray) sorted = NULL;

    if (!mr->enabled && !(with & WITH_DISABLED)) {
        return;
    }
    hmp_printf(hmp, "%*s%016" PRIx64 "-%016" PRIx64 " (prio %d, %s): %s", indent, "", base,
               base + (mr->size == UINT64_MAX ? UINT64_MAX : mr->size - 1), mr->priority,
               region_kind(mr), mr->name);
    if (mr->kind == REGION_ALIAS) {
        hmp_printf(hmp, " -> %s @%016" PRIx64, mr->alias->name, mr->alias_offset);
    }
    if (with & WITH_OWNER) {
        print_owner(hmp, mr);
    }
    hmp_printf(hmp, "%s\n", mr->enabled ? "" : " [disabled]");
    if (!mr->subregions) {
        return;
    }
    sorted = g_ptr_array_copy(mr->subregions, NULL, NULL);
    g_ptr_array_sort(sorted, by_address);
    for (guint i = 0; i < sorted->len; i++) {
        const MemoryRegion *sub = g_ptr_array_index(sorted, i);

        print_region(hmp, sub, base + sub->addr, indent + 2, with);
    }
}

static void print_flat_range(Hmp *hmp, const FlatRange *range, bool owner, bool dispatch)
{
    hmp_printf(hmp, "  %016" PRIx64 "-%016" PRIx64 " (prio %d, %s): %s", range->addr,
               range->addr + range->size - 1, range->mr->priority,
               range->host && range->readonly ? "rom" : region_kind(range->mr), range->mr->name);
    if (range->offset) {
        hmp_printf(hmp, " @%016" PRIx64, range->offset);
    }
    if (dispatch && range->host) {
        hmp_printf(hmp, " host:%p", (void *)range->host);
    } else if (dispatch && range->mr->ops) {
        const MemoryRegionOps *ops = range->mr->ops;

        hmp_printf(hmp, " access:%u-%u", ops->min_access ? ops->min_access : 1,
                   ops->max_access ? ops->max_access : 8);
    }
    if (owner || dispatch) {
        print_owner(hmp, range->mr);
    }
    hmp_printf(hmp, "\n");
}

static void print_flat_view(Hmp *hmp, AddressSpace *as, unsigned number, bool owner, bool dispatch)
{
    const FlatView *view = address_space_view(as);

    hmp_printf(hmp, "FlatView #%u\n AS \"%s\", root: %s\n Root memory region: %s\n", number,
               as->name, as->root->name, as->root->name);
    for (unsigned i = 0; i < view->count; i++) {
        print_flat_range(hmp, &view->ranges[i], owner, dispatch);
    }
    hmp_printf(hmp, "%s\n", view->count ? "" : "  (empty)\n");
}

/* argv: -f -d -o -D */
void hmp_info_mtree(Hmp *hmp, char **argv)
{
    AddressSpace *spaces[] = { &address_space_memory, &address_space_io, &address_space_smm };
    unsigned count = G_N_ELEMENTS(spaces) - !memory_smram();
    unsigned with = (argv[2] ? WITH_OWNER : 0) | (argv[3] ? WITH_DISABLED : 0);
    bool flat = argv[0] || argv[1];

    for (unsigned i = 0; i < count; i++) {
        if (flat) {
            print_flat_view(hmp, spaces[i], i, argv[2] != NULL, argv[1] != NULL);
        } else {
            hmp_printf(hmp, "address-space: %s\n", spaces[i]->name);
            print_region(hmp, spaces[i]->root, 0, 2, with);
            hmp_printf(hmp, "\n");
        }
    }
}
