/* SPDX-License-Identifier: GPL-2.0-or-later */
/* e1000e: what Intel's 82574L has beside what all of those cards have. Machine lock. */
#ifndef HW_NET_E1000E_H
#define HW_NET_E1000E_H

#include "hw/net/e1000-core.h"
#include "hw/pci/pci-msix.h"

#define TYPE_E1000E "e1000e"

#define E1000E_VECTORS 5 /* and as many causes that have messages */

typedef struct E1000E {
    E1000 parent;
    /* state */
    Timer *eitr[E1000E_VECTORS]; /* pending: it is too early for another message */
    uint32_t due;                /* causes whose message is to be sent; E1000_ICR_QUEUES */
    uint64_t systim;             /* the clock of IEEE 1588, */
    int64_t systim_ns;           /* as it was then, */
    uint32_t systim_inc;         /* and how it goes on: TIMINCA */
    /* wiring */
    MemoryRegion flash;
} E1000E;
OBJECT_CAST_DEFINE(E1000E, E1000E_CARD, TYPE_E1000E)

/* For E1000Class. */
void e1000e_signal(E1000 *s, bool level);
bool e1000e_send(E1000 *s, uint32_t causes);
/* Of a timer of `eitr`, with the E1000E. */
void e1000e_interval_over(void *opaque);
uint32_t e1000e_icr_read(E1000 *s, unsigned offset);
void e1000e_spread(E1000 *s, const RssPacket *p, const uint8_t *packet, E1000Told *told);

#endif
