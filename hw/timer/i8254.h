/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The 8254 interval timer (Intel 8254 data sheet) and port 0x61, which gates its counter 2.
 * Everything a guest reads is computed from clock_ns(). Machine lock for everything.
 */
#ifndef HW_TIMER_I8254_H
#define HW_TIMER_I8254_H

#include "hw/core/device.h"
#include "hw/core/irq.h"
#include "memory/memory.h"

#define TYPE_I8254 "isa-pit"
/* A type that machines do not use: for -global kvm-pit.lost_tick_policy, which tools give always,
 * and which holds for isa-pit. */
#define TYPE_KVM_PIT "kvm-pit"

#define I8254_HZ 1193182

typedef struct I8254 I8254;
OBJECT_CAST_DEFINE(I8254, I8254_DEVICE, TYPE_I8254)

/* Make it, with ports 0x40-0x43 and 0x61 in @io; @irq is counter 0's output (ISA IRQ 0). Belongs
 * to the device tree. */
I8254 *i8254_create(MemoryRegion *io, Irq irq);

/* From now on ticks for which the guest had no time come later (hw/timer/lost-ticks.h), unless
 * lost_tick_policy is discard: @heard says whether anything takes the edges of the line, and
 * whoever gives the guest the interrupt calls i8254_tick_taken(). */
void i8254_make_up(I8254 *pit, bool (*heard)(void *opaque), void *opaque);
/* The period of what counter 2 plays, in ticks, while port 0x61 lets it through; 0: silence. */
uint32_t i8254_tone(const I8254 *pit);
/* Call @fn(@opaque) whenever that may have changed; NULL: no more. */
void i8254_on_tone(I8254 *pit, void (*fn)(void *opaque), void *opaque);
/* The guest has taken interrupt 0. */
void i8254_tick_taken(I8254 *pit);

#endif
