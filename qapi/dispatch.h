/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands: the table that the generated qapi-commands.c registers, and running one by name.
 */
#ifndef QAPI_DISPATCH_H
#define QAPI_DISPATCH_H

#include "qapi/visit.h"

typedef struct QmpCommand {
    const char *name;
    const QapiType *args; /* a struct, or NULL: takes none */
    const QapiType *ret;  /* NULL: returns {} */
    /* @args: the C arguments, or for a free-form command the JSON ones. @errp is not NULL. */
    bool (*run)(void *args, void **ret, GError **errp);
    bool free_form;       /* "gen": false */
    bool allow_oob;       /* may run out of band */
    bool allow_preconfig; /* may run before the machine is made */
    bool may_wait;        /* may take long: to be run as a task (util/task.h) */
} QmpCommand;

/* Generated code calls it before main(). @commands lives forever. */
void qmp_register_commands(const QmpCommand *commands, size_t count);

/* NULL with CommandNotFound if there is none. */
const QmpCommand *qmp_find_command(const char *name, GError **errp);
/* In schema order. */
void qmp_for_each_command(void (*fn)(const QmpCommand *cmd, void *opaque), void *opaque);

/* The machine is not made yet (-preconfig): commands without allow_preconfig are refused. */
void qmp_set_preconfig(bool on);

/*
 * Run @name with @args (a JSON object, borrowed; NULL: none). Returns what the command returns, {}
 * for one that returns nothing, as a new reference; or NULL with @errp: CommandNotFound, an error
 * that names the argument, or the command's own. Main thread, machine lock.
 */
struct json_object *qmp_dispatch(const char *name, struct json_object *args, GError **errp);

/* The reply to query-qmp-schema; new reference. */
struct json_object *qmp_introspect(void);

#endif
