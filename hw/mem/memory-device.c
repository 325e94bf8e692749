/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device memory window: where memory devices go, and what is there.
 */
#include "hw/mem/memory-device.h"

#include "hw/mem/pc-dimm.h"
#include "util/error.h"

#define GIB   (1ull << 30)
#define HEX64 "0x%" G_GINT64_MODIFIER "x"

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
    memory_region_add(system_memory(), base, &window->region);
}

hwaddr memory_device_window_base(const Machine *machine, hwaddr ram_end)
{
    hwaddr end = MAX(ram_end, 4 * GIB);

    return (end + GIB - 1) & ~(GIB - 1);
}

uint64_t memory_device_window_size(const Machine *machine)
{
    uint64_t room, size;

    if (machine->maxram_size <= machine->ram_size) {
        return 0;
    }
    room = machine->maxram_size - machine->ram_size;
    /* At most MAX_RAM_SLOTS slots: only `room` can make the sum too large. */
    if (__builtin_add_overflow(room, machine->ram_slots * GIB, &size) ||
        size > UINT64_MAX - (MEMORY_DEVICE_ALIGN - 1)) {
        size = UINT64_MAX - (MEMORY_DEVICE_ALIGN - 1);
    }
    return (size + MEMORY_DEVICE_ALIGN - 1) & ~(MEMORY_DEVICE_ALIGN - 1);
}

/* ---- what is plugged ---- */

/* Each kind of memory device and how to tell where it is. */
static const struct MemoryDeviceKind {
    const char *type;
    void (*range)(Device *dev, MemoryDeviceRange *range);
} memory_device_kinds[] = {
    { TYPE_PC_DIMM, pc_dimm_range },
};

static bool collect(Object *obj, void *opaque)
{
    GArray *ranges = opaque;

    for (unsigned i = 0; i < G_N_ELEMENTS(memory_device_kinds); i++) {
        if (object_is_a(obj, memory_device_kinds[i].type) && DEVICE(obj)->realized) {
            MemoryDeviceRange range = { .dev = DEVICE(obj) };

            memory_device_kinds[i].range(range.dev, &range);
            g_array_append_val(ranges, range);
        }
    }
    return true;
}

static int compare_ranges(const void *a, const void *b)
{
    const MemoryDeviceRange *x = a, *y = b;

    return x->addr < y->addr ? -1 : x->addr > y->addr;
}

GArray *memory_device_ranges(Machine *machine)
{
    GArray *ranges = g_array_new(FALSE, FALSE, sizeof(MemoryDeviceRange));

    object_foreach(OBJECT(machine), collect, ranges);
    g_array_sort(ranges, compare_ranges);
    return ranges;
}

static uint64_t sum_of(const GArray *ranges)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < ranges->len; i++) {
        sum += g_array_index(ranges, MemoryDeviceRange, i).size;
    }
    return sum;
}

uint64_t memory_device_plugged_size(Machine *machine)
{
    g_autoptr(GArray) ranges = memory_device_ranges(machine);

    return sum_of(ranges);
}

/* ---- finding a place ---- */

/* What is to be placed. */
typedef struct Request {
    const char *what;
    uint64_t size, align;
} Request;

static bool check_size(const Machine *machine, const GArray *taken, const Request *rq,
                       GError **errp)
{
    uint64_t room = machine->maxram_size - machine->ram_size;
    uint64_t used = sum_of(taken);
    uint64_t left = room > used ? room - used : 0;

    if (machine->device_memory.size == 0) {
        error_set(errp,
                  "%s: this machine has no room for memory devices; start it with "
                  "-m SIZE,slots=N,maxmem=SIZE, where maxmem is larger than the size of its RAM",
                  rq->what);
        return false;
    }
    if (rq->size == 0 || rq->size % rq->align) {
        error_set(errp,
                  "%s: its memory size must be a multiple of " HEX64 ", the alignment that its "
                  "backend asks for, and not " HEX64,
                  rq->what, rq->align, rq->size);
        return false;
    }
    if (rq->size > left) {
        error_set(errp,
                  "%s: can't add memory: its size " HEX64 " is more than the " HEX64 " bytes that "
                  "are left of maxmem (" HEX64 " in use of " HEX64 "); start the machine with a "
                  "larger maxmem",
                  rq->what, rq->size, left, used, room);
        return false;
    }
    return true;
}

static bool check_hint(const DeviceMemory *window, const GArray *taken, const Request *rq,
                       hwaddr hint, GError **errp)
{
    if (hint < window->base || hint - window->base > window->size ||
        rq->size > window->size - (hint - window->base)) {
        error_set(errp,
                  "%s: can't add memory: address " HEX64 " with size " HEX64 " is outside the "
                  "window for memory devices, " HEX64 " to " HEX64,
                  rq->what, hint, rq->size, window->base, window->base + (window->size - 1));
        return false;
    }
    if (hint % rq->align) {
        error_set(errp, "%s: its address must be aligned to " HEX64 ", and " HEX64 " is misaligned",
                  rq->what, rq->align, hint);
        return false;
    }
    for (unsigned i = 0; i < taken->len; i++) {
        const MemoryDeviceRange *other = &g_array_index(taken, MemoryDeviceRange, i);

        if (hint < other->addr + other->size && other->addr < hint + rq->size) {
            g_autofree char *path = object_path(OBJECT(other->dev));

            error_set(errp,
                      "%s: address range conflicts: " HEX64 " with size " HEX64
                      " overlaps memory device '%s' at " HEX64 " with size " HEX64
                      "; without 'addr' a free place is chosen",
                      rq->what, hint, rq->size, other->dev->id ? other->dev->id : path, other->addr,
                      other->size);
            return false;
        }
    }
    return true;
}

/* The lowest aligned gap that is large enough. Offsets into the window, which cannot overflow:
 * no address is near 2^64. */
static bool find_gap(const DeviceMemory *window, const GArray *taken, const Request *rq,
                     hwaddr *addr)
{
    hwaddr at = window->base, end = window->base + window->size;

    for (unsigned i = 0; i <= taken->len; i++) {
        const MemoryDeviceRange *next =
            i < taken->len ? &g_array_index(taken, MemoryDeviceRange, i) : NULL;
        hwaddr limit = next ? next->addr : end;

        at = (at + rq->align - 1) & ~(rq->align - 1);
        if (at <= limit && limit - at >= rq->size) {
            *addr = at;
            return true;
        }
        if (next) {
            at = MAX(at, next->addr + next->size);
        }
    }
    return false;
}

bool memory_device_place(Machine *machine, const char *what, uint64_t size, uint64_t align,
                         hwaddr hint, hwaddr *addr, GError **errp)
{
    const DeviceMemory *window = &machine->device_memory;
    const Request rq = { .what = what, .size = size, .align = MAX(align, MEMORY_DEVICE_ALIGN) };
    g_autoptr(GArray) taken = memory_device_ranges(machine);

    if (!check_size(machine, taken, &rq, errp)) {
        return false;
    }
    if (hint) {
        *addr = hint;
        return check_hint(window, taken, &rq, hint, errp);
    }
    if (!find_gap(window, taken, &rq, addr)) {
        error_set(errp,
                  "%s: can't add memory: there is no free place of size " HEX64
                  " and alignment " HEX64 " in the window for memory devices, " HEX64 " to " HEX64,
                  what, size, rq.align, window->base, window->base + (window->size - 1));
        return false;
    }
    return true;
}
