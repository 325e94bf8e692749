/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/i386/cpu.h"

#include "accel/vcpu.h"
#include "hw/i386/cpu-properties.h"
#include "hw/i386/hyperv.h"
#include "hw/intc/apic.h"
#include "memory/smm.h"
#include "qom/global.h"
#include "util/error.h"

static bool x86_cpu_device_realize(Device *dev, GError **errp)
{
    X86CpuDevice *xdev = X86_CPU_DEVICE(dev);
    X86Cpu *cpu = vcpu_alloc();

    cpu->index = xdev->index;
    cpu->apic_id = xdev->apic_id;
    cpu->socket_id = (uint32_t)xdev->socket_id;
    cpu->die_id = (uint32_t)xdev->die_id;
    cpu->core_id = (uint32_t)xdev->core_id;
    cpu->thread_id = (uint32_t)xdev->thread_id;
    cpu->model = xdev->model;
    cpu->device = xdev;
    cpu->has_smm = memory_smram() != NULL;
    cpu->hv = hyperv_partition_join(cpu->index);
    if (x86_hv_is_asked(&cpu->model) && !cpu->hv) {
        error_set(errp,
                  "Hyper-V's enlightenments (hv-...) are for a machine that has some: ask for "
                  "them with -cpu, too");
        vcpu_free(cpu);
        return false;
    }
    apic_create(cpu, &dev->parent);
    x86_cpu_reset(cpu);
    if (!vcpu_create(cpu, errp)) {
        device_unplug(DEVICE(cpu->apic));
        vcpu_free(cpu);
        return false;
    }
    xdev->cpu = cpu;
    return true;
}

static void x86_cpu_device_unrealize(Device *dev)
{
    X86CpuDevice *xdev = X86_CPU_DEVICE(dev);

    vcpu_destroy(xdev->cpu);
    device_unplug(DEVICE(xdev->cpu->apic));
    vcpu_free(xdev->cpu);
    xdev->cpu = NULL;
}

static void x86_cpu_device_reset(Device *dev)
{
    x86_cpu_reset(X86_CPU_DEVICE(dev)->cpu);
}

void x86_cpu_arrange(Machine *machine, X86CpuModel *model)
{
    model->threads_per_core = machine->smp.threads;
    model->cores_per_die = machine->smp.cores;
    model->dies_per_socket = machine->smp.dies;
    x86_cpu_raise_levels(model);
    for (unsigned i = 0; i < machine->cpu_slots.count; i++) {
        CpuSlot *slot = &machine->cpu_slots.list[i];

        slot->arch_id =
            x86_topology_apic_id(model, slot->socket, slot->die, slot->core, slot->thread);
    }
}

bool x86_cpu_device_place(X86CpuDevice *xdev, Machine *machine, const X86CpuModel *model,
                          unsigned index, GError **errp)
{
    CpuSlot *slot = &machine->cpu_slots.list[index];
    X86CpuModel own = *model;

    if (xdev->given && !x86_cpu_model_change(&own, xdev->given, errp)) {
        return false;
    }
    xdev->index = index;
    xdev->slot = slot;
    xdev->thread_id = (int32_t)slot->thread;
    xdev->core_id = (int32_t)slot->core;
    xdev->die_id = (int32_t)slot->die;
    xdev->socket_id = (int32_t)slot->socket;
    xdev->node_id = machine->numa.cpu_node[index];
    xdev->start_powered_off = index != 0;
    xdev->model = own;
    xdev->apic_id = slot->arch_id;
    return true;
}

X86Cpu *x86_cpu_at(const Machine *machine, unsigned index)
{
    const CpuSlots *slots = machine ? &machine->cpu_slots : NULL;

    return slots && index < slots->count && slots->list[index].device
               ? X86_CPU_DEVICE(slots->list[index].device)->cpu
               : NULL;
}

X86Cpu *x86_cpu_next(const Machine *machine, unsigned *index)
{
    X86Cpu *cpu = NULL;

    while (!(cpu = x86_cpu_at(machine, *index)) && machine && *index < machine->cpu_slots.count) {
        (*index)++;
    }
    return cpu;
}

/* Where it is; -1: not given. */
#define CPU_NUMBER(prop_name, field, text)                                              \
    {                                                                                   \
        .name = prop_name, .kind = PROP_INT32, .offset = offsetof(X86CpuDevice, field), \
        .description = text, .has_default = true, .default_int = -1                     \
    }

