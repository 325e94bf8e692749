/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Dirty bitmaps of a machine that goes elsewhere: they go along with the capability dirty-bitmaps.
 * Without it those that are persistent are where its images are, and if there are others the
 * machine stays.
 */
#ifndef MIGRATION_BITMAPS_H
#define MIGRATION_BITMAPS_H

#include "migration/stream.h"

/* Would one be lost? An error names it. Machine lock. */
bool saved_bitmaps_check(GError **errp);

/* Those that go along, as they are now; nothing is written any more. g_ptr_array_unref.
 * Machine lock. */
GPtrArray *saved_bitmaps_take(void);
/* As records. NULL is fine. Any thread. */
bool saved_bitmaps_write(const GPtrArray *bitmaps, Stream *stream, GError **errp);

/* Let the nodes here have those in @records (GBytes: what records contained), by the names of both.
 * Errors: no such node, another size, a bitmap is there. Nothing is written to them yet. NULL is
 * fine. Machine lock. */
bool saved_bitmaps_load(const GPtrArray *records, GError **errp);

#endif
