/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registers by which ACPI plugs and unplugs PCI devices: docs/pci-hotplug.md has them. The AML
 * is hw/i386/acpi-pci-hotplug.c's. Machine lock.
 */
#ifndef HW_PCI_ACPI_PCI_HOTPLUG_H
#define HW_PCI_ACPI_PCI_HOTPLUG_H

#include "hw/pci/pci-hotplug.h"

#define TYPE_ACPI_PCI_HOTPLUG "acpi-pci-hotplug"

/* I/O ports */
#define PCIHP_PORT_PC  0xae00
#define PCIHP_PORT_Q35 0x0cc0
#define PCIHP_SIZE     0x24

/* Registers: offsets, 4 bytes each. Those before PCIHP_SELECT are of the selected bus, with a bit
 * for each of 32 slots. */
#define PCIHP_INSERTED   0x00 /* R: slots with a new device; reading clears */
#define PCIHP_ASKED      0x04 /* R: slots that the guest is to give back; reading clears */
#define PCIHP_EJECT      0x08 /* W: slots that it gives back */
#define PCIHP_REMOVABLE  0x0c /* R: slots from which nothing stays */
#define PCIHP_SELECT     0x10 /* R, W: number of a bus */
#define PCIHP_INDEX      0x14 /* W: a slot, as a bit; R: acpi-index of its function 0, or 0 */
#define PCIHP_OST_SLOTS  0x18 /* W */
#define PCIHP_OST_EVENT  0x1c /* W */
#define PCIHP_OST_STATUS 0x20 /* W: reports the three, of the selected bus */

#define PCIHP_MAX_BUSES 256

/* Properties of the chip that has the registers. */
typedef struct AcpiPciHotplugConfig {
    bool root, bridges; /* the root bus, and those behind bridges */
} AcpiPciHotplugConfig;
/* One of them, for an AcpiPciHotplugConfig at @at in the instance. */
#define ACPI_PCI_HOTPLUG_BRIDGES(at)                                                             \
    {                                                                                            \
        .name = "acpi-pci-hotplug-with-bridge-support", .kind = PROP_BOOL,                       \
        .description = "devices behind bridges can come and go while the machine runs, by ACPI", \
        .offset = (at) + offsetof(AcpiPciHotplugConfig, bridges), .has_default = true,           \
        .default_int = true                                                                      \
    }

typedef struct AcpiPciHotplug {
    Device parent;
    uint32_t selector;
    uint32_t index_slot;           /* what PCIHP_INDEX got */
    uint32_t ost_slots, ost_event; /* registers that are being written */
    /* wiring */
    MemoryRegion region;
    GPtrArray *buses; /* of PciBus *, borrowed, by number */
    void (*notify)(void *opaque, bool pending);
    void *notify_opaque;
} AcpiPciHotplug;
OBJECT_CAST_DEFINE(AcpiPciHotplug, ACPI_PCI_HOTPLUG, TYPE_ACPI_PCI_HOTPLUG)

/* Make, realize and map the registers at @port of @io, for @root and the buses below it as @config
 * says. @notify: is there an event that the guest has not taken? Borrowed. */
AcpiPciHotplug *acpi_pci_hotplug_create(PciBus *root, const AcpiPciHotplugConfig *config,
                                        MemoryRegion *io, uint16_t port,
                                        void (*notify)(void *opaque, bool pending), void *opaque);

/* The number by which @bus is selected; -1: it has none. */
int acpi_pci_hotplug_number(const AcpiPciHotplug *hp, const PciBus *bus);

#endif
