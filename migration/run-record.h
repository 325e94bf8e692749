/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RECORD_RUN: what of a saved machine is no device's. */
#ifndef MIGRATION_RUN_RECORD_H
#define MIGRATION_RUN_RECORD_H

#include "migration/stream.h"
#include "qapi/qapi-types.h"

typedef struct RunRecord {
    int64_t clock_ns; /* the virtual clock */
    bool running;     /* the machine is to go on by itself */
    bool asleep;      /* its guest sleeps: ACPI S3 */
    /* What the guest has asked for, and nobody has done yet; SHUTDOWN_CAUSE_NONE: nothing. */
    ShutdownCause shutdown;
} RunRecord;

bool run_record_write(RunRecord *run, Stream *stream, GError **errp);
bool run_record_read(RunRecord *run, const Record *record, GError **errp);

#endif
