/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Persistent reservations of SCSI disks: -object pr-manager-helper. PERSISTENT RESERVE IN and OUT
 * need privileges of the host, and on several paths to a disk have to be done on each of them;
 * another program does it, qemu-pr-helper, at the other end of a unix socket. It is sent the
 * command and the disk's descriptor, and answers with status, sense data and what was read.
 *
 * What it answers is not trusted: what makes no sense, or does not come in time, ends the
 * connection, and the next command makes another.
 */
#ifndef BLOCK_PR_MANAGER_H
#define BLOCK_PR_MANAGER_H

#include "qom/object.h"

#define TYPE_PR_MANAGER_HELPER "pr-manager-helper"
#define PR_MANAGER_CDB         16
#define PR_MANAGER_SENSE       96
#define PR_MANAGER_DATA_MAX    8192

typedef struct PrManager PrManager;
OBJECT_CAST_DEFINE(PrManager, PR_MANAGER, TYPE_PR_MANAGER_HELPER)

/* A reference; an error if there is none of that id. Machine lock. */
PrManager *pr_manager_get(const char *id, GError **errp);
/* NULL is fine. Machine lock. */
void pr_manager_unref(PrManager *manager);
/* Does its helper answer? Any thread; it does not wait. */
bool pr_manager_is_connected(PrManager *manager);

/* Is it one of the two commands? */
bool pr_manager_takes(const uint8_t *cdb);
/* Carry out @cdb, of PR_MANAGER_CDB bytes, on the disk @fd, with @size bytes of @data, which come
 * or go as the command says. The SCSI status, with PR_MANAGER_SENSE bytes of @sense; or negative:
 * nobody has done it. One command at a time; any thread that may wait, at most so long as the
 * helper is given to answer. */
int pr_manager_run(PrManager *manager, int fd, const uint8_t *cdb, void *data, size_t size,
                   uint8_t *sense);

#endif
