/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The machine as the planner sees it. */
#include <time.h>

#include "hw/acpi/memory-hotplug.h"
#include "hw/core/machine.h"
#include "hw/mem/guest-fit.h"
#include "hw/mem/memory-device.h"
#include "hw/mem/nvdimm.h"
#include "hw/memtarget/internal.h"
#include "hw/virtio/virtio-balloon.h"
#include "hw/virtio/virtio-mem.h"
#include "memory/ram-resident.h"

#define PAGE_SHIFT 12
/* Statistics of the balloon, by tag (Virtio 1.2, section 5.5.6.4). */
enum { STAT_FREE = 4, STAT_TOTAL = 5, STAT_AVAILABLE = 6 };
#define STATS_LATE_S 60 /* older ones say nothing */
#define FREE_SHARE   4  /* of boot memory, where the guest's free memory does not tell */

uint64_t target_survey_unit(const TargetPolicy *policy)
{
    return MAX(guest_memory_block_size(), policy->backend_align);
}

/* ---- places ---- */

/* The largest aligned gap of the window; *@place is the first of @size bytes, if there is one. */
static uint64_t find_gaps(const Machine *machine, uint64_t align, uint64_t size, uint64_t *place)
{
    const DeviceMemory *window = &machine->device_memory;
    const GArray *taken = memory_devices(machine);
    uint64_t at = window->base, largest = 0;

    for (unsigned i = 0; i <= taken->len; i++) {
        const MemoryDevice *next = i < taken->len ? memory_device_at(taken, i) : NULL;
        const uint64_t limit = next ? next->addr : window->base + window->size;

        at = (at + align - 1) & ~(align - 1);
        if (at < limit) {
            largest = MAX(largest, limit - at);
            *place = !*place && limit - at >= size ? at : *place;
        }
        at = next ? MAX(at, next->addr + next->size) : at;
    }
    return largest;
}

uint64_t target_survey_place(const Machine *machine, uint64_t size, uint64_t align)
{
    uint64_t place = 0;

    find_gaps(machine, align, size, &place);
    return place;
}

static void find_room(Survey *s, const Machine *machine)
{
    const GArray *taken = memory_devices(machine);
    g_autoptr(GPtrArray) dimms = pc_dimm_list(machine);
    uint64_t room = machine->ram.max_size - machine->ram.size, place = 0;

    for (unsigned i = 0; i < taken->len; i++) {
        room -= MIN(room, memory_device_at(taken, i)->size);
    }
    s->in.room = room;
    s->in.gap = find_gaps(machine, s->in.unit, UINT64_MAX, &place);
    s->in.slots = (unsigned)machine->ram.slots - dimms->len;
}

/* ---- devices ---- */

static PlanDevice dimm_of(const MemoryDevice *md, bool deep)
{
    const PcDimm *dimm = PC_DIMM(md->dev);
    const UnplugRecord *unplug = md->dev->unplug;

    return (PlanDevice){
        .kind = PLAN_DIMM,
        .has = target_dimm_is_taken(dimm) ? md->size : 0,
        .fixed = md->boot || !unplug,
        .reluctant = unplug && unplug->last == UNPLUG_REFUSED,
        .resident = deep ? ram_block_resident(pc_dimm_ram(dimm), pc_dimm_size(dimm)) : 0,
    };
}

static PlanDevice virtio_mem_of(const MemoryDevice *md)
{
    const VirtioMem *mem = VIRTIO_MEM(md->dev);

    return (PlanDevice){
        .kind = PLAN_VIRTIO_MEM,
        .has = mem->size,
        .max = md->size,
        .unit = mem->block_size,
    };
}

static void find_devices(Survey *s, const TargetRun *run, const Machine *machine, bool deep)
{
    const GArray *all = memory_devices(machine);

    s->list = g_new0(PlanDevice, all->len + 1);
    s->devices = g_new0(Device *, all->len + 1);
    s->in.devices = s->list;
    for (unsigned i = 0; i < all->len; i++) {
        const MemoryDevice *md = memory_device_at(all, i);
        const Object *obj = OBJECT(md->dev);
        const bool dimm = object_is_a(obj, TYPE_PC_DIMM) && !object_is_a(obj, TYPE_NVDIMM);
        g_autofree char *path = object_path(OBJECT(memory_device_owner(md->dev)));

        if (dimm || object_is_a(obj, TYPE_VIRTIO_MEM)) {
            PlanDevice *device = &s->list[s->in.count];

            *device = dimm ? dimm_of(md, deep) : virtio_mem_of(md);
            device->fixed |= target_run_refused(run, path);
            s->devices[s->in.count++] = md->dev;
        }
    }
}

