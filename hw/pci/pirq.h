/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Routing of PCI interrupts in a south bridge: for each of the lines PIRQA# to PIRQH# a register of
 * a byte in its configuration space says to which ISA interrupt it goes (82371SB data sheet,
 * section 2.2.8; ICH9 data sheet, 13.1.7). Machine lock.
 */
#ifndef HW_PCI_PIRQ_H
#define HW_PCI_PIRQ_H

#include "hw/core/irq.h"
#include "hw/intc/isa-irq.h"
#include "hw/pci/pci.h"

/* Configuration registers, which the DSDT names: PIRQA# to PIRQD#, and PIRQE# to PIRQH#. */
#define PIRQ_A   0x60
#define PIRQ_E   0x68
#define PIRQ_OFF 0x80 /* goes nowhere */

typedef struct PirqRouter {
    uint8_t levels;      /* of the PIRQs */
    uint16_t irq_levels; /* of the interrupts */
    /* wiring */
    Irq irqs[ISA_IRQS];
} PirqRouter;

extern const StateTable pirq_router_state;

/* PIRQ @n (0: PIRQA#) has @level now; @dev has the registers. */
void pirq_set(PirqRouter *router, const PciDevice *dev, unsigned n, int level);
/* After a change of the registers. */
void pirq_update(PirqRouter *router, const PciDevice *dev);

#endif
