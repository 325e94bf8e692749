/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a function's address to memory: root, context and second-level tables (VT-d chapter 3). */
#include "hw/iommu/vtd.h"

#include "memory/dma.h"

#define PAGE_SHIFT 12
#define PAGE_SIZE  (1u << PAGE_SHIFT)
#define LEVEL_BITS 9
#define ENTRY_SIZE 16 /* of root and context tables */

static const DmaSpace memory = { .as = &address_space_memory };

/* What the tables say of a function. */
typedef struct Context {
    uint64_t table; /* of the second level */
    unsigned type;  /* VTD_TYPE_ */
    unsigned levels;
    uint16_t domain;
    bool quiet;
} Context;

static bool read_words(uint64_t addr, uint64_t *words, unsigned count)
{
    if (!dma_read_ram(&memory, addr, words, count * sizeof(*words))) {
        return false;
    }
    for (unsigned i = 0; i < count; i++) {
        words[i] = GUINT64_FROM_LE(words[i]);
    }
    return true;
}

static VtdFault find_root(const Vtd *s, uint16_t source, uint64_t *contexts)
{
    uint64_t words[2];

    if (!read_words(s->root + (uint64_t)(source >> 8) * ENTRY_SIZE, words, 2)) {
        return VTD_BAD_ROOT_TABLE;
    }
    if (!(words[0] & VTD_PRESENT)) {
        return VTD_NO_ROOT;
    }
    if (words[0] & VTD_ROOT_RESERVED || words[1]) {
        return VTD_RESERVED_ROOT;
    }
    *contexts = words[0] & VTD_TABLE;
    return VTD_OK;
}

static bool type_works(const Vtd *s, unsigned type)
{
    return type == VTD_TYPE_UNTRANSLATED || (type == VTD_TYPE_ALL && s->device_iotlb) ||
           (type == VTD_TYPE_PASS_THROUGH && s->pt);
}

static VtdFault find_context(const Vtd *s, uint16_t source, Context *context)
{
    uint64_t words[2], contexts;
    VtdFault fault = find_root(s, source, &contexts);

    *context = (Context){ 0 };
    if (fault != VTD_OK) {
        return fault;
    }
    if (!read_words(contexts + (uint64_t)(source & 0xff) * ENTRY_SIZE, words, 2)) {
        return VTD_BAD_CONTEXT_TABLE;
    }
    unsigned width = words[1] & 7;
    *context = (Context){ .table = words[0] & VTD_TABLE,
                          .type = words[0] >> 2 & 3,
                          .levels = width + 2,
                          .domain = (uint16_t)(words[1] >> 8),
                          .quiet = words[0] & VTD_CONTEXT_QUIET };
    if (!(words[0] & VTD_PRESENT)) {
        return VTD_NO_CONTEXT;
    }
    if (words[0] & VTD_CONTEXT_RESERVED || words[1] & VTD_CONTEXT_HIGH) {
        return VTD_RESERVED_CONTEXT;
    }
    if (!type_works(s, context->type) || !(width == 1 || (width == 2 && s->aw_bits >= 48))) {
        return VTD_BAD_CONTEXT;
    }
    return VTD_OK;
}

static VtdFault walk(const Vtd *s, const Context *context, uint64_t addr, bool write,
                     VtdTlbEntry *found)
{
    uint64_t table = context->table, reserved = VTD_TABLE & ~((1ull << s->aw_bits) - 1);
    unsigned allowed = VTD_READ | VTD_WRITE;

    if (addr >> (PAGE_SHIFT + LEVEL_BITS * context->levels)) {
        return VTD_BEYOND_WIDTH;
    }
    for (unsigned level = context->levels; level; level--) {
        unsigned shift = PAGE_SHIFT + LEVEL_BITS * (level - 1);
        uint64_t entry, index = addr >> shift & ((1u << LEVEL_BITS) - 1);

        if (!read_words(table + index * sizeof(entry), &entry, 1)) {
            return VTD_BAD_TABLE;
        }
        allowed &= (unsigned)entry;
        if (!(allowed & (write ? VTD_WRITE : VTD_READ))) {
            return write ? VTD_NO_WRITE : VTD_NO_READ;
        }
        bool large = level > 1 && entry & VTD_LARGE;
        if (entry & reserved || (large && level > 3)) {
            return VTD_RESERVED_ENTRY;
        }
        table = entry & VTD_TABLE;
        if (level == 1 || large) {
            found->allowed = allowed & (VTD_READ | VTD_WRITE);
            found->shift = shift;
            found->to = table & ~((1ull << shift) - 1);
            return table == found->to ? VTD_OK : VTD_RESERVED_ENTRY;
        }
    }
    return VTD_BAD_CONTEXT;
}

