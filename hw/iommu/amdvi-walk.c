/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From a function's address to memory: device table and page tables (sections 2.2.2, 2.2.3). */
#include "hw/iommu/amdvi.h"
#include "memory/dma.h"

#define LEVEL_BITS 9
#define LEVELS_MAX 6

static const DmaSpace memory = { .as = &address_space_memory };

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

AmdviFault amdvi_read_device(Amdvi *s, uint16_t source, uint64_t words[4])
{
    uint64_t base = *amdvi_reg(s, AMDVI_DEVICE_TABLE);
    uint64_t offset = (uint64_t)source * AMDVI_DTE_SIZE;

    words[0] = 0;
    if (offset >= ((base & 0x1ff) + 1) << IOMMU_PAGE_SHIFT) {
        return AMDVI_BAD_DEVICE;
    }
    return read_words((base & AMDVI_ADDRESS) + offset, words, 4) ? AMDVI_OK : AMDVI_NO_DEVICE_TABLE;
}

/* log2 of the page that an entry of level @level with @next leads to, at *@to. The size of one that
 * says it itself is by its lowest bit of the address that is 0. */
static unsigned page_shift(uint64_t entry, unsigned level, unsigned next, uint64_t *to)
{
    unsigned shift = IOMMU_PAGE_SHIFT + LEVEL_BITS * (level - 1);

    *to = entry & AMDVI_ADDRESS;
    if (next == AMDVI_PTE_SIZED) {
        shift = IOMMU_PAGE_SHIFT + 1;
        for (uint64_t bits = *to >> IOMMU_PAGE_SHIFT; bits & 1; bits >>= 1) {
            shift++;
        }
        *to &= ~((1ull << shift) - 1);
    }
    return shift;
}

/* Why not, as an event tells it in its flags. */
static AmdviFault refuse(uint64_t *flags, uint64_t why)
{
    *flags |= why;
    return AMDVI_PAGE_FAULT;
}

/* A table may lead to one more than one level below: then the address has zeros between. */
static AmdviFault walk(uint64_t table, unsigned level, uint64_t addr, bool write,
                       IommuTlbEntry *found, uint64_t *flags, uint64_t *where)
{
    const uint64_t wanted = write ? AMDVI_WRITE_OK : AMDVI_READ_OK;
    uint64_t allowed = AMDVI_READ_OK | AMDVI_WRITE_OK;
    unsigned width = IOMMU_PAGE_SHIFT + LEVEL_BITS * level;

    if (width < 64 && addr >> width) {
        return refuse(flags, 0);
    }
    while (level) {
        unsigned shift = IOMMU_PAGE_SHIFT + LEVEL_BITS * (level - 1), next;
        uint64_t entry;

        *where = table + (addr >> shift & ((1u << LEVEL_BITS) - 1)) * sizeof(entry);
        if (!read_words(*where, &entry, 1)) {
            return AMDVI_NO_PAGE_TABLE;
        }
        if (!(entry & AMDVI_PRESENT)) {
            return refuse(flags, 0);
        }
        allowed &= entry;
        if (!(allowed & wanted)) {
            return refuse(flags, AMDVI_EVENT_PRESENT | AMDVI_EVENT_PERMISSION);
        }
        next = (unsigned)(entry >> AMDVI_PTE_NEXT & 7);
        if (next == 0 || next == AMDVI_PTE_SIZED) {
            found->shift = (uint8_t)page_shift(entry, level, next, &found->to);
            found->allowed = (allowed & AMDVI_READ_OK ? IOMMU_READ : 0) |
                             (allowed & AMDVI_WRITE_OK ? IOMMU_WRITE : 0);
            return found->to & ((1ull << found->shift) - 1) ||
                           found->shift >= IOMMU_PAGE_SHIFT + LEVEL_BITS * level
                       ? refuse(flags, AMDVI_EVENT_PRESENT | AMDVI_EVENT_RESERVED)
                       : AMDVI_OK;
        }
        unsigned below = IOMMU_PAGE_SHIFT + LEVEL_BITS * next;
        if (next >= level || (addr & ((1ull << shift) - 1)) >> below) {
            return refuse(flags, AMDVI_EVENT_PRESENT | (next >= level ? AMDVI_EVENT_RESERVED : 0));
        }
        level = next;
        table = entry & AMDVI_ADDRESS;
    }
    return AMDVI_BAD_DEVICE;
}

