/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest RAM in a stream: runs of pages, of which those that are zero cost nothing but the run.
 */
#ifndef MIGRATION_RAM_H
#define MIGRATION_RAM_H

#include "memory/dirty.h"
#include "migration/stream.h"
#include "migration/xbzrle.h"

#define RAM_NEXT_MAX 32u        /* pages that ram_source_next() gives at once */
#define RAM_PAGE     DIRTY_PAGE /* the unit of a run, whatever the block's own pages are */

/* What there is to write. */
typedef struct RamSource {
    GPtrArray *blocks;           /* of RamBlock *, references */
    DirtyTracker *tracker;       /* of them */
    uint64_t total;              /* bytes in all of them */
    struct MultifdSend *multifd; /* NULL, or what ram_source_write() goes over; borrowed */
    Xbzrle *xbzrle;              /* owned; NULL: pages go as a whole. Not with multifd */
    bool again;                  /* all pages were written once: xbzrle is of use */
    _Atomic uint64_t zero, data; /* pages found to be zero, and sent; relaxed: numbers alone */
    _Atomic bool stop;           /* ram_source_write() ends early; any thread sets it; relaxed */
} RamSource;

/* All blocks of the program, each page of which is to be written; @private: but those that are
 * shared files. False: two have the same name, so the other end could not tell them apart. Machine
 * lock. */
bool ram_source_init(RamSource *source, bool private, GError **errp);
void ram_source_clear(RamSource *source); /* machine lock; one that is zeroed is fine */
/* Write all pages that the tracker gives, unless @source->stop is set. The machine may run: what it
 * changes meanwhile the next sync of the tracker tells. The thread that calls the tracker, no lock.
 */
bool ram_source_write(RamSource *source, Stream *stream, GError **errp);
/* The next pages of block @n at or after *@page that were written to and that the guest has, at
 * most RAM_NEXT_MAX: false: there is none; else they are taken out. What it does not have, and was
 * marked as it went, is passed over; should it come back, it is marked again. The thread that calls
 * the tracker, no lock. */
bool ram_source_next(RamSource *source, unsigned n, uint64_t *page, uint64_t *count);
/* Write @count pages of block @n from @page on; the tracker is not asked. The machine stands. */
bool ram_source_write_pages(RamSource *source, unsigned n, uint64_t page, uint64_t count,
                            Stream *stream, GError **errp);
/* Append to the contents of a RECORD_RAM, which begin with the first page's offset: @count pages of
 * @block from @page on; @pages that are left out (0: nothing). Any thread. */
void ram_put_runs(RamSource *source, const RamBlock *block, uint64_t page, uint64_t count,
                  GByteArray *out);
void ram_put_gap(uint64_t pages, GByteArray *out);
/* Bytes that are still to be written. Machine lock. */
uint64_t ram_source_left(const RamSource *source);

/* Put the pages of @record, a RECORD_RAM, into the one of @blocks that it names. Nothing outside of
 * the block is written, whatever the record says. No vCPU runs. */
bool ram_load(const GPtrArray *blocks, const Record *record, GError **errp);

/* What to do with pages of @block, of which @data is NULL if they are zero. They lie within it. */
typedef bool RamTake(void *opaque, RamBlock *block, uint64_t offset, uint64_t size,
                     const uint8_t *data, GError **errp);
/* The same, where @take puts the pages into the block. */
bool ram_load_by(const GPtrArray *blocks, const Record *record, RamTake *take, void *opaque,
                 GError **errp);
/* The one of that name; NULL with an error. */
RamBlock *ram_find(const GPtrArray *blocks, const char *name, GError **errp);

#endif
