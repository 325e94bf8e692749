/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about limits, thresholds and times of requests (qapi/block-throttle.json,
 * block.json). */
#include "block/backend.h"
#include "block/dirty-bitmap.h"
#include "monitor/block-info.h"
#include "qapi/qapi-commands.h"
#include "qom/object.h"
#include "util/error.h"

typedef struct Search {
    const char *id;
    BlockBackend *found;
} Search;

static void look_at(BlockBackend *backend, void *opaque)
{
    Search *search = opaque;
    g_autofree char *name = backend->device ? block_info_device(backend) : NULL;

    if (name && (g_strcmp0(name, search->id) == 0 || g_strcmp0(backend->device, search->id) == 0)) {
        search->found = backend;
    }
}

static BlockBackend *find(const char *device, const char *id, GError **errp)
{
    Search search = { id, NULL };
    Object *obj;

    if (!device == !id) {
        error_set(errp, "give one of 'device' and 'id'");
        return NULL;
    }
    if (device) {
        search.found = block_backend_find(device);
    } else {
        g_autofree char *path = (obj = object_resolve(id, NULL)) ? object_path(obj) : NULL;

        block_backend_foreach(look_at, &search);
        if (!search.found && path) {
            search.id = path;
            block_backend_foreach(look_at, &search);
        }
    }
    if (!search.found) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "there is no drive '%s'",
                        device ? device : id);
    }
    return search.found;
}

bool qmp_block_set_io_throttle(
    const char *device, const char *id, int64_t bps, int64_t bps_rd, int64_t bps_wr, int64_t iops,
    int64_t iops_rd, int64_t iops_wr, bool has_bps_max, int64_t bps_max, bool has_bps_rd_max,
    int64_t bps_rd_max, bool has_bps_wr_max, int64_t bps_wr_max, bool has_iops_max,
    int64_t iops_max, bool has_iops_rd_max, int64_t iops_rd_max, bool has_iops_wr_max,
    int64_t iops_wr_max, bool has_bps_max_length, int64_t bps_max_length,
    bool has_bps_rd_max_length, int64_t bps_rd_max_length, bool has_bps_wr_max_length,
    int64_t bps_wr_max_length, bool has_iops_max_length, int64_t iops_max_length,
    bool has_iops_rd_max_length, int64_t iops_rd_max_length, bool has_iops_wr_max_length,
    int64_t iops_wr_max_length, bool has_iops_size, int64_t iops_size, const char *group,
    GError **errp)
{
    const ThrottleConfig config = {
        .limits = { [THROTTLE_BPS_TOTAL] = { bps, bps_max, bps_max_length },
                    [THROTTLE_BPS_READ] = { bps_rd, bps_rd_max, bps_rd_max_length },
                    [THROTTLE_BPS_WRITE] = { bps_wr, bps_wr_max, bps_wr_max_length },
                    [THROTTLE_IOPS_TOTAL] = { iops, iops_max, iops_max_length },
                    [THROTTLE_IOPS_READ] = { iops_rd, iops_rd_max, iops_rd_max_length },
                    [THROTTLE_IOPS_WRITE] = { iops_wr, iops_wr_max, iops_wr_max_length } },
        .iops_size = iops_size,
    };
    BlockBackend *backend = find(device, id, errp);

    if (!backend) {
        return false;
    }
    if (backend->empty) {
        error_set(errp, "drive '%s' has no medium", device ? device : id);
        return false;
    }
    if (!block_backend_set_limits(backend, &config, group ? group : device ? device : id, errp)) {
        return false;
    }
    backend->limits_origin = THROTTLE_CHANGED;
    return true;
}

bool qmp_block_latency_histogram_set(const char *id, GArray *boundaries, GArray *boundaries_read,
                                     GArray *boundaries_write, GArray *boundaries_flush,
                                     GError **errp)
{
    static const char *const kinds[BLOCK_LATENCY_COUNT] = { "read", "write", "flush" };
    const GArray *lists[BLOCK_LATENCY_COUNT] = { boundaries_read ? boundaries_read : boundaries,
                                                 boundaries_write ? boundaries_write : boundaries,
                                                 boundaries_flush ? boundaries_flush : boundaries };
    const bool none = !lists[0] && !lists[1] && !lists[2];
    BlockBackend *backend = block_backend_find(id);

    backend = backend ? backend : find(NULL, id, errp);
    if (!backend) {
        return false;
    }
    for (unsigned i = 0; i < BLOCK_LATENCY_COUNT; i++) {
        if (lists[i] && !latency_boundaries_rise(lists[i])) {
            error_set(errp,
                      "the boundaries of %s do not rise: each is larger than the one before "
                      "it, and the first than 0",
                      kinds[i]);
            return false;
        }
    }
    for (unsigned i = 0; i < BLOCK_LATENCY_COUNT; i++) {
        if (lists[i] || none) {
            block_backend_set_latency(backend, i, lists[i] ? latency_new(lists[i]) : NULL);
        }
    }
    return true;
}

bool qmp_block_set_write_threshold(const char *node_name, uint64_t threshold, GError **errp)
{
    BlockNode *node = block_node_find(node_name, errp);

    if (!node) {
        return false;
    }
    block_hold_all(); /* what the host's kernel has is not looked at */
    block_node_set_write_threshold(node, threshold);
    block_resume_all();
    return true;
}
