/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/accel.h"

#include <string.h>

#include "accel/qtest/qtest.h"
#include "accel/soft/engine.h"
#include "util/error.h"

/* In order of preference where the user names none (qtest is never chosen by itself). */
static const AccelOps *const engines[] = {
    &accel_soft,
    &accel_qtest,
};

/* Engines that people name in a list such as kvm:tcg, to be used where they are there. */
static const char *const absent[] = { "kvm", "xen", "hax", "hvf", "whpx", "nvmm", NULL };

static const AccelOps *current;

const AccelOps *accel_current(void)
{
    return current;
}

void accel_set(const AccelOps *ops)
{
    current = ops;
}

char *accel_help(void)
{
    GString *text = g_string_new("Engines that run CPUs (-accel, -machine accel=):\n");

    for (size_t i = 0; i < G_N_ELEMENTS(engines); i++) {
        const AccelOps *ops = engines[i];
        g_autofree char *names =
            ops->alias ? g_strdup_printf("%s, %s", ops->name, ops->alias) : g_strdup(ops->name);
        g_string_append_printf(text, "  %-12s %s\n", names, ops->description);
    }
    return g_string_free(text, FALSE);
}

const AccelOps *accel_find(const char *name, GError **errp)
{
    g_autoptr(GString) known = g_string_new(NULL);

    for (size_t i = 0; i < G_N_ELEMENTS(engines); i++) {
        const AccelOps *ops = engines[i];
        if (strcmp(name, ops->name) == 0 || (ops->alias && strcmp(name, ops->alias) == 0)) {
            return ops;
        }
        g_string_append_printf(known, "%s%s", i ? ", " : "", ops->name);
        if (ops->alias) {
            g_string_append_printf(known, ", %s", ops->alias);
        }
    }
    error_set(errp, "there is no engine '%s' here; use one of: %s", name, known->str);
    return NULL;
}

static bool accel_try(const AccelOps *ops, GError **errp)
{
    if (ops->available && !ops->available(errp)) {
        return false;
    }
    if (ops->init && !ops->init(errp)) {
        return false;
    }
    current = ops;
    return true;
}

bool accel_choose(const char *names, GError **errp)
{
    g_auto(GStrv) list = g_strsplit(names ? names : engines[0]->name, ":", -1);
    GError *last = NULL;

    if (!list[0]) {
        error_set(errp, "an engine's name is missing; -accel help lists them");
        return false;
    }
    for (char **name = list; *name; name++) {
        if (!g_strv_contains(absent, *name) && !accel_find(*name, errp)) {
            return false; /* also behind one that works: it is a slip of the pen */
        }
    }
    for (char **name = list; *name; name++) {
        g_clear_error(&last);
        const AccelOps *ops = accel_find(*name, &last);
        if (ops && accel_try(ops, &last)) {
            return true;
        }
    }
    g_propagate_error(errp, last);
    return false;
}
