/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/virtio/vhost-memory.h"

#include <string.h>

#include "backends/host-memory-backend.h"
#include "util/error.h"
#include "util/units.h"

/* ---- ranges ---- */

static void clear_range(gpointer data)
{
    ram_block_unref(((VhostRange *)data)->block);
}

static GArray *ranges_new(void)
{
    GArray *ranges = g_array_new(FALSE, FALSE, sizeof(VhostRange));

    g_array_set_clear_func(ranges, clear_range);
    return ranges;
}

static const VhostRange *range_at(const GArray *ranges, unsigned i)
{
    return &g_array_index(ranges, VhostRange, i);
}

static bool same(const VhostRange *a, const VhostRange *b)
{
    return a->block == b->block && memcmp(&a->region, &b->region, sizeof(a->region)) == 0;
}

static bool has(const GArray *ranges, const VhostRange *range)
{
    for (unsigned i = 0; i < ranges->len; i++) {
        if (same(range_at(ranges, i), range)) {
            return true;
        }
    }
    return false;
}

static void append(GArray *ranges, const VhostRange *range)
{
    VhostRange copy = *range;

    ram_block_ref(copy.block);
    g_array_append_val(ranges, copy);
}

static bool reaches(const VhostMemory *memory, const RamBlock *block)
{
    return !memory->backend->shared || (block->fd >= 0 && block->shared);
}

/* What the firmware shows and hides below 1 MiB is one piece with the rest of its block, so that
 * the table does not change with it. */
static bool joins(const VhostRange *last, const VhostRange *next)
{
    return last->block == next->block && next->region.guest <= MIB &&
           next->region.guest - last->region.guest == next->region.offset - last->region.offset;
}

static void look(VhostMemory *memory)
{
    const FlatView *view = address_space_view(&address_space_memory);

    if (!memory->stale) {
        return;
    }
    memory->stale = false;
    g_array_set_size(memory->wanted, 0);
    for (unsigned i = 0; i < view->count; i++) {
        const FlatRange *flat = &view->ranges[i];
        VhostRange *last = memory->wanted->len
                               ? &g_array_index(memory->wanted, VhostRange, memory->wanted->len - 1)
                               : NULL;

        if (!flat->host || flat->readonly || !reaches(memory, flat->mr->ram)) {
            continue;
        }
        const uint64_t offset = (uint64_t)(flat->host - flat->mr->ram->host);
        const VhostRange range = { { flat->addr, flat->size, (uintptr_t)flat->host, offset },
                                   flat->mr->ram };
        if (last && joins(last, &range)) {
            last->region.size = range.region.guest + range.region.size - last->region.guest;
        } else {
            append(memory->wanted, &range);
        }
    }
}

/* ---- what is told ---- */

static bool send_changes(VhostMemory *memory, GError **errp)
{
    for (unsigned i = memory->sent->len; i-- > 0;) {
        if (!has(memory->wanted, range_at(memory->sent, i))) {
            if (!memory->backend->ops->remove_region(memory->backend,
                                                     &range_at(memory->sent, i)->region, errp)) {
                return false;
            }
            append(memory->leaving, range_at(memory->sent, i));
            g_array_remove_index(memory->sent, i);
        }
    }
    for (unsigned i = 0; i < memory->wanted->len; i++) {
        const VhostRange *range = range_at(memory->wanted, i);

        if (!has(memory->sent, range)) {
            if (!memory->backend->ops->add_region(memory->backend, &range->region, range->block->fd,
                                                  errp)) {
                return false;
            }
            append(memory->sent, range);
        }
    }
    return true;
}

static bool is_sent(const VhostMemory *memory)
{
    bool all = memory->sent->len == memory->wanted->len;

    for (unsigned i = 0; all && i < memory->wanted->len; i++) {
        all = same(range_at(memory->wanted, i), range_at(memory->sent, i));
    }
    return all;
}

static bool send_all(VhostMemory *memory, GError **errp)
{
    g_autofree VhostRegion *regions = g_new(VhostRegion, memory->wanted->len);
    g_autofree int *fds = g_new(int, memory->wanted->len);

    for (unsigned i = 0; i < memory->wanted->len; i++) {
        regions[i] = range_at(memory->wanted, i)->region;
        fds[i] = range_at(memory->wanted, i)->block->fd;
    }
    if (!memory->backend->ops->set_table(memory->backend, regions, fds, memory->wanted->len,
                                         errp)) {
        return false;
    }
    for (unsigned i = 0; i < memory->sent->len; i++) {
        append(memory->leaving, range_at(memory->sent, i));
    }
    g_array_set_size(memory->sent, 0);
    for (unsigned i = 0; i < memory->wanted->len; i++) {
        append(memory->sent, range_at(memory->wanted, i));
    }
    return true;
}

bool vhost_memory_send(VhostMemory *memory, GError **errp)
{
    look(memory);
    if (memory->wanted->len > memory->backend->slots) {
        error_set(errp, "the back-end takes %u ranges of memory, and there are %u",
                  memory->backend->slots, memory->wanted->len);
        return false;
    }
    if (is_sent(memory)) {
        return true;
    }
    return memory->backend->pieces ? send_changes(memory, errp) : send_all(memory, errp);
}

void vhost_memory_forget(VhostMemory *memory)
{
    g_array_set_size(memory->sent, 0);
    g_array_set_size(memory->leaving, 0);
}

void vhost_memory_settled(VhostMemory *memory)
{
    g_array_set_size(memory->leaving, 0);
}

void vhost_memory_leave(VhostMemory *memory, VhostLeft *left)
{
    left->leaving = g_steal_pointer(&memory->leaving);
    memory->leaving = ranges_new();
    if (memory->backend->pieces) {
        left->ranges = g_steal_pointer(&memory->sent);
        memory->sent = ranges_new();
    }
}

