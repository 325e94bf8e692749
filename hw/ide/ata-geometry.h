/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cylinders, heads and sectors of ATA disks, for systems that know nothing else: the disk's own
 * geometry, which IDENTIFY DEVICE tells of, and how a PC's BIOS makes of it one that its interrupt
 * 13h can tell (at most 1024 cylinders). Machine lock.
 */
#ifndef HW_IDE_ATA_GEOMETRY_H
#define HW_IDE_ATA_GEOMETRY_H

#include "hw/ide/ata-device.h"

/* Values of "bios-chs-trans", and but for the last one of two bits of a PC's CMOS RAM. */
enum { ATA_TRANS_NONE, ATA_TRANS_LBA, ATA_TRANS_LARGE, ATA_TRANS_RECHS, ATA_TRANS_AUTO };
extern const char *const ata_translations[];

/* What the user has not given: the geometry that the partitions of the disk were made for, if they
 * say so and it is possible, else the usual one of a disk as large; and a translation that goes
 * with it. @dev has its backend. */
void ata_geometry_complete(AtaDevice *dev);

#endif
