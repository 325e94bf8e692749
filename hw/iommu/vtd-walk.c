/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a function's address to memory: root, context and second-level tables (VT-d chapter 3). */
#include "hw/iommu/vtd.h"

#include "memory/dma.h"

#define PAGE_SIZE  (1u << IOMMU_PAGE_SHIFT)
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
                     IommuTlbEntry *found)
{
    uint64_t table = context->table, reserved = VTD_TABLE & ~((1ull << s->aw_bits) - 1);
    unsigned allowed = VTD_READ | VTD_WRITE;

    if (addr >> (IOMMU_PAGE_SHIFT + LEVEL_BITS * context->levels)) {
        return VTD_BEYOND_WIDTH;
    }
    for (unsigned level = context->levels; level; level--) {
        unsigned shift = IOMMU_PAGE_SHIFT + LEVEL_BITS * (level - 1);
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

static VtdFault look_up(Vtd *s, uint16_t source, uint64_t addr, bool write, IommuTlbEntry *found,
                        bool *quiet)
{
    uint64_t page = addr >> IOMMU_PAGE_SHIFT;
    const IommuTlbEntry *known = iommu_tlb_find(&s->tlb, source, page, write);
    Context context;

    if (known) {
        *found = *known;
        return VTD_OK;
    }
    VtdFault fault = find_context(s, source, &context);
    *found = (IommuTlbEntry){ .source = source, .domain = context.domain, .page = page };
    if (fault == VTD_OK && context.type == VTD_TYPE_PASS_THROUGH) {
        found->allowed = IOMMU_READ | IOMMU_WRITE;
        found->shift = IOMMU_ALL;
    } else if (fault == VTD_OK) {
        fault = walk(s, &context, addr, write, found);
    }
    *quiet = context.quiet;
    if (fault == VTD_OK) {
        iommu_tlb_add(&s->tlb, found);
    }
    return fault;
}

bool vtd_translate(void *opaque, uint16_t source, hwaddr addr, bool write, hwaddr *to,
                   uint64_t *size)
{
    Vtd *s = opaque;
    IommuTlbEntry entry;
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
    if (fault == VTD_OK) {
        iommu_tlb_apply(&entry, addr, to, size);
    } else if (!quiet) {
        vtd_note_fault(s, source, addr & ~(uint64_t)(PAGE_SIZE - 1), fault, write);
    }
    vtd_unlock(s);
    return fault == VTD_OK;
}

void vtd_flush_source(Vtd *s, uint16_t source, unsigned mask)
{
    static const uint16_t ignored[4] = { 0, 4, 6, 7 };

    iommu_tlb_flush_source(&s->tlb, source, ignored[mask & 3]);
}