void vhost_memory_take(VhostMemory *memory, VhostLeft *left)
{
    memory->sent = g_steal_pointer(&left->ranges);
    memory->leaving = g_steal_pointer(&left->leaving);
}

uint64_t vhost_memory_size(const VhostMemory *memory)
{
    const GArray *ranges = memory->sent;

    return ranges->len ? range_at(ranges, ranges->len - 1)->region.guest +
                             range_at(ranges, ranges->len - 1)->region.size
                       : 0;
}

/* ---- what can be ---- */

static bool check_backend(const VhostMemory *memory, const HostMemoryBackend *backend,
                          GError **errp)
{
    if (reaches(memory, backend->ram)) {
        return true;
    }
    error_set(errp,
              "its back-end is another program, which cannot reach memory backend '%s': make it a "
              "memory-backend-memfd, or a memory-backend-file, with share=on",
              host_memory_backend_name(backend));
    return false;
}

static bool check_user(const VhostMemory *memory, Object *obj, GError **errp)
{
    const HostMemoryBackend *backend = MEMORY_BACKEND(obj);

    return !backend->user || !backend->ram || check_backend(memory, backend, errp);
}

/* Ranges that there can be: boot memory, and all that devices may have. */
static unsigned count_most(VhostMemory *memory, const Machine *machine)
{
    const DeviceMemory *window = &machine->device_memory;
    const GArray *devices = memory_devices(machine);
    unsigned count = 0;

    look(memory);
    for (unsigned i = 0; i < memory->wanted->len; i++) {
        count += range_at(memory->wanted, i)->region.guest - window->base >= window->size;
    }
    for (unsigned i = 0; i < devices->len; i++) {
        count += MAX(memory_device_at(devices, i)->memslots, 1);
    }
    return count;
}

static bool check_room(VhostMemory *memory, const Machine *machine, unsigned more, GError **errp)
{
    const unsigned count = count_most(memory, machine);

    if (!memory->backend->up || count + more <= memory->backend->slots) {
        return true;
    }
    error_set(
        errp,
        "the back-end of %s takes %u ranges of memory at most, and with this there may be %u: "
        "give the machine fewer and larger memory devices",
        memory->name, memory->backend->slots, count + more);
    return false;
}

static bool guard_check(MemoryGuard *guard, const Machine *machine, const MemoryDevice *md,
                        GError **errp)
{
    VhostMemory *memory = (VhostMemory *)((char *)guard - offsetof(VhostMemory, guard));

    if (md->backend && !reaches(memory, md->backend->ram)) {
        error_set(errp,
                  "the back-end of %s is another program, which cannot reach memory backend '%s': "
                  "make it a memory-backend-memfd, or a memory-backend-file, with share=on",
                  memory->name, host_memory_backend_name(md->backend));
        return false;
    }
    return check_room(memory, machine, MAX(md->memslots, 1), errp);
}

static unsigned guard_room(MemoryGuard *guard, const Machine *machine)
{
    VhostMemory *memory = (VhostMemory *)((char *)guard - offsetof(VhostMemory, guard));
    const unsigned count = count_most(memory, machine);

    return !memory->backend->up             ? UINT_MAX
           : count < memory->backend->slots ? memory->backend->slots - count
                                            : 0;
}

static bool guard_busy(MemoryGuard *guard)
{
    VhostMemory *memory = (VhostMemory *)((char *)guard - offsetof(VhostMemory, guard));

    return memory->busy(memory->opaque);
}

bool vhost_memory_fits(VhostMemory *memory, GError **errp)
{
    return check_room(memory, machine_current(), 0, errp);
}

/* ---- the map ---- */

static VhostMemory *of_listener(MemoryListener *listener)
{
    return (VhostMemory *)((char *)listener - offsetof(VhostMemory, listener));
}

static void region_changed(MemoryListener *listener, const FlatRange *range)
{
    VhostMemory *memory = of_listener(listener);

    memory->stale = memory->stale || range->host;
}

static void map_changed(MemoryListener *listener)
{
    VhostMemory *memory = of_listener(listener);

    if (memory->stale) {
        look(memory); /* what has gone is free, also if there is nobody to tell */
        memory->changed(memory->opaque);
    }
}

bool vhost_memory_begin(VhostMemory *memory, GError **errp)
{
    g_autoptr(GPtrArray) backends = object_list_type(TYPE_MEMORY_BACKEND);

    for (unsigned i = 0; i < backends->len; i++) {
        if (!check_user(memory, backends->pdata[i], errp)) {
            return false;
        }
    }
    memory->wanted = ranges_new();
    memory->sent = memory->sent ? memory->sent : ranges_new();
    memory->leaving = memory->leaving ? memory->leaving : ranges_new();
    memory->stale = true;
    if (!vhost_memory_fits(memory, errp)) {
        g_clear_pointer(&memory->wanted, g_array_unref);
        return false;
    }
    memory->listener = (MemoryListener){ .region_del = region_changed,
                                         .region_add = region_changed,
                                         .commit = map_changed };
    memory->guard.check = guard_check;
    memory->guard.room = guard_room;
    memory->guard.busy = guard_busy;
    address_space_add_listener(&address_space_memory, &memory->listener);
    memory_device_add_guard(&memory->guard);
    return true;
}

void vhost_memory_end(VhostMemory *memory)
{
    if (memory->wanted) {
        memory_device_remove_guard(&memory->guard);
        address_space_remove_listener(&address_space_memory, &memory->listener);
        g_clear_pointer(&memory->wanted, g_array_unref);
    }
    g_clear_pointer(&memory->sent, g_array_unref);
    g_clear_pointer(&memory->leaving, g_array_unref);
}
