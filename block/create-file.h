/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What new images of all formats have in common. */
#ifndef BLOCK_CREATE_FILE_H
#define BLOCK_CREATE_FILE_H

#include "block/create.h"

/* Fills @file; 0 or a positive errno value. */
typedef int BlockCreateFill(BlockNode *file, const void *opaque);
/* Around changes of the graph: the machine lock, for a thread that has @watch. */
void block_create_lock(const BlockCreateWatch *watch);
void block_create_unlock(const BlockCreateWatch *watch);
/* Let @fill fill the file @path, which nobody else has; one that was not there goes if it fails. */
bool block_create_in_file(const char *path, BlockCreateFill *fill, const void *opaque,
                          BlockCreateWatch *watch, GError **errp);
/* The same with a node, which nobody writes to; @name is for messages. */
bool block_create_in_node(BlockNode *file, const char *name, BlockCreateFill *fill,
                          const void *opaque, BlockCreateWatch *watch, GError **errp);
/* Let the host have a place for these bytes, as FALLOC and FULL say. 0 or a positive errno value.
 */
int block_create_allocate(BlockNode *file, uint64_t offset, uint64_t bytes,
                          BlockPreallocation preallocation, BlockCreateWatch *watch);

#endif
