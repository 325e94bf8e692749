/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Backups as commands and transactions describe them. */
#ifndef MONITOR_BACKUP_H
#define MONITOR_BACKUP_H

#include "block/job.h"

/* The job, which has kept the moment and is not started yet; NULL on errors. There are no requests.
 * @transaction: NULL: none. */
Job *backup_to_node(const BlockdevBackup *args, JobTransaction *transaction, GError **errp);
Job *backup_to_file(const DriveBackup *args, JobTransaction *transaction, GError **errp);

#endif
