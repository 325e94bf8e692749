/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CXL ports: cxl-rp, a root port of a pxb-cxl; and a switch in its parts, cxl-upstream, and behind
 * it cxl-downstream. Machine lock.
 */
#ifndef HW_CXL_CXL_PORT_H
#define HW_CXL_CXL_PORT_H

#include "hw/cxl/cxl-component.h"
#include "hw/pci/pcie-port.h"

/* Is it a port that HDM decoders name by its number: of a root complex, or downstream of a switch?
 */
bool cxl_port_is(const PciDevice *dev);
/* The only one of these on @bus; NULL: there is none, or several. */
PciDevice *cxl_port_only(const PciBus *bus);
/* Of an upstream port; NULL: @dev, which may be NULL, is none. */
const CxlComponent *cxl_upstream_component(const PciDevice *dev);

/* For realize: is @dev on a bus below a CXL host bridge? */
bool cxl_check_bus(const PciDevice *dev, GError **errp);

#endif
