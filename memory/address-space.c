/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Address spaces: publishing views, listeners, and the two spaces of a PC.
 */
#include "memory/address-space.h"

#include "memory/internal.h"
#include "memory/reader.h"

#define IO_SPACE_SIZE 0x10000

AddressSpace address_space_memory;
AddressSpace address_space_io;

static GPtrArray *address_spaces; /* of AddressSpace * */
static MemoryRegion memory_root, io_root;

static FlatView *build_view(AddressSpace *as)
{
    g_ptr_array_set_size(as->roots, 0);
    as->builds++;
    return flat_view_new(as->root, as->roots);
}

void address_space_init(AddressSpace *as, MemoryRegion *root, const char *name)
{
    as->name = name;
    as->root = root;
    atomic_init(&as->listeners, g_ptr_array_new());
    as->roots = g_ptr_array_new();
    as->builds = 0;
    atomic_init(&as->view, build_view(as));
    if (!address_spaces) {
        address_spaces = g_ptr_array_new();
    }
    g_ptr_array_add(address_spaces, as);
}

void address_space_destroy(AddressSpace *as)
{
    FlatView *old = atomic_exchange(&as->view, NULL);

    g_ptr_array_remove(address_spaces, as);
    if (address_spaces->len == 0) {
        g_clear_pointer(&address_spaces, g_ptr_array_unref);
    }
    memory_synchronize();
    g_free(old);
    g_ptr_array_unref(atomic_exchange(&as->listeners, NULL));
    g_clear_pointer(&as->roots, g_ptr_array_unref);
}

/* Have @listeners in place of those there are, which nobody uses any more when this returns. */
static void publish_listeners(AddressSpace *as, GPtrArray *listeners)
{
    GPtrArray *old = atomic_exchange(&as->listeners, listeners);

    memory_synchronize();
    g_ptr_array_unref(old);
}

void address_space_add_listener(AddressSpace *as, MemoryListener *listener)
{
    const FlatView *view = address_space_view(as);
    GPtrArray *listeners = g_ptr_array_copy(as->listeners, NULL, NULL);

    g_ptr_array_add(listeners, listener);
    publish_listeners(as, listeners);
    for (unsigned i = 0; listener->region_add && i < view->count; i++) {
        listener->region_add(listener, &view->ranges[i]);
    }
}

void address_space_remove_listener(AddressSpace *as, MemoryListener *listener)
{
    GPtrArray *listeners = g_ptr_array_copy(as->listeners, NULL, NULL);

    g_ptr_array_remove(listeners, listener);
    publish_listeners(as, listeners);
}

/* ---- events of regions ---- */

static void tell_event(AddressSpace *as, const FlatRange *range, const MemoryEvent *event, bool on)
{
    for (unsigned i = 0; i < as->listeners->len; i++) {
        MemoryListener *listener = g_ptr_array_index(as->listeners, i);

        if (listener->event) {
            listener->event(listener, range, event, on);
        }
    }
}

void address_spaces_tell_event(const MemoryRegion *mr, const MemoryEvent *event, bool on)
{
    for (unsigned n = 0; address_spaces && n < address_spaces->len; n++) {
        AddressSpace *as = g_ptr_array_index(address_spaces, n);
        const FlatView *view = address_space_view(as);

        for (unsigned i = 0; i < view->count; i++) {
            if (view->ranges[i].mr == mr) {
                tell_event(as, &view->ranges[i], event, on);
            }
        }
    }
}

/* ---- new views ---- */

static void tell_deleted(AddressSpace *as, const FlatRange *range)
{
    for (unsigned i = 0; i < as->listeners->len; i++) {
        MemoryListener *listener = g_ptr_array_index(as->listeners, i);

        if (listener->region_del) {
            listener->region_del(listener, range);
        }
    }
}

static void tell_added(AddressSpace *as, const FlatRange *range)
{
    for (unsigned i = 0; i < as->listeners->len; i++) {
        MemoryListener *listener = g_ptr_array_index(as->listeners, i);

        if (listener->region_add) {
            listener->region_add(listener, range);
        }
    }
}

