/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/intc/isa-irq.h"

#include <string.h>

static Irq isa_irqs[ISA_IRQS];

void isa_irqs_connect(const Irq irqs[ISA_IRQS])
{
    memcpy(isa_irqs, irqs, sizeof isa_irqs);
}

Irq isa_irq(unsigned n)
{
    return n < ISA_IRQS ? isa_irqs[n] : (Irq){ 0 };
}
