/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Ranges of a node that somebody has for himself: whoever wants a part of one waits. Any thread. */
#ifndef BLOCK_RANGES_H
#define BLOCK_RANGES_H

#include <glib.h>
#include <stdint.h>

typedef struct BlockRanges {
    GMutex mutex;
    GCond freed;
    GArray *held; /* of ranges; under the mutex */
} BlockRanges;

void block_ranges_init(BlockRanges *ranges);
void block_ranges_clear(BlockRanges *ranges); /* nobody has any */
/* Wait for [@offset, @offset + @bytes). One thread does not ask for a second one. */
void block_ranges_lock(BlockRanges *ranges, uint64_t offset, uint64_t bytes);
/* Exactly what was locked. */
void block_ranges_unlock(BlockRanges *ranges, uint64_t offset, uint64_t bytes);

#endif
