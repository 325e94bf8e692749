/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about CPU models and interrupts (part of qapi/machine-target.json). */
#include <string.h>

#include "accel/accel.h"
#include "accel/vcpu.h"
#include "hw/core/machine.h"
#include "hw/i386/cpu.h"
#include "hw/intc/apic.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"
#include "util/keyval.h"

static GPtrArray *unavailable_features(const char *model)
{
    g_autofree const char **names = x86_cpu_model_unavailable(model);
    GPtrArray *list = qapi_str_list_new();

    for (size_t i = 0; names[i]; i++) {
        g_ptr_array_add(list, g_strdup(names[i]));
    }
    return list;
}

GPtrArray *qmp_query_cpu_definitions(GError **errp)
{
    GPtrArray *list = CpuDefinitionInfo_list_new();
    const X86CpuModelInfo *model;

    for (size_t i = 0; (model = x86_cpu_model_info(i)); i++) {
        CpuDefinitionInfo *info = g_new0(CpuDefinitionInfo, 1);

        info->name = g_strdup(model->name);
        info->has_migration_safe = true;
        info->migration_safe = model->migration_safe;
        info->q_static = model->is_static;
        info->unavailable_features = unavailable_features(model->name);
        info->typename = g_strconcat(model->name, X86_CPU_SUFFIX, NULL);
        info->alias_of = g_strdup(model->alias_of);
        g_ptr_array_add(list, info);
    }
    return list;
}

/* ---- expansion ---- */

static bool model_from_info(const CpuModelInfo *info, X86CpuModel *model, GError **errp)
{
    if (info->props && !json_object_is_type(info->props, json_type_object)) {
        error_set(errp, "'model.props' must be an object, with a member for each property");
        return false;
    }
    if (strchr(info->name, ',')) {
        error_set(errp, "'model.name' is a name alone; features go into 'model.props'");
        return false;
    }
    if (!x86_cpu_model_make(model, info->name, errp)) {
        return false;
    }
    if (!info->props) {
        return true;
    }
    struct json_object *props = NULL;
    json_object_deep_copy(info->props, &props, NULL);
    keyval_mark_texts(props); /* "on" and "7" are taken as well */
    bool ok = x86_cpu_model_set(model, props, errp);
    json_object_put(props);
    if (!ok) {
        g_prefix_error(errp, "model '%s': ", info->name);
    }
    return ok;
}

/* Last leaves. A model that is to be made of "base" has those that the user wants as they are; the
 * others go by its features again. */
static void add_levels(struct json_object *props, const X86CpuModel *model, bool of_base)
{
    static const struct {
        const char *last, *min;
    } names[X86_RANGES] = { { "level", "min-level" },
                            { "xlevel", "min-xlevel" },
                            { "xlevel2", "min-xlevel2" } };

    for (unsigned r = 0; r < X86_RANGES; r++) {
        const X86CpuLevel *level = &model->levels[r];
        uint32_t last = x86_cpu_last_leaf(model, (X86CpuidRange)r);

        json_object_object_add(props, names[r].min, json_object_new_int64(level->needed));
        if (!of_base || level->given != X86_LEVEL_AUTO) {
            json_object_object_add(props, names[r].last, json_object_new_int64(last));
        }
    }
    json_object_object_add(props, "full-cpuid-auto-level",
                           json_object_new_boolean(model->auto_levels));
}

/* Of models that are made of what the host has. */
static bool is_of_host(const X86CpuModel *model)
{
    const X86CpuModelInfo *info;

    for (size_t i = 0; (info = x86_cpu_model_info(i)); i++) {
        if (strcmp(info->name, model->name) == 0) {
            return !info->migration_safe;
        }
    }
    return false;
}

/* Hyper-V's that are no features, if they were asked for: with KVM they would be refused. */
static void add_hv(struct json_object *props, const X86CpuModel *model)
{
    if (model->hv_spinlocks) {
        json_object_object_add(props, "hv-spinlocks", json_object_new_int64(model->hv_spinlocks));
    }
    if (model->hv_vendor[0]) {
        json_object_object_add(props, "hv-vendor-id", json_object_new_string(model->hv_vendor));
    }
}

static struct json_object *props_of(const X86CpuModel *model, bool of_base)
{
    struct json_object *props = json_object_new_object();
    const char *name;
    bool on;

    for (size_t i = 0; (name = x86_cpu_feature(i, model, &on)); i++) {
        json_object_object_add(props, name, json_object_new_boolean(on));
    }
    json_object_object_add(props, "family", json_object_new_int(model->family));
    json_object_object_add(props, "model", json_object_new_int(model->model));
    json_object_object_add(props, "stepping", json_object_new_int(model->stepping));
    add_levels(props, model, of_base);
    add_hv(props, model);
    if (!of_base && is_of_host(model)) {
        json_object_object_add(props, "host-cache-info",
                               json_object_new_boolean(model->host_cache_info));
    }
    json_object_object_add(props, "l3-cache", json_object_new_boolean(!model->no_l3_cache));
    json_object_object_add(props, "phys-bits", json_object_new_int(model->phys_bits));
    json_object_object_add(props, "model-id", json_object_new_string(model->brand));
    json_object_object_add(props, "vendor", json_object_new_string(model->vendor));
    return props;
}

CpuModelExpansionInfo *qmp_query_cpu_model_expansion(CpuModelExpansionType type,
                                                     const CpuModelInfo *model, GError **errp)
{
    CpuModelExpansionInfo *info;
    X86CpuModel expanded;

    if (!model_from_info(model, &expanded, errp)) {
        return NULL;
    }
    info = g_new0(CpuModelExpansionInfo, 1);
    info->model = g_new0(CpuModelInfo, 1);
    bool of_base = type == CPU_MODEL_EXPANSION_TYPE_STATIC;
    info->model->name = g_strdup(of_base ? "base" : expanded.name);
    info->model->props = props_of(&expanded, of_base);
    return info;
}

/* ---- interrupts ---- */

bool qmp_inject_nmi(GError **errp)
{
    const Machine *machine = machine_current();

    if (!machine || !cpu_slots_present(&machine->cpu_slots)) {
        error_set(errp, "the machine has no CPU that could take a non-maskable interrupt");
        return false;
    }
    apic_nmi();
    return true;
}

static void describe_code(X86Cpu *cpu, void *opaque)
{
    GString *out = opaque;

    g_string_append_printf(out, "CPU %u:\n", cpu->index);
    accel_current()->describe_code(cpu, out);
}

HumanReadableText *qmp_x_query_jit(GError **errp)
{
    const AccelOps *ops = accel_current();
    const Machine *machine = machine_current();

    if (!ops || !ops->describe_code) {
        error_set(
            errp,
            "only the software CPU (-accel soft) translates code; this machine's engine is %s",
            ops ? ops->name : "not chosen yet");
        return NULL;
    }
    GString *out = g_string_new(NULL);
    X86Cpu *cpu;
    for (unsigned i = 0; (cpu = x86_cpu_next(machine, &i)); i++) {
        vcpu_run_on(cpu, describe_code, out);
    }
    HumanReadableText *text = g_new0(HumanReadableText, 1);
    text->human_readable_text = g_string_free(out, FALSE);
    return text;
}
