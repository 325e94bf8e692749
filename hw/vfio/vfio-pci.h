/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vfio-pci: a PCI function of the host in the guest. Its registers are reached through the
 * descriptor that the host's VFIO gives, or in place; what the guest must not have of its
 * configuration space - addresses, interrupts - is ours. Machine lock.
 */
#ifndef HW_VFIO_VFIO_PCI_H
#define HW_VFIO_VFIO_PCI_H

#include <linux/vfio.h>

#include "hw/pci/pci-msix.h"
#include "hw/vfio/vfio-container.h"

#define TYPE_VFIO_PCI "vfio-pci"

typedef struct VfioPci VfioPci;

/* What is read and written through the descriptor. */
typedef struct VfioRegion {
    uint64_t size, offset; /* in the descriptor */
    uint32_t flags;        /* VFIO_REGION_INFO_FLAG_* */
} VfioRegion;

typedef struct VfioBar {
    VfioPci *owner;
    VfioRegion host;
    MemoryRegion all;       /* holds the others; what the guest sees */
    MemoryRegion registers; /* through the descriptor */
} VfioBar;

/* A piece of a BAR that the guest reaches in place, where its engine can. */
typedef struct VfioWindow {
    MemoryRegion memory;
    VfioBar host; /* as the BAR, from where the piece begins */
} VfioWindow;

/* An eventfd by which the host's VFIO tells of something, to the main loop. */
typedef struct VfioEvent {
    int fd; /* -1: none */
    GSource *watch;
    void (*happened)(VfioPci *s, unsigned number);
    VfioPci *owner;
    unsigned number;
} VfioEvent;

typedef enum VfioIrqs { VFIO_IRQS_NONE, VFIO_IRQS_INTX, VFIO_IRQS_MSI, VFIO_IRQS_MSIX } VfioIrqs;

struct VfioPci {
    PciDevice parent;
    /* configuration */
    char *host, *sysfsdev;
    int display;
    int32_t boot_index;
    /* wiring */
    int fd; /* of the device */
    VfioGroup *group;
    char *name; /* as the host knows it */
    bool can_reset;
    VfioRegion config, rom;
    uint8_t direct[PCI_CONFIG_SIZE]; /* 1: the guest has the device's own byte */
    VfioBar bars[PCI_BARS];
    GPtrArray *windows;   /* of VfioWindow */
    MemoryRegion pending; /* of MSI-X */
    unsigned msix_bar, pending_bar;
    uint64_t msix_offset, pending_offset;
    MemoryRegion rom_registers;
    /* derived: what is armed follows the registers */
    VfioIrqs irqs;
    VfioEvent intx;
    VfioEvent msi[32];
    unsigned msi_count;
    GArray *msix_fds; /* of int, one a vector; NULL: none */
    VfioEvent request, error;
};
OBJECT_CAST_DEFINE(VfioPci, VFIO_PCI, TYPE_VFIO_PCI)

/* vfio-pci.c: @region of the device; false: the device has none. */
bool vfio_pci_region(const VfioPci *s, unsigned index, VfioRegion *region);

/* vfio-pci-config.c. Take over the configuration space. Errors: it makes no sense. */
bool vfio_pci_config_begin(VfioPci *s, GError **errp);
void vfio_pci_config_end(VfioPci *s);
void vfio_pci_config_reading(PciDevice *dev, unsigned offset, unsigned size);
void vfio_pci_config_written(PciDevice *dev, unsigned offset, unsigned size);
/* The device no more reaches memory, nor is it reached. */
void vfio_pci_config_quiet(VfioPci *s);

/* vfio-pci-bars.c */
bool vfio_pci_bars_begin(VfioPci *s, GError **errp);
void vfio_pci_bars_end(VfioPci *s);
/* Can what the guest has in place be reached so, or does each access come to us? */
void vfio_pci_bars_trap(VfioPci *s, bool on);

/* vfio-pci-irqs.c */
bool vfio_pci_irqs_begin(VfioPci *s, GError **errp);
void vfio_pci_irqs_end(VfioPci *s);
/* Arm what the registers say. */
void vfio_pci_irqs_update(VfioPci *s);
/* Nothing is armed. */
void vfio_pci_irqs_disarm(VfioPci *s);
/* The guest has reached the device: its interrupt by a pin may be over. */
void vfio_pci_irqs_eoi(VfioPci *s);

#endif
