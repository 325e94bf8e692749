/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/iommu/iommu-tlb.h"

#include <glib.h>

static unsigned place(uint16_t source, uint64_t page)
{
    return (unsigned)((page ^ page >> 9 ^ (uint64_t)source * 37) % IOMMU_TLB_ENTRIES);
}

const IommuTlbEntry *iommu_tlb_find(const IommuTlb *tlb, uint16_t source, uint64_t page, bool write)
{
    const IommuTlbEntry *entry = &tlb->entries[place(source, page)];
    bool found = entry->valid && entry->source == source && entry->page == page &&
                 entry->allowed & (write ? IOMMU_WRITE : IOMMU_READ);

    return found ? entry : NULL;
}

void iommu_tlb_add(IommuTlb *tlb, const IommuTlbEntry *entry)
{
    IommuTlbEntry *to = &tlb->entries[place(entry->source, entry->page)];

    *to = *entry;
    to->valid = true;
}

void iommu_tlb_apply(const IommuTlbEntry *entry, uint64_t addr, uint64_t *to, uint64_t *size)
{
    if (entry->shift < IOMMU_ALL) {
        uint64_t offset = addr & ((1ull << entry->shift) - 1);

        *to = entry->to + offset;
        *size = (1ull << entry->shift) - offset;
    } else {
        *to = addr;
        *size = MAX(UINT64_MAX - addr, 1u);
    }
}

void iommu_tlb_flush_all(IommuTlb *tlb)
{
    for (unsigned i = 0; i < IOMMU_TLB_ENTRIES; i++) {
        tlb->entries[i].valid = false;
    }
}

void iommu_tlb_flush_domain(IommuTlb *tlb, uint16_t domain)
{
    for (unsigned i = 0; i < IOMMU_TLB_ENTRIES; i++) {
        tlb->entries[i].valid &= tlb->entries[i].domain != domain;
    }
}

void iommu_tlb_flush_pages(IommuTlb *tlb, uint16_t domain, uint64_t addr, unsigned order)
{
    uint64_t first = addr >> IOMMU_PAGE_SHIFT >> order << order, last = first + (1ull << order) - 1;

    for (unsigned i = 0; i < IOMMU_TLB_ENTRIES; i++) {
        IommuTlbEntry *entry = &tlb->entries[i];
        unsigned pages = MIN(entry->shift, 63) - MIN(entry->shift, IOMMU_PAGE_SHIFT);
        uint64_t start = entry->page >> pages << pages, end = start + (1ull << pages) - 1;

        if (entry->domain == domain && start <= last && first <= end) {
            entry->valid = false;
        }
    }
}

void iommu_tlb_flush_source(IommuTlb *tlb, uint16_t source, uint16_t ignored)
{
    for (unsigned i = 0; i < IOMMU_TLB_ENTRIES; i++) {
        tlb->entries[i].valid &= ((tlb->entries[i].source ^ source) & ~ignored) != 0;
    }
}
