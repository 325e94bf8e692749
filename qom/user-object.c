/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Objects that users make and delete: -object, object-add, object-del. They live in /objects. */
#include "qom/user-object.h"

#include <string.h>

#include "qom/internal.h"
#include "util/error.h"

#define OBJECTS "/objects"

bool object_id_wellformed(const char *id)
{
    if (!g_ascii_isalpha(*id)) {
        return false;
    }
    while (g_ascii_isalnum(*id) || (*id && strchr("-._", *id))) {
        id++;
    }
    return !*id;
}

static char *creatable_names(void)
{
    g_autoptr(GPtrArray) types = object_types();
    g_autoptr(GString) names = g_string_new(NULL);

    for (size_t i = 0; i < types->len; i++) {
        const ObjectType *type = types->pdata[i];

        if (type->user_creatable && !type->abstract) {
            g_string_append_printf(names, "%s%s", names->len ? ", " : "", type->name);
        }
    }
    return g_strdup(names->str);
}

static bool check_type(const char *name, GError **errp)
{
    const ObjectType *type = object_type_find(name);

    if (!type || type->abstract || !type->user_creatable) {
        g_autofree char *names = creatable_names();

        error_set(errp, "'%s' is not a type of objects that users can make; those are: %s", name,
                  names);
        return false;
    }
    return true;
}

static bool check_id(const char *id, GError **errp)
{
    if (!object_id_wellformed(id)) {
        error_set(errp,
                  "'%s' is not an id: expects letters, digits, '-', '.' and '_', beginning with a "
                  "letter",
                  id);
        return false;
    }
    if (object_child(object_container(OBJECTS), id)) {
        error_set(errp, "There is an object with the id '%s' already; expects another id", id);
        return false;
    }
    return true;
}

static bool complete(Object *obj, GError **errp)
{
    for (const ObjectType *type = obj->type; type; type = object_type_parent(type)) {
        if (type->complete) {
            return type->complete(obj, errp);
        }
    }
    return true;
}

Object *user_object_add(const char *type, const char *id, struct json_object *props, GError **errp)
{
    static const char *const skip[] = { "qom-type", "id", NULL };
    g_autoptr(Object) obj = NULL;

    if (!check_type(type, errp) || !check_id(id, errp)) {
        return NULL;
    }
    obj = object_new(type, errp);
    if (!obj || (props && !object_set_properties(obj, props, skip, errp)) ||
        !object_add_child(object_container(OBJECTS), id, obj, errp)) {
        return NULL;
    }
    if (!complete(obj, errp)) {
        object_unparent(obj);
        return NULL;
    }
    object_settle(obj, true);
    return obj; /* the tree's reference stays when this one goes */
}

bool user_object_can_be_deleted(Object *obj, GError **errp)
{
    for (const ObjectType *type = obj->type; type; type = object_type_parent(type)) {
        if (type->can_be_deleted) {
            return type->can_be_deleted(obj, errp);
        }
    }
    if (obj->refs > 1) {
        error_set(errp, "The object '%s' is in use and cannot be deleted; delete its user first",
                  obj->name);
        return false;
    }
    return true;
}

bool user_object_del(const char *id, GError **errp)
{
    Object *obj = object_child(object_container(OBJECTS), id);

    if (!obj) {
        error_set(errp,
                  "There is no object with the id '%s'; qom-list /objects shows those there "
                  "are",
                  id);
        return false;
    }
    if (!user_object_can_be_deleted(obj, errp)) {
        return false;
    }
    object_unparent(obj);
    return true;
}
