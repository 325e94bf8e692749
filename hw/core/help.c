/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/core/help.h"

#include <inttypes.h>
#include <string.h>

#include "chardev/char.h"
#include "chardev/chardev.h"
#include "hw/core/device.h"
#include "util/error.h"

static const DeviceClass *device_type_class(const ObjectType *type)
{
    return object_type_is_a(type, TYPE_DEVICE) ? object_type_ops(type) : NULL;
}

static bool is_user_device(const ObjectType *type)
{
    const DeviceClass *class = type->abstract ? NULL : device_type_class(type);

    return class && class->flags & DEVICE_USER_CREATABLE;
}

static bool is_user_object(const ObjectType *type)
{
    return type->user_creatable && !type->abstract && !device_type_class(type);
}

static const char *category_of(const ObjectType *type)
{
    const char *category = device_type_class(type)->category;

    return category ? category : "misc";
}

static gint compare_strings(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void append_type(GString *text, const ObjectType *type)
{
    g_string_append_printf(text, "name \"%s\"", type->name);
    const char *alias = device_type_alias(type);
    const DeviceClass *class = device_type_class(type);
    if (class && class->bus) {
        g_string_append_printf(text, ", bus %s", class->bus);
    }
    if (alias) {
        g_string_append_printf(text, ", alias \"%s\"", alias);
    }
    if (type->description) {
        g_string_append_printf(text, ", desc \"%s\"", type->description);
    }
    g_string_append_c(text, '\n');
}

char *help_devices_of(const char *category)
{
    g_autoptr(GPtrArray) types = object_types();
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i < types->len; i++) {
        const ObjectType *type = types->pdata[i];

        if (is_user_device(type) && strcmp(category_of(type), category) == 0) {
            g_string_append_printf(text, "%s\n", type->name);
        }
    }
    return g_string_free(text, text->len == 0);
}

/* As people know it from elsewhere; g_free. */
static char *title_of(const char *category)
{
    static const struct {
        const char *category, *title;
    } titles[] = {
        { "bridge", "Controller/Bridge/Hub" },
        { "cpu", "CPU" },
        { "usb", "USB" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(titles); i++) {
        if (strcmp(category, titles[i].category) == 0) {
            return g_strdup(titles[i].title);
        }
    }
    return g_strdup_printf("%c%s", g_ascii_toupper(category[0]), category + 1);
}

char *help_devices(void)
{
    g_autoptr(GPtrArray) types = object_types();
    g_autoptr(GPtrArray) categories = g_ptr_array_new();
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i < types->len; i++) {
        if (!is_user_device(types->pdata[i])) {
            continue;
        }
        const char *category = category_of(types->pdata[i]);
        if (!g_ptr_array_find_with_equal_func(categories, category, g_str_equal, NULL)) {
            g_ptr_array_add(categories, (gpointer)category);
        }
    }
    g_ptr_array_sort(categories, compare_strings);
    for (unsigned c = 0; c < categories->len; c++) {
        const char *category = categories->pdata[c];
        g_autofree char *title = title_of(category);
        g_string_append_printf(text, "%s%s devices:\n", c ? "\n" : "", title);
        for (unsigned i = 0; i < types->len; i++) {
            if (is_user_device(types->pdata[i]) &&
                strcmp(category_of(types->pdata[i]), category) == 0) {
                append_type(text, types->pdata[i]);
            }
        }
    }
    return g_string_free(text, FALSE);
}

char *help_objects(void)
{
    g_autoptr(GPtrArray) types = object_types();
    GString *text = g_string_new("Objects that a user can make:\n");

    for (unsigned i = 0; i < types->len; i++) {
        if (is_user_object(types->pdata[i])) {
            append_type(text, types->pdata[i]);
        }
    }
    return g_string_free(text, FALSE);
}

static void append_default(GString *text, const Property *prop)
{
    if (!prop->has_default) {
        return;
    }
    g_string_append(text, " (default: ");
    if (prop->kind == PROP_BOOL) {
        g_string_append(text, prop->default_int ? "true" : "false");
    } else if (prop->kind == PROP_ENUM) {
        g_string_append(text, prop->enum_names[prop->default_int]);
    } else if (prop->default_str) {
        g_string_append(text, prop->default_str);
    } else if (prop->kind == PROP_SIZE || prop->kind == PROP_UINT64) {
        g_string_append_printf(text, "%" PRIu64, (uint64_t)prop->default_int);
    } else {
        g_string_append_printf(text, "%" PRId64, prop->default_int);
    }
    g_string_append_c(text, ')');
}

char *help_properties(const ObjectType *type)
{
    g_autoptr(GPtrArray) props = object_type_properties(type);
    GString *text = g_string_new(NULL);

    g_string_append_printf(text, "%s options:\n", type->name);
    for (unsigned i = 0; i < props->len; i++) {
        const Property *prop = props->pdata[i];
        if (prop->read_only || (prop->kind == PROP_CUSTOM && !prop->set)) {
            continue;
        }
        g_autofree char *kind = object_property_type_name(prop);
        g_autofree char *left = g_strdup_printf("%s=<%s>", prop->name, kind);
        g_string_append_printf(text, "  %-24s", left);
        if (prop->description) {
            g_string_append_printf(text, " - %s", prop->description);
        }
        append_default(text, prop);
        g_string_append_c(text, '\n');
    }
    return g_string_free(text, FALSE);
}

char *help_device_type(const char *type, GError **errp)
{
    const ObjectType *t = device_type_called(type);

    if (!t || !is_user_device(t)) {
        error_set(errp, "'%s' is not a device type; -device help lists them", type);
        return NULL;
    }
    return help_properties(t);
}

char *help_object_type(const char *type, GError **errp)
{
    const ObjectType *t = object_type_find(type);

    if (!t || !is_user_object(t)) {
        error_set(errp, "'%s' is not an object type that can be made; -object help lists them",
                  type);
        return NULL;
    }
    return help_properties(t);
}

char *help_chardevs(void)
{
    g_autoptr(GPtrArray) kinds = chardev_backends();
    GString *text = g_string_new("Character devices (KIND,help lists the options):\n");

    for (unsigned i = 0; i < kinds->len; i++) {
        const char *kind = kinds->pdata[i];

        g_string_append_printf(text, "  %-12s %s\n", kind,
                               chardev_backend_type(kind, NULL)->description);
    }
    return g_string_free(text, FALSE);
}

char *help_chardev_backend(const char *backend, GError **errp)
{
    const ObjectType *type = chardev_backend_type(backend, errp);

    return type ? help_properties(type) : NULL;
}
