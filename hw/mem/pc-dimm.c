/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "pc-dimm": checks, plugging and unplugging of a DIMM.
 */
#include "hw/mem/pc-dimm.h"

#include <inttypes.h>

#include "hw/mem/guest-fit.h"
#include "hw/mem/memory-device.h"
#include "memory/ram-hold.h"
#include "memory/ram-resident.h"
#include "util/error.h"

uint64_t pc_dimm_size(const PcDimm *dimm)
{
    MemoryDevice md = { 0 };

    if (dimm->memdev) {
        device_class(&dimm->parent)->memory->request(&dimm->parent, &md);
    }
    return md.size;
}

RamBlock *pc_dimm_ram(const PcDimm *dimm)
{
    return MEMORY_BACKEND(dimm->memdev)->ram;
}

GPtrArray *pc_dimm_list(const Machine *machine)
{
    const GArray *devices = memory_devices(machine);
    GPtrArray *list = g_ptr_array_new();

    for (unsigned i = 0; i < devices->len; i++) {
        Device *dev = memory_device_at(devices, i)->dev;

        if (object_is_a(OBJECT(dev), TYPE_PC_DIMM)) {
            g_ptr_array_add(list, dev);
        }
    }
    return list;
}

/* ---- checks ---- */

static bool check_memdev(const PcDimm *dimm, bool read_only, const char *what, GError **errp)
{
    HostMemoryBackend *backend = MEMORY_BACKEND(dimm->memdev);

    if (!backend) {
        error_set(
            errp,
            "%s: 'memdev' is missing: it must be the id of a memory backend, such as one made "
            "with -object memory-backend-ram,id=ID,size=SIZE",
            what);
        return false;
    }
    if (host_memory_backend_is_mapped(backend)) {
        g_autofree char *user = host_memory_backend_user_name(backend);

        error_set(errp, "%s: memory backend '%s' is already used by '%s'; each DIMM needs its own",
                  what, host_memory_backend_name(backend), user);
        return false;
    }
    if (!host_memory_backend_is_complete(backend) || backend->size == 0) {
        error_set(errp, "%s: memory backend '%s' has size 0; a DIMM needs one with memory", what,
                  host_memory_backend_name(backend));
        return false;
    }
    if (backend->readonly && !read_only) {
        error_set(errp, "%s: memory backend '%s' is read-only; a DIMM needs one with readonly=off",
                  what, host_memory_backend_name(backend));
        return false;
    }
    return true;
}

/* Fill @by_slot, of MAX_RAM_SLOTS, with the DIMMs that are plugged. */
static void find_slots(const Machine *machine, const PcDimm **by_slot)
{
    const GArray *devices = memory_devices(machine);

    for (unsigned i = 0; i < devices->len; i++) {
        const Device *dev = memory_device_at(devices, i)->dev;

        if (object_is_a(&dev->parent, TYPE_PC_DIMM)) {
            by_slot[PC_DIMM(dev)->slot] = PC_DIMM(dev);
        }
    }
}

static bool check_given_slot(const Machine *machine, const char *what, const PcDimm *const *by_slot,
                             int32_t slot, GError **errp)
{
    if (slot < 0 || (uint64_t)slot >= machine->ram.slots) {
        error_set(errp,
                  "%s: slot %d is out of range: this machine has slots 0 to %" PRIu64
                  ", and -1 chooses a free one",
                  what, slot, machine->ram.slots - 1);
        return false;
    }
    if (by_slot[slot]) {
        g_autofree char *name = device_describe(&by_slot[slot]->parent);

        error_set(errp, "%s: slot %d is taken by %s; without 'slot' a free one is chosen", what,
                  slot, name);
        return false;
    }
    return true;
}

/* Check the slot that was given, or find the first free one. */
static bool choose_slot(const Machine *machine, const PcDimm *dimm, const char *what, int32_t *slot,
                        GError **errp)
{
    const PcDimm *by_slot[MAX_RAM_SLOTS] = { NULL };

    if (machine->ram.slots == 0) {
        error_set(errp,
                  "%s: this machine has no memory slots; start it with "
                  "-m SIZE,slots=N,maxmem=SIZE",
                  what);
        return false;
    }
    find_slots(machine, by_slot);
    *slot = dimm->slot;
    if (dimm->slot != PC_DIMM_SLOT_AUTO) {
        return check_given_slot(machine, what, by_slot, dimm->slot, errp);
    }
    for (int32_t n = 0; (uint64_t)n < machine->ram.slots; n++) {
        if (!by_slot[n]) {
            *slot = n;
            return true;
        }
    }
    error_set(errp,
              "%s: no free slot: all %" PRIu64 " are taken; unplug a DIMM or start the "
              "machine with more -m ...,slots=N",
              what, machine->ram.slots);
    return false;
}

/* ---- plugging ---- */

static bool pre_plug(Machine *machine, Device *dev, bool read_only, GError **errp)
{
    PcDimm *dimm = PC_DIMM(dev);
    g_autofree char *what = device_describe(dev);
    int32_t slot;

    if (!check_memdev(dimm, read_only, what, errp)) {
        return false;
    }
    if (machine->device_memory.size == 0) {
        error_set(errp,
                  "%s: this machine has no room for DIMMs; start it with "
                  "-m SIZE,slots=N,maxmem=SIZE, where maxmem is larger than the size of its RAM",
                  what);
        return false;
    }
    if (!choose_slot(machine, dimm, what, &slot, errp) ||
        !memory_device_pre_plug(machine, dev, errp)) {
        return false;
    }
    dimm->slot = slot;
    return true;
}

