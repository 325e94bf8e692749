/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tests do with nodes of driver "blkdebug" while they are there. Machine lock. */
#ifndef BLOCK_BLKDEBUG_H
#define BLOCK_BLKDEBUG_H

#include "block/breakpoint.h"
#include "block/node.h"

/* The breakpoints of the uppermost such node that @node is, or has its contents from; NULL: there
 * is none. */
Breakpoints *blkdebug_breakpoints(BlockNode *node);

#endif
