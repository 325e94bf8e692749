/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a node has where: data, zeros, nothing. As for requests: threads may ask at once. */
#ifndef BLOCK_STATUS_H
#define BLOCK_STATUS_H

#include "block/node.h"

/* Of the bytes from an offset on. */
typedef struct BlockStatus {
    uint64_t bytes; /* that are alike, at least 1 */
    bool allocated; /* they are this node's, and not those of its backing file */
    bool data;      /* there are bytes for them */
    bool zero;      /* they are zeros; false: nobody knows */
    bool has_at;
    uint64_t at;          /* where in the file they are, as they are */
    const char *filename; /* of that file: borrowed */
    unsigned depth;       /* how many backing files down that is; block_status_chain() */
} BlockStatus;

/* The image of @node: that, or what is below it, if that is a filter. NULL: NULL. */
BlockNode *block_skip_filters(BlockNode *node);
/* What is next in a chain: the backing file of an image, or what is below a filter; NULL: it ends.
 */
BlockNode *block_chain_below(const BlockNode *node);

/* Of @node alone. [@offset, @offset + @bytes) is not empty, and lies within it. 0 or a positive
 * errno value. */
int block_status(BlockNode *node, uint64_t offset, uint64_t bytes, BlockStatus *status);
/* The same of what is read: of the first of @node and its backing files that has it, above @base
 * (NULL: all of them); filters among them, or above the base, are none. `allocated`: one of them
 * has. What is beyond the end of a backing file is zeros that nobody has. */
int block_status_chain(BlockNode *node, const BlockNode *base, uint64_t offset, uint64_t bytes,
                       BlockStatus *status);

#endif
