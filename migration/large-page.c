/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "migration/large-page.h"

#include <inttypes.h>
#include <string.h>

#include "util/error.h"

bool large_page_init(LargePage *page, uint64_t size, GError **errp)
{
    *page = (LargePage){ .data = g_try_malloc(size) };
    if (!page->data) {
        error_set(errp, "there is no memory for a page of %" PRIu64 " bytes", size);
    }
    return page->data;
}

void large_page_clear(LargePage *page)
{
    g_clear_pointer(&page->data, g_free);
    page->block = NULL;
}

void large_page_forget(LargePage *page)
{
    page->block = NULL;
}

bool large_page_add(LargePage *page, RamBlock *block, uint64_t offset, uint64_t size,
                    const uint8_t *data, RamTake *put, void *opaque, GError **errp)
{
    while (size) {
        const uint64_t within = offset % block->page_size;
        const uint64_t part = MIN(size, block->page_size - within);

        if (within == 0) {
            page->block = block;
            page->at = offset;
            page->size = 0;
        }
        if (page->block != block || page->at + page->size != offset) {
            error_set(errp, "RAM '%s': a large page comes in parts that do not fit", block->name);
            return false;
        }
        if (data) {
            memcpy(page->data + within, data, part);
            data += part;
        } else {
            memset(page->data + within, 0, part);
        }
        page->size += part;
        offset += part;
        size -= part;
        if (page->size == block->page_size) {
            page->block = NULL;
            if (!put(opaque, block, page->at, block->page_size, page->data, errp)) {
                return false;
            }
        }
    }
    return true;
}
