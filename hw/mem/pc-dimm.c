/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "pc-dimm": checks, plugging and unplugging of a DIMM.
 */
#include "hw/mem/pc-dimm.h"

#include "accel/accel.h"
#include "hw/core/numa.h"
#include "hw/mem/guest-fit.h"
#include "hw/mem/memory-device.h"
#include "memory/ram-hold.h"
#include "util/error.h"

uint64_t pc_dimm_size(const PcDimm *dimm)
{
    return dimm->memdev ? MEMORY_BACKEND(dimm->memdev)->size : 0;
}

RamBlock *pc_dimm_ram(const PcDimm *dimm)
{
    return MEMORY_BACKEND(dimm->memdev)->ram;
}

char *pc_dimm_describe(const PcDimm *dimm)
{
    const char *id = dimm->parent.id;

    return id ? g_strdup_printf(TYPE_PC_DIMM " '%s'", id) : g_strdup(TYPE_PC_DIMM);
}

void pc_dimm_range(Device *dev, MemoryDeviceRange *range)
{
    range->addr = PC_DIMM(dev)->addr;
    range->size = pc_dimm_size(PC_DIMM(dev));
}

GPtrArray *pc_dimm_list(Machine *machine)
{
    g_autoptr(GArray) ranges = memory_device_ranges(machine);
    GPtrArray *list = g_ptr_array_new();

    for (unsigned i = 0; i < ranges->len; i++) {
        Device *dev = g_array_index(ranges, MemoryDeviceRange, i).dev;

        if (object_is_a(OBJECT(dev), TYPE_PC_DIMM)) {
            g_ptr_array_add(list, dev);
        }
    }
    return list;
}

/* ---- checks ---- */

static bool check_memdev(const PcDimm *dimm, const char *what, GError **errp)
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
    if (backend->readonly) {
        error_set(errp, "%s: memory backend '%s' is read-only; a DIMM needs one with readonly=off",
                  what, host_memory_backend_name(backend));
        return false;
    }
    return true;
}

/* The DIMM in slot @slot among @dimms, or NULL. */
static const PcDimm *dimm_in_slot(const GPtrArray *dimms, int64_t slot)
{
    for (unsigned i = 0; i < dimms->len; i++) {
        const PcDimm *dimm = g_ptr_array_index(dimms, i);

        if (dimm->slot == slot) {
            return dimm;
        }
    }
    return NULL;
}

static bool check_given_slot(Machine *machine, const char *what, const GPtrArray *dimms,
                             int32_t slot, GError **errp)
{
    const PcDimm *other = dimm_in_slot(dimms, slot);

    if (slot < 0 || (uint64_t)slot >= machine->ram_slots) {
        error_set(errp,
                  "%s: slot %d is out of range: this machine has slots 0 to %" G_GUINT64_FORMAT
                  ", and -1 chooses a free one",
                  what, slot, machine->ram_slots - 1);
        return false;
    }
    if (other) {
        g_autofree char *name = pc_dimm_describe(other);

        error_set(errp, "%s: slot %d is taken by %s; without 'slot' a free one is chosen", what,
                  slot, name);
        return false;
    }
    return true;
}

/* Check the slot that was given, or find the first free one. */
static bool choose_slot(Machine *machine, const PcDimm *dimm, const char *what, int32_t *slot,
                        GError **errp)
{
    g_autoptr(GPtrArray) dimms = pc_dimm_list(machine);

    if (machine->ram_slots == 0) {
        error_set(errp,
                  "%s: this machine has no memory slots; start it with "
                  "-m SIZE,slots=N,maxmem=SIZE",
                  what);
        return false;
    }
    *slot = dimm->slot;
    if (dimm->slot != PC_DIMM_SLOT_AUTO) {
        return check_given_slot(machine, what, dimms, dimm->slot, errp);
    }
    for (int32_t n = 0; (uint64_t)n < machine->ram_slots; n++) {
        if (!dimm_in_slot(dimms, n)) {
            *slot = n;
            return true;
        }
    }
    error_set(errp,
              "%s: no free slot: all %" G_GUINT64_FORMAT " are taken; unplug a DIMM or start the "
              "machine with more -m ...,slots=N",
              what, machine->ram_slots);
    return false;
}

