/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of virtio-pci share. Machine lock.
 */
#ifndef HW_VIRTIO_VIRTIO_PCI_INTERNAL_H
#define HW_VIRTIO_VIRTIO_PCI_INTERNAL_H

#include "hw/virtio/virtio-pci-regs.h"
#include "hw/virtio/virtio-pci.h"

/* Add BAR and capabilities of the modern interface; the BAR of the legacy one. Undone with the
 * function's others, but for the regions. */
void virtio_pci_add_modern(VirtioPci *s);
void virtio_pci_add_legacy(VirtioPci *s);

/* Let notifications of queues that run on a loop be eventfds', from the end of the above on; or no
 * more. */
void virtio_pci_modern_events(VirtioPci *s, bool on);
void virtio_pci_legacy_events(VirtioPci *s, bool on);
/* The same of what signals, at @offset of @bar: any write, or if @match one of queue @n's number in
 * 16 bits. Nothing if the queue has no eventfd. */
void virtio_pci_event(VirtioPci *s, MemoryRegion *bar, unsigned n, unsigned offset, bool match,
                      bool on);

/* Carry out the access that the capability VIRTIO_CAP_ACCESS describes: section 4.1.4.9. */
void virtio_pci_access_read(VirtioPci *s);
void virtio_pci_access_write(VirtioPci *s);

/* Read and clear the ISR status. */
uint8_t virtio_pci_take_isr(VirtioPci *s);
/* Set *@vector to @value, or to none if there is no such vector. */
void virtio_pci_set_vector(const VirtioPci *s, uint16_t *vector, uint16_t value);
/* The queue that the driver has selected; NULL: there is none. */
static inline VirtioQueue *virtio_pci_selected(const VirtioPci *s)
{
    return s->queue_select < s->vdev->queue_count ? &s->vdev->queues[s->queue_select] : NULL;
}

#endif
