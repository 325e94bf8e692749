/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/choose.h"

#include <string.h>

#include "accel/kvm/kvm.h"
#include "accel/qtest/qtest.h"
#include "accel/soft/engine.h"
#include "accel/soft/options.h"
#include "qapi/help.h"
#include "qom/object.h"
#include "util/error.h"

/* In the order in which help lists them. */
static const AccelOps *const engines[] = {
    &accel_kvm,
    &accel_soft,
    &accel_qtest,
};

/* ---- options ---- */

static bool set_kvm(const KvmEngineOptions *given, GError **errp)
{
    if (given->has_x_memslots && given->x_memslots == 0) {
        error_set(errp, "x-memslots must be a number from 1");
        return false;
    }
    if (given->has_x_memslots) {
        accel_options.memslots = given->x_memslots;
    }
    if (given->has_kernel_irqchip) {
        accel_set_kernel_irqchip(given->kernel_irqchip);
    }
    return true;
}

bool accel_set_options(const EngineOptions *given, GError **errp)
{
    switch (given->accel) {
    case ENGINE_KIND_KVM:
        return set_kvm(given->u.kvm, errp);
    case ENGINE_KIND_SOFT:
        return soft_set_options(given->u.soft, errp);
    case ENGINE_KIND_TCG:
        return soft_set_options(given->u.tcg, errp);
    default:
        return true;
    }
}

void accel_set_kernel_irqchip(OnOffSplit where)
{
    accel_options.has_kernel_irqchip = true;
    accel_options.kernel_irqchip = where;
}

char *accel_help_options(const char *engine, GError **errp)
{
    const AccelOps *ops = accel_find(engine, errp);

    if (!ops) {
        return NULL;
    }
    int kind = qapi_enum_parse(EngineKind_lookup, ops->name);
    GString *text = g_string_new(NULL);
    g_string_append_printf(text, "Options of the engine %s:\n", ops->name);
    qapi_help_members(&EngineOptions_type, kind, "accel", text);
    return g_string_free(text, FALSE);
}

/* ---- choosing ---- */

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

/* Put it into the composition tree, in place of one that was chosen before. */
static bool make_object(const AccelOps *ops, GError **errp)
{
    Object *before = object_child(object_root(), &ACCEL_PATH[1]);
    g_autoptr(Object) obj = object_new(ops->type, errp);

    if (before) {
        object_unparent(before);
    }
    return obj && object_add_child(object_root(), &ACCEL_PATH[1], obj, errp);
}

static bool accel_try(const AccelOps *ops, GError **errp)
{
    if (ops->available && !ops->available(errp)) {
        return false;
    }
    if (ops->init && !ops->init(errp)) {
        return false;
    }
    accel_set(ops);
    return make_object(ops, errp);
}

/* DESIGN decision 6. */
static const char *default_engine(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(engines); i++) {
        if (engines[i]->preferred && engines[i]->preferred()) {
            return engines[i]->name;
        }
    }
    return accel_soft.name;
}

bool accel_choose(const char *names, GError **errp)
{
    g_auto(GStrv) list = g_strsplit(names ? names : default_engine(), ":", -1);
    GError *last = NULL;

    if (!list[0]) {
        error_set(errp, "an engine's name is missing; -accel help lists them");
        return false;
    }
    for (char **name = list; *name; name++) {
        if (qapi_enum_parse(EngineKind_lookup, *name) < 0 && !accel_find(*name, errp)) {
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
