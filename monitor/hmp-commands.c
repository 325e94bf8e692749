/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The commands of HMP. Those of `info` are in hmp-info.c.
 */
#include <string.h>

#include "hw/core/device.h"
#include "hw/core/help.h"
#include "monitor/hmp.h"
#include "monitor/memory-text.h"
#include "qapi/qapi-commands.h"
#include "qom/object.h"
#include "util/error.h"
#include "util/keyval.h"

/* ---- commands without arguments ---- */

#define SIMPLE(name)                             \
    static void do_##name(Hmp *hmp, char **argv) \
    {                                            \
        GError *err = NULL;                      \
                                                 \
        qmp_##name(&err);                        \
        hmp_error(hmp, err);                     \
    }

SIMPLE(stop)
SIMPLE(cont)
SIMPLE(quit)
SIMPLE(system_reset)
SIMPLE(system_powerdown)

static void do_help(Hmp *hmp, char **argv)
{
    if (argv[0] && !strcmp(argv[0], "info")) {
        hmp_help(hmp, hmp_info_commands, "info ", argv[1]);
    } else if (argv[1]) {
        hmp_printf(hmp, "Error: `%s` has no subcommands\n", argv[0]);
    } else {
        hmp_help(hmp, hmp_commands, "", argv[0]);
    }
}

static void do_info(Hmp *hmp, char **argv)
{
    if (argv[0]) {
        hmp_run_line(hmp, hmp_info_commands, "info ", argv[0]);
    } else {
        hmp_help(hmp, hmp_info_commands, "info ", NULL);
    }
}

/* ---- objects and devices ---- */

static bool print_help(Hmp *hmp, char *text, GError *err)
{
    if (text) {
        hmp_printf(hmp, "%s", text);
    }
    hmp_error(hmp, err);
    g_free(text);
    return true;
}

/* "help" alone, or after a type: print what -device resp. -object would. True if it was asked. */
static bool asked_for_help(Hmp *hmp, struct json_object *props, const char *type_key,
                           char *(*list)(void), char *(*describe)(const char *, GError **))
{
    const char *type = json_object_get_string(json_object_object_get(props, type_key));
    GError *err = NULL;
    char *text;

    if (type && (!strcmp(type, "help") || !strcmp(type, "?"))) {
        return print_help(hmp, list(), NULL);
    }
    if (type && json_object_object_get_ex(props, "help", NULL)) {
        text = describe(type, &err);
        return print_help(hmp, text, err);
    }
    return false;
}

static void do_object_add(Hmp *hmp, char **argv)
{
    GError *err = NULL;
    bool from_text;
    struct json_object *props = keyval_or_json_parse(argv[0], "qom-type", &from_text, &err);

    if (props && !asked_for_help(hmp, props, "qom-type", help_objects, help_object_type)) {
        const char *type = json_object_get_string(json_object_object_get(props, "qom-type"));
        const char *id = json_object_get_string(json_object_object_get(props, "id"));

        if (!type || !id) {
            error_set(&err, "%s is missing; write TYPE,id=ID,...", type ? "id=" : "the type");
        } else {
            user_object_add(type, id, props, from_text, &err);
        }
    }
    json_object_put(props);
    hmp_error(hmp, err);
}

static void do_device_add(Hmp *hmp, char **argv)
{
    GError *err = NULL;
    bool from_text;
    struct json_object *props = keyval_or_json_parse(argv[0], "driver", &from_text, &err);

    if (props && !asked_for_help(hmp, props, "driver", help_devices, help_device_type)) {
        const Device *dev = device_add(props, from_text, &err);
        g_autofree char *warnings = dev ? memory_plug_warnings(dev) : NULL;

        hmp_printf(hmp, "%s", warnings ? warnings : "");
    }
    json_object_put(props);
    hmp_error(hmp, err);
}

static void do_object_del(Hmp *hmp, char **argv)
{
    GError *err = NULL;

    qmp_object_del(argv[0], &err);
    hmp_error(hmp, err);
}

static void do_device_del(Hmp *hmp, char **argv)
{
    GError *err = NULL;

    qmp_device_del(argv[0], false, 0, false, false, &err);
    hmp_error(hmp, err);
}

static void do_qom_list(Hmp *hmp, char **argv)
{
    GError *err = NULL;
    g_autoptr(GPtrArray) list = qmp_qom_list(argv[0] ? argv[0] : "/", &err);

    for (guint i = 0; list && i < list->len; i++) {
        const ObjectPropertyInfo *info = g_ptr_array_index(list, i);

        hmp_printf(hmp, "%s (%s)\n", info->name, info->type);
    }
    hmp_error(hmp, err);
}

static void do_qom_get(Hmp *hmp, char **argv)
{
    GError *err = NULL;
    struct json_object *value = qmp_qom_get(argv[0], argv[1], &err);

    if (!err) {
        hmp_printf(hmp, "%s\n",
                   json_object_to_json_string_ext(value, JSON_C_TO_STRING_PRETTY |
                                                             JSON_C_TO_STRING_SPACED |
                                                             JSON_C_TO_STRING_NOSLASHESCAPE));
    }
    json_object_put(value);
    hmp_error(hmp, err);
}

static void do_qom_set(Hmp *hmp, char **argv)
{
    Object *obj = object_resolve(argv[0], NULL);
    GError *err = NULL;

    if (obj) {
        object_property_parse(obj, argv[1], argv[2], &err);
    } else {
        error_set(&err, "there is no object '%s', or more than one; qom-list shows a path's",
                  argv[0]);
    }
    hmp_error(hmp, err);
}

const HmpCommand hmp_commands[] = {
    { "help|?", "[COMMAND] [SUBCOMMAND]", "list the commands, or describe one", do_help },
    { "info", "[SUBCOMMAND...]", "show something; alone, list what", do_info },
    { "cont|c", NULL, "let the machine run", do_cont },
    { "stop|s", NULL, "stop the machine", do_stop },
    { "quit|q", NULL, "end the program", do_quit },
    { "system_reset", NULL, "reset the machine", do_system_reset },
    { "system_powerdown", NULL, "press the power button", do_system_powerdown },
    { "object_add", "TYPE,id=ID[,PROPERTY=VALUE]...",
      "make an object; `help` in place of TYPE "
      "lists types",
      do_object_add },
    { "object_del", "ID", "delete an object that nothing uses", do_object_del },
    { "device_add", "TYPE[,id=ID][,PROPERTY=VALUE]...",
      "plug a device; `help` in place of TYPE "
      "lists types",
      do_device_add },
    { "device_del", "ID", "ask the guest to give a device back", do_device_del },
    { "qom-list", "[PATH]", "list the properties and children of an object", do_qom_list },
    { "qom-get", "PATH PROPERTY", "print a property", do_qom_get },
    { "qom-set", "PATH PROPERTY VALUE...", "set a property", do_qom_set },
    { NULL },
};
