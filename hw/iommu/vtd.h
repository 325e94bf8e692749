/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * intel-iommu: Intel's VT-d, one unit above the root bus of q35. DMA of PCI functions is translated
 * by tables of legacy mode (root, context, second level), interrupts of functions and of the I/O
 * APIC by the interrupt remapping table.
 *
 * Threads that run queues translate without the machine lock; what they touch is under `lock`,
 * which nobody holds while he waits for anything. Events (messages to the CPUs) are sent after it
 * was given back, by the thread itself if it has the machine lock, else by the main loop.
 */
#ifndef HW_IOMMU_VTD_H
#define HW_IOMMU_VTD_H

#include <stdatomic.h>

#include "hw/core/device.h"
#include "hw/intc/ioapic.h"
#include "hw/iommu/iommu-tlb.h"
#include "hw/iommu/vtd-regs.h"
#include "hw/pci/pci-iommu.h"

#define TYPE_INTEL_IOMMU "intel-iommu"

typedef struct Vtd {
    Device parent;
    /* state; lock */
    uint32_t regs[VTD_REGISTERS / 4];
    uint64_t root, remap_table; /* RTADDR and IRTA, once they were taken over */
    /* configuration */
    uint32_t aw_bits;
    bool caching_mode, device_iotlb, pt, snoop_control, dma_drain, dma_translation;
    int intremap, eim; /* OnOffAuto */
    /* wiring */
    GMutex lock;
    atomic_bool translates; /* what GSTS says */
    unsigned events;        /* lock: VTD_EVENT_ bits that are to be sent */
    GSource *sender;        /* lock: in the main loop; NULL: nothing is to be sent by it */
    MemoryRegion region;
    PciBus *root_bus;
    PciIommu ops;
    Ioapic *ioapic;
    bool remaps, has_eim; /* what it can do */
    IommuTlb tlb;
} Vtd;
OBJECT_CAST_DEFINE(Vtd, VTD, TYPE_INTEL_IOMMU)

/* The machine's, realized; NULL: it has none. */
const Vtd *vtd_find(void);

/* ---- for the files of hw/iommu; registers are 32-bit words ---- */

static inline uint32_t *vtd_reg(Vtd *s, unsigned offset)
{
    return &s->regs[offset / 4];
}
static inline uint64_t vtd_reg64(const Vtd *s, unsigned offset)
{
    return s->regs[offset / 4] | (uint64_t)s->regs[offset / 4 + 1] << 32;
}

/* vtd-events.c. Lock; the second sends the messages that are due. */
void vtd_lock(Vtd *s);
void vtd_unlock(Vtd *s);
/* The function @source was refused at @addr. Locked. */
void vtd_note_fault(Vtd *s, uint16_t source, uint64_t addr, VtdFault why, bool write);
/* Bits of FSTS are set for the queue. Locked. */
void vtd_note_error(Vtd *s, uint32_t bits);
/* A wait descriptor asked for an interrupt. Locked. */
void vtd_note_completion(Vtd *s);
/* FSTS, FRCD or ICS, or one of the control registers, was written. Locked. */
void vtd_events_written(Vtd *s);
/* Nothing is to be sent any more. */
void vtd_drop_events(Vtd *s);

/* vtd-walk.c. The first is for PciIommu; the other one is locked. */
bool vtd_translate(void *opaque, uint16_t source, hwaddr addr, bool write, hwaddr *to,
                   uint64_t *size);
/* All functions whose ID differs from @source in no more than its low bits, by @mask (6.5.2.1). */
void vtd_flush_source(Vtd *s, uint16_t source, unsigned mask);

/* vtd-queue.c. Carry out what is in the queue. Machine lock, not locked. */
void vtd_run_queue(Vtd *s);
/* The second word of CCMD, of IOTLB was written. Locked. */
void vtd_context_command(Vtd *s);
void vtd_iotlb_command(Vtd *s);

/* vtd-remap.c. For PciIommu and the I/O APIC. Machine lock, not locked. */
bool vtd_remap_msi(void *opaque, uint16_t source, uint64_t *addr, uint32_t *data, bool tell);
bool vtd_remap_pin(void *opaque, uint64_t rte, ApicMessage *msg, bool tell);
/* Messages may go elsewhere now. */
void vtd_remap_changed(Vtd *s);

#endif
