/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Interrupts of the 82574L: by a wire, by MSI, or by MSI-X (sections 7.4 and 10.2.4). */
#include "hw/net/e1000e.h"
#include "hw/pci/pci-cap.h"
#include "util/clock.h"

#define EITR_UNIT_NS 256
#define FIRST_CAUSE  20 /* bit of the first of those that have messages */
#define IVAR_BITS    4  /* for each of them */
#define IVAR_VALID   8

/* Causes that have no ring: E1000_ICR_OTHER says that there is one of them. */
#define OTHERS         \
    (E1000_ICR_BASIC & \
     ~(uint32_t)(E1000_ICR_TXDW | E1000_ICR_TXQE | E1000_ICR_RXDMT0 | E1000_ICR_RXT0))

void e1000e_signal(E1000 *s, bool level)
{
    bool msi = pci_msi_enabled(&s->parent);

    if (msi && level && !s->asserted) {
        pci_msi_notify(&s->parent, 0);
    }
    pci_set_irq(&s->parent, level && !msi);
}

/* ---- MSI-X ---- */

/* The message for cause @n of E1000E_VECTORS has been sent. */
static void was_sent(E1000E *e, unsigned n, unsigned vector)
{
    E1000 *s = &e->parent;
    uint32_t bit = 1u << (FIRST_CAUSE + n), interval = *e1000_reg(s, E1000_EITR + 4 * vector);

    e->due &= ~bit;
    if (*e1000_reg(s, E1000_EIAC) & bit) {
        *e1000_reg(s, E1000_ICR) &= ~bit;
        *e1000_reg(s, E1000_IMS) &= ~bit; /* until the driver has done its work */
    }
    if (*e1000_reg(s, E1000_CTRL_EXT) & E1000_CTRL_EXT_EIAME) {
        *e1000_reg(s, E1000_IMS) &= ~(*e1000_reg(s, E1000_IAM) & bit);
    }
    if (interval & 0xffff) {
        timer_mod(e->eitr[vector], clock_ns() + (int64_t)(interval & 0xffff) * EITR_UNIT_NS);
    }
}

static void send_due(E1000E *e)
{
    E1000 *s = &e->parent;

    e->due &= *e1000_reg(s, E1000_ICR) & *e1000_reg(s, E1000_IMS);
    for (unsigned n = 0; n < E1000E_VECTORS; n++) {
        unsigned entry = *e1000_reg(s, E1000_IVAR) >> IVAR_BITS * n & 15, vector = entry & 7;

        if (e->due >> (FIRST_CAUSE + n) & 1 && entry & IVAR_VALID && vector < E1000E_VECTORS &&
            !timer_pending(e->eitr[vector])) {
            was_sent(e, n, vector);
            pci_msix_notify(&s->parent, vector);
        }
    }
}

void e1000e_interval_over(void *opaque)
{
    send_due(opaque);
}

bool e1000e_send(E1000 *s, uint32_t causes)
{
    E1000E *e = E1000E_CARD(s);

    if (causes & *e1000_reg(s, E1000_ICR) & OTHERS) {
        *e1000_reg(s, E1000_ICR) |= E1000_ICR_OTHER;
        causes |= E1000_ICR_OTHER;
    }
    if (!pci_msix_enabled(&s->parent)) {
        return false;
    }
    e1000e_signal(s, false);
    s->asserted = false;
    e->due |= causes & E1000_ICR_QUEUES;
    send_due(e);
    return true;
}

/* ---- ICR ---- */

/* Causes are taken by a read only where it was one of them that interrupted, or where none can. */
uint32_t e1000e_icr_read(E1000 *s, unsigned offset)
{
    uint32_t *icr = e1000_reg(s, E1000_ICR), *ims = e1000_reg(s, E1000_IMS), causes = *icr;
    bool asserted = causes & *ims;

    if (asserted || !*ims) {
        *icr = 0;
    }
    if (asserted && *e1000_reg(s, E1000_CTRL_EXT) & E1000_CTRL_EXT_IAME) {
        *ims &= ~*e1000_reg(s, E1000_IAM);
    }
    e1000_interrupt(s, 0);
    return causes | (asserted ? E1000_ICR_ASSERTED : 0);
}
