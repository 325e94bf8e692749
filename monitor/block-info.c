/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "monitor/block-info.h"

#include "block/backend.h"
#include "block/driver.h"
#include "block/image-info.h"
#include "util/error.h"

BlockDeviceInfo *block_info_new(BlockNode *node, bool flat)
{
    BlockDeviceInfo *info = g_new0(BlockDeviceInfo, 1);

    info->file = g_strdup(node->filename);
    info->node_name = g_strdup(node->name);
    info->ro = node->read_only;
    info->drv = g_strdup(BlockdevDriver_str(node->driver->id));
    info->detect_zeroes = node->detect_zeroes;
    info->backing_file = node->backing.node ? g_strdup(node->backing.node->filename) : NULL;
    for (const BlockNode *below = node->backing.node; below; below = below->backing.node) {
        info->backing_file_depth++;
    }
    info->image = block_image_info(node, !flat);
    info->cache = g_new0(BlockdevCacheInfo, 1);
    info->cache->writeback = true;
    info->cache->direct = node->direct;
    info->cache->no_flush = node->no_flush;
    return info;
}

BlockNode *block_info_find(const char *device, const char *node_name, GError **errp)
{
    const BlockBackend *backend = device ? block_backend_find(device) : NULL;

    if (!device == !node_name) {
        error_set(errp, "give one of 'device' and 'node-name'");
        return NULL;
    }
    if (!device) {
        return block_node_find(node_name, errp);
    }
    if (!backend) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "there is no drive '%s'", device);
    }
    return backend ? block_backend_node(backend) : NULL;
}
