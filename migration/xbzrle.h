/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Of pages that change again, what differs from what was written last: the source keeps the last
 * contents of some of them. One thread, but for xbzrle_stats().
 *
 * A difference is a list of parts that are not the same, each: bytes that are, 2 bytes; its size, 2
 * bytes; what it is now. What follows the last one is the same.
 */
#ifndef MIGRATION_XBZRLE_H
#define MIGRATION_XBZRLE_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "memory/ram-block.h"

typedef struct Xbzrle Xbzrle;

typedef struct XbzrleStats {
    uint64_t size;                           /* bytes of pages that are kept */
    uint64_t bytes, pages, misses, overflow; /* as XBZRLECacheStats has them */
    double miss_rate, encoding_rate;         /* of the last round */
} XbzrleStats;

/* Keep pages of @bytes, a power of two from a page on. NULL: there is no memory for it. */
Xbzrle *xbzrle_new(uint64_t bytes, GError **errp);
void xbzrle_free(Xbzrle *xbzrle); /* NULL is fine */
/* Page @page of @block is @now, which nobody changes meanwhile, and is about to be written. True:
 * @out has what differs from what was written last; false: it has to go as a whole. */
bool xbzrle_encode(Xbzrle *xbzrle, const RamBlock *block, uint64_t page, const uint8_t *now,
                   GByteArray *out);
/* Let @page, a whole one, be what @delta makes of it; false: it is none. */
bool xbzrle_decode(uint8_t *page, const uint8_t *delta, size_t size);
/* A round is over. The machine lock is held, as for what follows. */
void xbzrle_round(Xbzrle *xbzrle);
XbzrleStats xbzrle_stats(const Xbzrle *xbzrle);

#endif