bool pc_dimm_pre_plug(Machine *machine, Device *dev, GError **errp)
{
    return pre_plug(machine, dev, false, errp);
}

bool pc_dimm_pre_plug_read_only(Machine *machine, Device *dev, GError **errp)
{
    return pre_plug(machine, dev, true, errp);
}

void pc_dimm_plug(Machine *machine, Device *dev)
{
    PcDimm *dimm = PC_DIMM(dev);

    host_memory_backend_set_mapped(MEMORY_BACKEND(dimm->memdev), OBJECT(dev));
    memory_device_plug(machine, dev);
    g_autoptr(GPtrArray) warnings = guest_fit_warnings(machine, dimm);
    for (unsigned i = 0; warnings && i < warnings->len; i++) {
        error_warn("%s", (const char *)g_ptr_array_index(warnings, i));
    }
}

void pc_dimm_unplug(Machine *machine, Device *dev)
{
    HostMemoryBackend *backend = MEMORY_BACKEND(PC_DIMM(dev)->memdev);

    memory_device_unplug(machine, dev);
    ram_block_open(backend->ram); /* an eject closed it: now nobody finds it any more */
    host_memory_backend_set_mapped(backend, NULL);
}

/* ---- what it is as a memory device ---- */

static void dimm_request(const Device *dev, MemoryDevice *md)
{
    const PcDimm *dimm = PC_DIMM(dev);

    memory_device_request_backend(md, MEMORY_BACKEND(dimm->memdev), dimm->addr);
    md->node = dimm->node;
    md->boot = dimm->boot;
    md->in_guest_blocks = !dimm->boot;
}

void pc_dimm_place(Device *dev, hwaddr addr)
{
    PC_DIMM(dev)->addr = addr;
}

static MemoryRegion *dimm_region(Device *dev)
{
    return host_memory_backend_region(MEMORY_BACKEND(PC_DIMM(dev)->memdev));
}

PCDIMMDeviceInfo *pc_dimm_info(const PcDimm *dimm)
{
    const Device *dev = &dimm->parent;
    PCDIMMDeviceInfo *data = g_new0(PCDIMMDeviceInfo, 1);

    data->id = g_strdup(dev->id);
    data->addr = (int64_t)dimm->addr;
    data->size = (int64_t)pc_dimm_size(dimm);
    data->slot = dimm->slot;
    data->node = dimm->node;
    data->memdev = memory_device_memdev_path(dimm->memdev);
    data->has_resident = true;
    data->resident = ram_block_resident(pc_dimm_ram(dimm), pc_dimm_size(dimm));
    data->hotplugged = dev->hotplugged;
    data->hotpluggable = device_has_flags(dev, DEVICE_HOTPLUG);
    data->has_boot = data->boot = dimm->boot;
    return data;
}

static void dimm_describe(const Device *dev, MemoryDeviceInfo *info)
{
    info->type = MEMORY_DEVICE_INFO_KIND_DIMM;
    info->u.dimm = g_new0(PCDIMMDeviceInfoWrapper, 1);
    info->u.dimm->data = pc_dimm_info(PC_DIMM(dev));
}

static const MemoryDeviceOps dimm_memory_ops = {
    .request = dimm_request,
    .place = pc_dimm_place,
    .region = dimm_region,
    .describe = dimm_describe,
};

/* ---- the type ---- */

static struct json_object *size_get(Object *obj, const Property *prop, GError **errp)
{
    return json_object_new_uint64(pc_dimm_size(PC_DIMM(obj)));
}

static const Property pc_dimm_properties[] = {
    { .name = "memdev",
      .kind = PROP_LINK,
      .offset = offsetof(PcDimm, memdev),
      .link_type = TYPE_MEMORY_BACKEND,
      .description = "memory backend that holds its contents" },
    { .name = "addr",
      .kind = PROP_UINT64,
      .offset = offsetof(PcDimm, addr),
      .has_default = true,
      .description = "guest-physical address; 0: chosen" },
    { .name = "slot",
      .kind = PROP_INT32,
      .offset = offsetof(PcDimm, slot),
      .has_default = true,
      .default_int = PC_DIMM_SLOT_AUTO,
      .description = "number of the slot; -1: chosen" },
    { .name = "node",
      .kind = PROP_UINT32,
      .offset = offsetof(PcDimm, node),
      .has_default = true,
      .description = "NUMA node" },
    { .name = "boot",
      .kind = PROP_BOOL,
      .offset = offsetof(PcDimm, boot),
      .has_default = true,
      .description = "the guest finds it in the memory map at boot, as RAM; only with -device" },
    { .name = "size",
      .kind = PROP_CUSTOM,
      .custom_type = "uint64",
      .read_only = true,
      .get = size_get,
      .description = "bytes, as the backend has" },
    { 0 },
};

static const DeviceClass pc_dimm_ops = {
    .category = "memory",
    .flags = DEVICE_USER_CREATABLE | DEVICE_HOTPLUG | DEVICE_NEEDS_SLOT,
    .memory = &dimm_memory_ops,
};

static const ObjectType pc_dimm_type = {
    .name = TYPE_PC_DIMM,
    .parent = TYPE_DEVICE,
    .description = "a DIMM",
    .instance_size = sizeof(PcDimm),
    .properties = pc_dimm_properties,
    .ops = &pc_dimm_ops,
};
OBJECT_TYPE_REGISTER(pc_dimm_type)