/* By the entry of the device table. */
static AmdviFault find(const uint64_t dte[4], uint64_t addr, bool write, IommuTlbEntry *found,
                       uint64_t *flags, uint64_t *where)
{
    unsigned levels = (unsigned)(dte[0] >> AMDVI_DTE_LEVELS & 7);

    found->domain = (uint16_t)dte[1];
    found->allowed = IOMMU_READ | IOMMU_WRITE;
    found->shift = IOMMU_ALL;
    if (!(dte[0] & AMDVI_DTE_VALID)) {
        return AMDVI_OK; /* nobody says anything of it */
    }
    found->allowed =
        (dte[0] & AMDVI_READ_OK ? IOMMU_READ : 0) | (dte[0] & AMDVI_WRITE_OK ? IOMMU_WRITE : 0);
    if (!(dte[0] & AMDVI_DTE_TRANSL)) {
        return refuse(flags, 0);
    }
    if (levels > LEVELS_MAX) {
        return AMDVI_BAD_DEVICE;
    }
    if (!(found->allowed & (write ? IOMMU_WRITE : IOMMU_READ))) {
        return refuse(flags, AMDVI_EVENT_PRESENT | AMDVI_EVENT_PERMISSION);
    }
    if (!levels) {
        return AMDVI_OK;
    }
    uint8_t allowed = found->allowed;
    AmdviFault fault = walk(dte[0] & AMDVI_ADDRESS, levels, addr, write, found, flags, where);
    found->allowed &= allowed;
    return fault;
}

/* Tell of a fault, if the function is not one whose faults are kept quiet. */
static void note(Amdvi *s, AmdviFault fault, uint16_t source, const uint64_t dte[4], uint64_t flags,
                 uint64_t addr, uint64_t where, bool write)
{
    bool page = fault == AMDVI_PAGE_FAULT;

    if (page && dte[1] & AMDVI_DTE_QUIET) {
        return;
    }
    amdvi_note(s, fault,
               source | flags | (write ? AMDVI_EVENT_WRITE : 0) |
                   (page || fault == AMDVI_NO_PAGE_TABLE ? (dte[1] & 0xffff) << 32 : 0),
               fault == AMDVI_NO_PAGE_TABLE ? where : addr);
}

bool amdvi_translate(void *opaque, uint16_t source, hwaddr addr, bool write, hwaddr *to,
                     uint64_t *size)
{
    Amdvi *s = opaque;
    IommuTlbEntry entry = { .source = source, .page = addr >> IOMMU_PAGE_SHIFT };
    uint64_t dte[4] = { 0 }, flags = 0, where = 0;
    const IommuTlbEntry *known;
    AmdviFault fault = AMDVI_OK;

    *to = addr;
    *size = MAX(UINT64_MAX - addr, 1u);
    if (!atomic_load_explicit(&s->translates, memory_order_acquire)) {
        return true;
    }
    if (addr >= AMDVI_MSI_FIRST && addr <= AMDVI_MSI_LAST) {
        *size = AMDVI_MSI_LAST + 1ull - addr; /* messages, and no memory */
        return true;
    }
    amdvi_lock(s);
    known = iommu_tlb_find(&s->tlb, source, entry.page, write);
    if (known) {
        entry = *known;
    } else {
        fault = amdvi_read_device(s, source, dte);
        fault = fault == AMDVI_OK ? find(dte, addr, write, &entry, &flags, &where) : fault;
        if (fault == AMDVI_OK) {
            iommu_tlb_add(&s->tlb, &entry);
        } else {
            note(s, fault, source, dte, flags, addr, where, write);
        }
    }
    if (fault == AMDVI_OK) {
        iommu_tlb_apply(&entry, addr, to, size);
    }
    amdvi_unlock(s);
    return fault == AMDVI_OK;
}
