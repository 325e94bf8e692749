/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What both ends of a migration in postcopy say to each other about pages. docs/state.md has the
 * order of records.
 */
#ifndef MIGRATION_POSTCOPY_H
#define MIGRATION_POSTCOPY_H

#include "migration/ram.h"

#define POSTCOPY_ID_SIZE 16u /* bytes: of what tells one migration from another */

/* The name of a RECORD_ADVICE that asks for RECORD_HAS. */
#define POSTCOPY_TELL_ME "release"

/* Little endian, as on the host. */
typedef struct PageRange {
    uint64_t first, count; /* pages of RAM_PAGE */
} PageRange;

/* RECORD_LACKS: @ranges (of PageRange) of @block are not there. */
bool postcopy_put_lacks(Stream *stream, const RamBlock *block, const GArray *ranges, GError **errp);

typedef bool PostcopyTakeRange(void *opaque, unsigned n, const PageRange *range, GError **errp);
/* Call @take for each range in @record; it is not empty, and within the @n-th of @blocks. */
bool postcopy_read_lacks(const GPtrArray *blocks, const Record *record, PostcopyTakeRange *take,
                         void *opaque, GError **errp);

/* RECORD_REQUEST: @range is waited for. It is not empty, and within block @n. */
bool postcopy_read_request(const GPtrArray *blocks, const Record *record, unsigned *n,
                           PageRange *range, GError **errp);

/* RECORD_ADVICE: @id is the number of the migration, and pages of each of @blocks that it is about
 * are not larger here than at the other end. */
bool postcopy_read_advice(const GPtrArray *blocks, const Record *record, uint8_t *id,
                          GError **errp);

/* RECORD_HAS: the first @pages that came over this connection are there. */
bool postcopy_read_has(const Record *record, uint64_t *pages, GError **errp);

/* RECORD_RESUME. */
bool postcopy_put_resume(Stream *stream, const uint8_t *id, GError **errp);
/* @record is that, with this id. */
bool postcopy_check_resume(const Record *record, const uint8_t *id, GError **errp);

#endif
