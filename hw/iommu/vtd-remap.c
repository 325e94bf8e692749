/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Interrupt remapping (VT-d chapter 5). */
#include "hw/intc/apic.h"
#include "hw/iommu/vtd.h"
#include "memory/dma.h"

static const DmaSpace memory = { .as = &address_space_memory };

/* Fields of the first word of an entry (section 9.9). */
#define IRTE_LOGICAL    (1ull << 2)
#define IRTE_LEVEL      (1ull << 4)
#define IRTE_MODE       (5)
#define IRTE_POSTED     (1ull << 15)
#define IRTE_VECTOR     (16)
#define IRTE_RESERVED   0x00000000ff007000ull
#define IRTE_DEST_SHIFT 32
/* And of the second. */
#define IRTE_SID_QUALIFIER 16
#define IRTE_SID_CHECK     18
#define IRTE_HIGH_RESERVED 0xfffffffffff00000ull

static bool source_fits(uint64_t high, uint16_t source)
{
    static const uint16_t ignored[4] = { 0, 4, 6, 7 };
    uint16_t sid = (uint16_t)high;

    switch (high >> IRTE_SID_CHECK & 3) {
    case 0:
        return true;
    case 1:
        return !((sid ^ source) & ~ignored[high >> IRTE_SID_QUALIFIER & 3]);
    case 2: /* from one bus to another */
        return source >> 8 >= sid >> 8 && source >> 8 <= (sid & 0xff);
    }
    return false;
}

static VtdFault read_entry(const Vtd *s, uint32_t index, uint16_t source, ApicMessage *msg,
                           bool *quiet)
{
    uint64_t words[2];

    if (index >= 2u << (s->remap_table & VTD_IRTA_SIZE)) {
        return VTD_IRTE_INDEX;
    }
    if (!dma_read_ram(&memory, (s->remap_table & VTD_IRTA_TABLE) + 16ull * index, words,
                      sizeof(words))) {
        return VTD_IRTE_TABLE;
    }
    words[0] = GUINT64_FROM_LE(words[0]);
    words[1] = GUINT64_FROM_LE(words[1]);
    *quiet = words[0] & VTD_IRTE_QUIET;
    if (!(words[0] & VTD_PRESENT)) {
        return VTD_IRTE_ABSENT;
    }
    if (words[0] & (IRTE_RESERVED | IRTE_POSTED) || words[1] & IRTE_HIGH_RESERVED ||
        (words[1] >> IRTE_SID_CHECK & 3) == 3) {
        return VTD_IRTE_RESERVED;
    }
    if (!source_fits(words[1], source)) {
        return VTD_IRTE_SOURCE;
    }
    bool eim = s->remap_table & VTD_IRTA_EIM;
    uint32_t dest = (uint32_t)(words[0] >> IRTE_DEST_SHIFT);
    *msg = (ApicMessage){ .dest = eim ? dest : dest >> 8 & 0xff,
                          .x2apic = eim,
                          .logical = words[0] & IRTE_LOGICAL,
                          .level = words[0] & IRTE_LEVEL,
                          .mode = words[0] >> IRTE_MODE & 7,
                          .vector = (uint8_t)(words[0] >> IRTE_VECTOR) };
    return VTD_OK;
}

static bool remaps_now(Vtd *s)
{
    return *vtd_reg(s, VTD_GSTS) & VTD_REMAPPING;
}

/* Of the old format: with x2APIC IDs never (section 5.1.4). */
static VtdFault let_old_pass(Vtd *s)
{
    bool pass = !(s->remap_table & VTD_IRTA_EIM) && *vtd_reg(s, VTD_GSTS) & VTD_COMPATIBLE;

    return pass ? VTD_OK : VTD_IRTE_COMPATIBLE;
}

static void note(Vtd *s, uint16_t source, uint32_t index, VtdFault fault, bool tell)
{
    if (fault != VTD_OK && tell) {
        vtd_note_fault(s, source, (uint64_t)index << 48, fault, true);
    }
}

bool vtd_remap_msi(void *opaque, uint16_t source, uint64_t *addr, uint32_t *data, bool tell)
{
    Vtd *s = opaque;
    ApicMessage msg = { 0 };
    uint32_t index = 0;
    bool quiet = false, changed = false;
    VtdFault fault = VTD_OK;

    vtd_lock(s);
    if (!remaps_now(s)) {
        vtd_unlock(s);
        return true;
    }
    if (*addr < VTD_MSI_FIRST || *addr > VTD_MSI_LAST) {
        vtd_unlock(s);
        return false; /* a write to memory, which reaches no CPU */
    }
    if (!(*addr & VTD_MSI_REMAPPED)) {
        fault = let_old_pass(s);
    } else {
        index = (uint32_t)(*addr >> 5 & 0x7fff) | (uint32_t)(*addr >> 2 & 1) << 15;
        index += *addr & VTD_MSI_SUBHANDLE ? *data & 0xffff : 0;
        fault = read_entry(s, index, source, &msg, &quiet);
        changed = true;
    }
    note(s, source, index, fault, tell && !quiet);
    vtd_unlock(s);
    if (fault == VTD_OK && changed) {
        apic_message_to_msi(&msg, addr, data);
    }
    return fault == VTD_OK;
}

bool vtd_remap_pin(void *opaque, uint64_t rte, ApicMessage *msg, bool tell)
{
    Vtd *s = opaque;
    uint32_t index = 0;
    bool quiet = false;
    VtdFault fault = VTD_OK;

    vtd_lock(s);
    if (remaps_now(s) && rte & VTD_RTE_REMAPPED) {
        index = (uint32_t)(rte >> 49 & 0x7fff) | (uint32_t)(rte >> 11 & 1) << 15;
        fault = read_entry(s, index, VTD_IOAPIC_SOURCE, msg, &quiet);
    } else if (remaps_now(s)) {
        fault = let_old_pass(s);
    }
    note(s, VTD_IOAPIC_SOURCE, index, fault, tell && !quiet);
    vtd_unlock(s);
    return fault == VTD_OK;
}

void vtd_remap_changed(Vtd *s)
{
    if (s->remaps) {
        pci_iommu_remap_changed(s->root_bus);
        ioapic_remap_changed(s->ioapic);
    }
}
