/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The I/O APIC, 82093AA with the EOI register of version 0x20 (ICH data sheets). It sends to
 * local APICs through hw/intc/apic.h. Machine lock for everything.
 */
#ifndef HW_INTC_IOAPIC_H
#define HW_INTC_IOAPIC_H

#include "hw/core/device.h"
#include "hw/core/irq.h"
#include "hw/intc/apic.h"
#include "memory/memory.h"

#define TYPE_IOAPIC "ioapic"

#define IOAPIC_BASE 0xfec00000u
#define IOAPIC_SIZE 0x1000u
#define IOAPIC_PINS 24

typedef struct Ioapic Ioapic;
OBJECT_CAST_DEFINE(Ioapic, IOAPIC, TYPE_IOAPIC)

/* Make it, with its registers in @memory at IOAPIC_BASE, and make local APICs tell it of EOIs.
 * Belongs to the device tree. */
Ioapic *ioapic_create(MemoryRegion *memory);
/* Interrupt @n, 0-23: pin @n, but 0 is the timer's and comes in at pin 2. Levels are logical: 1 is
 * asserted, whatever the polarity bit says. */
Irq ioapic_irq(Ioapic *ioapic, unsigned n);
/* Call @fn each time that a CPU takes the timer's interrupt; NULL: nothing. */
void ioapic_on_timer_taken(Ioapic *ioapic, void (*fn)(void *opaque), void *opaque);
/* Is the timer's pin not masked? */
bool ioapic_hears_timer(const Ioapic *ioapic);

/* An IOMMU's view of interrupts: the entry @rte, whose message by the entry itself is in @msg, may
 * send another one. False: none, and if @tell that is noted as a fault. */
typedef bool IoapicRemap(void *opaque, uint64_t rte, ApicMessage *msg, bool tell);
/* From now on; NULL: there is no IOMMU. */
void ioapic_set_remap(Ioapic *ioapic, IoapicRemap *remap, void *opaque);
/* What it says may have changed. */
void ioapic_remap_changed(Ioapic *ioapic);

/* ---- for monitors ---- */

/* Append the registers in words, a line a pin. */
void ioapic_describe(Ioapic *ioapic, GString *out);
/* How often each of the IOAPIC_PINS pins has risen since it was made. */
const uint64_t *ioapic_counts(const Ioapic *ioapic);

#endif
