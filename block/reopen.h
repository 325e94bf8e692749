/* SPDX-License-Identifier: GPL-2.0-or-later */
/* blockdev-reopen: nodes that are used have other options. Machine lock, main thread. */
#ifndef BLOCK_REOPEN_H
#define BLOCK_REOPEN_H

#include "block/node.h"

/* @list: of BlockdevOptions; those of a node are all that it has from then on: what is left out is
 * as it would be if it were left out in blockdev-add, but for `backing`, which stays. Only
 * read-only, auto-read-only, discard, detect-zeroes, cache and backing (a name, or null) may
 * change. All nodes change or none. */
bool block_reopen(const GPtrArray *list, GError **errp);

/* For jobs: let @node and the files below it (not its backing file) be only read, or written as
 * well, whatever their options say; all of them, or none. There are no requests. */
bool block_node_set_read_only(BlockNode *node, bool read_only, GError **errp);

#endif
