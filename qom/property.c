/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Properties: the schema's conversions applied to fields of instances. */
#include <string.h>

#include "qapi/visit.h"
#include "qom/internal.h"
#include "util/error.h"
#include "util/keyval.h"

/* How each kind looks in JSON and in the field. Links are strings (paths) in JSON only. */
static const struct {
    const QapiType *type;
    const char *name;
} kinds[] = {
    [PROP_BOOL] = { &qapi_bool_type, "bool" },
    [PROP_UINT8] = { &qapi_uint8_type, "uint8" },
    [PROP_UINT16] = { &qapi_uint16_type, "uint16" },
    [PROP_UINT32] = { &qapi_uint32_type, "uint32" },
    [PROP_UINT64] = { &qapi_uint64_type, "uint64" },
    [PROP_INT32] = { &qapi_int32_type, "int32" },
    [PROP_INT64] = { &qapi_int64_type, "int64" },
    [PROP_SIZE] = { &qapi_size_type, "size" },
    [PROP_STRING] = { &qapi_str_type, "string" },
    [PROP_ENUM] = { NULL, "enum" },
    [PROP_LINK] = { &qapi_str_type, "link" },
    [PROP_CUSTOM] = { &qapi_any_type, "any" },
    [PROP_STRUCT] = { NULL, "struct" },
};

/* The conversion for @prop; for an enum it is made in *@room. */
static const QapiType *conversion(const Property *prop, QapiType *room)
{
    if (prop->kind == PROP_STRUCT) {
        return prop->struct_type;
    }
    if (prop->kind != PROP_ENUM) {
        return kinds[prop->kind].type;
    }
    *room = (QapiType){ "enum", QAPI_KIND_ENUM, sizeof(int), .lookup = prop->enum_names };
    return room;
}

/* The same for @value: what a text means to a custom property goes by the name of its type. */
static const QapiType *conversion_of(const Property *prop, struct json_object *value,
                                     QapiType *room)
{
    const QapiType *type = NULL;

    if (prop->kind == PROP_CUSTOM && prop->custom_type && !prop->text_only && keyval_texts(value)) {
        type = qapi_builtin_find(prop->custom_type);
    }
    return type ? type : conversion(prop, room);
}

static void *field_of(const Object *obj, const Property *prop)
{
    return (char *)(uintptr_t)obj + prop->offset;
}

static bool has_field(const Property *prop)
{
    return prop->kind != PROP_CUSTOM && prop->kind != PROP_STRUCT && prop->offset >= sizeof(Object);
}

static char *full_name(const Object *obj, const char *name)
{
    return g_strdup_printf("%s.%s", obj->type->name, name);
}

static const char *link_type_of(const Property *prop)
{
    return prop->link_type ? prop->link_type : "object";
}

/* ---- of types ---- */

static const Property *find_own(const ObjectType *type, const char *name)
{
    for (const Property *prop = type->properties; prop && prop->name; prop++) {
        if (strcmp(prop->name, name) == 0) {
            return prop;
        }
    }
    return NULL;
}

static const Property *find_in_type(const ObjectType *type, const char *name)
{
    const Property *prop = NULL;

    for (; type && !prop; type = object_type_parent(type)) {
        prop = find_own(type, name);
    }
    return prop;
}

/* Who of @obj and its part has the property; @obj if none has. */
static Object *holder_of(const Object *obj, const char *name)
{
    const Object *holder = obj;

    while (holder && !find_in_type(holder->type, name)) {
        holder = holder->type->part ? object_child(holder, holder->type->part) : NULL;
    }
    return (Object *)(uintptr_t)(holder ? holder : obj);
}

const Property *object_property_find(const Object *obj, const char *name)
{
    return find_in_type(holder_of(obj, name)->type, name);
}

static bool overridden(GPtrArray *list, const char *name)
{
    for (size_t i = 0; i < list->len; i++) {
        if (strcmp(((const Property *)list->pdata[i])->name, name) == 0) {
            return true;
        }
    }
    return false;
}

static void add_type_properties(const ObjectType *type, GPtrArray *list)
{
    const ObjectType *part = type->part ? object_type_find(type->part_type) : NULL;

    for (; type; type = object_type_parent(type)) {
        for (const Property *prop = type->properties; prop && prop->name; prop++) {
            if (!overridden(list, prop->name)) {
                g_ptr_array_add(list, (void *)(uintptr_t)prop);
            }
        }
    }
    if (part) {
        add_type_properties(part, list);
    }
}

GPtrArray *object_type_properties(const ObjectType *type)
{
    GPtrArray *list = g_ptr_array_new();

    add_type_properties(type, list);
    return list;
}

char *object_property_type_name(const Property *prop)
{
    if (prop->kind == PROP_LINK) {
        return g_strdup_printf("link<%s>", link_type_of(prop));
    }
    if (prop->kind == PROP_STRUCT) {
        return g_strdup(prop->struct_type->name);
    }
    return g_strdup(prop->custom_type ? prop->custom_type : kinds[prop->kind].name);
}

