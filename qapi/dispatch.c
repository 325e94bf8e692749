/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "qapi/dispatch.h"

#include "util/error.h"

extern const char qapi_schema_json[]; /* generated: qapi-introspect.c */

static GPtrArray *tables; /* of CommandTable */
static bool preconfig;

typedef struct CommandTable {
    const QmpCommand *commands;
    size_t count;
} CommandTable;

void qmp_register_commands(const QmpCommand *commands, size_t count)
{
    CommandTable *table = g_new(CommandTable, 1);

    *table = (CommandTable){ commands, count };
    if (!tables) {
        tables = g_ptr_array_new_with_free_func(g_free);
    }
    g_ptr_array_add(tables, table);
}

void qmp_for_each_command(void (*fn)(const QmpCommand *cmd, void *opaque), void *opaque)
{
    for (size_t t = 0; tables && t < tables->len; t++) {
        const CommandTable *table = tables->pdata[t];

        for (size_t i = 0; i < table->count; i++) {
            fn(&table->commands[i], opaque);
        }
    }
}

const QmpCommand *qmp_find_command(const char *name, GError **errp)
{
    for (size_t t = 0; tables && t < tables->len; t++) {
        const CommandTable *table = tables->pdata[t];

        for (size_t i = 0; i < table->count; i++) {
            if (strcmp(table->commands[i].name, name) == 0) {
                return &table->commands[i];
            }
        }
    }
    error_set_class(errp, ERROR_CLASS_COMMAND_NOT_FOUND,
                    "There is no command '%s'; query-commands lists those there are", name);
    return NULL;
}

void qmp_set_preconfig(bool on)
{
    preconfig = on;
}

/* The reply; consumes @ret. Commands that return nothing reply {}. */
static struct json_object *make_reply(const QapiType *type, void *ret)
{
    struct json_object *reply;

    if (!type) {
        return json_object_new_object();
    }
    reply = qapi_to_json(type, ret);
    qapi_free(type, ret);
    return reply;
}

struct json_object *qmp_dispatch(const char *name, struct json_object *args, GError **errp)
{
    const QmpCommand *cmd = qmp_find_command(name, errp);
    struct json_object *reply = NULL;
    struct json_object *none = NULL;
    GError *err = NULL;
    void *c_args = NULL;
    void *ret = NULL;

    if (!cmd) {
        return NULL;
    }
    if (preconfig && !cmd->allow_preconfig) {
        error_set(errp, "'%s' works only when the machine is made; x-exit-preconfig makes it",
                  name);
        return NULL;
    }
    if (!args) {
        args = none = json_object_new_object();
    }
    if (cmd->free_form && cmd->args) {
        if (!qapi_check_free_form(cmd->args, args, &err)) {
            goto out;
        }
    } else if (cmd->args) {
        c_args = qapi_from_json(cmd->args, args, NULL, &err);
        if (!c_args) {
            goto out;
        }
    } else if (!qapi_check_no_members(args, &err)) {
        goto out;
    }
    if (cmd->run(cmd->free_form ? (void *)args : c_args, &ret, &err)) {
        reply = make_reply(cmd->ret, ret);
    } else if (!err) {
        error_set(&err, "The command '%s' failed", name);
    }

out:
    if (err) {
        g_propagate_error(errp, err);
    }
    if (c_args) {
        qapi_free(cmd->args, c_args);
    }
    json_object_put(none);
    return reply;
}

struct json_object *qmp_introspect(void)
{
    return json_tokener_parse(qapi_schema_json);
}
