/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * virtio-iommu: an IOMMU whose guest tells of its mappings by requests (Virtio 1.2, section 5.13).
 * It is above the root bus that it is on.
 */
#ifndef HW_VIRTIO_VIRTIO_IOMMU_H
#define HW_VIRTIO_VIRTIO_IOMMU_H

#include "hw/pci/pci.h"

#define TYPE_VIRTIO_IOMMU     "virtio-iommu-device"
#define TYPE_VIRTIO_IOMMU_PCI "virtio-iommu-pci"

/* The machine's, realized; NULL: it has none. */
const PciDevice *virtio_iommu_find(void);

#endif
