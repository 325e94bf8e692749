/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Driver "throttle": another node, with the limits of a throttle group. */
#ifndef BLOCK_THROTTLE_NODE_H
#define BLOCK_THROTTLE_NODE_H

#include "block/node.h"
#include "block/throttle-group.h"

/* NULL: @node is none. */
ThrottleMember *throttle_node_member(const BlockNode *node);
/* In this thread, from now on: a request of @top has waited already for such nodes from there on
 * down, as far as they follow each other. NULL: for none. */
void throttle_node_passed(const BlockNode *top);

#endif