/* Call @tell for each range of @view that @other has not. Both are sorted: one walk along them. */
static bool diff(AddressSpace *as, const FlatView *view, const FlatView *other,
                 void (*tell)(AddressSpace *as, const FlatRange *range))
{
    bool differs = false;
    unsigned at = 0;

    for (unsigned i = 0; i < view->count; i++) {
        const FlatRange *range = &view->ranges[i];

        while (at < other->count && other->ranges[at].addr < range->addr) {
            at++;
        }
        if (at == other->count || !flat_range_equal(range, &other->ranges[at])) {
            differs = true;
            tell(as, range);
        }
    }
    return differs;
}

/* The view that was replaced, or NULL if nothing changed. */
static FlatView *update_view(AddressSpace *as)
{
    FlatView *old = atomic_load_explicit(&as->view, memory_order_relaxed);
    FlatView *new = build_view(as);
    bool gone = diff(as, old, new, tell_deleted);
    bool added = diff(as, new, old, tell_added);

    if (!gone && !added) {
        g_free(new);
        return NULL;
    }
    atomic_store_explicit(&as->view, new, memory_order_seq_cst);
    for (unsigned i = 0; i < as->listeners->len; i++) {
        MemoryListener *listener = g_ptr_array_index(as->listeners, i);

        if (listener->commit) {
            listener->commit(listener);
        }
    }
    return old;
}

static bool shows_any(const AddressSpace *as, const GPtrArray *changed)
{
    for (unsigned i = 0; i < changed->len; i++) {
        if (g_ptr_array_find(as->roots, changed->pdata[i], NULL)) {
            return true;
        }
    }
    return false;
}

void address_spaces_update(const GPtrArray *changed)
{
    g_autoptr(GPtrArray) replaced = g_ptr_array_new_with_free_func(g_free);

    for (unsigned i = 0; address_spaces && i < address_spaces->len; i++) {
        AddressSpace *as = g_ptr_array_index(address_spaces, i);
        FlatView *old = shows_any(as, changed) ? update_view(as) : NULL;

        if (old) {
            g_ptr_array_add(replaced, old);
        }
    }
    if (replaced->len) {
        memory_synchronize();
    }
}

/* ---- dirty pages ---- */

typedef void ListenerFn(MemoryListener *listener);

/* Call the function at @member of each listener that has one. */
static void tell_all(size_t member)
{
    for (unsigned i = 0; address_spaces && i < address_spaces->len; i++) {
        const AddressSpace *as = g_ptr_array_index(address_spaces, i);

        for (unsigned j = 0; j < as->listeners->len; j++) {
            MemoryListener *listener = g_ptr_array_index(as->listeners, j);
            ListenerFn *fn = G_STRUCT_MEMBER(ListenerFn *, listener, member);

            if (fn) {
                fn(listener);
            }
        }
    }
}

void memory_dirty_start(void)
{
    tell_all(offsetof(MemoryListener, dirty_start));
}

void memory_dirty_stop(void)
{
    tell_all(offsetof(MemoryListener, dirty_stop));
}

void memory_dirty_watch(void)
{
    tell_all(offsetof(MemoryListener, dirty_watch));
}

void memory_dirty_collect(void)
{
    tell_all(offsetof(MemoryListener, dirty_collect));
}

void memory_dirty_protect(void)
{
    tell_all(offsetof(MemoryListener, dirty_protect));
}

/* ---- the spaces of a PC ---- */

void memory_init(void)
{
    memory_region_init_container(&memory_root, "system", UINT64_MAX);
    memory_region_init_container(&io_root, "io", IO_SPACE_SIZE);
    address_space_init(&address_space_memory, &memory_root, "memory");
    address_space_init(&address_space_io, &io_root, "I/O");
}

MemoryRegion *memory_system(void)
{
    return &memory_root;
}

MemoryRegion *memory_io(void)
{
    return &io_root;
}
