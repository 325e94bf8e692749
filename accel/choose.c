/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "accel/choose.h"

#include <string.h>

#include "accel/kvm/kvm.h"
#include "accel/qtest/qtest.h"
#include "accel/soft/engine.h"
#include "accel/soft/options.h"
#include "qom/object.h"
#include "util/error.h"
#include "util/parse.h"

/* In the order in which help lists them. */
static const AccelOps *const engines[] = {
    &accel_kvm,
    &accel_soft,
    &accel_qtest,
};

/* Engines that people name in a list such as hvf:tcg, to be used where they are there. */
static const char *const absent[] = { "xen", "hax", "hvf", "whpx", "nvmm", NULL };

/* ---- options ---- */

static bool set_irqchip(const char *value, GError **errp)
{
    static const char *const values[] = { "on", "split", "off" };

    for (size_t i = 0; i < G_N_ELEMENTS(values); i++) {
        if (strcmp(value, values[i]) == 0) {
            accel_options.kernel_irqchip = values[i];
            return true;
        }
    }
    error_set(errp, "kernel-irqchip must be on, split or off, not '%s'", value);
    return false;
}

static bool set_memslots(const char *value, GError **errp)
{
    uint64_t n;

    if (!parse_uint(value, UINT32_MAX, &n) || n == 0) {
        error_set(errp, "x-memslots must be a number from 1, not '%s'", value);
        return false;
    }
    accel_options.memslots = (unsigned)n;
    return true;
}

static const struct {
    const char *engine, *name, *values, *help;
    bool (*set)(const char *value, GError **errp);
} options[] = {
    { "kvm", "kernel-irqchip", "on|split|off", "which interrupt controllers are the kernel's",
      set_irqchip },
    { "kvm", "x-memslots", "NUMBER", "use no more memory slots than this", set_memslots },
    { "soft", "translate", "off|on|all", "translate hot code, or all, to the host's",
      soft_set_translate },
    { "soft", "tb-size", "MIB", "room for each CPU's translated code", soft_set_tb_size },
    { "soft", "one-insn-per-tb", "on|off", "blocks of one instruction", soft_set_one_insn },
    { "soft", "perf-map", "on|off", "tell perf of translated code, in /tmp/perf-PID.map",
      soft_set_perf_map },
};

bool accel_set_option(const char *engine, const char *name, const char *value, GError **errp)
{
    const AccelOps *ops = engine ? accel_find(engine, errp) : NULL;

    if (engine && !ops) {
        return false;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(options); i++) {
        if (strcmp(name, options[i].name) != 0) {
            continue;
        }
        if (ops && strcmp(ops->name, options[i].engine) != 0) {
            error_set(errp,
                      "'%s' is for -accel %s: the engine %s has no such option; -accel %s,help "
                      "lists those it has",
                      name, options[i].engine, ops->name, engine);
            return false;
        }
        return options[i].set(value, errp);
    }
    error_set(errp, "there is no option '%s' of engines", name);
    return false;
}

char *accel_help_options(const char *engine, GError **errp)
{
    const AccelOps *ops = accel_find(engine, errp);

    if (!ops) {
        return NULL;
    }
    GString *text = g_string_new(NULL);
    g_string_append_printf(text, "Options of the engine %s:\n", ops->name);
    g_string_append_printf(text, "  %-28s %s\n", "thread=multi", "each CPU has its own thread");
    for (size_t i = 0; i < G_N_ELEMENTS(options); i++) {
        if (strcmp(options[i].engine, ops->name) == 0) {
            g_autofree char *left = g_strdup_printf("%s=%s", options[i].name, options[i].values);
            g_string_append_printf(text, "  %-28s %s\n", left, options[i].help);
        }
    }
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
