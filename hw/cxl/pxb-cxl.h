/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pxb-cxl: a CXL host bridge, as an expander of the machine's root bus (hw/pci/pxb.h). Its
 * component registers are in the machine's memory map (hw/cxl/cxl-host.h). A bridge with one root
 * port sends everything there, and has no HDM decoders unless it is told to have some. Machine
 * lock.
 */
#ifndef HW_CXL_PXB_CXL_H
#define HW_CXL_PXB_CXL_H

#include "hw/cxl/cxl-component.h"
#include "hw/pci/pci.h"

#define TYPE_PXB_CXL "pxb-cxl"

/* Of the host bridge whose root bus @bus is; NULL: it is that of none. */
const CxlComponent *pxb_cxl_component(const PciBus *bus);
/* And where its registers are. */
hwaddr pxb_cxl_registers(const PciBus *bus);

#endif
