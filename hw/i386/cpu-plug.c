/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/i386/cpu-plug.h"

#include "accel/accel.h"
#include "accel/vcpu.h"
#include "hw/acpi/cpu-hotplug.h"
#include "hw/i386/cpu.h"
#include "hw/i386/fw-cfg-files.h"
#include "hw/i386/smi.h"
#include "util/error.h"

bool x86_init_cpus(X86Machine *x86, X86CpuModel *model, GError **errp)
{
    Machine *machine = &x86->parent;

    x86_cpu_arrange(machine, model);
    x86->cpu_model = *model;
    for (unsigned i = 0; i < machine->smp.cpus; i++) {
        g_autofree char *type = g_strconcat(model->name, X86_CPU_SUFFIX, NULL);
        X86CpuDevice *xdev = X86_CPU_DEVICE(device_new_onboard(type));

        xdev->apic_id = machine->cpu_slots.list[i].arch_id;
        if (!device_realize(&xdev->parent, errp)) {
            object_unparent(OBJECT(xdev));
            return false;
        }
    }
    return true;
}

/* ---- which place ---- */

/* A level of the place: what the user said, and how many there are. */
typedef struct Level {
    const char *name;
    int32_t given;
    uint32_t count;
    bool optional; /* it is the first if it is not given */
} Level;

enum { SOCKET, DIE, CORE, THREAD, LEVELS };

static bool check_level(const Level *level, GError **errp)
{
    if (level->given < 0 && level->given != -1) {
        error_set(errp, "%s=%d is not right: a number cannot be below 0", level->name,
                  level->given);
        return false;
    }
    if (level->given >= 0 && (uint32_t)level->given >= level->count) {
        error_set(errp, "%s=%d is not there: by -smp it is a number from 0 to %u", level->name,
                  level->given, level->count - 1);
        return false;
    }
    return true;
}

/* The index of the CPU with this APIC ID; -1: none has it. */
static int find_apic_id(const Machine *machine, uint32_t apic_id)
{
    for (unsigned i = 0; i < machine->cpu_slots.count; i++) {
        if (machine->cpu_slots.list[i].arch_id == apic_id) {
            return (int)i;
        }
    }
    return -1;
}

/* The place that all levels together name. */
static int find_levels(const Level *levels, GError **errp)
{
    uint32_t index = 0;

    for (unsigned i = 0; i < LEVELS; i++) {
        if (levels[i].given < 0 && !levels[i].optional) {
            error_set(errp,
                      "%s is missing: a CPU needs its socket-id, core-id and thread-id, with dies "
                      "die-id too; query-hotpluggable-cpus (`info hotpluggable-cpus`) lists what "
                      "there is",
                      levels[i].name);
            return -1;
        }
        index = index * levels[i].count + (uint32_t)MAX(levels[i].given, 0);
    }
    return (int)index;
}

/* What else was said of place @index fits it. */
static bool check_rest(const Machine *machine, const X86CpuDevice *xdev, const Level *levels,
                       unsigned index, GError **errp)
{
    const CpuSlot *slot = &machine->cpu_slots.list[index];
    const uint32_t is[LEVELS] = { slot->socket, slot->die, slot->core, slot->thread };
    int node = machine->numa.cpu_node[index];

    for (unsigned i = 0; i < LEVELS; i++) {
        if (levels[i].given >= 0 && (uint32_t)levels[i].given != is[i]) {
            error_set(errp, "%s=%d is not right: the CPU with apic-id=%u has %s=%u", levels[i].name,
                      levels[i].given, xdev->apic_id, levels[i].name, is[i]);
            return false;
        }
    }
    if (xdev->node_id != -1 && xdev->node_id != node) {
        error_set(errp, "node-id=%d is not right: -numa has put CPU %u into node %d; leave it out",
                  xdev->node_id, index, node);
        return false;
    }
    return true;
}

/* The index of the place that the user means; -1 with an error. */
static int find_place(const Machine *machine, const X86CpuDevice *xdev, GError **errp)
{
    const SmpTopology *smp = &machine->smp;
    const Level levels[LEVELS] = {
        [SOCKET] = { "socket-id", xdev->socket_id, smp->sockets, false },
        [DIE] = { "die-id", xdev->die_id, smp->dies, smp->dies == 1 },
        [CORE] = { "core-id", xdev->core_id, smp->cores, false },
        [THREAD] = { "thread-id", xdev->thread_id, smp->threads, false },
    };
    int index;

    for (unsigned i = 0; i < LEVELS; i++) {
        if (!check_level(&levels[i], errp)) {
            return -1;
        }
    }
    if (xdev->apic_id == PROP_UNSET) {
        index = find_levels(levels, errp);
    } else {
        index = find_apic_id(machine, xdev->apic_id);
        if (index < 0) {
            error_set(errp,
                      "no CPU of this machine has apic-id=%u; socket-id, core-id and thread-id say "
                      "the same in a simpler way",
                      xdev->apic_id);
        }
    }
    return index >= 0 && check_rest(machine, xdev, levels, (unsigned)index, errp) ? index : -1;
}

