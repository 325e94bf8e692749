/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/image-info.h"

#include "block/driver.h"
#include "block/qcow2.h"

ImageInfo *block_image_info(BlockNode *node, bool chain)
{
    ImageInfo *info = g_new0(ImageInfo, 1);
    int64_t length = block_node_length(node), allocated = block_node_allocated(node);

    info->filename = g_strdup(node->filename);
    info->format = g_strdup(BlockdevDriver_str(node->driver->id));
    info->virtual_size = MAX(length, 0);
    info->has_actual_size = allocated >= 0;
    info->actual_size = allocated;
    if (node->driver->tell) {
        node->driver->tell(node, info);
    }
    if (node->backing.node && chain) {
        info->backing_image = block_image_info(node->backing.node, true);
    }
    return info;
}

bool block_qcow2_facts(const BlockNode *node, BlockQcow2Facts *facts)
{
    return qcow2_facts(node, facts);
}
