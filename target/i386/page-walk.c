/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "target/i386/page-walk.h"

#define ENTRY_ADDR 0x000ffffffffff000ull

typedef struct Walk {
    const X86Cpu *cpu;
    X86PageRead *read;
    X86PageVisit *visit;
    void *opaque;
    unsigned index_bits, entry_size;
    unsigned tables; /* how many were read */
} Walk;

static unsigned walk_init(Walk *w, uint64_t *root)
{
    const X86Cpu *cpu = w->cpu;

    w->index_bits = 9;
    w->entry_size = 8;
    if (cpu->efer & EFER_LMA) {
        *root = cpu->cr3 & ENTRY_ADDR;
        return 4;
    }
    if (cpu->cr4 & CR4_PAE) {
        *root = cpu->cr3 & 0xffffffe0u;
        return 3;
    }
    w->index_bits = 10;
    w->entry_size = 4;
    *root = cpu->cr3 & 0xfffff000u;
    return 2;
}

static unsigned walk_shift(const Walk *w, unsigned level)
{
    return 12 + w->index_bits * (level - 1);
}

/* False: not present, or no RAM. */
static bool walk_entry(const Walk *w, uint64_t table, unsigned index, uint64_t *entry)
{
    uint32_t entry32;

    if (w->entry_size == 8) {
        return w->read(table + 8ull * index, entry, 8, w->opaque) && (*entry & PTE_P);
    }
    if (!w->read(table + 4ull * index, &entry32, 4, w->opaque)) {
        return false;
    }
    *entry = entry32;
    return entry32 & PTE_P;
}

static bool walk_is_leaf(const Walk *w, unsigned level, uint64_t entry)
{
    if (level == 1) {
        return true;
    }
    if (!(entry & PTE_PS)) {
        return false;
    }
    if (w->entry_size == 4) {
        return w->cpu->cr4 & CR4_PSE;
    }
    return level == 2 || (level == 3 && (w->cpu->efer & EFER_LMA));
}

/* The rights that @entry leaves of @rights: PTE_RW and PTE_US if all have them, PTE_NX if one has.
 * The four entries at the top of PAE tables have none. */
static uint64_t walk_rights(const Walk *w, unsigned level, uint64_t rights, uint64_t entry)
{
    if (level == 3 && !(w->cpu->efer & EFER_LMA)) {
        return rights;
    }
    return (rights & entry & (PTE_RW | PTE_US)) | ((rights | entry) & PTE_NX);
}

static uint64_t walk_next(const Walk *w, uint64_t entry)
{
    return entry & (w->entry_size == 4 ? 0xfffff000u : ENTRY_ADDR);
}

static X86Mapping walk_mapping(const Walk *w, unsigned level, uint64_t va, uint64_t entry,
                               uint64_t rights)
{
    uint64_t size = 1ull << walk_shift(w, level), pa = walk_next(w, entry);

    if (w->entry_size == 4 && level == 2) { /* PSE-36: bits 13-20 are address bits 32-39 */
        pa = (entry & 0xffc00000u) | (entry >> 13 & 0xff) << 32;
    }
    if (w->cpu->efer & EFER_LMA) {
        va = (uint64_t)((int64_t)(va << 16) >> 16);
    }
    return (X86Mapping){
        .va = va & ~(size - 1),
        .pa = pa & ~(size - 1),
        .size = size,
        .entry = entry,
        .write = rights & PTE_RW,
        .user = rights & PTE_US,
        .execute = !((rights & PTE_NX) && (w->cpu->efer & EFER_NX)),
    };
}

static bool in_range(const Walk *w, uint64_t va)
{
    if (w->cpu->efer & EFER_LMA) {
        return (uint64_t)((int64_t)(va << 16) >> 16) == va;
    }
    return va <= UINT32_MAX;
}

bool x86_page_find(const X86Cpu *cpu, uint64_t va, X86PageRead *read, void *opaque,
                   X86Mapping *mapping)
{
    Walk w = { .cpu = cpu, .read = read, .opaque = opaque };
    uint64_t table, entry, rights = PTE_RW | PTE_US;
    unsigned level = walk_init(&w, &table);

    if (!in_range(&w, va)) {
        return false;
    }
    for (;; level--) {
        uint64_t index = va >> walk_shift(&w, level) & ((1u << w.index_bits) - 1);

        if (!walk_entry(&w, table, (unsigned)index, &entry)) {
            return false;
        }
        rights = walk_rights(&w, level, rights, entry);
        if (walk_is_leaf(&w, level, entry)) {
            *mapping = walk_mapping(&w, level, va, entry, rights);
            return true;
        }
        table = walk_next(&w, entry);
    }
}

static bool walk_table(Walk *w, unsigned level, uint64_t table, uint64_t va, uint64_t rights)
{
    unsigned count = level == 3 && !(w->cpu->efer & EFER_LMA) ? 4 : 1u << w->index_bits;

    if (w->tables++ == X86_PAGE_WALK_MAX_TABLES) {
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        uint64_t entry, here = va | (uint64_t)i << walk_shift(w, level);

        if (!walk_entry(w, table, i, &entry)) {
            continue;
        }
        uint64_t left = walk_rights(w, level, rights, entry);
        if (walk_is_leaf(w, level, entry)) {
            X86Mapping mapping = walk_mapping(w, level, here, entry, left);
            if (!w->visit(&mapping, w->opaque)) {
                return false;
            }
        } else if (!walk_table(w, level - 1, walk_next(w, entry), here, left)) {
            return false;
        }
    }
    return true;
}

bool x86_page_foreach(const X86Cpu *cpu, X86PageRead *read, X86PageVisit *visit, void *opaque)
{
    Walk w = { .cpu = cpu, .read = read, .visit = visit, .opaque = opaque };
    uint64_t root;
    unsigned levels = walk_init(&w, &root);

    return walk_table(&w, levels, root, 0, PTE_RW | PTE_US);
}
