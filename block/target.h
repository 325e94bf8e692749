/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files that jobs copy to. Machine lock, main thread. */
#ifndef BLOCK_TARGET_H
#define BLOCK_TARGET_H

#include "block/node.h"

typedef struct BlockTarget {
    const char *path;
    const char *format; /* NULL: that of the source; of a file that is there, by its first bytes */
    const char *node_name; /* NULL: one of ours */
    bool existing;         /* the file is there, and is as it has to be */
    MirrorSyncMode sync;   /* with top it has the source's backing file, with none the source */
    bool backup;           /* with none, what is not in it is read from the source */
} BlockTarget;

/* A node for a copy of @source: a reference. A file that was made stays if anything fails. Errors:
 * no such format, one without backing files that would need one. */
BlockNode *block_target_open(const BlockTarget *target, BlockNode *source, GError **errp);

#endif