const QapiType *object_property_value_type(const Property *prop)
{
    const QapiType *named = prop->kind == PROP_CUSTOM && prop->custom_type
                                ? qapi_builtin_find(prop->custom_type)
                                : NULL;

    if (prop->read_only || prop->kind == PROP_STRUCT || (prop->kind == PROP_CUSTOM && !prop->set)) {
        return NULL;
    }
    return named ? named : prop->kind == PROP_ENUM ? &qapi_str_type : kinds[prop->kind].type;
}

/* ---- the life of fields ---- */

void property_set_defaults(Object *obj, const ObjectType *type)
{
    const ObjectType *parent = object_type_parent(type);

    if (parent) { /* first, so that an own default overrides */
        property_set_defaults(obj, parent);
    }
    for (const Property *prop = type->properties; prop && prop->name; prop++) {
        QapiType room;

        if (!prop->has_default || !has_field(prop) || prop->kind == PROP_LINK) {
            continue;
        }
        if (prop->kind == PROP_STRING) {
            g_free(*(char **)field_of(obj, prop));
            *(char **)field_of(obj, prop) = g_strdup(prop->default_str);
        } else { /* little-endian: the low bytes */
            memcpy(field_of(obj, prop), &prop->default_int, conversion(prop, &room)->size);
        }
    }
}

void property_free_fields(Object *obj, const ObjectType *type)
{
    for (const Property *prop = type->properties; prop && prop->name; prop++) {
        void **field = field_of(obj, prop);

        if (has_field(prop) && prop->kind == PROP_STRING) {
            g_free(*field);
            *field = NULL;
        } else if (has_field(prop) && prop->kind == PROP_LINK) {
            object_unref(*field);
            *field = NULL;
        }
    }
}

Object *property_link_target(const Object *obj, const char *name)
{
    const Object *holder = holder_of(obj, name);
    const Property *prop = find_in_type(holder->type, name);

    return prop && prop->kind == PROP_LINK && has_field(prop) ? *(Object **)field_of(holder, prop)
                                                              : NULL;
}

/* ---- get ---- */

static struct json_object *path_to_json(const Object *obj)
{
    g_autofree char *path = obj ? object_path(obj) : NULL;

    return json_object_new_string(path ? path : "");
}

static void set_no_property(const Object *obj, const char *name, GError **errp)
{
    g_autoptr(GPtrArray) props = object_type_properties(obj->type);
    g_autoptr(GString) names = g_string_new(NULL);

    for (size_t i = 0; i < props->len; i++) {
        const Property *prop = props->pdata[i];

        g_string_append_printf(names, "%s%s", i ? ", " : "", prop->name);
    }
    error_set(errp, "Property '%s.%s' not found; the properties of '%s' are: %s", obj->type->name,
              name, obj->type->name, names->str);
}

struct json_object *object_property_get(Object *obj, const char *name, GError **errp)
{
    const Property *prop = object_property_find(obj, name);
    QapiType room;

    if (!prop) {
        const Object *child = object_child(obj, name);

        if (child) {
            return path_to_json(child);
        }
        set_no_property(obj, name, errp);
        return NULL;
    }
    obj = holder_of(obj, name);
    if (prop->get) {
        return prop->get(obj, prop, errp);
    }
    if (prop->get_struct) {
        void *value = prop->get_struct(obj);
        struct json_object *out = qapi_to_json(prop->struct_type, value);

        qapi_free(prop->struct_type, value);
        return out;
    }
    if (!has_field(prop)) {
        error_set(errp, "Property '%s.%s' is not readable: it can only be set", obj->type->name,
                  name);
        return NULL;
    }
    if (prop->kind == PROP_LINK) {
        return path_to_json(*(Object **)field_of(obj, prop));
    }
    return qapi_place_to_json(conversion(prop, &room), field_of(obj, prop));
}

/* ---- set ---- */

static Object *find_link_target(const char *text)
{
    static const char *const folders[] = { "/objects", "/machine/peripheral" };

    for (size_t i = 0; i < G_N_ELEMENTS(folders); i++) {
        Object *folder = object_resolve(folders[i], NULL);
        Object *target = folder ? object_child(folder, text) : NULL;

        if (target) {
            return target;
        }
    }
    return object_resolve(text, NULL);
}

static bool resolve_link(Object *obj, const Property *prop, const char *text, Object **out,
                         GError **errp)
{
    Object *target = *text ? find_link_target(text) : NULL;

    if (*text && !target) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND,
                        "Property '%s.%s': there is no object '%s'; expects the id or path of a %s",
                        obj->type->name, prop->name, text, link_type_of(prop));
        return false;
    }
    if (target && !object_is_a(target, link_type_of(prop))) {
        error_set(errp, "Property '%s.%s': '%s' is a %s; expects the id or path of a %s",
                  obj->type->name, prop->name, text, target->type->name, link_type_of(prop));
        return false;
    }
    *out = target;
    return true;
}

