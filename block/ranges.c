/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/ranges.h"

#include <stdbool.h>

typedef struct Range {
    uint64_t offset, bytes;
} Range;

void block_ranges_init(BlockRanges *ranges)
{
    g_mutex_init(&ranges->mutex);
    g_cond_init(&ranges->freed);
    ranges->held = g_array_new(FALSE, FALSE, sizeof(Range));
}

void block_ranges_clear(BlockRanges *ranges)
{
    g_array_unref(ranges->held);
    g_cond_clear(&ranges->freed);
    g_mutex_clear(&ranges->mutex);
}

static bool is_held(const BlockRanges *ranges, uint64_t offset, uint64_t bytes)
{
    for (unsigned i = 0; i < ranges->held->len; i++) {
        const Range *r = &g_array_index(ranges->held, Range, i);

        if (offset < r->offset + r->bytes && r->offset < offset + bytes) {
            return true;
        }
    }
    return false;
}

void block_ranges_lock(BlockRanges *ranges, uint64_t offset, uint64_t bytes)
{
    const Range range = { offset, bytes };

    g_mutex_lock(&ranges->mutex);
    while (is_held(ranges, offset, bytes)) {
        g_cond_wait(&ranges->freed, &ranges->mutex);
    }
    g_array_append_val(ranges->held, range);
    g_mutex_unlock(&ranges->mutex);
}

void block_ranges_unlock(BlockRanges *ranges, uint64_t offset, uint64_t bytes)
{
    g_mutex_lock(&ranges->mutex);
    for (unsigned i = 0; i < ranges->held->len; i++) {
        const Range *r = &g_array_index(ranges->held, Range, i);

        if (r->offset == offset && r->bytes == bytes) {
            g_array_remove_index_fast(ranges->held, i);
            break;
        }
    }
    g_cond_broadcast(&ranges->freed);
    g_mutex_unlock(&ranges->mutex);
}
