/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest memory: a memslot for each range of RAM in the flat view, so one for each DIMM.
 *
 * Changes are collected while the view is compared and made when it is published. A slot that is
 * deleted is out of every vCPU's page tables when the ioctl returns; only then does the memory map
 * let go of the memory. Where new slots overlap old ones (a piece of ROM becomes RAM), guests would
 * find nothing there for a moment; they are held meanwhile.
 */
#include <sched.h>

#include "accel/kvm/kvm-internal.h"
#include "accel/vcpu.h"
#include "memory/address-space.h"
#include "memory/direct.h"
#include "memory/dirty.h"
#include "util/error.h"

#define PAGE 4096ull

typedef struct KvmSlot {
    hwaddr addr;
    uint64_t size; /* 0: the slot is free */
    uint8_t *host;
    bool readonly;
    RamBlock *block; /* no reference: the region has one for as long as the slot is there. NULL:
                        it is no RAM (memory/direct.h) */
    uint64_t offset; /* of host in it */
    bool logged;     /* KVM notes which of its pages are written to */
} KvmSlot;

static GArray *slots;         /* of KvmSlot, by slot number */
static GArray *gone, *coming; /* of KvmSlot: what the view that is being made changes */
static bool logging; /* in all of them that can be written to, and not in watched ones only */

/* ---- holding guests ---- */

static _Atomic bool holding;
static GMutex hold_mutex;
static GCond hold_cond;

static void kick_out(X86Cpu *cpu, void *opaque)
{
    if (cpu != current_cpu) {
        kvm_cpu_kick(cpu);
    }
}

static void wait_until_out(X86Cpu *cpu, void *opaque)
{
    while (cpu != current_cpu && atomic_load(&kvm_cpu(cpu)->in_guest)) {
        sched_yield();
    }
}

/* All vCPUs out of KVM_RUN until resume_guests(); not for long. */
static void hold_guests(void)
{
    atomic_store(&holding, true);
    vcpu_foreach(kick_out, NULL);
    vcpu_foreach(wait_until_out, NULL);
}

static void resume_guests(void)
{
    g_mutex_lock(&hold_mutex);
    atomic_store(&holding, false);
    g_cond_broadcast(&hold_cond);
    g_mutex_unlock(&hold_mutex);
}

/* Own thread, no lock. Either the holder sees in_guest, or this sees `holding`. */
void kvm_enter_guest(KvmCpu *k)
{
    for (;;) {
        atomic_store(&k->in_guest, true);
        if (!atomic_load(&holding)) {
            return;
        }
        atomic_store(&k->in_guest, false);
        g_mutex_lock(&hold_mutex);
        while (atomic_load(&holding)) {
            g_cond_wait(&hold_cond, &hold_mutex);
        }
        g_mutex_unlock(&hold_mutex);
    }
}

void kvm_leave_guest(KvmCpu *k)
{
    atomic_store(&k->in_guest, false);
}

/* ---- slots ---- */

unsigned kvm_memslots_used(void)
{
    unsigned used = 0;

    for (unsigned i = 0; slots && i < slots->len; i++) {
        used += g_array_index(slots, KvmSlot, i).size != 0;
    }
    return used;
}

bool kvm_memory_room(unsigned ranges, GError **errp)
{
    unsigned used = kvm_memslots_used();

    if (used + ranges <= kvm_vm.max_memslots) {
        return true;
    }
    error_set(errp,
              "KVM has no memory slot left: %u of %u are in use; unplug a DIMM first, or give the "
              "machine fewer and larger ones",
              used, kvm_vm.max_memslots);
    return false;
}

static bool is_to_be_logged(const KvmSlot *slot)
{
    return slot->size && !slot->readonly && slot->block &&
           (logging || dirty_is_watched(slot->block));
}

