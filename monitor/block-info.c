/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "monitor/block-info.h"

#include "block/backend.h"
#include "block/dirty-bitmap.h"
#include "block/driver.h"
#include "block/image-info.h"
#include "block/status.h"
#include "hw/core/device.h"
#include "util/error.h"

static void add_bitmap(BlockDirtyBitmap *bitmap, void *opaque)
{
    BlockDirtyInfo *info = g_new0(BlockDirtyInfo, 1);

    info->name = g_strdup(bitmap->name);
    info->count = (int64_t)block_dirty_bitmap_count(bitmap);
    info->granularity = bitmap->granularity;
    info->recording = bitmap->enabled;
    info->busy = bitmap->busy;
    info->persistent = bitmap->persistent;
    info->has_inconsistent = info->inconsistent = bitmap->inconsistent;
    g_ptr_array_add(opaque, info);
}

/* NULL: there are none. */
static GPtrArray *bitmaps_of(BlockNode *node)
{
    GPtrArray *list = BlockDirtyInfo_list_new();

    block_dirty_bitmap_foreach(node, add_bitmap, list);
    if (!list->len) {
        g_clear_pointer(&list, g_ptr_array_unref);
    }
    return list;
}

BlockDeviceInfo *block_info_new(BlockNode *node, bool flat)
{
    BlockDeviceInfo *info = g_new0(BlockDeviceInfo, 1);

    info->file = g_strdup(node->filename);
    info->node_name = g_strdup(node->name);
    info->ro = node->read_only;
    info->drv = g_strdup(BlockdevDriver_str(node->driver->id));
    info->detect_zeroes = node->detect_zeroes;
    info->backing_file =
        node->backing.node ? g_strdup(block_skip_filters(node->backing.node)->filename) : NULL;
    for (BlockNode *below = block_skip_filters(node->backing.node); below;
         below = block_skip_filters(below->backing.node)) {
        info->backing_file_depth++;
    }
    info->write_threshold = (int64_t)node->write_threshold;
    info->dirty_bitmaps = bitmaps_of(node);
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
    return backend ? block_backend_image(backend) : NULL;
}

char *block_info_device(const BlockBackend *backend)
{
    Object *obj = backend->device ? object_resolve(backend->device, NULL) : NULL;

    if (!obj || !object_is_a(obj, TYPE_DEVICE)) {
        return g_strdup(backend->device);
    }
    if (object_child(obj, "virtio-backend")) {
        return g_strdup_printf("%s/virtio-backend", backend->device);
    }
    return g_strdup(DEVICE(obj)->id ? DEVICE(obj)->id : backend->device);
}

void block_info_limits(BlockDeviceInfo *info, ThrottleGroup *group)
{
    const ThrottleConfig config = throttle_group_config(group);
    const struct {
        int64_t *rate, *max, *length;
        bool *has_max, *has_length;
    } rows[THROTTLE_KINDS] = {
        { &info->bps, &info->bps_max, &info->bps_max_length, &info->has_bps_max,
          &info->has_bps_max_length },
        { &info->bps_rd, &info->bps_rd_max, &info->bps_rd_max_length, &info->has_bps_rd_max,
          &info->has_bps_rd_max_length },
        { &info->bps_wr, &info->bps_wr_max, &info->bps_wr_max_length, &info->has_bps_wr_max,
          &info->has_bps_wr_max_length },
        { &info->iops, &info->iops_max, &info->iops_max_length, &info->has_iops_max,
          &info->has_iops_max_length },
        { &info->iops_rd, &info->iops_rd_max, &info->iops_rd_max_length, &info->has_iops_rd_max,
          &info->has_iops_rd_max_length },
        { &info->iops_wr, &info->iops_wr_max, &info->iops_wr_max_length, &info->has_iops_wr_max,
          &info->has_iops_wr_max_length },
    };

    for (unsigned i = 0; i < THROTTLE_KINDS; i++) {
        *rows[i].rate = config.limits[i].rate;
        *rows[i].max = config.limits[i].max;
        *rows[i].length = MAX(config.limits[i].max_length, 1);
        *rows[i].has_max = *rows[i].has_length = config.limits[i].max > 0;
    }
    info->has_iops_size = config.iops_size > 0;
    info->iops_size = config.iops_size;
    info->group = g_strdup(throttle_group_name(group));
}
