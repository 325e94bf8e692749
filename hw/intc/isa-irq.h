/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The 16 interrupt lines of the ISA bus, so that devices made by -device find theirs. The board
 * connects them once; each line usually goes to both the 8259 pair and the I/O APIC.
 * Machine lock for everything.
 */
#ifndef HW_INTC_ISA_IRQ_H
#define HW_INTC_ISA_IRQ_H

#include "hw/core/irq.h"

#define ISA_IRQS 16

void isa_irqs_connect(const Irq irqs[ISA_IRQS]);
/* Line @n; a line that goes nowhere where none is connected or @n > 15. */
Irq isa_irq(unsigned n);

#endif