/* ---- the cache ---- */

static VtdTlbEntry *tlb_place(Vtd *s, uint16_t source, uint64_t page)
{
    return &s->tlb[(page ^ page >> 9 ^ (uint64_t)source * 37) % VTD_TLB_ENTRIES];
}

static VtdFault look_up(Vtd *s, uint16_t source, uint64_t addr, bool write, VtdTlbEntry **found,
                        bool *quiet)
{
    uint64_t page = addr >> PAGE_SHIFT;
    VtdTlbEntry *entry = tlb_place(s, source, page), made = { 0 };
    Context context;

    *found = entry;
    if (entry->valid && entry->source == source && entry->page == page &&
        entry->allowed & (write ? VTD_WRITE : VTD_READ)) {
        return VTD_OK;
    }
    VtdFault fault = find_context(s, source, &context);
    if (fault == VTD_OK && context.type == VTD_TYPE_PASS_THROUGH) {
        made.allowed = VTD_READ | VTD_WRITE;
        made.shift = 64;
    } else if (fault == VTD_OK) {
        fault = walk(s, &context, addr, write, &made);
    }
    *quiet = context.quiet;
    if (fault == VTD_OK) {
        made.valid = true;
        made.source = source;
        made.domain = context.domain;
        made.page = page;
        *entry = made;
    }
    return fault;
}

bool vtd_translate(void *opaque, uint16_t source, hwaddr addr, bool write, hwaddr *to,
                   uint64_t *size)
{
    Vtd *s = opaque;
    VtdTlbEntry *entry;
    bool quiet = false;

    *to = addr;
    *size = MAX(UINT64_MAX - addr, 1u);
    if (!atomic_load_explicit(&s->translates, memory_order_acquire)) {
        return true;
    }
    if (addr >= VTD_MSI_FIRST && addr <= VTD_MSI_LAST) {
        *size = VTD_MSI_LAST + 1ull - addr; /* section 3.14: no memory */
        return true;
    }
    vtd_lock(s);
    VtdFault fault = look_up(s, source, addr, write, &entry, &quiet);
    if (fault == VTD_OK && entry->shift < 64) {
        uint64_t offset = addr & ((1ull << entry->shift) - 1);

        *to = entry->to + offset;
        *size = (1ull << entry->shift) - offset;
    } else if (fault != VTD_OK && !quiet) {
        vtd_note_fault(s, source, addr & ~(uint64_t)(PAGE_SIZE - 1), fault, write);
    }
    vtd_unlock(s);
    return fault == VTD_OK;
}

void vtd_flush_all(Vtd *s)
{
    for (unsigned i = 0; i < VTD_TLB_ENTRIES; i++) {
        s->tlb[i].valid = false;
    }
}

void vtd_flush_domain(Vtd *s, uint16_t domain)
{
    for (unsigned i = 0; i < VTD_TLB_ENTRIES; i++) {
        s->tlb[i].valid &= s->tlb[i].domain != domain;
    }
}

void vtd_flush_pages(Vtd *s, uint16_t domain, uint64_t addr, unsigned order)
{
    uint64_t first = addr >> PAGE_SHIFT >> order << order, last = first + (1ull << order) - 1;

    for (unsigned i = 0; i < VTD_TLB_ENTRIES; i++) {
        VtdTlbEntry *entry = &s->tlb[i];
        unsigned pages = MIN(entry->shift, 63) - MIN(entry->shift, PAGE_SHIFT);
        uint64_t start = entry->page >> pages << pages, end = start + (1ull << pages) - 1;

        if (entry->domain == domain && start <= last && first <= end) {
            entry->valid = false;
        }
    }
}

void vtd_flush_source(Vtd *s, uint16_t source, unsigned mask)
{
    static const uint16_t ignored[4] = { 0, 4, 6, 7 };

    for (unsigned i = 0; i < VTD_TLB_ENTRIES; i++) {
        s->tlb[i].valid &= ((s->tlb[i].source ^ source) & ~ignored[mask & 3]) != 0;
    }
}
