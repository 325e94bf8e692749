/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The slot of a PCI Express port (PCI Express Base 3.0, sections 6.7 and 7.8.9 to 7.8.11): slot
 * registers of the port's PCI Express capability, by which the guest sees and rules it. It has an
 * attention button, perhaps a power controller, a power and an attention indicator.
 *
 * To plug: the device is present and the button is pressed. To ask for it: the button is pressed;
 * the guest lets the power indicator blink, and gives the slot back by turning power, if it can,
 * and indicator off. Pressing again while it blinks withdraws. A guest that sleeps in S3 finds the
 * slot as it left it, and what was plugged or asked for meanwhile as events. Machine lock.
 */
#ifndef HW_PCI_PCIE_SLOT_H
#define HW_PCI_PCIE_SLOT_H

#include "hw/pci/pci-hotplug.h"

/* Properties of a port. */
typedef struct PcieSlotConfig {
    uint16_t number;
    /* It is by the registers that devices come and go, unless the bus has another way already. */
    bool hotplug;
    bool power; /* it has a power controller */
} PcieSlotConfig;

/* Part of a port's structure. */
typedef struct PcieSlot {
    uint16_t control, status; /* the registers, before the access that is under way */
    bool interrupt;           /* events that are enabled have sent a message */
    /* wiring */
    PciDevice *port;
    const PcieSlotConfig *config; /* borrowed */
} PcieSlot;

extern const StateTable pcie_slot_state;

/* For the realize of @port, after pci_add_msi(), pci_add_express() and its secondary bus: the
 * registers of its slot. @config is borrowed. */
void pcie_slot_add(PcieSlot *slot, PciDevice *port, const PcieSlotConfig *config);

/* For the port's PciFunctionClass. */
void pcie_slot_reset(PcieSlot *slot);
/* The slot has kept its power: what the guest has made of it, and what it has not seen, stays. */
void pcie_slot_wake(PcieSlot *slot);
void pcie_slot_reading(PcieSlot *slot);
void pcie_slot_written(PcieSlot *slot, unsigned offset, unsigned size);

#endif
