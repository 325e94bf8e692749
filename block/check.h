/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Looking for faults in an image, and mending them. Main thread; nobody else uses the image. */
#ifndef BLOCK_CHECK_H
#define BLOCK_CHECK_H

#include "block/node.h"

enum {
    BLOCK_CHECK_FIX_LEAKS = 1 << 0,  /* clusters that nothing uses are free again */
    BLOCK_CHECK_FIX_ERRORS = 1 << 1, /* and all else that can be mended is */
};

typedef struct BlockCheck {
    uint64_t check_errors;                   /* places that could not be looked at */
    uint64_t corruptions, leaks;             /* that are there */
    uint64_t corruptions_fixed, leaks_fixed; /* that were there */
    uint64_t image_end;                      /* behind the last byte that is used */
    uint64_t total_clusters;                 /* of the disk */
    uint64_t allocated_clusters, fragmented_clusters, compressed_clusters; /* of those */
} BlockCheck;

/* Can its format be checked? */
bool block_check_possible(const BlockNode *node);
/* Look at the image of @node, which is opened read-only; with @fix, its file is not, and the caller
 * lets nobody else have it. @tell is called of each fault. Errors: nothing could be looked at. */
bool block_check(BlockNode *node, unsigned fix, void (*tell)(const char *text), BlockCheck *check,
                 GError **errp);

#endif
