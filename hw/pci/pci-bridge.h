/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PCI-to-PCI bridges (type 1 header; PCI-to-PCI Bridge 1.2): the base of root ports. What lies on
 * the secondary bus is seen through three windows - I/O, memory, prefetchable memory - and nowhere
 * else; but a bridge whose programming interface is PCI_BRIDGE_SUBTRACTIVE passes on what nothing
 * else on its primary bus answers to. Machine lock.
 */
#ifndef HW_PCI_PCI_BRIDGE_H
#define HW_PCI_PCI_BRIDGE_H

#include "hw/pci/pci.h"

#define TYPE_PCI_BRIDGE_BASE "base-pci-bridge"

typedef enum PciWindowKind {
    PCI_WINDOW_IO,
    PCI_WINDOW_MEMORY,
    PCI_WINDOW_PREF,
    PCI_WINDOWS,
} PciWindowKind;

typedef struct PciBridge {
    PciDevice parent;
    PciBus *secondary; /* a child of the bridge */
    /* wiring */
    const char *bus_name; /* what realize calls it; NULL: by the bridge's id. Borrowed for that */
    /* derived from the configuration space */
    MemoryRegion
        windows[PCI_WINDOWS]; /* in the primary bus's regions; aliases of the secondary's */
    /* The same for what nothing on the primary bus answers to. */
    MemoryRegion rest_io, rest_memory;
} PciBridge;
OBJECT_CAST_DEFINE(PciBridge, PCI_BRIDGE, TYPE_PCI_BRIDGE_BASE)

extern const StateTable pci_bridge_state;

/* For subtypes: realize makes the secondary bus of @bus_type, named by the bridge's id, else
 * "pcie.N" or "pci.N" with the first free N. @hotplug: devices of it come and go while the machine
 * runs, if the host has a way for all buses (pci_hotplug_enable_below()). */
bool pci_bridge_realize(PciBridge *bridge, const char *bus_type, bool hotplug, GError **errp);
/* For subtypes' PciFunctionClass. unrealize: nothing is on the secondary bus any more. */
void pci_bridge_unrealize(PciDevice *dev);
void pci_bridge_reset(PciDevice *dev);
void pci_bridge_config_written(PciDevice *dev, unsigned offset, unsigned size);

/* All that is behind it. */
void pci_bridge_reset_secondary(PciBridge *bridge);

/* First and last address of a window as its registers say; first > last: closed. */
void pci_bridge_window(const PciDevice *bridge, PciWindowKind kind, uint64_t *first,
                       uint64_t *last);
/* The same; and does it pass anything on? */
bool pci_bridge_window_open(const PciDevice *bridge, PciWindowKind kind, uint64_t *first,
                            uint64_t *last);

#endif
