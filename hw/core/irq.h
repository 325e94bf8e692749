/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interrupt lines: a function to call with a new level. A plain value; copy it freely.
 */
#ifndef HW_CORE_IRQ_H
#define HW_CORE_IRQ_H

#include <stddef.h>

typedef struct Irq {
    void (*set)(void *opaque, int n, int level); /* NULL: not connected */
    void *opaque;
    int n;
} Irq;

/* Machine lock held. */
static inline void irq_set(const Irq *irq, int level)
{
    if (irq->set) {
        irq->set(irq->opaque, irq->n, level);
    }
}

static inline void irq_pulse(const Irq *irq)
{
    irq_set(irq, 1);
    irq_set(irq, 0);
}

#endif
