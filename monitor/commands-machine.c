/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about the machine (qapi/machine.json, part of machine-target.json and memory.json).
 */
#include <string.h>

#include "accel/vcpu.h"
#include "hw/core/machine.h"
#include "hw/core/numa.h"
#include "hw/core/preconfig.h"
#include "hw/i386/cpu.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"

/* ---- machine types ---- */

/* -device can plug processors of this type. */
static bool cpus_are_pluggable(const char *cpu_type)
{
    const ObjectType *type = cpu_type ? object_type_find(cpu_type) : NULL;
    const DeviceClass *class = type ? object_type_ops(type) : NULL;

    return class && class->flags & DEVICE_USER_CREATABLE && class->flags & DEVICE_PLUG;
}

static char *cpu_typename(const char *model)
{
    return model ? g_strconcat(model, X86_CPU_SUFFIX, NULL) : NULL;
}

static MachineInfo *machine_info(const ObjectType *type)
{
    const MachineOps *ops = object_type_ops(type);
    MachineInfo *info = g_new0(MachineInfo, 1);

    info->name = g_strdup(ops->name);
    info->alias = g_strdup(ops->alias);
    info->has_is_default = info->is_default = ops->is_default;
    info->cpu_max = MAX(ops->max_cpus, 1u); /* -smp 1 is fine where there are none */
    info->default_cpu_type = cpu_typename(ops->default_cpu_type);
    info->hotpluggable_cpus = cpus_are_pluggable(info->default_cpu_type);
    info->numa_mem_supported = ops->version && ops->version->numa_mem;
    info->default_ram_id = g_strdup(ops->ram_id);
    return info;
}

GPtrArray *qmp_query_machines(GError **errp)
{
    g_autoptr(GPtrArray) types = object_types();
    GPtrArray *list = MachineInfo_list_new();

    for (unsigned i = 0; i < types->len; i++) {
        const ObjectType *type = types->pdata[i];

        if (!type->abstract && object_type_is_a(type, TYPE_MACHINE)) {
            g_ptr_array_add(list, machine_info(type));
        }
    }
    return list;
}

CurrentMachineParams *qmp_query_current_machine(GError **errp)
{
    CurrentMachineParams *info = g_new0(CurrentMachineParams, 1);

    info->wakeup_suspend_support = machine_can_suspend(machine_current());
    return info;
}

/* ---- processors ---- */

/* The place of processor @index, of those that run or of those there may be. */
static CpuInstanceProperties *cpu_place(const Machine *machine, unsigned index)
{
    const CpuSlot *slot = &machine->cpu_slots.list[index];
    CpuInstanceProperties *props = g_new0(CpuInstanceProperties, 1);

    props->has_node_id = machine->numa.cpu_node[index] >= 0;
    props->node_id = machine->numa.cpu_node[index];
    props->has_socket_id = props->has_core_id = props->has_thread_id = true;
    props->has_die_id = machine->smp.dies > 1;
    props->thread_id = slot->thread;
    props->core_id = slot->core;
    props->die_id = slot->die;
    props->socket_id = slot->socket;
    return props;
}

GPtrArray *qmp_query_cpus_fast(GError **errp)
{
    GPtrArray *list = CpuInfoFast_list_new();
    const Machine *machine = machine_current();
    const X86Cpu *cpu;

    for (unsigned i = 0; (cpu = x86_cpu_next(machine, &i)); i++) {
        CpuInfoFast *info = g_new0(CpuInfoFast, 1);

        info->cpu_index = cpu->index;
        info->qom_path = cpu->device ? object_path(cpu->device) : g_strdup("");
        info->thread_id = vcpu_thread_id(cpu);
        info->props = cpu_place(machine, i);
        info->target = SYS_EMU_TARGET_X86_64;
        g_ptr_array_add(list, info);
    }
    return list;
}

GPtrArray *qmp_query_hotpluggable_cpus(GError **errp)
{
    const Machine *machine = machine_current();
    const MachineOps *ops = machine_ops(machine);

    if (!ops->max_cpus) {
        error_set(errp, "machine '%s' has no places for CPUs; use one that has, such as pc",
                  ops->name);
        return NULL;
    }
    const char *cpu = machine->cpu_model ? machine->cpu_model : ops->default_cpu_type;
    g_autofree char *model = g_strndup(cpu, strcspn(cpu, ","));
    GPtrArray *list = HotpluggableCPU_list_new();
    for (unsigned i = machine->cpu_slots.count; i-- > 0;) { /* tools know them in this order */
        HotpluggableCPU *place = g_new0(HotpluggableCPU, 1);

        place->type = cpu_typename(model);
        place->vcpus_count = 1;
        place->props = cpu_place(machine, i);
        if (machine->cpu_slots.list[i].device) {
            place->qom_path = object_path(OBJECT(machine->cpu_slots.list[i].device));
        }
        g_ptr_array_add(list, place);
    }
    return list;
}

/* ---- before the machine is made ---- */

bool qmp_set_numa_node(const NumaOptions *args, GError **errp)
{
    if (!preconfig_active()) {
        error_set(errp, "NUMA nodes are set before the machine is made: start with -preconfig, or "
                        "use -numa");
        return false;
    }
    return numa_set(&machine_current()->numa, args, errp);
}

bool qmp_x_exit_preconfig(GError **errp)
{
    if (!preconfig_active()) {
        error_set(errp, "the machine is made already; this command is for -preconfig");
        return false;
    }
    return preconfig_exit(errp);
}
