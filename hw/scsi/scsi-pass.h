/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands that a SCSI device of the host carries out itself (SG_IO of its block device). */
#ifndef HW_SCSI_SCSI_PASS_H
#define HW_SCSI_SCSI_PASS_H

#include "hw/scsi/scsi.h"

/* For ScsiKind.other: whatever it is, it goes to the device. */
extern const ScsiCommand scsi_pass_command;
/* Is the backend of @conf, which is realized, a disk of the host that takes commands, with blocks
 * of the size that the guest sees? Errors say what would be right. */
bool scsi_pass_check(const BlockConf *conf, GError **errp);

#endif
