/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The walk of the guest's page tables. One loop serves 32-bit, PAE and 4-level paging; what differs
 * is the number of levels and bits, the entry's size, and which bits are reserved.
 */
#include "accel/soft/access.h"
#include "accel/soft/mmu.h"
#include "accel/soft/svm.h"
#include "accel/soft/uop.h"
#include "memory/address-space.h"

#define ENTRY_ADDR    0x000ffffffffff000ull
#define PTE_KEY_SHIFT 59

typedef struct Paging {
    unsigned levels, index_bits, entry_size;
    uint64_t table;    /* physical address of the root */
    uint64_t reserved; /* bits that must be 0 in every entry */
    bool long_mode;
} Paging;

static Paging paging_mode(const SoftCpu *s)
{
    const X86Cpu *cpu = &s->cpu;
    uint64_t beyond = ENTRY_ADDR & ~((1ull << cpu->model.phys_bits) - 1);
    uint64_t nx = cpu->efer & EFER_NX ? 0 : PTE_NX;

    if (cpu->efer & EFER_LMA) {
        return (Paging){ 4, 9, 8, cpu->cr3 & ENTRY_ADDR, beyond | nx, true };
    }
    if (cpu->cr4 & CR4_PAE) {
        return (
            Paging){ 3, 9, 8, cpu->cr3 & 0xffffffe0u, beyond | nx | 0x7ff0000000000000ull, false };
    }
    return (Paging){ 2, 10, 4, cpu->cr3 & 0xfffff000u, 0, false };
}

void *soft_table_host(const SoftCpu *s, hwaddr addr, unsigned size, bool *readonly)
{
    const FlatRange *r = flat_view_find(address_space_view(soft_memory(s)), addr);

    if (!r || !r->host || r->size - (addr - r->addr) < size) {
        return NULL;
    }
    *readonly = r->readonly;
    return r->host + (addr - r->addr);
}

uint64_t soft_entry_load(const void *host, unsigned size)
{
    return size == 8 ? __atomic_load_n((const uint64_t *)host, __ATOMIC_RELAXED)
                     : __atomic_load_n((const uint32_t *)host, __ATOMIC_RELAXED);
}

