/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A PCI host: what leads from the CPU's addresses to the root bus. Configuration mechanism #1 at
 * ports 0xcf8 and 0xcfc (PCI Local Bus 3.0 section 3.2.2.3.2), the reset control register at 0xcf9
 * (byte accesses), and the memory window of PCI Express (ECAM, PCI Express Base 3.0 section 7.2.2).
 *
 * A chipset defines a subtype of TYPE_PCI_HOST, whose parent structure is PciHost; its function
 * 00:00.0 calls pci_host_set_ecam() when the guest moves the window. Machine lock.
 */
#ifndef HW_PCI_PCI_HOST_H
#define HW_PCI_PCI_HOST_H

#include "hw/pci/pam.h"
#include "hw/pci/pci.h"

#define TYPE_PCI_HOST "pci-host"

/* Where PCI memory lies: below 4 GiB, and above all else; ends are behind it, and
 * where it begins if there is nothing. */
typedef struct PciHoles {
    uint64_t start, end, start64, end64;
} PciHoles;

/* Below RAM, DIMMs, firmware and chips: no BAR, bridge or ECAM hides any of them. */
#define PCI_HOST_PRIORITY (-1)

typedef struct PciHost {
    Device parent;
    PciBus *bus; /* borrowed */
    uint32_t config_address;
    uint8_t reset_control;
    /* wiring */
    MemoryRegion ports;
    void (*holes)(PciHoles *holes); /* set by the machine: for its properties */
    /* derived from the configuration space of function 00:00.0 */
    MemoryRegion ecam; /* in bus->memory, above BARs; disabled at first */
    Pam pam;
    uint8_t *pam_registers; /* in the configuration space of function 00:00.0 */
    /* configuration */
    uint64_t hole64_size; /* property "pci-hole64-size": bytes for PCI memory above RAM */
    bool hole64_fix;      /* property "x-pci-hole64-fix": also where firmware uses none of it */
} PciHost;
OBJECT_CAST_DEFINE(PciHost, PCI_HOST, TYPE_PCI_HOST)

/* Make the on-board device @type as /machine/@name, with its root bus @bus_name of @bus_type
 * (TYPE_PCI_BUS or TYPE_PCIE_BUS). The bus's regions go into @memory and @io with
 * PCI_HOST_PRIORITY, the ports to 0xcf8 of @io. Borrowed. */
PciHost *pci_host_create(const char *type, const char *name, const char *bus_type,
                         const char *bus_name, MemoryRegion *memory, MemoryRegion *io);

/* Show the configuration space of buses 0 to @buses - 1 (1 to 256; 1 MiB each) at @base, or nowhere
 * if not @enabled. The host's reset disables it. */
void pci_host_set_ecam(PciHost *host, bool enabled, hwaddr base, unsigned buses);

/* The bytes that a host of @type will offer for PCI memory above everything else, by what users
 * have said of it; 0: none. False: that is no number. Before there is one: it says where RAM can
 * be. */
bool pci_host_hole64(const char *type, uint64_t *size, GError **errp);

/* For the properties of a chipset's type: "pci-hole64-size", of @bytes if users do not say. */
#define PCI_HOST_HOLE64(bytes)                                                                     \
    {                                                                                              \
        .name = "pci-hole64-size", .kind = PROP_SIZE, .has_default = true, .default_int = (bytes), \
        .offset = offsetof(PciHost, hole64_size),                                                  \
        .description =                                                                             \
            "bytes for PCI memory above RAM and the window for DIMMs, rounded up to GiB"           \
    }

/* The host whose root bus is @root. */
PciHost *pci_host_of(const PciBus *root);

/* For the chipset, once: @registers are its PAM registers (hw/pci/pam.h); @ram is boot RAM, which
 * lies at address 0 of @memory. What is behind is bus->memory: that is where a machine maps the
 * last part of its firmware, at 0xe0000, with priority 1. From then on the chipset calls
 * pci_host_update_pam() after each reset and change of the registers. */
void pci_host_init_pam(PciHost *host, uint8_t *registers, MemoryRegion *memory, MemoryRegion *ram);
void pci_host_update_pam(PciHost *host);

/* For a machine that boots without firmware, after each reset: 0xc0000-0xfffff is RAM. */
void pci_host_show_ram(PciHost *host);

#endif
