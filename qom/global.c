/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Defaults for all objects of a type: those of a machine, and those that the user gives (-global).
 */
#include "qom/global.h"

#include <string.h>

#include "qom/internal.h"
#include "util/error.h"

typedef struct Global {
    char *type, *prop, *text;
    bool used;
    bool extra; /* in no table */
} Global;

static struct {
    const char *type;
    GlobalCheck *check;
} extended;

static GPtrArray *globals; /* of Global *, in the order of the command line */

typedef struct Default {
    const char *type, *prop, *text;
} Default;

static GArray *defaults; /* of Default, a machine's */

static const Property *find_in(const ObjectType *type, const char *name)
{
    g_autoptr(GPtrArray) props = object_type_properties(type);

    for (unsigned i = 0; i < props->len; i++) {
        const Property *prop = props->pdata[i];

        if (strcmp(prop->name, name) == 0) {
            return prop;
        }
    }
    return NULL;
}

/* The property as @type or one of its subtypes has it. */
static const Property *find_below(const char *type, const char *name)
{
    g_autoptr(GPtrArray) types = object_types();

    for (unsigned i = 0; i < types->len; i++) {
        const Property *prop =
            object_type_is_a(types->pdata[i], type) ? find_in(types->pdata[i], name) : NULL;

        if (prop) {
            return prop;
        }
    }
    return NULL;
}

static void set_no_property(const ObjectType *type, const char *name, GError **errp)
{
    g_autoptr(GPtrArray) props = object_type_properties(type);
    g_autoptr(GString) names = g_string_new(NULL);

    for (unsigned i = 0; i < props->len; i++) {
        const Property *prop = props->pdata[i];

        if (!prop->read_only) {
            g_string_append_printf(names, "%s%s", names->len ? ", " : "", prop->name);
        }
    }
    error_set(errp, "type '%s' has no property '%s'; %s%s", type->name, name,
              names->len ? "those that can be set: " : "none can be set", names->str);
}

static void add(const char *type, const char *name, const char *text, bool extra)
{
    Global *global = g_new(Global, 1);

    if (!globals) {
        globals = g_ptr_array_new();
    }
    *global = (Global){ g_strdup(type), g_strdup(name), g_strdup(text), false, extra };
    g_ptr_array_add(globals, global);
}

bool object_global_add(const char *type_name, const char *name, const char *text, GError **errp)
{
    const ObjectType *type = object_type_find(type_name);
    const Property *prop;

    if (!type) {
        error_warn(
            "-global %s.%s=%s has no effect: there is no type '%s'; -device help and -object "
            "help list types of devices and objects",
            type_name, name, text, type_name);
        return true;
    }
    prop = find_below(type_name, name);
    if ((!prop || prop->kind == PROP_CUSTOM) && extended.type &&
        object_type_is_a(type, extended.type)) {
        if (!extended.check(name, text, errp)) {
            return false;
        }
        add(type_name, name, text, true);
        return true;
    }
    if (!prop) {
        set_no_property(type, name, errp);
        return false;
    }
    if (prop->read_only || (prop->kind == PROP_CUSTOM && !prop->set)) {
        error_set(errp, "property '%s.%s' is read-only", type_name, name);
        return false;
    }
    if (!property_check_text(prop, text, errp)) {
        return false;
    }
    add(type_name, name, text, false);
    return true;
}

void object_default_add(const char *type, const char *prop, const char *text)
{
    Default value = { type, prop, text };

    if (!defaults) {
        defaults = g_array_new(FALSE, FALSE, sizeof(Default));
    }
    g_array_append_val(defaults, value);
}

void object_globals_extend(const char *type, GlobalCheck *check)
{
    extended.type = type;
    extended.check = check;
}

void object_globals_take(const char *type_name,
                         void (*fn)(const char *name, const char *text, void *opaque), void *opaque)
{
    const ObjectType *type = object_type_find(type_name);

    for (unsigned i = 0; defaults && i < defaults->len; i++) {
        const Default *value = &g_array_index(defaults, Default, i);

        if (type && object_type_is_a(type, value->type)) {
            fn(value->prop, value->text, opaque);
        }
    }
    for (unsigned i = 0; globals && i < globals->len; i++) {
        Global *global = globals->pdata[i];

        if (global->extra && type && object_type_is_a(type, global->type)) {
            fn(global->prop, global->text, opaque);
            global->used = true;
        }
    }
}

/* Those of the extended type are taken by object_globals_take(): what the user says there comes
 * after them. */
static bool defaults_apply(Object *obj, GError **errp)
{
    if (extended.type && object_is_a(obj, extended.type)) {
        return true;
    }
    for (unsigned i = 0; defaults && i < defaults->len; i++) {
        const Default *value = &g_array_index(defaults, Default, i);

        if (object_is_a(obj, value->type) &&
            !object_property_parse(obj, value->prop, value->text, errp)) {
            g_prefix_error(errp, "default %s.%s=%s of the machine: ", value->type, value->prop,
                           value->text);
            return false;
        }
    }
    return true;
}

bool globals_apply(Object *obj, GError **errp)
{
    if (!defaults_apply(obj, errp)) {
        return false;
    }
    for (unsigned i = 0; globals && i < globals->len; i++) {
        Global *global = globals->pdata[i];

        if (global->extra || !object_is_a(obj, global->type) ||
            !object_property_find(obj, global->prop)) {
            continue;
        }
        if (!object_property_parse(obj, global->prop, global->text, errp)) {
            g_prefix_error(errp, "-global %s.%s=%s: ", global->type, global->prop, global->text);
            return false;
        }
        global->used = true;
    }
    return true;
}

void object_globals_foreach_unused(void (*fn)(const char *type, const char *prop, const char *text))
{
    for (unsigned i = 0; globals && i < globals->len; i++) {
        const Global *global = globals->pdata[i];

        if (!global->used) {
            fn(global->type, global->prop, global->text);
        }
    }
}
