/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The south bridge as PCI sees it: PIIX3's ISA bridge (00:01.0) and PIIX4's power management
 * function (00:01.3). The PM registers themselves are hw/acpi/pm.h, at the fixed port
 * PIIX4_PM_BASE; those of its SMBus are hw/i2c/smbus-host.h.
 *
 * A function's INTA# to INTD# go to PIRQA# to PIRQD#, rotated by slot: slot 1's INTA# is PIRQA#'s.
 */
#ifndef HW_PCI_PIIX_H
#define HW_PCI_PIIX_H

#include "hw/acpi/pm.h"
#include "hw/i2c/i2c.h"
#include "hw/pci/acpi-pci-hotplug.h"
#include "hw/pci/pirq.h"

#define TYPE_PIIX3    "PIIX3"
#define TYPE_PIIX4_PM "PIIX4_PM"

#define PIIX3_DEVFN PCI_DEVFN(1, 0)

#define PIIX4_PM_BASE  0x600
#define PIIX4_SMB_BASE 0xb100 /* where firmware has it */
#define PIIX4_SCI_IRQ  9
#define PIIX3_PIRQS    4

/* The functions on @bus, a root bus, whose interrupts go to @irqs; power management only if @pm,
 * which then goes by its properties, and has the bus @smbus (borrowed; NULL: none), whose interrupt
 * 9 is @smbus_irq. Where the power management function's properties say that PCI
 * devices come and go by ACPI; borrowed. */
const AcpiPciHotplugConfig *piix_create(PciBus *bus, AcpiPm *pm, const Irq irqs[ISA_IRQS],
                                        Irq smbus_irq, I2cBus **smbus);

/* Which PIRQ (0: PIRQA#) @pin (0: INTA#) of a root bus's @slot is on. */
unsigned piix_pirq(uint8_t slot, unsigned pin);

/* For a boot without firmware, after each reset: PIRQs go to IRQ 10 and 11. */
void piix_set_up(PciBus *bus);

#endif