/* ---- the guest ---- */

static bool tells(const VirtioBalloon *balloon)
{
    return balloon->interval > 0 && balloon->stats_time &&
           balloon->stats_time + STATS_LATE_S >= (uint64_t)time(NULL);
}

uint64_t target_survey_told_at(void)
{
    const VirtioBalloon *balloon = virtio_balloon_find();

    return balloon && tells(balloon) ? balloon->stats_time : 0;
}

static void ask_balloon(TargetRun *run, const VirtioBalloon *balloon, uint64_t total)
{
    if (!tells(balloon)) {
        run->stats_time = 0;
    } else if (balloon->stats_time != run->stats_time) {
        const uint64_t free = balloon->stats[STAT_FREE];
        const uint64_t available = balloon->stats[STAT_AVAILABLE];
        const uint64_t all = balloon->stats[STAT_TOTAL];

        run->stats_time = balloon->stats_time;
        run->free = MIN(free, total); /* the guest may say anything */
        run->free = free == UINT64_MAX ? PLAN_UNKNOWN : run->free;
        run->in_use = available == UINT64_MAX ? 0 : total - MIN(available, total);
        run->deficit = all > INT64_MAX ? INT64_MIN : (int64_t)total - (int64_t)all;
    }
}

/* What of it is the kernel's, or may be. Of memory that came while the guest ran, none is known to
 * be, but for that of payers: all of that may be what is free. */
static void find_free(Survey *s, TargetRun *run, uint64_t hot)
{
    const uint64_t guess = s->in.boot / FREE_SHARE;

    s->in.spent = hot / PLAN_COST_SHARE;
    s->in.proven = target_payers_free();
    s->in.free = PLAN_UNKNOWN;
    if (!run->stats_time || run->free == PLAN_UNKNOWN) {
        return;
    }
    run->told |= run->free > hot;
    if (run->told) {
        s->in.free = run->free - MIN(hot, run->free);
        s->in.spent = run->spent;
    } else {
        s->in.free = MIN(run->free, guess - MIN(s->in.spent, guess));
    }
}

static void find_guest(Survey *s, TargetRun *run, bool deep)
{
    const VirtioBalloon *balloon = virtio_balloon_find();

    if (!balloon) {
        run->stats_time = 0;
        return;
    }
    s->in.balloon = run->policy->balloon && !run->balloon_stuck;
    s->in.ballooned = run->policy->balloon ? (uint64_t)balloon->actual << PAGE_SHIFT : 0;
    if (deep) {
        ask_balloon(run, balloon, memory_plan_total(&s->in));
    }
    s->in.in_use = run->stats_time ? run->in_use : 0;
}

/* What the guest has of memory that came while it ran. */
static uint64_t hot_memory(const Machine *machine)
{
    const GArray *all = memory_devices(machine);
    uint64_t sum = 0;

    for (unsigned i = 0; i < all->len; i++) {
        const MemoryDevice *md = memory_device_at(all, i);

        if (!md->boot && !object_is_a(OBJECT(md->dev), TYPE_NVDIMM)) {
            sum += md->ops->plugged_size ? md->ops->plugged_size(md->dev) : md->size;
        }
    }
    return sum;
}

Survey *target_survey_new(TargetRun *run, bool deep)
{
    const Machine *machine = machine_current();
    Survey *s = g_new0(Survey, 1);

    s->in.boot = machine->ram.size;
    s->in.unit = target_survey_unit(run->policy);
    s->in.block = guest_memory_block_size();
    /* Without slots there is no register block either; what is missing then is slots. */
    s->in.dimms = run->policy->dimms && (memory_hotplug_of(machine) || !machine->ram.slots);
    s->in.exchange = s->in.dimms && machine->ram.slots && !run->spare_lost;
    s->in.dimm_most = run->policy->dimm_most;
    find_devices(s, run, machine, deep);
    find_guest(s, run, deep);
    if (deep) {
        find_free(s, run, hot_memory(machine));
    }
    find_room(s, machine);
    return s;
}

void target_survey_free(Survey *s)
{
    g_free(s->list);
    g_free(s->devices);
    g_free(s);
}

uint64_t target_survey_total(TargetRun *run)
{
    g_autoptr(Survey) s = target_survey_new(run, false);

    return memory_plan_total(&s->in);
}