static const Property x86_cpu_properties[] = {
    { .name = "apic-id",
      .kind = PROP_UINT32,
      .offset = offsetof(X86CpuDevice, apic_id),
      .description = "number of the local APIC; tells the place instead of the other ids",
      .has_default = true,
      .default_int = PROP_UNSET },
    CPU_NUMBER("socket-id", socket_id, "socket of the machine"),
    CPU_NUMBER("die-id", die_id, "die of the socket"),
    CPU_NUMBER("core-id", core_id, "core of the die"),
    CPU_NUMBER("thread-id", thread_id, "thread of the core"),
    CPU_NUMBER("node-id", node_id, "NUMA node, which -numa has chosen"),
    { .name = "start-powered-off",
      .kind = PROP_BOOL,
      .offset = offsetof(X86CpuDevice, start_powered_off),
      .description = "waits for another processor to start it",
      .read_only = true },
    {},
};

static const StateField cpu_fields[] = {
    STATE_POINTER(X86CpuDevice, cpu, &x86_cpu_state),
    {},
};
/* The APIC may have been loaded before, and the CPU's `interrupts` came with this. */
static bool cpu_loaded(void *obj, GError **errp)
{
    const X86CpuDevice *dev = obj;

    if (dev->cpu->apic) {
        apic_resume(dev->cpu->apic);
    }
    return true;
}

static const StateTable cpu_state = {
    .name = "cpu-device", .version = 1, .fields = cpu_fields, .post_load = cpu_loaded
};

static const DeviceClass x86_cpu_ops = {
    .category = "cpu",
    .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG | DEVICE_NEEDS_SLOT,
    .realize = x86_cpu_device_realize,
    .unrealize = x86_cpu_device_unrealize,
    .reset = x86_cpu_device_reset,
    .state = &cpu_state,
};

static const ObjectType cpu_type = {
    .name = TYPE_CPU,
    .parent = TYPE_DEVICE,
    .description = "a processor",
    .abstract = true,
};
OBJECT_TYPE_REGISTER(cpu_type)

static void x86_cpu_finalize(Object *obj)
{
    json_object_put(X86_CPU_DEVICE(obj)->given);
}

static const ObjectType x86_cpu_type = {
    .name = TYPE_X86_CPU,
    .parent = TYPE_CPU,
    .description = "an x86-64 processor",
    .instance_size = sizeof(X86CpuDevice),
    .abstract = true,
    .ops = &x86_cpu_ops,
    .finalize = x86_cpu_finalize,
};

/* ---- -global ---- */

/* A feature, or what else -cpu takes: whether it is one, any model tells. */
static bool check_global(const char *name, const char *text, GError **errp)
{
    g_autofree char *cpu = g_strdup_printf("max,check=off,%s=%s", name, text);
    X86CpuModel model;

    return x86_cpu_model_parse(&model, cpu, errp);
}

static void append_global(const char *name, const char *text, void *opaque)
{
    g_string_append_printf(opaque, ",%s=%s", name, text);
}

char *x86_cpu_with_globals(const char *text)
{
    size_t len = strcspn(text, ",");
    g_autoptr(GString) all = g_string_new_len(text, (gssize)len);
    g_autofree char *type = g_strconcat(all->str, X86_CPU_SUFFIX, NULL);

    object_globals_take(type, append_global, all);
    g_string_append(all, text + len);
    return g_string_free(g_steal_pointer(&all), FALSE);
}

/* The type of all, whose features are properties, and one a model; they live as long as the
 * program. */
static void __attribute__((constructor)) x86_cpu_models_register(void)
{
    ObjectType *type = g_memdup2(&x86_cpu_type, sizeof(x86_cpu_type));
    const X86CpuModelInfo *info;

    object_globals_extend(TYPE_X86_CPU, check_global);
    type->properties = x86_cpu_properties_with_features(x86_cpu_properties);
    object_type_register(type);
    for (size_t i = 0; (info = x86_cpu_model_info(i)); i++) {
        type = g_new0(ObjectType, 1);
        type->name = g_strconcat(info->name, X86_CPU_SUFFIX, NULL);
        type->parent = TYPE_X86_CPU;
        type->description = info->description;
        type->properties = x86_cpu_properties_of(info);
        object_type_register(type);
    }
}
