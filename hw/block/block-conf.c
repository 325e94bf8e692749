/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/block/block-conf.h"

#include <inttypes.h>
#include <string.h>

#include "block/medium.h"
#include "hw/core/runstate.h"
#include "util/error.h"
#include "util/main-loop.h"

const char *const block_conf_errors[] = { "auto", "report", "ignore", "enospc", "stop", NULL };
const char *const block_conf_modes[] = { "auto", "on", "off", NULL };
enum { MODE_AUTO, MODE_ON, MODE_OFF };

static bool is_block_size(uint64_t size, uint32_t most)
{
    return size >= BLOCK_SECTOR && size <= most && (size & (size - 1)) == 0;
}

static bool check(const BlockConf *conf, unsigned serial_max, bool read_only, GError **errp)
{
    enum { MAX_BLOCK = 2 << 20 };

    if (!is_block_size(conf->logical, MAX_BLOCK) || !is_block_size(conf->physical, MAX_BLOCK)) {
        error_set(errp,
                  "logical_block_size=%" PRIu64 ", physical_block_size=%" PRIu64
                  ": both are powers "
                  "of two from %u to %u",
                  conf->logical, conf->physical, BLOCK_SECTOR, MAX_BLOCK);
    } else if (conf->physical < conf->logical) {
        error_set(errp, "physical_block_size=%" PRIu64 " is less than logical_block_size=%" PRIu64,
                  conf->physical, conf->logical);
    } else if (conf->min_io % conf->logical || conf->opt_io % conf->logical ||
               conf->min_io / conf->logical > UINT16_MAX || conf->opt_io > UINT32_MAX) {
        error_set(errp,
                  "min_io_size=%" PRIu64 ", opt_io_size=%" PRIu64 ": both are multiples of %" PRIu64
                  "; the first is at most %u of them, the second less than 4 GiB",
                  conf->min_io, conf->opt_io, conf->logical, UINT16_MAX);
    } else if (!conf->granularity || conf->granularity > UINT32_MAX ||
               (conf->granularity != PROP_UNSET && conf->granularity % conf->logical)) {
        error_set(errp,
                  "discard_granularity=%" PRIu64 " is no multiple of logical_block_size=%" PRIu64
                  " below 4 GiB",
                  conf->granularity, conf->logical);
    } else if (conf->serial && strlen(conf->serial) > serial_max) {
        error_set(errp, "serial=%s is longer than %u characters", conf->serial, serial_max);
    } else if (conf->boot_index < -1) {
        error_set(errp, "bootindex=%d is negative", conf->boot_index);
    } else if (!conf->drive && !read_only) {
        error_set(errp, "drive= is missing: the id of a -drive, or the node-name of a -blockdev");
    } else {
        return true;
    }
    return false;
}

bool block_conf_realize(BlockConf *conf, const Device *dev, uint32_t block, unsigned serial_max,
                        bool read_only, Loop *loop, const BlockBackendOps *ops, void *opaque,
                        GError **errp)
{
    static const BlockdevOnError actions[] = { BLOCKDEV_ON_ERROR_AUTO, BLOCKDEV_ON_ERROR_REPORT,
                                               BLOCKDEV_ON_ERROR_IGNORE, BLOCKDEV_ON_ERROR_ENOSPC,
                                               BLOCKDEV_ON_ERROR_STOP };
    g_autofree char *path = object_path(&dev->parent);
    BlockBackend *backend;

    conf->logical = conf->logical ? conf->logical : block;
    conf->physical = conf->physical ? conf->physical : conf->logical;
    if (!check(conf, serial_max, read_only, errp)) {
        return false;
    }
    backend =
        conf->drive ? block_backend_get(conf->drive, errp) : block_medium_empty_drive(NULL, errp);
    if (!backend || !block_backend_take(backend, path ? path : dev->parent.type->name,
                                        read_only || block_backend_node(backend)->read_only,
                                        conf->share_rw, errp)) {
        return false;
    }
    if (conf->rerror) {
        backend->on_read_error = actions[conf->rerror];
    }
    if (conf->werror) {
        backend->on_write_error = actions[conf->werror];
    }
    block_backend_connect(backend, loop, ops, opaque);
    conf->backend = backend;
    return true;
}

bool block_conf_set_drive(Object *obj, const Property *prop, struct json_object *value,
                          GError **errp)
{
    BlockConf *conf = (BlockConf *)((char *)obj + prop->offset - offsetof(BlockConf, drive));
    const char *name = json_object_get_string(value);
    BlockNode *node = conf->backend ? block_node_find(name, errp) : NULL;

    if (obj->settled && !conf->backend) {
        error_set(errp, "'drive' can be changed, but there is none here");
        return false;
    }
    if (conf->backend && (!node || !block_backend_set_node(conf->backend, node, errp))) {
        return false;
    }
    if (!conf->backend || !conf->backend->name) { /* that of a drive stays */
        g_free(conf->drive);
        conf->drive = g_strdup(name);
    }
    return true;
}

void block_conf_unrealize(BlockConf *conf)
{
    block_backend_release(g_steal_pointer(&conf->backend));
}

uint32_t block_conf_granularity(const BlockConf *conf)
{
    return (uint32_t)(conf->granularity == PROP_UNSET ? conf->logical : conf->granularity);
}

bool block_conf_writeback(const BlockConf *conf)
{
    return conf->write_cache == MODE_AUTO ? !conf->backend->writethrough
                                          : conf->write_cache == MODE_ON;
}

static void stop_machine(void *opaque)
{
    runstate_stop(RUN_STATE_IO_ERROR);
}

BlockErrorAction block_conf_failed(const BlockRequest *request)
{
    BlockErrorAction action =
        request->error ? block_error_action(request) : BLOCK_ERROR_ACTION_IGNORE;

    if (action == BLOCK_ERROR_ACTION_STOP) {
        main_loop_schedule(stop_machine, NULL);
    }
    return action;
}
