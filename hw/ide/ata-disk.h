/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands of disks, in parts: for the table in ide-hd.c. Machine lock. */
#ifndef HW_IDE_ATA_DISK_H
#define HW_IDE_ATA_DISK_H

#include "hw/ide/ata-device.h"

#define ATA_TRIM_BLOCKS 8 /* of ranges, in one command */

/* ata-identify.c: what IDENTIFY DEVICE gives, 512 bytes at @data (ATA8-ACS, section 7.16). */
void ata_identify(const AtaDevice *dev, uint8_t *data);
/* The same of a CD drive. */
void ata_identify_packet(const AtaDevice *dev, uint8_t *data);
/* @text at @data, padded to @size bytes with spaces, the two bytes of each word swapped. */
void ata_identify_text(uint8_t *data, const char *text, unsigned size);

/* ata-log.c: SMART, and READ LOG EXT. */
void ata_smart(AtaDevice *dev);
void ata_read_log(AtaDevice *dev);

#endif
