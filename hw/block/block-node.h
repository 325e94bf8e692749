/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Block nodes of -blockdev: names for files, by which -machine pflash0= and pflash1= find the
 * contents of flash. A node with driver "file" names a file; one with driver "raw" is another node,
 * perhaps read-only. Main thread, at start-up.
 */
#ifndef HW_BLOCK_BLOCK_NODE_H
#define HW_BLOCK_BLOCK_NODE_H

#include <glib.h>
#include <stdbool.h>

#include "qapi/qapi-types.h"

typedef struct BlockNode {
    char *name;         /* node-name */
    const char *driver; /* "file" or "raw" */
    char *filename;     /* of the file at the bottom */
    bool read_only;
} BlockNode;

/* Make the node that @options describes, and that below it if its options are there too ("file").
 * Errors: node-name missing or taken, "file" is no node. */
bool block_node_add(const BlockdevOptions *options, GError **errp);

/* Borrowed; an error lists the nodes that there are. */
const BlockNode *block_node_find(const char *name, GError **errp);

/* Call @fn for each, in the order of their making. */
void block_node_foreach(void (*fn)(const BlockNode *node, void *opaque), void *opaque);

#endif
