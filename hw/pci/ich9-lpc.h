/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The LPC bridge of the ICH9 (Intel I/O Controller Hub 9 data sheet, 316972), 00:1f.0: routing of
 * PCI interrupts, the place of the PM block (hw/acpi/pm.h)
 * and of the watchdog behind it (hw/acpi/ich9-tco.h), and the chipset configuration registers
 * (RCRB). Machine lock.
 *
 * A function's INTA# to INTD# go to PIRQA# to PIRQD# from slots 25 to 31, rotated by slot to PIRQE#
 * to PIRQH# from others. A PIRQ goes to its pin of the I/O APIC, always, and to that input of the
 * 8259s which the guest chose, if it did.
 */
#ifndef HW_PCI_ICH9_LPC_H
#define HW_PCI_ICH9_LPC_H

#include "hw/acpi/ich9-tco.h"
#include "hw/acpi/pm.h"
#include "hw/pci/acpi-pci-hotplug.h"
#include "hw/pci/pirq.h"

#define TYPE_ICH9_LPC "ICH9-LPC"

#define ICH9_LPC_DEVFN PCI_DEVFN(0x1f, 0)

#define ICH9_PIRQS       PCI_PIRQS
#define ICH9_FIRST_GSI   16 /* PIRQA#'s pin of the I/O APIC */
#define ICH9_LAST_ROTATE 24 /* the last slot that goes to PIRQE# to PIRQH# */

/* The chipset configuration registers, where firmware usually puts them. */
#define ICH9_RCBA_BASE 0xfed1c000u
#define ICH9_RCBA_SIZE 0x4000u

typedef struct Ich9Lpc {
    PciDevice parent;
    PirqRouter pirqs; /* to the 8259s */
    Ich9Tco tco;
    /* wiring */
    AcpiPm *pm; /* borrowed */
    Irq pins[ICH9_PIRQS];
    MemoryRegion rcrb;
    /* Do SMIs go to all processors, as firmware has asked? NULL: never. */
    bool (*broadcasts)(void *opaque);
    void *broadcasts_opaque;
    /* configuration */
    AcpiPmSleep sleep;
    AcpiPciHotplugConfig hotplug; /* of the root bus: none */
    FixedSwitches fixed;
    bool smi_broadcast, smi_cpu_hotplug, smi_cpu_hotunplug; /* properties: may firmware have them */
} Ich9Lpc;
OBJECT_CAST_DEFINE(Ich9Lpc, ICH9_LPC, TYPE_ICH9_LPC)

/* Make it on @bus, a root bus, and take that bus's interrupts: @pins are the I/O APIC's, @pic the
 * 8259s'. @pm becomes visible when the guest says where. Belongs to the device tree. */
Ich9Lpc *ich9_lpc_create(PciBus *bus, AcpiPm *pm, const Irq pins[ICH9_PIRQS],
                         const Irq pic[ISA_IRQS]);

/* Which PIRQ (0: PIRQA#) @pin (0: INTA#) of a root bus's @slot is on. */
unsigned ich9_pirq(uint8_t slot, unsigned pin);

/* For a boot without firmware, after each reset: the PM block is at ACPI_PM_BASE, the RCRB at
 * ICH9_RCBA_BASE, and PIRQs go to IRQ 10 and 11. */
void ich9_lpc_set_up(Ich9Lpc *lpc);

#endif
