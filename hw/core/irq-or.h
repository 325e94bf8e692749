/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A line that several sources share: it is high while any of them is. Machine lock.
 */
#ifndef HW_CORE_IRQ_OR_H
#define HW_CORE_IRQ_OR_H

#include <stdint.h>

#include "hw/core/irq.h"

typedef struct IrqOr {
    uint32_t levels; /* of the inputs, a bit each */
    /* wiring */
    Irq out;
} IrqOr;

static inline void irq_or_set(void *opaque, int n, int level)
{
    IrqOr *line = opaque;

    line->levels = (line->levels & ~(1u << n)) | (level ? 1u << n : 0);
    irq_set(&line->out, line->levels != 0);
}

/* Input @n, 0-31, of @line, which stays where it is. Each input has one source. */
static inline Irq irq_or_input(IrqOr *line, unsigned n)
{
    return (Irq){ irq_or_set, line, (int)n };
}

#endif
