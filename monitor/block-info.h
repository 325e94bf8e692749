/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What block nodes look like to users, and how they are named. */
#ifndef MONITOR_BLOCK_INFO_H
#define MONITOR_BLOCK_INFO_H

#include "block/backend.h"

/* Freed by the caller. @flat: without the images below. */
BlockDeviceInfo *block_info_new(BlockNode *node, bool flat);
/* The id of the device of @backend, or its path; of virtio it is a part of the PCI function, and
 * has no id. NULL if there is none; g_free. */
char *block_info_device(const BlockBackend *backend);
/* Tell of the limits of a drive with @info. */
void block_info_limits(BlockDeviceInfo *info, ThrottleGroup *group);
/* The node that a command names as a drive or, the other being NULL, by its own name. Borrowed. */
BlockNode *block_info_find(const char *device, const char *node_name, GError **errp);

#endif