/* ---- coming ---- */

/* Firmware whose SMIs are for all CPUs must follow those that come and go, or it waits for one that
 * does not know how to answer. */
static bool check_firmware(const Machine *machine, uint64_t feature, const char *what,
                           GError **errp)
{
    const X86MachineOps *ops = x86_machine_ops(machine);

    if (!machine->ready || !ops->smi_features) {
        return true;
    }
    uint64_t agreed = ops->smi_features(X86_MACHINE(machine));
    if (!(agreed & SMI_BROADCAST) || agreed & feature) {
        return true;
    }
    error_set(errp,
              "the guest's firmware sends SMIs to all CPUs, and cannot %s one while the machine "
              "runs: newer firmware can, or -machine smm=off with firmware that needs none",
              what);
    return false;
}

bool x86_cpu_pre_plug(Machine *machine, Device *dev, GError **errp)
{
    const X86Machine *x86 = X86_MACHINE(machine);
    X86CpuDevice *xdev = X86_CPU_DEVICE(dev);
    g_autofree char *type = g_strconcat(x86->cpu_model.name, X86_CPU_SUFFIX, NULL);
    int index;

    if (strcmp(object_typename(OBJECT(dev)), type) != 0) {
        error_set(errp, "'%s' does not fit: all CPUs of this machine are of type '%s'",
                  object_typename(OBJECT(dev)), type);
        return false;
    }
    index = find_place(machine, xdev, errp);
    if (index < 0 || !check_firmware(machine, SMI_CPU_HOTPLUG, "get", errp)) {
        return false;
    }
    if (machine->cpu_slots.list[index].device) {
        const CpuSlot *slot = &machine->cpu_slots.list[index];
        unsigned present = cpu_slots_present(&machine->cpu_slots);

        error_set(errp,
                  "there is a CPU at socket-id=%u, die-id=%u, core-id=%u, thread-id=%u already "
                  "(apic-id=%u); %u of %u places are taken",
                  slot->socket, slot->die, slot->core, slot->thread, slot->arch_id, present,
                  machine->cpu_slots.count);
        return false;
    }
    return x86_cpu_device_place(xdev, machine, &x86->cpu_model, (unsigned)index, errp);
}

static void tell_tsc(X86Cpu *cpu, void *offset)
{
    /* Without what the guest has changed, which is that CPU's alone. */
    *(int64_t *)offset = cpu->msr.tsc_offset - (int64_t)cpu->msr.tsc_adjust;
}

/* The TSC of a CPU that comes to others goes with theirs, which need not be as a reset leaves it:
 * a machine that came from elsewhere has the TSC that it had there. */
static void take_tsc(const Machine *machine, X86Cpu *cpu)
{
    unsigned index = 0;
    X86Cpu *first = x86_cpu_next(machine, &index);

    if (first && first != cpu && !accel_current()->syncs_tsc) {
        vcpu_run_on(first, tell_tsc, &cpu->msr.tsc_offset);
    }
}

void x86_cpu_plugged(Machine *machine, Device *dev)
{
    CpuHotplug *ch = cpu_hotplug_of(machine);
    X86CpuDevice *xdev = X86_CPU_DEVICE(dev);

    xdev->slot->device = dev;
    if (ch) {
        cpu_unplug_plugged(&ch->slots, xdev->index, dev);
    }
    x86_fw_cfg_count_cpus(X86_MACHINE(machine));
    if (dev->hotplugged) {
        take_tsc(machine, xdev->cpu);
    }
    vcpu_start(xdev->cpu);
}

/* ---- going ---- */

bool x86_cpu_unplug_requested(Machine *machine, Device *dev, GError **errp)
{
    CpuHotplug *ch = cpu_hotplug_of(machine);
    unsigned index = X86_CPU_DEVICE(dev)->index;

    if (index == 0) {
        error_set(errp, "CPU 0, with which the machine boots, cannot be unplugged");
        return false;
    }
    if (X86_MACHINE(machine)->acpi == X86_ACPI_OFF) {
        error_set(errp,
                  "the machine has no ACPI (acpi=off, -no-acpi), by which a guest is asked to "
                  "give a CPU back: start it with acpi=on");
        return false;
    }
    if (!check_firmware(machine, SMI_CPU_HOTUNPLUG, "give back", errp)) {
        return false;
    }
    cpu_unplug_request(&ch->slots.list[index]);
    return true;
}

void x86_cpu_unplugged(Machine *machine, Device *dev)
{
    CpuHotplug *ch = cpu_hotplug_of(machine);

    if (ch) {
        cpu_unplug_unplugged(&ch->slots, X86_CPU_DEVICE(dev)->index);
    }
    X86_CPU_DEVICE(dev)->slot->device = NULL;
    x86_fw_cfg_count_cpus(X86_MACHINE(machine));
}
