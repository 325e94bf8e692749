/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device memory window: where memory devices go, and what is there.
 */
#include "hw/mem/memory-device.h"

#include <inttypes.h>

#include "accel/accel.h"
#include "hw/core/numa.h"
#include "hw/mem/guest-fit.h"
#include "util/error.h"
#include "util/units.h"

#define HEX64 "0x%" PRIx64

/* ---- the window ---- */

void memory_device_window_init(Machine *machine, hwaddr base, uint64_t size)
{
    DeviceMemory *window = &machine->device_memory;

    if (size == 0) {
        return;
    }
    window->base = base;
    window->size = size;
    memory_region_init_container(&window->region, "device-memory", size);
    memory_region_add(memory_system(), base, &window->region);
}

hwaddr memory_device_window_base(const Machine *machine, hwaddr ram_end)
{
    hwaddr end = MAX(ram_end, 4 * GIB);

    return (end + GIB - 1) & ~(GIB - 1);
}

uint64_t memory_device_window_size(const Machine *machine)
{
    uint64_t room, size;

    if (machine->ram.max_size <= machine->ram.size) {
        return 0;
    }
    room = machine->ram.max_size - machine->ram.size;
    /* At most MAX_RAM_SLOTS slots: only `room` can make the sum too large. */
    if (__builtin_add_overflow(room, machine->ram.slots * GIB, &size) ||
        size > UINT64_MAX - (MEMORY_DEVICE_ALIGN - 1)) {
        size = UINT64_MAX - (MEMORY_DEVICE_ALIGN - 1);
    }
    return (size + MEMORY_DEVICE_ALIGN - 1) & ~(MEMORY_DEVICE_ALIGN - 1);
}

/* ---- what is plugged ---- */

/* What @dev, which is a memory device, asks for or has. */
static MemoryDevice request_of(Device *dev)
{
    MemoryDevice md = { .dev = dev, .ops = device_class(dev)->memory };

    md.ops->request(dev, &md);
    md.align = MAX(md.align, MEMORY_DEVICE_ALIGN);
    return md;
}

const GArray *memory_devices(const Machine *machine)
{
    static GArray none;

    return machine->device_memory.devices ? machine->device_memory.devices : &none;
}

uint64_t memory_device_plugged_size(const Machine *machine)
{
    const GArray *devices = memory_devices(machine);
    uint64_t sum = 0;

    for (unsigned i = 0; i < devices->len; i++) {
        const MemoryDevice *md = memory_device_at(devices, i);

        sum += md->ops->plugged_size ? md->ops->plugged_size(md->dev) : md->size;
    }
    return sum;
}

/* Of maxmem, the addresses that are taken. */
static uint64_t used_size(const Machine *machine)
{
    const GArray *devices = memory_devices(machine);
    uint64_t sum = 0;

    for (unsigned i = 0; i < devices->len; i++) {
        sum += memory_device_at(devices, i)->size;
    }
    return sum;
}

bool memory_device_check_memdev(const Object *memdev, GError **errp)
{
    const HostMemoryBackend *backend = MEMORY_BACKEND(memdev);

    if (!backend) {
        error_set(errp, "'memdev' is missing: it must be the id of a memory backend, such as one "
                        "made with -object memory-backend-ram,id=ID,size=SIZE");
        return false;
    }
    if (host_memory_backend_is_mapped(backend)) {
        g_autofree char *user = host_memory_backend_user_name(backend);

        error_set(errp,
                  "memory backend '%s' is already used by '%s'; each memory device needs its own",
                  host_memory_backend_name(backend), user);
        return false;
    }
    if (!host_memory_backend_is_complete(backend) || backend->readonly) {
        error_set(errp, "memory backend '%s' has no memory that the guest may write to",
                  host_memory_backend_name(backend));
        return false;
    }
    return true;
}

void memory_device_request_backend(MemoryDevice *md, const HostMemoryBackend *backend, hwaddr addr)
{
    md->backend = backend;
    md->addr = addr;
    md->size = backend->size;
    md->align = host_memory_backend_alignment(backend);
}

char *memory_device_memdev_path(const Object *memdev)
{
    char *path = object_path(memdev);

    return path ? path : g_strdup("");
}

Device *memory_device_owner(const Device *dev)
{
    Object *parent = dev->parent.parent;

    return DEVICE(parent && object_is_a(parent, TYPE_DEVICE) ? parent : OBJECT(dev));
}

void memory_device_list_add(Machine *machine, Device *dev)
{
    GArray **devices = &machine->device_memory.devices;
    const MemoryDevice md = request_of(dev);
    unsigned at = 0;

    if (!*devices) {
        *devices = g_array_new(FALSE, FALSE, sizeof(MemoryDevice));
    }
    while (at < (*devices)->len && memory_device_at(*devices, at)->addr < md.addr) {
        at++;
    }
    g_array_insert_val(*devices, at, md);
}

void memory_device_list_remove(Machine *machine, Device *dev)
{
    GArray *devices = machine->device_memory.devices;

    for (unsigned i = 0; devices && i < devices->len; i++) {
        if (memory_device_at(devices, i)->dev == dev) {
            g_array_remove_index(devices, i);
            return;
        }
    }
}

