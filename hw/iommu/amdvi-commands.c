/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the guest asks for by its ring of commands (section 2.4). */
#include "hw/iommu/amdvi.h"
#include "memory/dma.h"

static const DmaSpace memory = { .as = &address_space_memory };

static bool wait(Amdvi *s, const uint64_t words[2])
{
    if (words[0] & AMDVI_WAIT_STORES) {
        uint64_t data = GUINT64_TO_LE(words[1]);

        /* Not with the lock: who is told of writes may wait for threads that want it. */
        amdvi_unlock(s);
        bool ok = dma_write_ram(&memory, words[0] & AMDVI_WAIT_PLACE, &data, sizeof(data));
        amdvi_lock(s);
        if (!ok) {
            return false;
        }
    }
    if (words[0] & AMDVI_WAIT_TELLS) {
        amdvi_note_wait(s);
    }
    return true;
}

/* With bit 0 the size is that of a page which says it itself; all ones are everything. */
static void flush_pages(Amdvi *s, const uint64_t words[2])
{
    uint64_t page = words[1] >> IOMMU_PAGE_SHIFT;
    unsigned order = 0;

    if (words[1] & 1) {
        order = 1;
        for (uint64_t bits = page; bits & 1; bits >>= 1) {
            order++;
        }
    }
    iommu_tlb_flush_pages(&s->tlb, (uint16_t)(words[0] >> 32),
                          page >> order << order << IOMMU_PAGE_SHIFT, MIN(order, 52u));
}

/* False: it makes no sense. */
static bool carry_out(Amdvi *s, const uint64_t words[2], bool *changed)
{
    switch (words[0] >> AMDVI_CODE_SHIFT) {
    case AMDVI_CMD_WAIT:
        return wait(s, words);
    case AMDVI_CMD_DEVICE:
        iommu_tlb_flush_source(&s->tlb, (uint16_t)words[0], 0);
        *changed = true; /* it tells of the function's interrupts, too */
        return true;
    case AMDVI_CMD_PAGES:
        flush_pages(s, words);
        return true;
    case AMDVI_CMD_IOTLB:
        return s->device_iotlb; /* our functions keep nothing */
    case AMDVI_CMD_INTERRUPTS:
        *changed = true;
        return true;
    case AMDVI_CMD_PREFETCH:
        return true;
    case AMDVI_CMD_ALL:
        iommu_tlb_flush_all(&s->tlb);
        *changed = true;
        return true;
    }
    return false;
}

static void stop(Amdvi *s, AmdviFault why, uint64_t addr)
{
    *amdvi_reg(s, AMDVI_STATUS) &= ~(uint64_t)AMDVI_COMMANDS_RUN;
    amdvi_note(s, why, 0, addr);
}

/* The ring as it was when this began: who adds to it writes its tail again. *@changed: messages may
 * go elsewhere now, which has to be so before anyone who waits is told; that cannot be done with
 * the lock. */
static void run(Amdvi *s, bool *changed)
{
    uint64_t base = *amdvi_reg(s, AMDVI_COMMAND_BASE), *head = amdvi_reg(s, AMDVI_COMMAND_HEAD);
    uint64_t tail = *amdvi_reg(s, AMDVI_COMMAND_TAIL);
    uint32_t size = amdvi_ring_size(base);

    while (*amdvi_reg(s, AMDVI_STATUS) & AMDVI_COMMANDS_RUN && *head != tail) {
        uint64_t words[2], place = (base & AMDVI_ADDRESS) + *head;

        if (tail >= size || *head >= size || !dma_read_ram(&memory, place, words, sizeof(words))) {
            stop(s, AMDVI_NO_COMMAND, place);
            return;
        }
        words[0] = GUINT64_FROM_LE(words[0]);
        words[1] = GUINT64_FROM_LE(words[1]);
        if (words[0] >> AMDVI_CODE_SHIFT == AMDVI_CMD_WAIT && *changed) {
            return;
        }
        if (!carry_out(s, words, changed)) {
            stop(s, AMDVI_BAD_COMMAND, place); /* with the head at the wrong one */
            return;
        }
        *head = (*head + AMDVI_RING_ENTRY) % size;
    }
}

void amdvi_run_commands(Amdvi *s)
{
    bool changed;

    do {
        changed = false;
        amdvi_lock(s);
        run(s, &changed);
        amdvi_unlock(s);
        if (changed) {
            amdvi_remap_changed(s);
        }
    } while (changed);
}