static uint32_t slot_flags(const KvmSlot *slot)
{
    return !slot->size      ? 0
           : slot->readonly ? KVM_MEM_READONLY
           : slot->logged   ? KVM_MEM_LOG_DIRTY_PAGES
                            : 0;
}

static int slot_ioctl(unsigned n, const KvmSlot *slot)
{
    struct kvm_userspace_memory_region region = {
        .slot = n,
        .flags = slot_flags(slot),
        .guest_phys_addr = slot->addr,
        .memory_size = slot->size,
        .userspace_addr = (uintptr_t)slot->host,
    };

    return kvm_ioctl(kvm_vm.vm_fd, KVM_SET_USER_MEMORY_REGION, &region);
}

/* ---- dirty pages ---- */

/* Mark what was written in slot @n since the last time; KVM notes it anew from now on. */
static void slot_collect(unsigned n)
{
    const KvmSlot *slot = &g_array_index(slots, KvmSlot, n);

    if (!slot->logged) {
        return;
    }
    uint64_t words = (slot->size / PAGE + 63) / 64;
    g_autofree uint64_t *bitmap = g_new0(uint64_t, words);
    struct kvm_dirty_log log = { .slot = n, .dirty_bitmap = bitmap };
    int ret = kvm_ioctl(kvm_vm.vm_fd, KVM_GET_DIRTY_LOG, &log);

    if (ret < 0) { /* whatever it was: all of it was */
        dirty_mark(slot->block, slot->offset, slot->size);
        return;
    }
    for (uint64_t i = 0; i < words; i++) {
        for (uint64_t bits = bitmap[i]; bits; bits &= bits - 1) {
            uint64_t page = i * 64 + (unsigned)__builtin_ctzll(bits);
            dirty_mark(slot->block, slot->offset + page * PAGE, 1);
        }
    }
}

static void dirty_collect(MemoryListener *listener)
{
    for (unsigned i = 0; i < slots->len; i++) {
        slot_collect(i);
    }
}

/* Let KVM take notes where it has to, and there alone. */
static void update_logging(void)
{
    for (unsigned i = 0; i < slots->len; i++) {
        KvmSlot *slot = &g_array_index(slots, KvmSlot, i);
        bool was = slot->logged;

        slot->logged = is_to_be_logged(slot);
        int ret = slot->logged != was ? slot_ioctl(i, slot) : 0;
        if (ret < 0) {
            error_report(
                "KVM does not note what is written to its memory slot at 0x%" G_GINT64_MODIFIER
                "x: %s",
                slot->addr, g_strerror(-ret));
        }
    }
}

static void dirty_start(MemoryListener *listener)
{
    logging = true;
    update_logging();
}

static void dirty_stop(MemoryListener *listener)
{
    logging = false;
    update_logging();
}

static void dirty_watch(MemoryListener *listener)
{
    update_logging();
}

/* ---- changes ---- */

static void slot_remove(const KvmSlot *gone_slot)
{
    for (unsigned i = 0; i < slots->len; i++) {
        KvmSlot *slot = &g_array_index(slots, KvmSlot, i);

        if (slot->size && slot->addr == gone_slot->addr) {
            KvmSlot none = { .addr = slot->addr };
            slot_collect(i);
            int ret = slot_ioctl(i, &none);

            if (ret < 0) {
                error_report("KVM does not give up its memory slot at 0x%" G_GINT64_MODIFIER
                             "x: %s; it stays in use",
                             slot->addr, g_strerror(-ret));
            } else {
                slot->size = 0;
                slot->logged = false;
            }
            return;
        }
    }
}

static unsigned free_slot(void)
{
    unsigned n = 0;

    while (n < slots->len && g_array_index(slots, KvmSlot, n).size) {
        n++;
    }
    if (n == slots->len) {
        g_array_set_size(slots, n + 1);
    }
    return n;
}

/* A DIMM was promised room (kvm_memory_room()). What fails all the same leaves a hole, in which
 * each access is an exit: the guest goes on, slowly, and the user is told. */
