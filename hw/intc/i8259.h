/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The pair of 8259A interrupt controllers of a PC (Intel 8259A data sheet), with the edge/level
 * control registers of the PIIX at 0x4d0 and 0x4d1. One device "isa-i8259" is the whole pair.
 * Machine lock for everything.
 */
#ifndef HW_INTC_I8259_H
#define HW_INTC_I8259_H

#include <stdbool.h>
#include <stdint.h>

#include "hw/core/device.h"
#include "hw/core/irq.h"
#include "memory/memory.h"

#define TYPE_I8259 "isa-i8259"

typedef struct I8259 I8259;
OBJECT_CAST_DEFINE(I8259, I8259_DEVICE, TYPE_I8259)

/* Make the pair, with its ports in @io (0x20, 0xa0, 0x4d0); @intr is the master's INT output,
 * usually apic_pic_irq(). Belongs to the device tree. */
I8259 *i8259_create(MemoryRegion *io, Irq intr);
/* Input line @n, 0-15; 2 is the cascade and is not connected. */
Irq i8259_irq(I8259 *pic, unsigned n);
/* INTA: take the highest request into service and give its vector; the spurious vector (IRQ 7 or
 * 15) if there is none any more. */
int i8259_acknowledge(I8259 *pic);
/* The level of the INT output. */
bool i8259_output(const I8259 *pic);
/* Call @fn each time that interrupt 0, the timer's, is taken; NULL: nothing. */
void i8259_on_timer_taken(I8259 *pic, void (*fn)(void *opaque), void *opaque);
/* Is input 0 not masked? */
bool i8259_hears_timer(const I8259 *pic);

/* ---- for monitors ---- */

/* Append the registers of both, a line each. */
void i8259_describe(I8259 *pic, GString *out);
/* How often each of the 16 input lines has risen since the pair was made. */
const uint64_t *i8259_counts(const I8259 *pic);

#endif
