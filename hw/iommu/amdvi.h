/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * amd-iommu: AMD's IOMMU (its specification, 48882), one above the root bus of q35: a unit at
 * AMDVI_BASE, and a PCI function, AMDVI-PCI, by which the guest finds it and which sends its
 * messages. DMA of PCI functions is translated by page tables of up to six levels, interrupts of
 * functions and of the I/O APIC by a table for each function.
 *
 * Threads that run queues translate without the machine lock; what they touch is under `lock`,
 * which nobody holds while he waits for anything. Events are written to the guest's log, and told,
 * after it was given back, by the thread itself if it has the machine lock, else by the main loop.
 */
#ifndef HW_IOMMU_AMDVI_H
#define HW_IOMMU_AMDVI_H

#include <stdatomic.h>

#include "hw/core/device.h"
#include "hw/intc/ioapic.h"
#include "hw/iommu/amdvi-regs.h"
#include "hw/iommu/iommu-tlb.h"
#include "hw/pci/pci-iommu.h"

#define TYPE_AMD_IOMMU "amd-iommu"
#define TYPE_AMDVI_PCI "AMDVI-PCI"

#define AMDVI_EVENTS 64 /* that wait to be written; what is more, is lost */

typedef struct AmdviEvent {
    uint64_t words[2];
} AmdviEvent;

typedef struct Amdvi {
    Device parent;
    /* state; lock */
    uint64_t low[8];  /* registers from 0 on */
    uint64_t high[5]; /* registers from 0x2000 on */
    /* configuration */
    bool device_iotlb, pt;
    int intremap; /* OnOffAuto */
    /* wiring */
    GMutex lock;
    atomic_bool translates;          /* what AMDVI_CONTROL says */
    AmdviEvent events[AMDVI_EVENTS]; /* lock: that are to be written */
    unsigned event_count;            /* lock */
    bool lost;                       /* lock: an event, since the last one that was written */
    bool tells_wait;                 /* lock: a message is due for a command that waited */
    GSource *sender;                 /* lock: in the main loop; NULL: nothing is to be sent by it */
    MemoryRegion region;
    PciBus *root_bus;
    PciDevice *function;
    PciIommu ops;
    Ioapic *ioapic;
    bool remaps; /* what it can do */
    IommuTlb tlb;
} Amdvi;
OBJECT_CAST_DEFINE(Amdvi, AMDVI, TYPE_AMD_IOMMU)

/* The machine's, realized; NULL: it has none. */
const Amdvi *amdvi_find(void);

/* ---- for the files of hw/iommu ---- */

#define AMDVI_HIGH 0x2000u /* offset of the first of `high` */
/* The register at @offset, which there is. */
static inline uint64_t *amdvi_reg(Amdvi *s, unsigned offset)
{
    return offset < AMDVI_HIGH ? &s->low[offset / 8] : &s->high[(offset - AMDVI_HIGH) / 8];
}
/* Bytes of the ring whose base register is @base. */
static inline uint32_t amdvi_ring_size(uint64_t base)
{
    unsigned length = (unsigned)(base >> AMDVI_LENGTH_SHIFT & 15);

    return AMDVI_RING_ENTRY << (length < AMDVI_LENGTH_MIN ? AMDVI_LENGTH_MIN : length);
}

/* amdvi-events.c. Lock; the second writes and tells what is due. */
void amdvi_lock(Amdvi *s);
void amdvi_unlock(Amdvi *s);
/* Something of code @why, with more of its first word in @more, at @addr. Locked. */
void amdvi_note(Amdvi *s, AmdviFault why, uint64_t more, uint64_t addr);
/* A command that waited asked for a message. Locked. */
void amdvi_note_wait(Amdvi *s);
/* Nothing is to be sent any more. */
void amdvi_drop_events(Amdvi *s);

/* amdvi-walk.c. The first is for PciIommu; the other one, the entry of the device table, whose
 * four words it reads, is locked. AMDVI_OK with a first word of 0: nothing is said of @source. */
bool amdvi_translate(void *opaque, uint16_t source, hwaddr addr, bool write, hwaddr *to,
                     uint64_t *size);
AmdviFault amdvi_read_device(Amdvi *s, uint16_t source, uint64_t words[4]);

/* amdvi-commands.c. Carry out what is in the ring. Machine lock, not locked. */
void amdvi_run_commands(Amdvi *s);

/* amdvi-remap.c. For PciIommu and the I/O APIC. Machine lock, not locked. */
bool amdvi_remap_msi(void *opaque, uint16_t source, uint64_t *addr, uint32_t *data, bool tell);
bool amdvi_remap_pin(void *opaque, uint64_t rte, ApicMessage *msg, bool tell);
/* Messages may go elsewhere now. */
void amdvi_remap_changed(Amdvi *s);

#endif