static bool check_node(Machine *machine, const PcDimm *dimm, const char *what, GError **errp)
{
    if (!numa_node_exists(machine, dimm->node)) {
        error_set(errp,
                  "%s: DIMM property node has value %u, but node %u does not exist: this machine "
                  "has nodes 0 to %u",
                  what, dimm->node, dimm->node, MAX(machine->num_nodes, 1) - 1);
        return false;
    }
    return true;
}

static bool check_boot(Machine *machine, const PcDimm *dimm, const char *what, hwaddr addr,
                       GError **errp)
{
    g_autoptr(GPtrArray) dimms = pc_dimm_list(machine);
    int ranges = 1;
    hwaddr end = 0; /* of the boot DIMM before */

    if (!dimm->boot) {
        return true;
    }
    if (dimm->parent.hotplugged) {
        error_set(errp,
                  "%s: boot=on is for DIMMs that the guest finds when it boots: give it with "
                  "-device, or leave boot=on out",
                  what);
        return false;
    }
    for (unsigned i = 0; i < dimms->len; i++) {
        const PcDimm *other = g_ptr_array_index(dimms, i);

        if (other->boot) {
            ranges += other->addr != end;
            end = other->addr + pc_dimm_size(other);
            /* The new one lies beside it: together they are one range. */
            ranges -= other->addr == addr + pc_dimm_size(dimm) || end == addr;
        }
    }
    if (ranges > PC_DIMM_BOOT_RANGES) {
        error_set(errp,
                  "%s: there are %d ranges of memory from DIMMs with boot=on already, and no room "
                  "for more in the memory map of a guest: put it beside another one",
                  what, PC_DIMM_BOOT_RANGES);
        return false;
    }
    return true;
}

/* ---- plugging ---- */

bool pc_dimm_pre_plug(Machine *machine, Device *dev, GError **errp)
{
    PcDimm *dimm = PC_DIMM(dev);
    g_autofree char *what = pc_dimm_describe(dimm);
    hwaddr addr;
    int32_t slot;

    if (!check_memdev(dimm, what, errp)) {
        return false;
    }
    if (machine->device_memory.size == 0) {
        error_set(errp,
                  "%s: this machine has no room for DIMMs; start it with "
                  "-m SIZE,slots=N,maxmem=SIZE, where maxmem is larger than the size of its RAM",
                  what);
        return false;
    }
    if (!choose_slot(machine, dimm, what, &slot, errp) || !check_node(machine, dimm, what, errp) ||
        !memory_device_place(machine, what, pc_dimm_size(dimm),
                             host_memory_backend_alignment(MEMORY_BACKEND(dimm->memdev)),
                             dimm->addr, &addr, errp) ||
        !check_boot(machine, dimm, what, addr, errp)) {
        return false;
    }
    if (!accel_memory_room(1, errp)) {
        g_prefix_error(errp, "%s: ", what);
        return false;
    }
    dimm->slot = slot;
    dimm->addr = addr;
    return true;
}

void pc_dimm_plug(Machine *machine, Device *dev)
{
    PcDimm *dimm = PC_DIMM(dev);
    HostMemoryBackend *backend = MEMORY_BACKEND(dimm->memdev);
    DeviceMemory *window = &machine->device_memory;
    g_autoptr(GPtrArray) warnings = guest_fit_warnings(machine, dimm);

    for (unsigned i = 0; warnings && i < warnings->len; i++) {
        warn_report("%s", (const char *)g_ptr_array_index(warnings, i));
    }
    host_memory_backend_set_mapped(backend, OBJECT(dev));
    memory_region_add(&window->region, dimm->addr - window->base,
                      host_memory_backend_region(backend));
}

void pc_dimm_unplug(Machine *machine, Device *dev)
{
    HostMemoryBackend *backend = MEMORY_BACKEND(PC_DIMM(dev)->memdev);

    memory_region_remove(host_memory_backend_region(backend));
    ram_block_open(backend->ram); /* an eject closed it: now nobody finds it any more */
    host_memory_backend_set_mapped(backend, NULL);
}

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

static const DeviceOps pc_dimm_ops = {
    .category = "memory",
    .user_creatable = true,
    .hotpluggable = true,
    .needs_handler = true,
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
