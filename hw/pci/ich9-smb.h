/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ICH9-SMB: the SMBus controller of the ICH9 (data sheet 316972, chapter 20), 00:1f.3. Machine
 * lock.
 */
#ifndef HW_PCI_ICH9_SMB_H
#define HW_PCI_ICH9_SMB_H

#include "hw/i2c/i2c.h"
#include "hw/pci/pci.h"

#define TYPE_ICH9_SMB "ICH9-SMB"

#define ICH9_SMB_DEVFN PCI_DEVFN(0x1f, 3)
#define ICH9_SMB_BASE  0xb100 /* where firmware puts the registers */

/* On @bus, a root bus; the bus that it masters, borrowed. */
I2cBus *ich9_smb_create(PciBus *bus);

/* For a boot without firmware, after each reset: the registers are at ICH9_SMB_BASE. */
void ich9_smb_set_up(PciBus *bus);

#endif
