/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "system/option-groups.h"

#include <string.h>

#include "chardev/char.h"
#include "chardev/chardev.h"
#include "hw/core/machine.h"
#include "qapi/dispatch.h"
#include "util/error.h"
#include "util/keyval.h"

/* ---- what there is ---- */

static CommandLineParameterType parameter_type(const QapiType *type)
{
    if (type->kind == QAPI_KIND_BOOL) {
        return COMMAND_LINE_PARAMETER_TYPE_BOOLEAN;
    }
    if (type->suffixes) {
        return COMMAND_LINE_PARAMETER_TYPE_SIZE;
    }
    return type->kind == QAPI_KIND_INT ? COMMAND_LINE_PARAMETER_TYPE_NUMBER
                                       : COMMAND_LINE_PARAMETER_TYPE_STRING;
}

static void add_parameter(GPtrArray *list, const char *name, CommandLineParameterType type,
                          const char *help)
{
    CommandLineParameterInfo *info = g_new0(CommandLineParameterInfo, 1);

    info->name = g_strdup(name);
    info->type = type;
    info->help = g_strdup(help);
    g_ptr_array_add(list, info);
}

static bool is_listed(const GPtrArray *list, const char *name)
{
    for (unsigned i = 0; i < list->len; i++) {
        if (strcmp(((const CommandLineParameterInfo *)list->pdata[i])->name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Of a union: those of every kind. */
static void list_members(GPtrArray *list, const QapiType *type)
{
    for (const QapiMember *m = type->members; m->name; m++) {
        if (!is_listed(list, m->name)) {
            add_parameter(list, m->name, parameter_type(m->type), m->doc);
        }
    }
    for (size_t i = 0; i < type->num_variants; i++) {
        if (type->variants[i]) {
            list_members(list, type->variants[i]);
        }
    }
}

/* On and off, with a third position perhaps. */
static bool is_switch(const Property *prop)
{
    return prop->kind == PROP_ENUM && g_strv_contains(prop->enum_names, "on") &&
           g_strv_contains(prop->enum_names, "off");
}

/* What users can set in objects of @type, but for structures, whose members have keys. */
static void list_properties(GPtrArray *list, const ObjectType *type)
{
    g_autoptr(GPtrArray) props = object_type_properties(type);

    for (unsigned i = 0; i < props->len; i++) {
        const Property *prop = props->pdata[i];
        const QapiType *value = object_property_value_type(prop);

        if (value && !is_listed(list, prop->name)) {
            add_parameter(list, prop->name,
                          is_switch(prop) ? COMMAND_LINE_PARAMETER_TYPE_BOOLEAN
                                          : parameter_type(value),
                          prop->description);
        }
    }
}

static void list_machine(GPtrArray *list)
{
    add_parameter(list, "type", COMMAND_LINE_PARAMETER_TYPE_STRING, "machine type");
    list_properties(list, object_type_find(TYPE_MACHINE));
}

/* Those of every kind. */
static void list_chardev(GPtrArray *list)
{
    g_autoptr(GPtrArray) backends = chardev_backends();

    add_parameter(list, "backend", COMMAND_LINE_PARAMETER_TYPE_STRING, "kind");
    add_parameter(list, "mux", COMMAND_LINE_PARAMETER_TYPE_BOOLEAN, "several users share it");
    for (unsigned i = 0; i < backends->len; i++) {
        list_properties(list, chardev_backend_type(backends->pdata[i], NULL));
    }
}

static void list_smbios(GPtrArray *list)
{
    list_members(list, &SmbiosFile_type);
    list_members(list, &SmbiosOptions_type);
}

static void list_action(GPtrArray *list)
{
    list_members(list, qmp_find_command("set-action", NULL)->args);
}

/* What is listed of an option: what `list` says, else the members of its type in options[]. */
static const struct Group {
    const char *name;
    const char *option; /* NULL: called as the group */
    bool has_ids;       /* members have one, as in [device "d0"] */
    void (*list)(GPtrArray *list);
} groups[] = {
    { "accel" },
    { "action", .list = list_action },
    { "add-fd" },
    { "boot-opts", .option = "boot" },
    { "chardev", .has_ids = true, .list = list_chardev },
    { "device", .has_ids = true },
    { "drive", .has_ids = true },
    { "fsdev", .has_ids = true },
    { "fw_cfg" },
    { "global" },
    { "machine", .list = list_machine },
    { "memory", .option = "m" },
    { "mon", .has_ids = true },
    { "msg" },
    { "name" },
    { "netdev", .has_ids = true },
    { "numa" },
    { "object", .has_ids = true },
    { "overcommit" },
    { "rtc" },
    { "sandbox" },
    { "smbios", .list = list_smbios },
    { "smp-opts", .option = "smp" },
    { "spice" },
    { "virtfs", .has_ids = true },
    { "vnc", .has_ids = true },
};

static const Option *group_option(const struct Group *group)
{
    return cmdline_option(group->option ? group->option : group->name);
}

static const struct Group *group_find(const char *name)
{
    for (size_t i = 0; i < G_N_ELEMENTS(groups); i++) {
        if (strcmp(groups[i].name, name) == 0) {
            return &groups[i];
        }
    }
    return NULL;
}

GPtrArray *option_groups_list(void)
{
    GPtrArray *all = CommandLineOptionInfo_list_new();

    for (size_t i = 0; i < G_N_ELEMENTS(groups); i++) {
        CommandLineOptionInfo *info = g_new0(CommandLineOptionInfo, 1);

        info->option = g_strdup(groups[i].name);
        info->parameters = CommandLineParameterInfo_list_new();
        if (groups[i].list) {
            groups[i].list(info->parameters);
        } else if (group_option(&groups[i])->type) {
            list_members(info->parameters, group_option(&groups[i])->type);
        }
        g_ptr_array_add(all, info);
    }
    return all;
}

bool option_group_has_ids(const char *name)
{
    const struct Group *group = group_find(name);

    return group && group->has_ids;
}

/* "a, b, c" */
static char *group_names(bool only_with_ids)
{
    g_autoptr(GString) names = g_string_new(NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(groups); i++) {
        if (groups[i].has_ids || !only_with_ids) {
            g_string_append_printf(names, "%s%s", names->len ? ", " : "", groups[i].name);
        }
    }
    return g_strdup(names->str);
}

const Option *option_group_find(const char *name, GError **errp)
{
    const struct Group *group = group_find(name);

    if (!group) {
        g_autofree char *names = group_names(false);

        error_set(errp, "there is no group '%s'; use one of: %s", name, names);
        return NULL;
    }
    return group_option(group);
}

/* ---- -set ---- */

/* Has @use this id? */
static bool use_has_id(const OptionUse *use, const char *id)
{
    struct json_object *props = keyval_device_parse(use->arg, NULL); /* of whatever group */
    bool same = g_strcmp0(json_object_get_string(json_object_object_get(props, "id")), id) == 0;

    json_object_put(props);
    return same;
}

static OptionUse *find_use(GArray *uses, const Option *option, const char *id)
{
    for (unsigned i = uses->len; i > 0; i--) {
        OptionUse *use = &g_array_index(uses, OptionUse, i - 1);

        if (use->option == option && use_has_id(use, id)) {
            return use;
        }
    }
    return NULL;
}

char *option_pair_text(const char *key, const char *value)
{
    g_auto(GStrv) parts = g_strsplit(value, ",", -1);
    g_autofree char *doubled = g_strjoinv(",,", parts);

    return g_strdup_printf("%s=%s", key, doubled);
}

static bool set_in_group(GArray *uses, const char *group, const char *id, const char *key,
                         const char *value, GError **errp)
{
    const Option *option = option_group_find(group, errp);

    if (!option) {
        return false;
    }
    if (!option_group_has_ids(group)) {
        g_autofree char *list = group_names(true);
        error_set(errp, "what is in group '%s' has no id; those that have: %s", group, list);
        return false;
    }
    OptionUse *use = find_use(uses, option, id);
    if (!use) {
        error_set(errp, "there is no -%s with id=%s before it", option->name, id);
        return false;
    }
    if (use->arg[0] == '{') {
        error_set(errp, "-%s with id=%s is given in JSON: put %s into that", option->name, id, key);
        return false;
    }
    g_autofree char *pair = option_pair_text(key, value), *old = use->arg;
    use->arg = g_strdup_printf("%s,%s", old, pair);
    return true;
}

/* The dot between an id and a key, in "ID.KEY". Both may have dots: the last one behind an id that
 * there is, or else the last one. */
static char *find_id_end(GArray *uses, const char *group, char *path)
{
    const Option *option = option_group_find(group, NULL);

    for (char *dot = strrchr(path, '.'); option && dot;
         dot = g_strrstr_len(path, dot - path, ".")) {
        g_autofree char *id = g_strndup(path, (size_t)(dot - path));

        if (find_use(uses, option, id)) {
            return dot;
        }
    }
    return strrchr(path, '.');
}

bool option_set(GArray *uses, const char *text, GError **errp)
{
    const char *equals = strchr(text, '=');
    g_autofree char *path = g_strndup(text, equals ? (size_t)(equals - text) : 0);
    char *first = strchr(path, '.'), *last = strrchr(path, '.');

    if (!first || first == last || first == path || !last[1] || first + 1 == last) {
        error_set(errp, "expects GROUP.ID.KEY=VALUE, as in device.dimm0.slot=3");
        return false;
    }
    *first = '\0';
    last = find_id_end(uses, path, first + 1);
    *last = '\0';
    return set_in_group(uses, path, first + 1, last + 1, equals + 1, errp);
}
