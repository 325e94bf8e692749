/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A node as it was at a moment, in another one: a set has the chunks that the target does not have,
 * and that are in the source as they were. Who copies some has their range for himself: who wants
 * all of it, or, before he writes, whoever writes. Requests: threads of the pool, and of jobs.
 */
#ifndef BLOCK_COPY_H
#define BLOCK_COPY_H

#include "block/dirty-set.h"
#include "block/node.h"
#include "block/ranges.h"

typedef struct BlockCopy {
    BlockNode **source, **target; /* where they are told, borrowed: others, if the graph changes */
    uint64_t size, chunk;         /* bytes of the source; of what is copied at once, a power of 2 */
    uint64_t cluster;             /* of the target, if it is written compressed; else 0 */
    DirtySet *left;               /* NULL: block_copy_init() was not called */
    BlockRanges ranges;
} BlockCopy;

/* Nothing is left to be copied. @size is that of the source; main thread. */
void block_copy_init(BlockCopy *copy, BlockNode **source, BlockNode **target, uint64_t size,
                     bool compress);
/* Also one that is all zeros. */
void block_copy_clear(BlockCopy *copy);
/* @offset and @end by whole chunks, as far as the disk goes. */
void block_copy_round(const BlockCopy *copy, uint64_t *offset, uint64_t *end);
/* Of [@offset, @offset + @bytes), whole chunks, what is left, by way of @buf
 * (block_job_buffer()): *@done bytes. *@read: what failed was to read. */
int block_copy_some(BlockCopy *copy, uint64_t offset, uint64_t bytes, void *buf, uint64_t *done,
                    bool *read);
/* Is something left of what [@offset, @offset + @bytes) touches? */
bool block_copy_is_left(BlockCopy *copy, uint64_t offset, uint64_t bytes);
/* What is left of what [@offset, @offset + @bytes) touches, before somebody writes there: *@done
 * bytes. */
int block_copy_before(BlockCopy *copy, uint64_t offset, uint64_t bytes, uint64_t *done);

#endif
