/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an IOMMU remembers of its page walks. The IOMMU's lock. */
#ifndef HW_IOMMU_IOMMU_TLB_H
#define HW_IOMMU_IOMMU_TLB_H

#include <stdbool.h>
#include <stdint.h>

#define IOMMU_TLB_ENTRIES 512u /* a power of 2 */
#define IOMMU_PAGE_SHIFT  12
#define IOMMU_ALL         64 /* a `shift`: everything is where it is */

enum { IOMMU_READ = 1 << 0, IOMMU_WRITE = 1 << 1 };

/* What a page walk led to. */
typedef struct IommuTlbEntry {
    bool valid;
    uint8_t allowed; /* IOMMU_READ, IOMMU_WRITE */
    uint8_t shift;   /* log2 of what is mapped together, or IOMMU_ALL */
    uint16_t source, domain;
    uint64_t page; /* address >> 12 */
    uint64_t to;   /* of what is mapped together */
} IommuTlbEntry;

typedef struct IommuTlb {
    IommuTlbEntry entries[IOMMU_TLB_ENTRIES];
} IommuTlb;

/* The entry by which the function @source may access @page so; NULL: none is known. */
const IommuTlbEntry *iommu_tlb_find(const IommuTlb *tlb, uint16_t source, uint64_t page,
                                    bool write);
/* Remember it, whose source and page are set. */
void iommu_tlb_add(IommuTlb *tlb, const IommuTlbEntry *entry);
/* Where @addr is by @entry, and how many bytes lie together from there on. */
void iommu_tlb_apply(const IommuTlbEntry *entry, uint64_t addr, uint64_t *to, uint64_t *size);

void iommu_tlb_flush_all(IommuTlb *tlb);
void iommu_tlb_flush_domain(IommuTlb *tlb, uint16_t domain);
/* 2^@order pages from @addr on, which is aligned to that. */
void iommu_tlb_flush_pages(IommuTlb *tlb, uint16_t domain, uint64_t addr, unsigned order);
/* All functions whose IDs differ from @source in no other bits than @ignored. */
void iommu_tlb_flush_source(IommuTlb *tlb, uint16_t source, uint16_t ignored);

#endif
