/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Device registers of a CXL memory device: capabilities, device status, primary mailbox, memory
 * device status (Compute Express Link 3.0, section 8.2.8); and the mailbox's commands (section
 * 8.2.9). A command is carried out at once. Machine lock.
 */
#ifndef HW_CXL_CXL_MAILBOX_H
#define HW_CXL_CXL_MAILBOX_H

#include "hw/cxl/cxl-type3.h"

/* Of BAR 2; opaque: the device. */
extern const MemoryRegionOps cxl_mailbox_ops;

void cxl_mailbox_reset(CxlType3 *s);
/* Device status says which logs have records. */
void cxl_mailbox_update_status(CxlType3 *s);

#endif
