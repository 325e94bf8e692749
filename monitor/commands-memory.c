/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about memory and what is plugged of it (qapi/memory.json, acpi.json). */
#include "backends/host-memory-backend.h"
#include "hw/acpi/cpu-hotplug.h"
#include "hw/acpi/memory-hotplug.h"
#include "hw/core/machine.h"
#include "hw/i386/x86.h"
#include "hw/mem/guest-fit.h"
#include "hw/mem/memory-device.h"
#include "hw/mem/pc-dimm.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"

static void add_state(PCDIMMDeviceInfo *data, Machine *machine, const PcDimm *dimm)
{
    const MemoryHotplug *mh = memory_hotplug_of(machine);
    const MemoryHotplugSlot *slot = mh ? memory_hotplug_slot_of(mh, &dimm->parent) : NULL;
    uint32_t status = 0;

    if (slot) {
        const char *meaning = dimm_state_meaning(&slot->state, &status);

        data->has_state = data->has_state_since = true;
        data->state = dimm_state_get(&slot->state);
        data->state_since = slot->state.since_us;
        data->has_status = meaning != NULL;
        data->status = status;
        data->meaning = g_strdup(meaning);
    }
    data->warnings = guest_fit_warnings(machine, dimm);
}

static MemoryDeviceInfo *memory_device_info(Machine *machine, const MemoryDevice *md)
{
    MemoryDeviceInfo *info = g_new0(MemoryDeviceInfo, 1);

    md->ops->describe(md->dev, info);
    if (info->type == MEMORY_DEVICE_INFO_KIND_DIMM) {
        add_state(info->u.dimm->data, machine, PC_DIMM(md->dev));
    }
    return info;
}

GPtrArray *qmp_query_memory_devices(GError **errp)
{
    GPtrArray *list = MemoryDeviceInfo_list_new();
    Machine *machine = machine_current();
    const GArray *devices = machine ? memory_devices(machine) : NULL;

    for (guint i = 0; devices && i < devices->len; i++) {
        g_ptr_array_add(list, memory_device_info(machine, memory_device_at(devices, i)));
    }
    return list;
}

MemoryInfo *qmp_query_memory_size_summary(GError **errp)
{
    MemoryInfo *info = g_new0(MemoryInfo, 1);
    Machine *machine = machine_current();

    if (machine) {
        info->base_memory = machine->ram.size;
        info->has_plugged_memory = true;
        info->plugged_memory = memory_device_plugged_size(machine);
    }
    return info;
}

static const HostMemPolicy policies[] = {
    [HOST_POLICY_DEFAULT] = HOST_MEM_POLICY_DEFAULT,
    [HOST_POLICY_PREFERRED] = HOST_MEM_POLICY_PREFERRED,
    [HOST_POLICY_BIND] = HOST_MEM_POLICY_BIND,
    [HOST_POLICY_INTERLEAVE] = HOST_MEM_POLICY_INTERLEAVE,
};

static Memdev *memdev_info(const HostMemoryBackend *backend)
{
    Memdev *info = g_new0(Memdev, 1);

    info->id = g_strdup(host_memory_backend_name(backend));
    info->size = backend->size;
    info->merge = backend->merge;
    info->dump = backend->dump;
    info->prealloc = backend->prealloc;
    info->share = backend->share;
    info->has_reserve = true;
    info->reserve = backend->reserve;
    info->policy = policies[backend->policy];
    info->host_nodes = qapi_uint16_list_new();
    for (uint16_t node = 0; node < MAX_HOST_NODES; node++) {
        if (backend->host_nodes[node / 64] >> (node % 64) & 1) {
            g_array_append_val(info->host_nodes, node);
        }
    }
    return info;
}

GPtrArray *qmp_query_memdev(GError **errp)
{
    GPtrArray *list = Memdev_list_new(), *objects = object_container("/objects")->children;

    for (guint i = 0; objects && i < objects->len; i++) {
        Object *obj = g_ptr_array_index(objects, i);

        if (object_is_a(obj, TYPE_MEMORY_BACKEND)) {
            g_ptr_array_add(list, memdev_info(MEMORY_BACKEND(obj)));
        }
    }
    return list;
}

static ACPIOSTInfo *ost_info(const Device *dev, unsigned slot, ACPISlotType type, uint32_t event,
                             uint32_t status)
{
    ACPIOSTInfo *info = g_new0(ACPIOSTInfo, 1);

    info->device = dev ? g_strdup(dev->id) : NULL;
    info->slot = g_strdup_printf("%u", slot);
    info->slot_type = type;
    info->source = event;
    info->status = status;
    return info;
}

/* Without ACPI there are registers, and nobody who would know of them. */
static bool has_acpi(Machine *machine)
{
    return object_is_a(OBJECT(machine), TYPE_X86_MACHINE) &&
           X86_MACHINE(machine)->acpi != X86_ACPI_OFF;
}

GPtrArray *qmp_query_acpi_ospm_status(GError **errp)
{
    Machine *machine = machine_current();
    const bool acpi = machine && has_acpi(machine);
    const MemoryHotplug *mh = acpi ? memory_hotplug_of(machine) : NULL;
    const CpuHotplug *ch = acpi ? cpu_hotplug_of(machine) : NULL;
    GPtrArray *list;

    if (!mh && !ch) {
        error_set(errp, "this machine has no ACPI slots; use one that has, such as pc");
        return NULL;
    }
    list = ACPIOSTInfo_list_new();
    for (unsigned i = 0; mh && i < mh->slots.count; i++) {
        const MemoryHotplugSlot *slot = memory_hotplug_slot(mh, i);

        g_ptr_array_add(
            list, ost_info(slot->dimm, i, ACPI_SLOT_TYPE_DIMM, slot->ost_event, slot->ost_status));
    }
    /* Before its guest has switched to the registers, it has no way to report on CPUs. */
    for (unsigned i = 0; ch && ch->modern && i < ch->slots.count; i++) {
        const CpuHotplugSlot *slot = &ch->slots.list[i];

        g_ptr_array_add(
            list, ost_info(slot->cpu, i, ACPI_SLOT_TYPE_CPU, slot->ost_event, slot->ost_status));
    }
    return list;
}
