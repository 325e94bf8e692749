/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef BLOCK_HOST_DEVICE_H
#define BLOCK_HOST_DEVICE_H

#include "block/node.h"
#include "block/pr-manager.h"

/* The descriptor of the device of the host that @node, or what lies below it as a whole, is: for
 * what a device can do beside reads and writes. It may be another one after a reopen, for which
 * requests are waited for. -1: it is none. */
int block_host_device_fd(const BlockNode *node);
/* By whom its persistent reservations go; borrowed while there are requests. NULL: nobody. */
PrManager *block_host_device_pr_manager(const BlockNode *node);

#endif