/* Put the converted value @item (a string in it is owned) into the field. */
static bool store(Object *obj, const Property *prop, const QapiType *type, uint64_t *item,
                  GError **errp)
{
    void **field = field_of(obj, prop);

    if (prop->kind == PROP_LINK) {
        g_autofree char *text = (char *)(uintptr_t)*item;
        Object *target;

        if (!resolve_link(obj, prop, text, &target, errp)) {
            return false;
        }
        if (target) {
            object_ref(target);
        }
        object_unref(*field);
        *field = target;
    } else if (prop->kind == PROP_STRING) {
        g_free(*field);
        *field = (void *)(uintptr_t)*item;
    } else {
        memcpy(field, item, type->size);
    }
    return true;
}

static void drop_item(const QapiType *type, uint64_t item)
{
    if (type->destroy) {
        type->destroy((void *)(uintptr_t)item);
    }
}

static bool may_set(const Object *obj, const Property *prop, GError **errp)
{
    if (prop->read_only || (!prop->set && !prop->set_struct && !has_field(prop))) {
        error_set(errp, "Property '%s.%s' is read-only", obj->type->name, prop->name);
        return false;
    }
    if (obj->settled && !prop->live) {
        error_set(errp,
                  "Property '%s.%s' can no longer be changed: it must be given when the object "
                  "is made",
                  obj->type->name, prop->name);
        return false;
    }
    return true;
}

static const Property *find_for_set(const Object *obj, const char *name, GError **errp)
{
    const Property *prop = object_property_find(obj, name);

    if (prop) {
        return may_set(obj, prop, errp) ? prop : NULL;
    }
    if (object_child(obj, name)) {
        error_set(errp, "'%s.%s' is a child and cannot be set", obj->type->name, name);
    } else {
        set_no_property(obj, name, errp);
    }
    return NULL;
}

/* @value as the functions of @prop want it, now that it has become @item: typed. New reference. */
static struct json_object *typed(const QapiType *type, struct json_object *value,
                                 const uint64_t *item)
{
    return keyval_texts(value) && type->kind != QAPI_KIND_ANY ? qapi_place_to_json(type, item)
                                                              : json_object_get(value);
}

static bool call_check(Object *obj, const Property *prop, const QapiType *type,
                       struct json_object *value, const uint64_t *item, GError **errp)
{
    struct json_object *plain = prop->check ? typed(type, value, item) : NULL;
    bool ok = !prop->check || prop->check(obj, prop, plain, errp);

    json_object_put(plain);
    return ok;
}

static bool call_set(Object *obj, const Property *prop, const QapiType *type,
                     struct json_object *value, uint64_t *item, GError **errp)
{
    struct json_object *plain = typed(type, value, item);
    bool ok = prop->set(obj, prop, plain, errp);

    json_object_put(plain);
    drop_item(type, *item);
    return ok;
}

/* Messages name members as users write them: "smp.cpus". */
static bool set_struct(Object *obj, const Property *prop, struct json_object *value, GError **errp)
{
    void *c_value = qapi_from_json(prop->struct_type, value, prop->name, errp);
    bool ok = c_value && prop->set_struct(obj, c_value, errp);

    qapi_free(prop->struct_type, c_value);
    return ok;
}

bool object_property_set(Object *obj, const char *name, struct json_object *value, GError **errp)
{
    const Property *prop = find_for_set(holder_of(obj, name), name, errp);
    g_autofree char *path = full_name(obj, name);
    uint64_t item = 0; /* room for every kind */
    const QapiType *type;
    QapiType room;

    if (!prop) {
        return false;
    }
    obj = holder_of(obj, name);
    if (prop->kind == PROP_STRUCT) {
        return set_struct(obj, prop, value, errp);
    }
    type = conversion_of(prop, value, &room);
    if (!qapi_place_from_json(type, value, path, &item, errp)) {
        g_prefix_error(errp, "Property ");
        return false;
    }
    if (!call_check(obj, prop, type, value, &item, errp)) {
        drop_item(type, item);
        return false;
    }
    return prop->set ? call_set(obj, prop, type, value, &item, errp)
                     : store(obj, prop, type, &item, errp);
}

/* ---- text ---- */

bool property_check_text(const Property *prop, const char *text, GError **errp)
{
    struct json_object *value = keyval_text_new(text);
    uint64_t item = 0;
    QapiType room;
    const QapiType *type = conversion_of(prop, value, &room);
    bool ok = qapi_place_from_json(type, value, prop->name, &item, errp);

    if (ok) {
        ok = call_check(NULL, prop, type, value, &item, errp);
        drop_item(type, item);
    }
    json_object_put(value);
    return ok;
}

bool object_property_parse(Object *obj, const char *name, const char *text, GError **errp)
{
    struct json_object *value = keyval_text_new(text);
    bool ok = object_property_set(obj, name, value, errp);

    json_object_put(value);
    return ok;
}

bool object_set_properties(Object *obj, struct json_object *props, const char *const *skip,
                           GError **errp)
{
    json_object_object_foreach(props, name, value)
    {
        if (!(skip && g_strv_contains(skip, name)) &&
            !object_property_set(obj, name, value, errp)) {
            return false;
        }
    }
    return true;
}
