/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The high precision event timers (IA-PC HPET 1.0a): a 64-bit counter of HPET_HZ and three
 * comparators, each one-shot or periodic, edge- or level-triggered. With legacy replacement the
 * first two take the places of the 8254 (ISA IRQ 0) and of the RTC (IRQ 8), whose lines therefore
 * pass through here. No FSB (MSI) delivery. Machine lock for everything.
 */
#ifndef HW_TIMER_HPET_H
#define HW_TIMER_HPET_H

#include "hw/core/device.h"
#include "hw/core/irq.h"
#include "memory/memory.h"

#define TYPE_HPET "hpet"

#define HPET_BASE   0xfed00000u
#define HPET_SIZE   0x400u
#define HPET_TIMERS 3
#define HPET_HZ     100000000
/* Low half of the capabilities register: also the FADT-style "event timer block ID" of the ACPI
 * table. */
#define HPET_BLOCK_ID (0x80860000u | 1u << 15 | 1u << 13 | (HPET_TIMERS - 1) << 8 | 0x01)

/* The interrupts that a comparator can be routed to: HPET_ROUTES from HPET_FIRST_ROUTE. */
#define HPET_FIRST_ROUTE 16
#define HPET_ROUTES      8

typedef enum HpetLegacy {
    HPET_LEGACY_PIT, /* ISA IRQ 0 */
    HPET_LEGACY_RTC, /* ISA IRQ 8 */
    HPET_LEGACIES,
} HpetLegacy;

typedef struct Hpet Hpet;
OBJECT_CAST_DEFINE(Hpet, HPET, TYPE_HPET)

/* Make it, with its registers in @memory at HPET_BASE. @routes: the I/O APIC's pins from
 * HPET_FIRST_ROUTE; @legacy: ISA IRQ 0 and 8. Belongs to the device tree. */
Hpet *hpet_create(MemoryRegion *memory, const Irq routes[HPET_ROUTES],
                  const Irq legacy[HPET_LEGACIES]);
/* Where the 8254 or the RTC is to be connected: goes on to ISA IRQ 0 or 8 unless the guest asked
 * for legacy replacement. */
Irq hpet_legacy_input(Hpet *hpet, HpetLegacy which);
/* Has the guest asked for it? */
bool hpet_is_legacy(const Hpet *hpet);

/* From now on ticks of timer 0, while it is the 8254's replacement, for which the guest had no time
 * come later (hw/timer/lost-ticks.h): @heard says whether anything takes the edges of the line, and
 * whoever gives the guest interrupt 0 calls hpet_tick_taken(). */
void hpet_make_up(Hpet *hpet, bool (*heard)(void *opaque), void *opaque);
void hpet_tick_taken(Hpet *hpet);

#endif
