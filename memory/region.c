/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tree of memory regions, and transactions on it.
 */
#include "memory/memory.h"

#include "memory/internal.h"

static unsigned transaction_depth;
/* The tops of trees that were changed since the last commit. Only compared, never looked into: one
 * may be gone. */
static GPtrArray *changed_roots;

void memory_transaction_begin(void)
{
    transaction_depth++;
}

void memory_transaction_commit(void)
{
    g_return_if_fail(transaction_depth > 0);
    if (--transaction_depth == 0 && changed_roots) {
        g_autoptr(GPtrArray) changed = g_steal_pointer(&changed_roots);

        address_spaces_update(changed);
    }
}

const MemoryRegion *memory_region_root(const MemoryRegion *mr)
{
    while (mr->container) {
        mr = mr->container;
    }
    return mr;
}

static void mark_changed(const MemoryRegion *mr)
{
    const MemoryRegion *root = memory_region_root(mr);

    if (!changed_roots) {
        changed_roots = g_ptr_array_new();
    }
    if (!g_ptr_array_find(changed_roots, root, NULL)) {
        g_ptr_array_add(changed_roots, (gpointer)root);
    }
}

/* The tree of @mr changed: publish new views at the outermost commit, which is now if no
 * transaction is open. */
static void memory_map_changed(const MemoryRegion *mr)
{
    memory_transaction_begin();
    mark_changed(mr);
    memory_transaction_commit();
}

/* ---- making ---- */

static void region_init(MemoryRegion *mr, MemoryRegionKind kind, const char *name, uint64_t size)
{
    *mr = (MemoryRegion){
        .kind = kind,
        .name = g_strdup(name),
        .size = size,
        .enabled = true,
    };
}

void memory_region_init_container(MemoryRegion *mr, const char *name, uint64_t size)
{
    region_init(mr, REGION_CONTAINER, name, size);
}

void memory_region_init_io(MemoryRegion *mr, const MemoryRegionOps *ops, void *opaque,
                           const char *name, uint64_t size)
{
    region_init(mr, REGION_IO, name, size);
    mr->ops = ops;
    mr->opaque = opaque;
}

void memory_region_init_ram(MemoryRegion *mr, const char *name, RamBlock *ram)
{
    region_init(mr, REGION_RAM, name, ram->size);
    mr->ram = ram_block_ref(ram);
}

void memory_region_init_rom_device(MemoryRegion *mr, const MemoryRegionOps *ops, void *opaque,
                                   const char *name, RamBlock *ram)
{
    region_init(mr, REGION_ROM_DEVICE, name, ram->size);
    mr->ops = ops;
    mr->opaque = opaque;
    mr->ram = ram_block_ref(ram);
}

void memory_region_init_alias(MemoryRegion *mr, const char *name, MemoryRegion *target,
                              hwaddr offset, uint64_t size)
{
    region_init(mr, REGION_ALIAS, name, size);
    mr->alias = target;
    mr->alias_offset = offset;
}

void memory_region_set_writer(MemoryRegion *mr, MemoryRegion *io)
{
    g_return_if_fail(!mr->container && io->kind == REGION_IO);
    mr->writer = io;
}

void memory_region_destroy(MemoryRegion *mr)
{
    g_return_if_fail(!mr->container);
    memory_transaction_begin();
    while (mr->subregions && mr->subregions->len) {
        memory_region_remove(g_ptr_array_index(mr->subregions, mr->subregions->len - 1));
    }
    memory_transaction_commit();
    g_clear_pointer(&mr->subregions, g_ptr_array_unref);
    g_clear_pointer(&mr->events, g_array_unref);
    g_clear_pointer(&mr->name, g_free);
    g_clear_pointer(&mr->ram, ram_block_unref);
}

/* ---- the tree ---- */

/* Siblings are kept in the order in which they win: by priority, the newest first among equals. */
static void insert_by_priority(MemoryRegion *container, MemoryRegion *mr)
{
    unsigned at = 0;

    if (!container->subregions) {
        container->subregions = g_ptr_array_new();
    }
    while (at < container->subregions->len) {
        const MemoryRegion *other = g_ptr_array_index(container->subregions, at);

        if (other->priority <= mr->priority) {
            break;
        }
        at++;
    }
    g_ptr_array_insert(container->subregions, (int)at, mr);
}

void memory_region_add_overlap(MemoryRegion *container, hwaddr addr, MemoryRegion *mr, int priority)
{
    g_return_if_fail(!mr->container);
    memory_transaction_begin();
    mark_changed(mr); /* until now a root, which aliases may lead to */
    mr->container = container;
    mr->addr = addr;
    mr->priority = priority;
    insert_by_priority(container, mr);
    mark_changed(mr);
    memory_transaction_commit();
}

void memory_region_add(MemoryRegion *container, hwaddr addr, MemoryRegion *mr)
{
    memory_region_add_overlap(container, addr, mr, 0);
}

void memory_region_remove(MemoryRegion *mr)
{
    g_return_if_fail(mr->container);
    memory_transaction_begin();
    mark_changed(mr);
    g_ptr_array_remove(mr->container->subregions, mr);
    mr->container = NULL;
    memory_transaction_commit();
}

void memory_region_set_enabled(MemoryRegion *mr, bool enabled)
{
    if (mr->enabled != enabled) {
        mr->enabled = enabled;
        memory_map_changed(mr);
    }
}

void memory_region_set_readonly(MemoryRegion *mr, bool readonly)
{
    if (mr->readonly != readonly) {
        mr->readonly = readonly;
        memory_map_changed(mr);
    }
}

void memory_region_rom_device_set_commands(MemoryRegion *mr, bool on)
{
    if (mr->commands != on) {
        mr->commands = on;
        memory_map_changed(mr);
    }
}

void memory_region_set_address(MemoryRegion *mr, hwaddr addr)
{
    if (mr->addr != addr) {
        mr->addr = addr;
        memory_map_changed(mr);
    }
}

/* ---- events ---- */

static bool same_event(const MemoryEvent *a, const MemoryEvent *b)
{
    return a->offset == b->offset && a->size == b->size && a->match == b->match &&
           a->value == b->value && a->fd == b->fd;
}

void memory_region_add_event(MemoryRegion *mr, const MemoryEvent *event)
{
    g_return_if_fail(mr->kind == REGION_IO);
    if (!mr->events) {
        mr->events = g_array_new(FALSE, FALSE, sizeof(MemoryEvent));
    }
    g_array_append_val(mr->events, *event);
    address_spaces_tell_event(mr, event, true);
}

void memory_region_del_event(MemoryRegion *mr, const MemoryEvent *event)
{
    for (unsigned i = 0; mr->events && i < mr->events->len; i++) {
        if (same_event(&g_array_index(mr->events, MemoryEvent, i), event)) {
            address_spaces_tell_event(mr, event, false);
            g_array_remove_index(mr->events, i);
            return;
        }
    }
    g_return_if_reached();
}
