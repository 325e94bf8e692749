/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Designated vendor-specific extended capabilities of CXL functions (Compute Express Link 3.0,
 * section 8.1), and the device serial number. For a type's realize, after pci_add_express().
 */
#ifndef HW_CXL_CXL_DVSEC_H
#define HW_CXL_CXL_DVSEC_H

#include "hw/cxl/cxl-regs.h"
#include "hw/pci/pci.h"

/* One of @size bytes; what follows the headers is 0. Its offset. */
unsigned cxl_dvsec_add(PciDevice *dev, unsigned id, unsigned revision, unsigned size);
/* That of a port: root, upstream, downstream (sections 8.1.5, 8.1.6). */
void cxl_dvsec_add_port(PciDevice *dev);
void cxl_dvsec_add_gpf_port(PciDevice *dev);
/* Of a port and of a device (section 8.1.8). */
void cxl_dvsec_add_flex_bus(PciDevice *dev);
/* The register locator (section 8.1.9): @count blocks, the first of kind @kinds[0] in BAR
 * @bars[0]. */
void cxl_dvsec_add_registers(PciDevice *dev, const uint8_t *kinds, const uint8_t *bars,
                             unsigned count);
/* Device serial number (PCI Express Base 4.0, section 7.9.3). */
void cxl_dvsec_add_serial(PciDevice *dev, uint64_t serial);

#endif
