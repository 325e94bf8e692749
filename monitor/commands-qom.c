/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about objects, their types and properties (qapi/qom.json, part of qdev.json). */
#include <string.h>

#include "hw/core/device.h"
#include "qapi/qapi-commands.h"
#include "qom/object.h"
#include "qom/user-object.h"
#include "util/error.h"

static Object *resolve(const char *path, GError **errp)
{
    bool ambiguous = false;
    Object *obj = object_resolve(path, &ambiguous);

    if (!obj && ambiguous) {
        error_set(errp, "path '%s' fits several objects; give it in full, from /", path);
    } else if (!obj) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                        "there is no object '%s'; qom-list shows what is in a path", path);
    }
    return obj;
}

static ObjectPropertyInfo *property_info(const char *name, char *type)
{
    ObjectPropertyInfo *info = g_new0(ObjectPropertyInfo, 1);

    info->name = g_strdup(name);
    info->type = type;
    return info;
}

GPtrArray *qmp_qom_list(const char *path, GError **errp)
{
    Object *obj = resolve(path, errp);
    g_autoptr(GPtrArray) properties = NULL;
    GPtrArray *list;

    if (!obj) {
        return NULL;
    }
    list = ObjectPropertyInfo_list_new();
    properties = object_type_properties(obj->type);
    for (guint i = 0; i < properties->len; i++) {
        const Property *prop = g_ptr_array_index(properties, i);

        g_ptr_array_add(list, property_info(prop->name, object_property_type_name(prop)));
    }
    for (guint i = 0; obj->children && i < obj->children->len; i++) {
        const Object *child = g_ptr_array_index(obj->children, i);

        g_ptr_array_add(
            list, property_info(child->name, g_strdup_printf("child<%s>", object_typename(child))));
    }
    return list;
}

struct json_object *qmp_qom_get(const char *path, const char *property, GError **errp)
{
    Object *obj = resolve(path, errp), *child;

    if (!obj) {
        return NULL;
    }
    child = object_property_find(obj, property) ? NULL : object_child(obj, property);
    if (child) { /* a child is a property whose value is its path */
        g_autofree char *child_path = object_path(child);

        return json_object_new_string(child_path);
    }
    return object_property_get(obj, property, errp);
}

bool qmp_qom_set(const char *path, const char *property, struct json_object *value, GError **errp)
{
    Object *obj = resolve(path, errp);

    return obj && object_property_set(obj, property, value, errp);
}

GPtrArray *qmp_qom_list_types(const char *implements, bool has_abstract, bool abstract,
                              GError **errp)
{
    g_autoptr(GPtrArray) types = object_types();
    GPtrArray *list = ObjectTypeInfo_list_new();

    for (guint i = 0; i < types->len; i++) {
        const ObjectType *type = g_ptr_array_index(types, i);
        ObjectTypeInfo *info;

        if ((implements && !object_type_is_a(type, implements)) ||
            (type->abstract && !(has_abstract && abstract))) {
            continue;
        }
        info = g_new0(ObjectTypeInfo, 1);
        info->name = g_strdup(type->name);
        info->parent = g_strdup(type->parent);
        info->has_abstract = info->abstract = type->abstract;
        g_ptr_array_add(list, info);
    }
    return list;
}

bool qmp_object_add(struct json_object *args, GError **errp)
{
    const char *type = json_object_get_string(json_object_object_get(args, "qom-type"));
    const char *id = json_object_get_string(json_object_object_get(args, "id"));

    return user_object_add(type, id, args, errp) != NULL;
}

bool qmp_object_del(const char *id, GError **errp)
{
    return user_object_del(id, errp);
}

/* ---- properties of device types ---- */

static struct json_object *default_value(const Property *prop)
{
    switch (prop->kind) {
    case PROP_BOOL:
        return json_object_new_boolean(prop->default_int != 0);
    case PROP_UINT8:
    case PROP_UINT16:
    case PROP_UINT32:
    case PROP_UINT64:
    case PROP_SIZE:
        return json_object_new_uint64((uint64_t)prop->default_int);
    case PROP_INT32:
    case PROP_INT64:
        return json_object_new_int64(prop->default_int);
    case PROP_ENUM:
        return json_object_new_string(prop->enum_names[prop->default_int]);
    default:
        return prop->default_str ? json_object_new_string(prop->default_str) : NULL;
    }
}

static ObjectPropertyInfo *full_property_info(const Property *prop)
{
    ObjectPropertyInfo *info = property_info(prop->name, object_property_type_name(prop));

    info->description = g_strdup(prop->description);
    info->default_value = prop->has_default ? default_value(prop) : NULL;
    return info;
}

GPtrArray *qmp_qom_list_properties(const char *typename, GError **errp)
{
    const ObjectType *type = object_type_find(typename);
    g_autoptr(GPtrArray) properties = NULL;
    GPtrArray *list;

    if (!type) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                        "there is no type '%s'; qom-list-types lists those there are", typename);
        return NULL;
    }
    list = ObjectPropertyInfo_list_new();
    properties = object_type_properties(type);
    for (guint i = 0; i < properties->len; i++) {
        g_ptr_array_add(list, full_property_info(g_ptr_array_index(properties, i)));
    }
    return list;
}

GPtrArray *qmp_device_list_properties(const char *typename, GError **errp)
{
    const ObjectType *type = object_type_find(typename);
    g_autoptr(GPtrArray) properties = NULL, common = NULL;
    GPtrArray *list;

    if (!type) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                        "there is no device type '%s'; qom-list-types lists those there are",
                        typename);
        return NULL;
    }
    if (!object_type_is_a(type, TYPE_DEVICE) || type->abstract) {
        error_set(errp, "typename '%s' must name a device type that is not abstract", typename);
        return NULL;
    }
    list = ObjectPropertyInfo_list_new();
    properties = object_type_properties(type);
    common = object_type_properties(object_type_find(TYPE_DEVICE));
    for (guint i = 0; i < properties->len; i++) {
        const Property *prop = g_ptr_array_index(properties, i);

        /* What every device has is of no use to whoever wants to add one. */
        if (!g_ptr_array_find(common, prop, NULL)) {
            g_ptr_array_add(list, full_property_info(prop));
        }
    }
    return list;
}
