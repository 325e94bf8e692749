/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A large page of the host that comes in parts, one after the other, and is put where it belongs
 * when it is whole. No lock of its own.
 */
#ifndef MIGRATION_LARGE_PAGE_H
#define MIGRATION_LARGE_PAGE_H

#include "migration/ram.h"

typedef struct LargePage {
    uint8_t *data;   /* owned */
    RamBlock *block; /* whose it is; NULL: there is none. Borrowed */
    uint64_t at;     /* its offset in the block */
    uint64_t size;   /* bytes of it that have come */
} LargePage;

/* Room for one of @size bytes; false with an error. */
bool large_page_init(LargePage *page, uint64_t size, GError **errp);
void large_page_clear(LargePage *page); /* one that is zeroed is fine */
/* What has come of one that is not whole does not count. */
void large_page_forget(LargePage *page);
/* @size bytes of @block at @offset have come, @data NULL: zeros. @put gets each page that is whole
 * then. */
bool large_page_add(LargePage *page, RamBlock *block, uint64_t offset, uint64_t size,
                    const uint8_t *data, RamTake *put, void *opaque, GError **errp);

#endif