/* ---- finding a place ---- */

static bool check_size(const Machine *machine, const MemoryDevice *md, const char *what,
                       GError **errp)
{
    uint64_t room = machine->ram.max_size - machine->ram.size;
    uint64_t used = used_size(machine);
    uint64_t left = room > used ? room - used : 0;

    if (machine->device_memory.size == 0) {
        error_set(errp,
                  "%s: this machine has no room for memory devices; start it with "
                  "-m SIZE,slots=N,maxmem=SIZE, where maxmem is larger than the size of its RAM",
                  what);
        return false;
    }
    if (md->size == 0 || md->size % md->align) {
        error_set(errp,
                  "%s: its memory size must be a multiple of " HEX64 ", the alignment that its "
                  "backend asks for, and not " HEX64,
                  what, md->align, md->size);
        return false;
    }
    if (md->size > left) {
        error_set(errp,
                  "%s: can't add memory: its size " HEX64 " is more than the " HEX64 " bytes that "
                  "are left of maxmem (" HEX64 " in use of " HEX64 "); start the machine with a "
                  "larger maxmem",
                  what, md->size, left, used, room);
        return false;
    }
    return true;
}

static bool check_given(const DeviceMemory *window, const GArray *taken, const MemoryDevice *md,
                        const char *what, GError **errp)
{
    if (md->addr < window->base || md->addr - window->base > window->size ||
        md->size > window->size - (md->addr - window->base)) {
        error_set(errp,
                  "%s: can't add memory: address " HEX64 " with size " HEX64 " is outside the "
                  "window for memory devices, " HEX64 " to " HEX64,
                  what, md->addr, md->size, window->base, window->base + (window->size - 1));
        return false;
    }
    if (md->addr % md->align) {
        error_set(errp, "%s: its address must be aligned to " HEX64 ", and " HEX64 " is misaligned",
                  what, md->align, md->addr);
        return false;
    }
    for (unsigned i = 0; i < taken->len; i++) {
        const MemoryDevice *other = memory_device_at(taken, i);

        if (md->addr < other->addr + other->size && other->addr < md->addr + md->size) {
            const Device *owner = memory_device_owner(other->dev);
            g_autofree char *path = object_path(&owner->parent);

            error_set(errp,
                      "%s: address range conflicts: " HEX64 " with size " HEX64
                      " overlaps memory device '%s' at " HEX64 " with size " HEX64
                      "; without 'addr' a free place is chosen",
                      what, md->addr, md->size, owner->id ? owner->id : path, other->addr,
                      other->size);
            return false;
        }
    }
    return true;
}

/* The lowest gap aligned to @align that is large enough. Offsets into the window, which cannot
 * overflow: no address is near 2^64. */
static bool find_gap(const DeviceMemory *window, const GArray *taken, const MemoryDevice *md,
                     uint64_t align, hwaddr *addr)
{
    hwaddr at = window->base, end = window->base + window->size;

    for (unsigned i = 0; i <= taken->len; i++) {
        const MemoryDevice *next = i < taken->len ? memory_device_at(taken, i) : NULL;
        hwaddr limit = next ? next->addr : end;

        at = (at + align - 1) & ~(align - 1);
        if (at <= limit && limit - at >= md->size) {
            *addr = at;
            return true;
        }
        if (next) {
            at = MAX(at, next->addr + next->size);
        }
    }
    return false;
}

/* The lowest place; but what a guest would not use there, or not all of it, and would elsewhere,
 * goes elsewhere.
 */
static bool choose_place(const DeviceMemory *window, const GArray *taken, MemoryDevice *md)
{
    const uint64_t block = md->in_guest_blocks ? guest_memory_block_size() : 0;

    return (block > md->align && md->size >= block &&
            find_gap(window, taken, md, block, &md->addr)) ||
           find_gap(window, taken, md, md->align, &md->addr);
}

/* Choose md->addr, or check the one that it asks for. */
static bool find_place(Machine *machine, MemoryDevice *md, const char *what, GError **errp)
{
    const DeviceMemory *window = &machine->device_memory;
    const GArray *taken = memory_devices(machine);

    if (!check_size(machine, md, what, errp)) {
        return false;
    }
    if (md->addr) {
        return check_given(window, taken, md, what, errp);
    }
    if (!choose_place(window, taken, md)) {
        error_set(errp,
                  "%s: can't add memory: there is no free place of size " HEX64
                  " and alignment " HEX64 " in the window for memory devices, " HEX64 " to " HEX64,
                  what, md->size, md->align, window->base, window->base + (window->size - 1));
        return false;
    }
    return true;
}

/* ---- plugging ---- */

static bool check_node(Machine *machine, const MemoryDevice *md, const char *what, GError **errp)
{
    if (!numa_node_exists(&machine->numa, md->node)) {
        error_set(errp,
                  "%s: DIMM property node has value %u, but node %u does not exist: this machine "
                  "has nodes 0 to %u",
                  what, md->node, md->node, MAX(machine->numa.num_nodes, 1) - 1);
        return false;
    }
    return true;
}

