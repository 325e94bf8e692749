/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest RAM in a stream: runs of pages, of which those that are zero cost nothing but the run.
 */
#ifndef MIGRATION_RAM_H
#define MIGRATION_RAM_H

#include "memory/ram-block.h"
#include "migration/stream.h"

#define RAM_PAGE 4096u /* the unit of a run, whatever the block's own pages are */

/* What there is to write. */
typedef struct RamSource {
    GPtrArray *blocks;           /* of RamBlock *, references */
    uint64_t total;              /* bytes in all of them */
    _Atomic uint64_t done;       /* bytes that were looked at */
    _Atomic uint64_t zero, data; /* pages found to be zero, and sent */
} RamSource;

/* All blocks of the program; false: two have the same name, so the other end could not tell them
 * apart. Machine lock. */
bool ram_source_init(RamSource *source, GError **errp);
void ram_source_clear(RamSource *source);
/* Write all of them. The machine stands. Any thread, no lock. */
bool ram_source_write(RamSource *source, Stream *stream, GError **errp);

/* Put the pages of @record, a RECORD_RAM, into the one of @blocks that it names. Nothing outside of
 * the block is written, whatever the record says. No vCPU runs. */
bool ram_load(const GPtrArray *blocks, const Record *record, GError **errp);

#endif
