/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Types and the life of instances. */
#include "qom/object.h"

#include <stdlib.h>
#include <string.h>

#include "qom/internal.h"
#include "util/error.h"

#define INSTANCE_ALIGN 64 /* CPU state holds vector registers */

static GHashTable *types; /* name -> const ObjectType * */

/* ---- types ---- */

void object_type_register(const ObjectType *type)
{
    if (!types) {
        types = g_hash_table_new(g_str_hash, g_str_equal);
    }
    g_assert(!g_hash_table_contains(types, type->name));
    g_hash_table_insert(types, (char *)(uintptr_t)type->name, (void *)(uintptr_t)type);
}

const ObjectType *object_type_find(const char *name)
{
    return types ? g_hash_table_lookup(types, name) : NULL;
}

const ObjectType *object_type_parent(const ObjectType *type)
{
    return type->parent ? object_type_find(type->parent) : NULL;
}

bool object_type_is_a(const ObjectType *type, const char *ancestor)
{
    for (; type; type = object_type_parent(type)) {
        if (strcmp(type->name, ancestor) == 0) {
            return true;
        }
    }
    return false;
}

const void *object_type_ops(const ObjectType *type)
{
    while (type && !type->ops) {
        type = object_type_parent(type);
    }
    return type ? type->ops : NULL;
}

static gint compare_names(gconstpointer a, gconstpointer b)
{
    const ObjectType *const *x = a, *const *y = b;

    return strcmp((*x)->name, (*y)->name);
}

GPtrArray *object_types(void)
{
    GPtrArray *list = g_ptr_array_new();
    GHashTableIter iter;
    void *type;

    g_hash_table_iter_init(&iter, types);
    while (g_hash_table_iter_next(&iter, NULL, &type)) {
        g_ptr_array_add(list, type);
    }
    g_ptr_array_sort(list, compare_names);
    return list;
}

static size_t instance_size(const ObjectType *type)
{
    while (type && !type->instance_size) {
        type = object_type_parent(type);
    }
    return type ? type->instance_size : sizeof(Object);
}

/* ---- instances ---- */

static void init_as(Object *obj, const ObjectType *type)
{
    const ObjectType *parent = object_type_parent(type);

    if (parent) {
        init_as(obj, parent);
    }
    if (type->init) {
        type->init(obj);
    }
}

static void add_part(Object *obj)
{
    if (obj->type->part) {
        g_autoptr(GError) err = NULL;
        g_autoptr(Object) part = object_new(obj->type->part_type, &err);

        if (!part || !object_add_child(obj, obj->type->part, part, &err)) {
            g_error("part '%s' of a '%s': %s", obj->type->part, obj->type->name, err->message);
        }
    }
}

Object *object_new(const char *name, GError **errp)
{
    const ObjectType *type = object_type_find(name);
    size_t size;
    Object *obj;

    if (!type) {
        error_set(errp, "There is no type '%s'", name);
        return NULL;
    }
    if (type->abstract) {
        error_set(errp, "The type '%s' is abstract: expects one of its subtypes", name);
        return NULL;
    }
    size = (instance_size(type) + INSTANCE_ALIGN - 1) & ~(size_t)(INSTANCE_ALIGN - 1);
    obj = aligned_alloc(INSTANCE_ALIGN, size);
    g_assert(obj);
    memset(obj, 0, size);
    obj->type = type;
    obj->refs = 1;
    property_set_defaults(obj, type);
    add_part(obj);
    init_as(obj, type);
    if (!globals_apply(obj, errp)) {
        object_unref(obj);
        return NULL;
    }
    return obj;
}

static void finalize(Object *obj)
{
    const ObjectType *type;

    for (type = obj->type; type; type = object_type_parent(type)) {
        if (type->finalize) {
            type->finalize(obj);
        }
    }
    tree_drop_children(obj);
    for (type = obj->type; type; type = object_type_parent(type)) {
        property_free_fields(obj, type);
    }
    g_free(obj->name);
    free(obj);
}

Object *object_ref(Object *obj)
{
    obj->refs++;
    return obj;
}

void object_unref(Object *obj)
{
    if (obj && --obj->refs == 0) {
        finalize(obj);
    }
}

bool object_is_a(const Object *obj, const char *type)
{
    return object_type_is_a(obj->type, type);
}

const ObjectType *object_check_type(const Object *obj, const char *type)
{
    if (!object_is_a(obj, type)) {
        g_error("an object of type '%s' is used as '%s'", obj->type->name, type);
    }
    return obj->type;
}

const void *object_ops(const Object *obj)
{
    return object_type_ops(obj->type);
}

void object_settle(Object *obj, bool settled)
{
    obj->settled = settled;
}

/* ---- the root of all types, and the plainest one ---- */

static struct json_object *get_type(Object *obj, const Property *prop, GError **errp)
{
    return json_object_new_string(obj->type->name);
}

static const Property base_properties[] = {
    { .name = "type",
      .kind = PROP_CUSTOM,
      .custom_type = "string",
      .description = "name of the type",
      .read_only = true,
      .get = get_type },
    { NULL },
};

static const ObjectType base_type = {
    .name = "object",
    .description = "anything",
    .instance_size = sizeof(Object),
    .abstract = true,
    .properties = base_properties,
};
OBJECT_TYPE_REGISTER(base_type)

static const ObjectType container_type = {
    .name = "container",
    .parent = "object",
    .description = "a folder in the tree of objects",
};
OBJECT_TYPE_REGISTER(container_type)