static bool check_boot(const Machine *machine, const MemoryDevice *md, const char *what,
                       GError **errp)
{
    const GArray *devices = memory_devices(machine);
    int ranges = 1;
    hwaddr end = 0; /* of the one before */

    if (!md->boot) {
        return true;
    }
    if (md->dev->hotplugged) {
        error_set(errp,
                  "%s: boot=on is for DIMMs that the guest finds when it boots: give it with "
                  "-device, or leave boot=on out",
                  what);
        return false;
    }
    for (unsigned i = 0; i < devices->len; i++) {
        const MemoryDevice *other = memory_device_at(devices, i);

        if (other->boot) {
            ranges += other->addr != end;
            end = other->addr + other->size;
            /* The new one lies beside it: together they are one range. */
            ranges -= other->addr == md->addr + md->size || end == md->addr;
        }
    }
    if (ranges > MEMORY_DEVICE_BOOT_RANGES) {
        error_set(errp,
                  "%s: there are %d ranges of memory from DIMMs with boot=on already, and no room "
                  "for more in the memory map of a guest: put it beside another one",
                  what, MEMORY_DEVICE_BOOT_RANGES);
        return false;
    }
    return true;
}

static MemoryGuard *guards;

void memory_device_add_guard(MemoryGuard *guard)
{
    guard->next = guards;
    guards = guard;
}

void memory_device_remove_guard(MemoryGuard *guard)
{
    MemoryGuard **at = &guards;

    while (*at != guard) {
        at = &(*at)->next;
    }
    *at = guard->next;
}

unsigned memory_device_room(const Machine *machine)
{
    unsigned room = UINT_MAX;

    for (MemoryGuard *guard = guards; guard; guard = guard->next) {
        room = MIN(room, guard->room(guard, machine));
    }
    return room;
}

typedef struct SettledCall {
    void (*fn)(void *opaque);
    void *opaque;
} SettledCall;

static GQueue settled_calls; /* of SettledCall */

bool memory_device_is_settled(void)
{
    for (MemoryGuard *guard = guards; guard; guard = guard->next) {
        if (guard->busy && guard->busy(guard)) {
            return false;
        }
    }
    return true;
}

void memory_device_when_settled(void (*fn)(void *opaque), void *opaque)
{
    if (memory_device_is_settled()) {
        fn(opaque);
    } else {
        SettledCall *call = g_new(SettledCall, 1);

        *call = (SettledCall){ fn, opaque };
        g_queue_push_tail(&settled_calls, call);
    }
}

void memory_device_forget_settled(void (*fn)(void *opaque), void *opaque)
{
    for (GList *at = settled_calls.head, *next; at; at = next) {
        const SettledCall *call = at->data;

        next = at->next;
        if (call->fn == fn && call->opaque == opaque) {
            g_free(at->data);
            g_queue_delete_link(&settled_calls, at);
        }
    }
}

/* Of each the guest may be told, and more may be mapped. */
void memory_device_settled(void)
{
    while (settled_calls.length && memory_device_is_settled()) {
        g_autofree SettledCall *call = g_queue_pop_head(&settled_calls);

        call->fn(call->opaque);
    }
}

static bool check_guards(const Machine *machine, const MemoryDevice *md, GError **errp)
{
    for (MemoryGuard *guard = guards; guard; guard = guard->next) {
        if (!guard->check(guard, machine, md, errp)) {
            return false;
        }
    }
    return true;
}

bool memory_device_pre_plug(Machine *machine, Device *dev, GError **errp)
{
    g_autofree char *what = device_describe(memory_device_owner(dev));
    const MemoryDeviceOps *ops = device_class(dev)->memory;

    if (ops->check && !ops->check(dev, errp)) {
        g_prefix_error(errp, "%s: ", what);
        return false;
    }
    MemoryDevice md = request_of(dev);
    if (!check_node(machine, &md, what, errp) || !find_place(machine, &md, what, errp) ||
        !check_boot(machine, &md, what, errp)) {
        return false;
    }
    if (!accel_memory_room(MAX(md.memslots, 1), errp) || !check_guards(machine, &md, errp)) {
        g_prefix_error(errp, "%s: ", what);
        return false;
    }
    md.ops->place(dev, md.addr);
    return true;
}

void memory_device_plug(Machine *machine, Device *dev)
{
    DeviceMemory *window = &machine->device_memory;
    const MemoryDevice md = request_of(dev);

    memory_device_list_add(machine, dev);
    memory_region_add(&window->region, md.addr - window->base, md.ops->region(dev));
}

void memory_device_unplug(Machine *machine, Device *dev)
{
    memory_region_remove(device_class(dev)->memory->region(dev));
    memory_device_list_remove(machine, dev);
}

const HotplugHandler memory_device_hotplug = {
    .pre_plug = memory_device_pre_plug,
    .plug = memory_device_plug,
    .unplug = memory_device_unplug,
};