static void slot_add(KvmSlot *slot)
{
    unsigned n = free_slot();

    slot->logged = is_to_be_logged(slot);
    int ret = n < kvm_vm.max_memslots ? slot_ioctl(n, slot) : -ENOSPC;

    if (ret < 0) {
        error_report("KVM refuses memory at 0x%" G_GINT64_MODIFIER "x, 0x%" G_GINT64_MODIFIER
                     "x bytes: %s; the guest reaches it by emulation only",
                     slot->addr, slot->size, g_strerror(-ret));
        return;
    }
    g_array_index(slots, KvmSlot, n) = *slot;
}

/* ---- the memory map ---- */

/* The whole pages of a range of RAM, or of what is like it; false: there is none. */
static bool slot_of(const FlatRange *range, KvmSlot *slot)
{
    uint64_t skip = -range->addr & (PAGE - 1);
    uint8_t *direct = range->host ? NULL : memory_region_direct(range->mr);
    uint8_t *host = direct ? direct + range->offset : range->host;

    if (!host || range->size < skip + PAGE || (range->readonly && !kvm_vm.has_readonly)) {
        return false;
    }
    *slot = (KvmSlot){ .addr = range->addr + skip,
                       .size = (range->size - skip) & ~(PAGE - 1),
                       .host = host + skip,
                       .readonly = range->readonly,
                       .block = range->mr->ram,
                       .offset = range->offset + skip };
    return ((uintptr_t)slot->host & (PAGE - 1)) == 0;
}

static void region_del(MemoryListener *listener, const FlatRange *range)
{
    KvmSlot slot;

    if (slot_of(range, &slot)) {
        g_array_append_val(gone, slot);
    }
}

static void region_add(MemoryListener *listener, const FlatRange *range)
{
    KvmSlot slot;

    if (slot_of(range, &slot)) {
        g_array_append_val(coming, slot);
    }
}

static bool any_overlap(void)
{
    for (unsigned i = 0; i < gone->len; i++) {
        const KvmSlot *a = &g_array_index(gone, KvmSlot, i);

        for (unsigned j = 0; j < coming->len; j++) {
            const KvmSlot *b = &g_array_index(coming, KvmSlot, j);

            if (a->addr < b->addr + b->size && b->addr < a->addr + a->size) {
                return true;
            }
        }
    }
    return false;
}

static void commit(MemoryListener *listener)
{
    bool hold = any_overlap();

    if (hold) {
        hold_guests();
    }
    for (unsigned i = 0; i < gone->len; i++) {
        slot_remove(&g_array_index(gone, KvmSlot, i));
    }
    for (unsigned i = 0; i < coming->len; i++) {
        slot_add(&g_array_index(coming, KvmSlot, i));
    }
    if (hold) {
        resume_guests();
    }
    g_array_set_size(gone, 0);
    g_array_set_size(coming, 0);
}

static MemoryListener memory_listener = {
    .region_del = region_del,
    .region_add = region_add,
    .commit = commit,
    .dirty_start = dirty_start,
    .dirty_stop = dirty_stop,
    .dirty_watch = dirty_watch,
    .dirty_collect = dirty_collect,
};

void kvm_memory_init(void)
{
    slots = g_array_new(FALSE, TRUE, sizeof(KvmSlot));
    gone = g_array_new(FALSE, FALSE, sizeof(KvmSlot));
    coming = g_array_new(FALSE, FALSE, sizeof(KvmSlot));
    address_space_add_listener(&address_space_memory, &memory_listener);
    commit(&memory_listener);
}

void kvm_memory_cleanup(void)
{
    if (slots) {
        address_space_remove_listener(&address_space_memory, &memory_listener);
        g_clear_pointer(&slots, g_array_unref);
        g_clear_pointer(&gone, g_array_unref);
        g_clear_pointer(&coming, g_array_unref);
    }
}
