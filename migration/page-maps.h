/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Of each of some RAM blocks, which pages are not there yet, and which were asked for. No lock of
 * its own.
 */
#ifndef MIGRATION_PAGE_MAPS_H
#define MIGRATION_PAGE_MAPS_H

#include "migration/postcopy.h"

typedef struct PageMap {
    RamBlock *block; /* a reference */
    uint64_t lacks;  /* how many are not there */
    uint64_t *there; /* a bit a page: 0 if it is missing */
    uint64_t *asked;
} PageMap;

typedef struct PageMaps {
    unsigned count;
    uint64_t left; /* pages that are not there, of all */
    PageMap maps[];
} PageMaps;

/* All pages are there. */
PageMaps *page_maps_new(const GPtrArray *blocks);
void page_maps_free(PageMaps *maps); /* NULL is fine */

/* The one of @block, or of the block in which @host is; NULL: there is none. */
PageMap *page_maps_find(PageMaps *maps, const RamBlock *block);
PageMap *page_maps_find_host(PageMaps *maps, const uint8_t *host);

/* They are not there, or are. */
void page_maps_lack(PageMaps *maps, PageMap *map, const PageRange *range);
void page_maps_have(PageMaps *maps, PageMap *map, const PageRange *range);
bool page_map_has(const PageMap *map, uint64_t page);
/* The first range from @from on, and up to @end, that is not there; false: there is none. */
bool page_map_next(const PageMap *map, uint64_t from, uint64_t end, PageRange *range);
/* False: it was asked for already. */
bool page_map_ask(PageMap *map, uint64_t page);
/* The first one at or after *@page that was, and is not there; false: there is none. */
bool page_map_next_wait(const PageMap *map, uint64_t *page);
/* Is there any of all? */
bool page_maps_wait(const PageMaps *maps);

#endif
