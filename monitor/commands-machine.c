/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about the machine (qapi/machine.json). */
#include "accel/vcpu.h"
#include "hw/core/machine.h"
#include "qapi/qapi-commands.h"

static CpuInfoFast *cpu_info(const Machine *machine, const X86Cpu *cpu)
{
    CpuInfoFast *info = g_new0(CpuInfoFast, 1);
    CpuInstanceProperties *props = g_new0(CpuInstanceProperties, 1);

    props->has_node_id = true;
    props->node_id = machine->cpu_node[cpu->index];
    props->has_socket_id = true;
    props->socket_id = cpu->socket_id;
    props->has_die_id = machine->smp.dies > 1;
    props->die_id = cpu->die_id;
    props->has_core_id = true;
    props->core_id = cpu->core_id;
    props->has_thread_id = true;
    props->thread_id = cpu->thread_id;
    info->cpu_index = cpu->index;
    info->qom_path = cpu->device ? object_path(cpu->device) : NULL;
    if (!info->qom_path) {
        info->qom_path = g_strdup("");
    }
    info->thread_id = vcpu_thread_id(cpu);
    info->props = props;
    info->target = SYS_EMU_TARGET_X86_64;
    return info;
}

GPtrArray *qmp_query_cpus_fast(GError **errp)
{
    GPtrArray *list = CpuInfoFast_list_new();
    const Machine *machine = current_machine();

    for (unsigned i = 0; machine && i < machine->num_cpus; i++) {
        g_ptr_array_add(list, cpu_info(machine, machine->cpus[i]));
    }
    return list;
}
