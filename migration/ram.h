/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest RAM in a stream: runs of pages, of which those that are zero cost nothing but the run.
 */
#ifndef MIGRATION_RAM_H
#define MIGRATION_RAM_H

#include "memory/dirty.h"
#include "migration/stream.h"

#define RAM_PAGE DIRTY_PAGE /* the unit of a run, whatever the block's own pages are */

/* What there is to write. */
typedef struct RamSource {
    GPtrArray *blocks;           /* of RamBlock *, references */
    DirtyTracker *tracker;       /* of them */
    uint64_t total;              /* bytes in all of them */
    _Atomic uint64_t zero, data; /* pages found to be zero, and sent; relaxed: numbers alone */
} RamSource;

/* All blocks of the program, each page of which is to be written; false: two have the same name, so
 * the other end could not tell them apart. Machine lock. */
bool ram_source_init(RamSource *source, GError **errp);
void ram_source_clear(RamSource *source); /* machine lock; one that is zeroed is fine */
/* Write all pages that the tracker gives. The machine may run: what it changes meanwhile the next
 * sync of the tracker tells. The thread that calls the tracker, no lock. */
bool ram_source_write(RamSource *source, Stream *stream, GError **errp);
/* Bytes that are still to be written. Machine lock. */
uint64_t ram_source_left(const RamSource *source);

/* Put the pages of @record, a RECORD_RAM, into the one of @blocks that it names. Nothing outside of
 * the block is written, whatever the record says. No vCPU runs. */
bool ram_load(const GPtrArray *blocks, const Record *record, GError **errp);

#endif
