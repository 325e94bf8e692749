/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Invalidation, by the queue and by registers (VT-d section 6.5). */
#include "hw/iommu/vtd.h"

#include "memory/dma.h"

static const DmaSpace memory = { .as = &address_space_memory };

/* ---- what is asked for ---- */

/* False: the granularity makes no sense. */
static bool flush_contexts(Vtd *s, unsigned granularity, uint16_t domain, uint16_t source,
                           unsigned mask)
{
    switch (granularity) {
    case VTD_GLOBAL:
        iommu_tlb_flush_all(&s->tlb);
        return true;
    case VTD_DOMAIN:
        iommu_tlb_flush_domain(&s->tlb, domain);
        return true;
    case VTD_SELECTIVE:
        vtd_flush_source(s, source, mask);
        return true;
    }
    return false;
}

static bool flush_iotlb(Vtd *s, unsigned granularity, uint16_t domain, uint64_t addr)
{
    switch (granularity) {
    case VTD_GLOBAL:
        iommu_tlb_flush_all(&s->tlb);
        return true;
    case VTD_DOMAIN:
        iommu_tlb_flush_domain(&s->tlb, domain);
        return true;
    case VTD_SELECTIVE:
        iommu_tlb_flush_pages(&s->tlb, domain, addr, MIN(addr & 0x3f, 52u));
        return true;
    }
    return false;
}

/* ---- by registers ---- */

void vtd_context_command(Vtd *s)
{
    uint32_t low = *vtd_reg(s, VTD_CCMD), *high = vtd_reg(s, VTD_CCMD + 4);
    unsigned granularity = *high >> VTD_GRANULARITY_SHIFT_CCMD & 3;

    if (!(*high & VTD_CCMD_INVALIDATE)) {
        return;
    }
    if (!flush_contexts(s, granularity, (uint16_t)low, (uint16_t)(low >> 16), *high & 3)) {
        granularity = 0; /* nothing was done */
    }
    *high &= ~(VTD_CCMD_INVALIDATE | 3u << VTD_CCMD_DONE_SHIFT);
    *high |= granularity << VTD_CCMD_DONE_SHIFT;
}

void vtd_iotlb_command(Vtd *s)
{
    uint32_t *high = vtd_reg(s, VTD_IOTLB + 4);
    unsigned granularity = *high >> VTD_GRANULARITY_SHIFT_IOTLB & 3;

    if (!(*high & VTD_IOTLB_INVALIDATE)) {
        return;
    }
    if (!flush_iotlb(s, granularity, (uint16_t)*high, vtd_reg64(s, VTD_IVA))) {
        granularity = 0;
    }
    *high &= ~(VTD_IOTLB_INVALIDATE | 3u << VTD_IOTLB_DONE_SHIFT);
    *high |= granularity << VTD_IOTLB_DONE_SHIFT;
}

/* ---- by the queue ---- */

static bool wait(Vtd *s, const uint64_t words[2])
{
    if (words[0] & VTD_WAIT_STATUS) {
        uint32_t status = GUINT32_TO_LE((uint32_t)(words[0] >> 32));

        /* Not with the lock: who is told of writes may wait for threads that want it. */
        vtd_unlock(s);
        bool ok = dma_write_ram(&memory, words[1] & ~3ull, &status, sizeof(status));
        vtd_lock(s);
        if (!ok) {
            return false;
        }
    }
    if (words[0] & VTD_WAIT_INTERRUPT) {
        vtd_note_completion(s);
    }
    return true;
}

static bool carry_out(Vtd *s, const uint64_t words[2], bool *changed)
{
    unsigned granularity = words[0] >> 4 & 3;

    switch (words[0] & 0xf) {
    case VTD_DESC_CONTEXT:
        return flush_contexts(s, granularity, (uint16_t)(words[0] >> 16),
                              (uint16_t)(words[0] >> 32), words[0] >> 48 & 3);
    case VTD_DESC_IOTLB:
        return flush_iotlb(s, granularity, (uint16_t)(words[0] >> 16), words[1]);
    case VTD_DESC_DEVICE_IOTLB:
        return s->device_iotlb; /* our functions keep nothing */
    case VTD_DESC_INTERRUPTS:
        *changed = true;
        return s->remaps;
    case VTD_DESC_WAIT:
        return wait(s, words);
    }
    return false;
}

/* Entries of 16 bytes: the guest cannot add some while they are done, as it waits for its write.
 * *@changed: messages may go elsewhere now, which has to be so before anyone who waits is told;
 * that cannot be done with the lock. */
static void run(Vtd *s, bool *changed)
{
    uint64_t base = vtd_reg64(s, VTD_IQA);
    uint32_t size = (256u << (base & VTD_IQA_SIZE)) * VTD_DESC_SIZE;
    uint32_t *head = vtd_reg(s, VTD_IQH), tail = *vtd_reg(s, VTD_IQT);

    if (!(*vtd_reg(s, VTD_GSTS) & VTD_QUEUE) || *vtd_reg(s, VTD_FSTS) & VTD_FSTS_QUEUE_ERROR) {
        return;
    }
    if (tail >= size || *head >= size) {
        vtd_note_error(s, VTD_FSTS_QUEUE_ERROR);
        return;
    }
    while (*head != tail) {
        uint64_t words[2];

        if (!dma_read_ram(&memory, (base & VTD_IQA_TABLE) + *head, words, sizeof(words))) {
            vtd_note_error(s, VTD_FSTS_QUEUE_ERROR);
            return;
        }
        words[0] = GUINT64_FROM_LE(words[0]);
        words[1] = GUINT64_FROM_LE(words[1]);
        if ((words[0] & 0xf) == VTD_DESC_WAIT && *changed) {
            return;
        }
        if (!carry_out(s, words, changed)) {
            vtd_note_error(s, VTD_FSTS_QUEUE_ERROR); /* with the head at the wrong one */
            return;
        }
        *head = (*head + VTD_DESC_SIZE) % size;
    }
}

void vtd_run_queue(Vtd *s)
{
    bool changed;

    do {
        changed = false;
        vtd_lock(s);
        run(s, &changed);
        vtd_unlock(s);
        if (changed) {
            vtd_remap_changed(s);
        }
    } while (changed);
}
