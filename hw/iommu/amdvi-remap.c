/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Interrupt remapping (section 2.2.5). */
#include "hw/intc/apic.h"
#include "hw/iommu/amdvi.h"
#include "memory/dma.h"

static const DmaSpace memory = { .as = &address_space_memory };

/* Delivery modes, of messages as they come. */
enum { MODE_FIXED = 0, MODE_LOWEST = 1, MODE_NMI = 4, MODE_INIT = 5, MODE_EXTINT = 7 };

/* Fields of an entry, of either size. */
#define IRTE_ENABLED (1ull << 0)
#define IRTE_QUIET   (1ull << 1)
#define IRTE_MODE    2
#define IRTE_LOGICAL (1ull << 6)
#define IRTE_GUEST   (1ull << 7) /* in a table of 128 bits: for a virtual APIC */
#define IRTE_DEST    8
#define IRTE_VECTOR  16 /* of 32 bits; else the lowest of the second word */
#define LENGTH_MAX   11

/* What becomes of a message. */
typedef enum Verdict { PASSED, REMAPPED, DROPPED } Verdict;

/* The entry @index of the table of @dte, which says where @msg really goes. */
static bool read_entry(Amdvi *s, const uint64_t dte[4], unsigned index, ApicMessage *msg,
                       uint64_t *flags, bool *quiet)
{
    bool wide = *amdvi_reg(s, AMDVI_CONTROL) & AMDVI_WIDE_INTERRUPTS;
    unsigned length = (unsigned)(dte[2] >> AMDVI_DTE_LENGTH & 15), size = wide ? 16 : 4;
    uint64_t words[2] = { 0 };

    if (length > LENGTH_MAX || index >= 1u << length ||
        !dma_read_ram(&memory, (dte[2] & AMDVI_DTE_TABLE) + (uint64_t)index * size, words, size)) {
        return false;
    }
    words[0] = GUINT64_FROM_LE(words[0]);
    words[1] = GUINT64_FROM_LE(words[1]);
    *quiet |= words[0] & IRTE_QUIET;
    if (!(words[0] & IRTE_ENABLED)) {
        return false;
    }
    if (wide && words[0] & IRTE_GUEST) {
        *flags |= AMDVI_EVENT_PRESENT | AMDVI_EVENT_RESERVED; /* there are no virtual APICs */
        return false;
    }
    msg->dest = (uint8_t)(words[0] >> IRTE_DEST);
    msg->x2apic = false;
    msg->logical = words[0] & IRTE_LOGICAL;
    msg->mode = words[0] >> IRTE_MODE & 7;
    msg->vector = (uint8_t)(wide ? words[1] : words[0] >> IRTE_VECTOR);
    return true;
}

static Verdict pass_if(uint64_t allowed)
{
    return allowed ? PASSED : DROPPED;
}

/* What the entry of the device table says of messages like @msg, as it came. */
static Verdict judge(Amdvi *s, const uint64_t dte[4], ApicMessage *msg, uint64_t *flags,
                     bool *quiet)
{
    if (!(dte[2] & AMDVI_DTE_INTERRUPTS)) {
        return PASSED;
    }
    *quiet |= dte[2] & AMDVI_DTE_IGNORE;
    switch (msg->mode) {
    case MODE_NMI:
        return pass_if(dte[2] & AMDVI_DTE_NMI);
    case MODE_INIT:
        return pass_if(dte[2] & AMDVI_DTE_INIT);
    case MODE_EXTINT:
        return pass_if(dte[2] & AMDVI_DTE_EXTINT);
    case MODE_FIXED:
    case MODE_LOWEST:
        break;
    default:
        return DROPPED;
    }
    switch (dte[2] >> AMDVI_DTE_CONTROL & 3) {
    case AMDVI_INT_FORWARDED:
        return PASSED;
    case AMDVI_INT_REMAPPED:
        return read_entry(s, dte, (unsigned)msg->mode << 8 | msg->vector, msg, flags, quiet)
                   ? REMAPPED
                   : DROPPED;
    default:
        return DROPPED;
    }
}

/* Not locked. */
static Verdict remap(Amdvi *s, uint16_t source, ApicMessage *msg, uint64_t addr, bool tell)
{
    uint64_t dte[4], flags = 0;
    bool quiet = !tell;
    Verdict verdict = PASSED;

    amdvi_lock(s);
    if (*amdvi_reg(s, AMDVI_CONTROL) & AMDVI_ENABLED) {
        AmdviFault fault = amdvi_read_device(s, source, dte);

        verdict = fault == AMDVI_OK ? judge(s, dte, msg, &flags, &quiet) : DROPPED;
        if (verdict == DROPPED && !quiet) {
            uint64_t domain = fault == AMDVI_OK ? (dte[1] & 0xffff) << 32 : 0;

            amdvi_note(s, fault == AMDVI_OK ? AMDVI_PAGE_FAULT : fault,
                       source | domain | flags | AMDVI_EVENT_IS_INTERRUPT | AMDVI_EVENT_WRITE,
                       addr);
        }
    }
    amdvi_unlock(s);
    return verdict;
}

bool amdvi_remap_msi(void *opaque, uint16_t source, uint64_t *addr, uint32_t *data, bool tell)
{
    Amdvi *s = opaque;
    ApicMessage msg = { .level = *data >> 15 & 1,
                        .mode = *data >> 8 & 7,
                        .vector = (uint8_t)*data };

    if (*addr < AMDVI_MSI_FIRST || *addr > AMDVI_MSI_LAST) {
        return !atomic_load_explicit(&s->translates, memory_order_acquire); /* reaches no CPU */
    }
    Verdict verdict = remap(s, source, &msg, *addr, tell);
    if (verdict == REMAPPED) {
        apic_message_to_msi(&msg, addr, data);
    }
    return verdict != DROPPED;
}

/* The I/O APIC's messages are as its entries are. */
bool amdvi_remap_pin(void *opaque, uint64_t rte, ApicMessage *msg, bool tell)
{
    return remap(opaque, AMDVI_IOAPIC_ID, msg, AMDVI_MSI_FIRST, tell) != DROPPED;
}

void amdvi_remap_changed(Amdvi *s)
{
    if (s->remaps) {
        pci_iommu_remap_changed(s->root_bus);
        ioapic_remap_changed(s->ioapic);
    }
}