bool soft_entry_set(void *host, unsigned size, uint64_t old, uint64_t bits)
{
    if (size == 8) {
        return __atomic_compare_exchange_n((uint64_t *)host, &old, old | bits, false,
                                           __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
    }
    uint32_t old32 = (uint32_t)old;
    return __atomic_compare_exchange_n((uint32_t *)host, &old32, old32 | (uint32_t)bits, false,
                                       __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
}

/* Is the entry at @level a page of its own? *@reserved gets further bits that must be 0. */
static bool entry_is_leaf(const SoftCpu *s, const Paging *p, unsigned level, uint64_t entry,
                          uint64_t *reserved)
{
    *reserved = p->reserved;
    if (level == 1) {
        return true;
    }
    if (!(entry & PTE_PS)) {
        return false;
    }
    if (p->entry_size == 4) { /* 4 MiB; with PSE-36, bits 13-20 are address bits 32-39 */
        *reserved |= 1ull << 21;
        return s->cpu.cr4 & CR4_PSE;
    }
    if (level == 2) {
        *reserved |= 0x1fe000;
        return true;
    }
    if (level == 3 && x86_cpu_model_has(&s->cpu.model, X86_FEAT_EXT1_EDX, CPUID_EXT1_EDX_1G)) {
        *reserved |= 0x3fffe000;
        return true;
    }
    *reserved |= PTE_PS;
    return false;
}

static uint64_t leaf_phys(const Paging *p, unsigned level, unsigned shift, uint64_t entry,
                          uint64_t addr)
{
    uint64_t base = entry & ENTRY_ADDR;

    if (p->entry_size == 4) {
        base = entry & 0xfffff000u;
        if (level == 2) {
            base = (entry & 0xffc00000u) | (entry >> 13 & 0xff) << 32;
        }
    }
    uint64_t offset_mask = (1ull << shift) - 1;
    return ((base & ~offset_mask) | (addr & offset_mask)) & SOFT_PAGE_MASK;
}

/* What the protection key of a user page forbids: bit 0 all data accesses, bit 1 writes, which
 * CR0.WP lets the supervisor do (SDM vol. 3 section 4.6.2). */
static unsigned key_forbids(const SoftCpu *s, const Paging *p, uint64_t entry, bool user)
{
    if (!p->long_mode || !(s->cpu.cr4 & CR4_PKE)) {
        return 0;
    }
    unsigned rights = s->cpu.pkru >> 2 * (entry >> PTE_KEY_SHIFT & 15) & 3;
    return user || (s->cpu.cr0 & CR0_WP) ? rights : rights & 1;
}

/* @rights: PTE_RW and PTE_US as all levels allow, and PTE_NX if one forbids. */
static void set_rights(const SoftCpu *s, uint64_t rights, SoftMmuMode mode, SoftTranslation *out)
{
    bool user_page = rights & PTE_US, user = soft_mmu_user(mode);

    out->read = user ? user_page : !(mode == SOFT_MMU_KERNEL_SMAP && user_page);
    out->write = out->read && ((rights & PTE_RW) || (!user && !(s->cpu.cr0 & CR0_WP)));
    out->fetch = !(rights & PTE_NX) && (user ? user_page : !(user_page && (s->cpu.cr4 & CR4_SMEP)));
}

static bool allowed(const SoftTranslation *t, SoftAccess access)
{
    return access == SOFT_READ ? t->read : access == SOFT_WRITE ? t->write : t->fetch;
}

static uint32_t error_bits(const SoftCpu *s, SoftAccess access, SoftMmuMode mode)
{
    uint32_t error = soft_mmu_user(mode) ? PF_U : 0;

    if (access == SOFT_WRITE) {
        error |= PF_W;
    }
    if (access == SOFT_FETCH &&
        ((s->cpu.cr4 & CR4_SMEP) || ((s->cpu.cr4 & CR4_PAE) && (s->cpu.efer & EFER_NX)))) {
        error |= PF_I;
    }
    return error;
}

/* How far a walk has come. */
typedef struct Walk {
    unsigned level;  /* of the table that is to be looked into */
    hwaddr table;    /* with nested paging and no `host`: the guest's address */
    uint8_t *host;   /* where that lies, and may be written, if it is known; else NULL */
    uint64_t rights; /* PTE_RW and PTE_US as all levels so far allow, and PTE_NX if one forbids */
} Walk;

enum { DIRECTORY_LEVEL = 2 };

static SoftWalkStart *start_of(SoftCpu *s, uint64_t addr)
{
    return &s->walk_starts[(addr >> 30) % SOFT_WALK_STARTS];
}

/* With nested paging: from the guest's address @at of a table to where that is. */
static bool table_place(SoftCpu *s, hwaddr *at)
{
    hwaddr page;
    bool write, fetch;

    if (!soft_svm_nested_walk(s, *at, SOFT_WRITE, true, &page, &write, &fetch)) {
        return false;
    }
    *at = page | (*at & ~SOFT_PAGE_MASK);
    return true;
}

/* The whole table must be memory that can be written, so that accessed and dirty bits can be set
 * there like anywhere. */
static void keep_start(SoftCpu *s, uint64_t addr, const Walk *w)
{
    bool readonly = false;
    hwaddr table = w->table;

    if (soft_svm_nested(s) && !table_place(s, &table)) {
        s->svm_exit.code = 0; /* the walk will see to that */
        return;
    }
    uint8_t *host = soft_table_host(s, table, SOFT_PAGE, &readonly);
    if (host && !readonly) {
        *start_of(s, addr) = (SoftWalkStart){ addr >> 30, table, host, w->rights };
    }
}

/* The entry at @at of a table; NULL: no RAM. */
static void *entry_host(const SoftCpu *s, const Walk *w, hwaddr at, unsigned size, bool *readonly)
{
    return w->host ? w->host + (at - w->table) : soft_table_host(s, at, size, readonly);
}

typedef enum WalkResult { WALK_DONE, WALK_FAULT, WALK_AGAIN } WalkResult;

static WalkResult walk_once(SoftCpu *s, const Paging *p, Walk w, uint64_t addr, SoftAccess access,
                            SoftMmuMode mode, SoftTranslation *out, uint32_t *error)
{
    *error = error_bits(s, access, mode);
    for (;; w.level--) {
        unsigned level = w.level;
        unsigned shift = 12 + p->index_bits * (level - 1);
        uint64_t index = addr >> shift & ((1u << p->index_bits) - 1);
        bool readonly = false;
        hwaddr at = w.table + index * p->entry_size;
        if (SOFT_UNLIKELY(soft_svm_nested(s)) && !w.host && !table_place(s, &at)) {
            return WALK_FAULT;
        }
        void *host = entry_host(s, &w, at, p->entry_size, &readonly);
        /* Where no RAM is, the bus reads all ones. */
        uint64_t entry = host ? soft_entry_load(host, p->entry_size) : UINT64_MAX;

        if (!(entry & PTE_P)) {
            return WALK_FAULT;
        }
        uint64_t reserved;
        bool leaf = entry_is_leaf(s, p, level, entry, &reserved);
        bool pdpte = p->levels == 3 && level == 3; /* no rights, no accessed bit */
        if (!host || (entry & (pdpte ? p->reserved | 0x1e6 : reserved))) {
            *error |= PF_P | PF_RSVD;
            return WALK_FAULT;
        }
        if (!pdpte) {
            w.rights = (w.rights & entry) | ((w.rights | entry) & PTE_NX);
        }

        uint64_t set = pdpte ? 0 : PTE_A;
        if (leaf) {
            unsigned forbidden =
                w.rights & PTE_US ? key_forbids(s, p, entry, soft_mmu_user(mode)) : 0;

            set_rights(s, w.rights, mode, out);
            out->read = out->read && !(forbidden & 1);
            out->write = out->write && !forbidden;
            if ((access == SOFT_READ && (forbidden & 1)) || (access == SOFT_WRITE && forbidden)) {
                *error |= PF_PK;
            }
            if (!allowed(out, access)) {
                *error |= PF_P;
                return WALK_FAULT;
            }
            if (access == SOFT_WRITE) {
                set |= PTE_D;
            }
        }
        set &= ~entry;
        if (set && !readonly) {
            soft_mark_dirty(s, at);
            if (!soft_entry_set(host, p->entry_size, entry, set)) {
                return WALK_AGAIN;
            }
        }
        if (leaf) {
            out->write = out->write && ((entry | set) & PTE_D);
            out->phys = leaf_phys(p, level, shift, entry, addr);
            out->global = (entry & PTE_G) && (s->cpu.cr4 & CR4_PGE);
            out->large = level > 1;
            return WALK_DONE;
        }
        w.table = entry & (p->entry_size == 4 ? 0xfffff000u : ENTRY_ADDR);
        w.host = NULL;
        if (p->long_mode && level == DIRECTORY_LEVEL + 1) {
            keep_start(s, addr, &w);
        }
    }
}

static bool guest_walk(SoftCpu *s, uint64_t addr, SoftAccess access, SoftMmuMode mode,
                       SoftTranslation *out, uint32_t *error)
{
    if (!(s->cpu.cr0 & CR0_PG)) {
        *out = (SoftTranslation){
            .phys = addr & SOFT_PAGE_MASK, .read = true, .write = true, .fetch = true
        };
        return true;
    }
    Paging p = paging_mode(s);
    SoftWalkStart *start = start_of(s, addr);
    WalkResult result;

    if (p.long_mode && start->gib == addr >> 30) {
        Walk from = { DIRECTORY_LEVEL, start->table, start->host, start->rights };
        if (walk_once(s, &p, from, addr, access, mode, out, error) == WALK_DONE) {
            return true;
        }
        start->gib = UINT64_MAX; /* a fault is by what the tables say now */
    }
    do {
        Walk from = { p.levels, p.table, NULL, PTE_RW | PTE_US };
        result = walk_once(s, &p, from, addr, access, mode, out, error);
    } while (result == WALK_AGAIN);
    return result == WALK_DONE;
}

bool soft_page_walk(SoftCpu *s, uint64_t addr, SoftAccess access, SoftMmuMode mode,
                    SoftTranslation *out, uint32_t *error)
{
    bool write, fetch;

    if (!guest_walk(s, addr, access, mode, out, error)) {
        return false;
    }
    if (!soft_svm_nested(s)) {
        return true;
    }
    if (!soft_svm_nested_walk(s, out->phys | (addr & ~SOFT_PAGE_MASK), access, false, &out->phys,
                              &write, &fetch)) {
        return false;
    }
    out->write = out->write && write;
    out->fetch = out->fetch && fetch;
    return true;
}
