/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MSI-X (PCI Local Bus 3.0, section 6.8.2): a table of messages in a BAR, each with a mask of its
 * own, and the bits of those that wait.
 *
 * A vector is sent by pci_msix_notify(), with the machine lock, or by an eventfd, which any thread
 * signals: while nothing keeps the message back, the engine or the main loop sends it
 * (accel/notify.h); meanwhile the signal stays in the eventfd, and counts as pending.
 */
#ifndef HW_PCI_PCI_MSIX_H
#define HW_PCI_PCI_MSIX_H

#include "hw/pci/pci.h"

#define PCI_MSIX_MAX_VECTORS 2048

/* One vector. Machine lock. */
typedef struct PciMsixVector {
    uint32_t entry[4]; /* of the table: address, its upper half, data, control */
    bool pending;
    /* wiring */
    int fd;                      /* -1: none; borrowed */
    struct AccelMsiRoute *route; /* while the eventfd's signals are sent; else NULL */
} PciMsixVector;

extern const StateTable pci_msix_vector_state;

/* Add the capability with @vectors (1 to PCI_MSIX_MAX_VECTORS), and, as memory BAR @bar, which is
 * free, a region with the table and, in its second half, the pending bits. For init or realize;
 * undone with the function's other capabilities. */
void pci_add_msix(PciDevice *dev, unsigned vectors, unsigned bar);
/* The same for a function whose configuration space has the capability at @at already. The table is
 * dev->msix_bar, which the caller puts into a region of his and takes out before the capability
 * goes; for the pending bits he has pci_msix_pending(). */
void pci_adopt_msix(PciDevice *dev, unsigned at);
/* The pending bits of 32 vectors, from @first on. */
uint32_t pci_msix_pending(PciDevice *dev, unsigned first);
/* Whether the guest enabled MSI-X: then INTx is not to be used. */
bool pci_msix_enabled(const PciDevice *dev);
/* Send the message of @vector, or keep it pending while it is masked. Dropped if there is no such
 * vector, MSI-X is off, or a bus-master bit on the way is. */
void pci_msix_notify(PciDevice *dev, unsigned vector);
/* From now on signals of the eventfd @fd, borrowed, do the same; -1: no more, and one that was not
 * sent is pending. */
void pci_msix_set_eventfd(PciDevice *dev, unsigned vector, int fd);
/* What eventfds have signalled by now is sent, or pending: before the state of any device is saved.
 */
void pci_msix_flush(PciDevice *dev);

#endif
