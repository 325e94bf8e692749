/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Coalesced writes: to ports and registers that do nothing before the next access, the guest writes
 * into a ring, without an exit each. The ring is emptied before any other access is carried out.
 */
#include "accel/kvm/kvm-internal.h"
#include "memory/address-space.h"

#define PAGE_SIZE 4096u /* which KVM_COALESCED_MMIO_MAX asks for */

static struct kvm_coalesced_mmio_ring *ring; /* one for all vCPUs; in the first one's kvm_run */

void kvm_coalesce_set_ring(struct kvm_run *run)
{
    if (!run) {
        ring = NULL;
    } else if (!ring && kvm_vm.coalesced_page) {
        ring = (void *)((char *)run + kvm_vm.coalesced_page * PAGE_SIZE);
    }
}

void kvm_coalesce_flush(void)
{
    const unsigned max = KVM_COALESCED_MMIO_MAX;

    while (ring && ring->first != atomic_load_explicit((_Atomic uint32_t *)&ring->last,
                                                       memory_order_acquire)) {
        /* A copy: the entry is the kernel's again when `first` moves, and a device that is written
         * to may come back here. */
        struct kvm_coalesced_mmio entry = ring->coalesced_mmio[ring->first % max];
        AddressSpace *as = entry.pio ? &address_space_io : &address_space_memory;

        atomic_store_explicit((_Atomic uint32_t *)&ring->first, (ring->first + 1) % max,
                              memory_order_release);
        address_space_write(as, entry.phys_addr, entry.data, MIN(entry.len, sizeof(entry.data)));
    }
}

static void set_zone(const FlatRange *range, bool port, unsigned long request)
{
    const MemoryRegion *mr = range->mr;
    uint64_t skip = mr->coalesced_at - range->offset;

    if (mr->kind != REGION_IO || !mr->coalesced_size || mr->coalesced_at < range->offset ||
        skip + mr->coalesced_size > range->size) {
        return;
    }
    struct kvm_coalesced_mmio_zone zone = {
        .addr = range->addr + skip,
        .size = mr->coalesced_size,
        .pio = port,
    };
    /* It is an optimisation: if it is refused, there are exits. */
    kvm_ioctl(kvm_vm.vm_fd, request, &zone);
}

static void port_add(MemoryListener *listener, const FlatRange *range)
{
    set_zone(range, true, KVM_REGISTER_COALESCED_MMIO);
}

static void port_del(MemoryListener *listener, const FlatRange *range)
{
    set_zone(range, true, KVM_UNREGISTER_COALESCED_MMIO);
}

static void mmio_add(MemoryListener *listener, const FlatRange *range)
{
    set_zone(range, false, KVM_REGISTER_COALESCED_MMIO);
}

static void mmio_del(MemoryListener *listener, const FlatRange *range)
{
    set_zone(range, false, KVM_UNREGISTER_COALESCED_MMIO);
}

static MemoryListener port_listener = { .region_add = port_add, .region_del = port_del };
static MemoryListener mmio_listener = { .region_add = mmio_add, .region_del = mmio_del };
static bool following;

void kvm_coalesce_init(void)
{
    if (kvm_vm.coalesced_pio) {
        address_space_add_listener(&address_space_io, &port_listener);
        address_space_add_listener(&address_space_memory, &mmio_listener);
        following = true;
    }
}

void kvm_coalesce_cleanup(void)
{
    if (following) {
        address_space_remove_listener(&address_space_io, &port_listener);
        address_space_remove_listener(&address_space_memory, &mmio_listener);
        following = false;
    }
    ring = NULL;
}
