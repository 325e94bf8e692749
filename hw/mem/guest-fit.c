/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/mem/guest-fit.h"

#include <inttypes.h>

#include "hw/mem/nvdimm.h"
#include "memory/address-space.h"
#include "memory/memory.h"
#include "util/units.h"

#define LEAST_BLOCK (128 * MIB)
#define MOST_BLOCK  (2 * GIB)
#define LARGE_GUEST (64 * GIB) /* with this much at boot, blocks are larger */

/* 64 bytes for each page of 4 KiB. */
#define MANAGEMENT_SHARE 64

/* Where the memory that the guest boots with ends: RAM outside the device memory window, and DIMMs
 * that it finds at boot. */
static hwaddr boot_memory_end(void)
{
    const FlatView *view = address_space_view(&address_space_memory);
    Machine *machine = machine_current();
    const DeviceMemory *window = machine ? &machine->device_memory : NULL;
    const GArray *devices = machine ? memory_devices(machine) : NULL;
    hwaddr end = 0;

    for (unsigned i = 0; i < view->count; i++) {
        const FlatRange *range = &view->ranges[i];

        if (window && window->size && range->addr >= window->base) {
            break;
        }
        if (range->host && !range->readonly) {
            end = range->addr + range->size;
        }
    }
    for (unsigned i = 0; devices && i < devices->len; i++) {
        const MemoryDevice *md = memory_device_at(devices, i);

        if (md->boot) {
            end = md->addr + md->size;
        }
    }
    return end;
}

uint64_t guest_memory_block_size(void)
{
    hwaddr end = boot_memory_end();
    uint64_t block = end >= LARGE_GUEST ? MOST_BLOCK : LEAST_BLOCK;

    while (block > LEAST_BLOCK && end % block) {
        block /= 2;
    }
    return block;
}

bool guest_fit_usable(const PcDimm *dimm)
{
    return dimm->boot || (pc_dimm_size(dimm) | dimm->addr) % guest_memory_block_size() == 0;
}

static void add(GPtrArray **list, char *text)
{
    if (!*list) {
        *list = g_ptr_array_new_with_free_func(g_free);
    }
    g_ptr_array_add(*list, text);
}

/* Bytes of the DIMMs that the guest finds at its start: those that are in its memory map, and the
 * others, which it adds one after the other, before a program of its own has run. */
static uint64_t cold_dimms(const Machine *machine, bool boot)
{
    const GArray *devices = memory_devices(machine);
    uint64_t sum = 0;

    for (unsigned i = 0; i < devices->len; i++) {
        const MemoryDevice *md = memory_device_at(devices, i);
        Object *obj = OBJECT(md->dev);

        if (object_is_a(obj, TYPE_PC_DIMM) && !object_is_a(obj, TYPE_NVDIMM) &&
            !md->dev->hotplugged && md->boot == boot) {
            sum += md->size;
        }
    }
    return sum;
}

/* What Linux needs at once, and of what it has to take it. */
static void warn_of_cost(GPtrArray **list, Machine *machine, const PcDimm *dimm, const char *what)
{
    bool cold =
        !machine->resumes && !dimm->parent.hotplugged && !dimm->boot && dimm->parent.realized;
    uint64_t size = pc_dimm_size(dimm);
    uint64_t others = machine->ram.size + (cold ? cold_dimms(machine, true)
                                                : memory_device_plugged_size(machine) -
                                                      (dimm->parent.realized ? size : 0));
    uint64_t cost = (cold ? cold_dimms(machine, false) : size) / MANAGEMENT_SHARE;

    if (cost > others / 2) {
        add(list,
            g_strdup_printf("%s: a Linux guest needs %" PRIu64 " MiB at once to manage %s, "
                            "and has %" PRIu64 " MiB altogether: it will hardly use %s",
                            what, cost / MIB,
                            cost > size / MANAGEMENT_SHARE ? "all DIMMs of its start" : "it",
                            others / MIB, cost > size / MANAGEMENT_SHARE ? "each of them" : "it"));
    }
}

GPtrArray *guest_fit_warnings(Machine *machine, const PcDimm *dimm)
{
    uint64_t size = pc_dimm_size(dimm), block = guest_memory_block_size();
    g_autofree char *what = device_describe(&dimm->parent);
    GPtrArray *list = NULL;

    if (!dimm->boot && size % block) {
        add(&list, g_strdup_printf("%s: its size is no multiple of %" PRIu64
                                   " MiB, and a Linux guest will not use it",
                                   what, block / MIB));
    }
    if (!dimm->boot && dimm->addr % block) {
        add(&list, g_strdup_printf("%s: its address 0x%" PRIx64 " is no multiple of %" PRIu64
                                   " MiB, and a Linux guest will not use it",
                                   what, dimm->addr, block / MIB));
    }
    warn_of_cost(&list, machine, dimm, what);
    return list;
}
