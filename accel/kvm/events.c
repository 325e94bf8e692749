/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writes that signal eventfds (MemoryEvent) without an exit, wherever their regions are seen. What
 * KVM refuses, there being too many for one, comes as an exit, and memory/ signals.
 */
#include "accel/kvm/kvm-internal.h"
#include "memory/address-space.h"

static void set_event(const FlatRange *range, const MemoryEvent *event, bool port, bool on)
{
    uint64_t skip = event->offset - range->offset;

    if (!range->host && event->offset >= range->offset && skip < range->size &&
        event->size <= range->size - skip) {
        kvm_ioeventfd(event->fd, range->addr + skip, event->size, port,
                      event->match ? &event->value : NULL, on, NULL);
    }
}

static void set_all(const FlatRange *range, bool port, bool on)
{
    const GArray *events = range->mr->events;

    for (unsigned i = 0; events && i < events->len; i++) {
        set_event(range, &g_array_index(events, MemoryEvent, i), port, on);
    }
}

static void port_add(MemoryListener *listener, const FlatRange *range)
{
    set_all(range, true, true);
}

static void port_del(MemoryListener *listener, const FlatRange *range)
{
    set_all(range, true, false);
}

static void port_event(MemoryListener *listener, const FlatRange *range, const MemoryEvent *event,
                       bool on)
{
    set_event(range, event, true, on);
}

static void mmio_add(MemoryListener *listener, const FlatRange *range)
{
    set_all(range, false, true);
}

static void mmio_del(MemoryListener *listener, const FlatRange *range)
{
    set_all(range, false, false);
}

static void mmio_event(MemoryListener *listener, const FlatRange *range, const MemoryEvent *event,
                       bool on)
{
    set_event(range, event, false, on);
}

static MemoryListener port_listener = { .region_add = port_add,
                                        .region_del = port_del,
                                        .event = port_event };
static MemoryListener mmio_listener = { .region_add = mmio_add,
                                        .region_del = mmio_del,
                                        .event = mmio_event };
static bool following;

void kvm_events_init(void)
{
    if (kvm_check(KVM_CAP_IOEVENTFD)) {
        address_space_add_listener(&address_space_io, &port_listener);
        address_space_add_listener(&address_space_memory, &mmio_listener);
        following = true;
    }
}

void kvm_events_cleanup(void)
{
    if (following) {
        address_space_remove_listener(&address_space_io, &port_listener);
        address_space_remove_listener(&address_space_memory, &mmio_listener);
        following = false;
    }
}
