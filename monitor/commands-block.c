/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about block devices and nodes (qapi/block.json, block-node.json). */
#include <string.h>
#include <sys/stat.h>

#include "block/backend.h"
#include "block/driver.h"
#include "block/medium.h"
#include "block/pr-manager.h"
#include "hw/block/pflash-cfi01.h"
#include "hw/core/machine.h"
#include "hw/i386/x86.h"
#include "monitor/block-info.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"

#define HOST_SECTOR 512 /* unit of st_blocks */

/* ---- nodes ---- */

/* Of flash that is a file, not a node. */
static BlockDeviceInfo *file_info(const char *file, bool read_only)
{
    BlockDeviceInfo *info = g_new0(BlockDeviceInfo, 1);
    struct stat st;

    info->file = g_strdup(file);
    info->ro = read_only;
    info->drv = g_strdup("raw");
    info->image = g_new0(ImageInfo, 1);
    info->image->filename = g_strdup(file);
    info->image->format = g_strdup("raw");
    if (stat(file, &st) == 0) {
        info->image->virtual_size = st.st_size;
        info->image->has_actual_size = true;
        info->image->actual_size = (int64_t)st.st_blocks * HOST_SECTOR;
    }
    info->cache = g_new0(BlockdevCacheInfo, 1);
    info->cache->writeback = true;
    return info;
}

/* What has been found so far, and how much of each is wanted. */
typedef struct NodeList {
    GPtrArray *list; /* of BlockDeviceInfo */
    bool flat;
} NodeList;

typedef struct NoMedium {
    const BlockNode *node;
    bool found;
} NoMedium;

static void look_for(BlockBackend *backend, void *opaque)
{
    NoMedium *search = opaque;

    search->found |=
        backend->empty && block_node_is_below(block_backend_node(backend), search->node);
}

/* What stands for no medium is nobody's. */
static void add_node(BlockNode *node, void *opaque)
{
    const NodeList *nodes = opaque;
    NoMedium search = { node, false };

    block_backend_foreach(look_for, &search);
    if (!search.found && !node->implicit) {
        g_ptr_array_add(nodes->list, block_info_new(node, nodes->flat));
    }
}

GPtrArray *qmp_query_named_block_nodes(bool has_flat, bool flat, GError **errp)
{
    NodeList nodes = { BlockDeviceInfo_list_new(), flat };

    block_node_foreach(add_node, &nodes);
    return nodes.list;
}

bool qmp_blockdev_add(const BlockdevOptions *options, GError **errp)
{
    return block_node_add(options, errp) != NULL;
}

bool qmp_blockdev_del(const char *node_name, GError **errp)
{
    return block_node_del(node_name, errp);
}

bool qmp_block_resize(const char *device, const char *node_name, int64_t size, GError **errp)
{
    BlockNode *node = block_info_find(device, node_name, errp);

    if (node && size < 0) {
        error_set(errp, "'size' is negative");
        return false;
    }
    return node && block_resize(node, (uint64_t)size, errp);
}

/* ---- devices ---- */

/* The node that flash @unit was made of; NULL: none. */
static const char *flash_node(const Machine *machine, unsigned unit)
{
    return object_is_a(OBJECT(machine), TYPE_X86_MACHINE) ? X86_MACHINE(machine)->pflash[unit]
                                                          : NULL;
}

/* The name of the drive; that of one made of a node is empty. */
static char *flash_drive(const Machine *machine, unsigned unit)
{
    return flash_node(machine, unit) ? g_strdup("") : g_strdup_printf("pflash%u", unit);
}

static void add_backend(BlockBackend *backend, void *list)
{
    const BlockTrayOps *tray = block_medium_tray(backend);
    BlockInfo *info;

    if (backend->exported) {
        return;
    }
    info = g_new0(BlockInfo, 1);
    info->device = g_strdup(backend->name ? backend->name : "");
    info->qdev = block_info_device(backend);
    info->type = g_strdup("unknown");
    info->inserted = backend->empty ? NULL : block_info_new(block_backend_image(backend), false);
    if (info->inserted && backend->limits) {
        block_info_limits(info->inserted, throttle_member_group(backend->limits));
    }
    info->removable = tray != NULL;
    info->has_tray_open = block_medium_has_tray(backend);
    info->tray_open = info->has_tray_open && tray->is_open(backend->opaque);
    info->locked = tray && tray->is_locked(backend->opaque);
    if (backend->device) {
        info->has_io_status = true;
        info->io_status = !backend->failed    ? BLOCK_DEVICE_IO_STATUS_OK
                          : backend->no_space ? BLOCK_DEVICE_IO_STATUS_NOSPACE
                                              : BLOCK_DEVICE_IO_STATUS_FAILED;
    }
    g_ptr_array_add(list, info);
}

/* What flash @unit is. */
static BlockDeviceInfo *flash_info(const Machine *machine, unsigned unit)
{
    const PflashUse *use = pflash_cfi01_use(machine->flash[unit]);
    BlockNode *node =
        flash_node(machine, unit) ? block_node_find(flash_node(machine, unit), NULL) : NULL;

    return node ? block_info_new(node, false) : file_info(use->file, use->readonly);
}

GPtrArray *qmp_query_block(GError **errp)
{
    GPtrArray *list = BlockInfo_list_new();
    const Machine *machine = machine_current();

    for (unsigned i = 0; machine && i < MAX_FLASH; i++) {
        if (!machine->flash[i]) {
            continue;
        }
        BlockInfo *info = g_new0(BlockInfo, 1);
        info->device = flash_drive(machine, i);
        info->qdev = object_path(OBJECT(machine->flash[i]));
        info->type = g_strdup("unknown");
        info->inserted = flash_info(machine, i);
        g_ptr_array_add(list, info);
    }
    block_backend_foreach(add_backend, list);
    return list;
}

/* ---- statistics ---- */

/* @use: NULL: nothing was read or written by this. */
static BlockDeviceStats *device_stats(const PflashUse *use)
{
    BlockDeviceStats *stats = g_new0(BlockDeviceStats, 1);

    stats->account_failed = true;
    stats->timed_stats = BlockDeviceTimedStats_list_new();
    if (use) {
        stats->rd_operations = 1;
        stats->rd_bytes = (int64_t)use->read_bytes;
        stats->rd_total_time_ns = use->read_ns;
        stats->wr_operations = (int64_t)use->writes;
        stats->wr_bytes = (int64_t)use->written_bytes;
        stats->wr_total_time_ns = use->write_ns;
        stats->wr_highest_offset = (int64_t)use->written_end;
        stats->failed_wr_operations = (int64_t)use->failed_writes;
    }
    return stats;
}

static BlockLatencyHistogramInfo *latency_info(BlockBackend *backend, BlockLatency kind)
{
    LatencyHistogram *histogram = block_backend_latency(backend, kind);
    BlockLatencyHistogramInfo *info = NULL;

    if (histogram) {
        info = g_new0(BlockLatencyHistogramInfo, 1);
        info->boundaries = g_array_copy((GArray *)(uintptr_t)latency_boundaries(histogram));
        info->bins = g_array_copy((GArray *)(uintptr_t)latency_bins(histogram));
        latency_free(histogram);
    }
    return info;
}

static void add_backend_stats(BlockBackend *backend, void *list)
{
    const BlockStatistics stats = block_backend_statistics(backend), *from = &stats;
    BlockStats *item = backend->exported ? NULL : g_new0(BlockStats, 1);
    BlockDeviceStats *to;

    if (!item) {
        return;
    }
    to = item->stats = device_stats(NULL);
    const struct {
        BlockOp op;
        int64_t *operations, *bytes, *ns, *failed, *invalid;
    } rows[] = {
        { BLOCK_READ, &to->rd_operations, &to->rd_bytes, &to->rd_total_time_ns,
          &to->failed_rd_operations, &to->invalid_rd_operations },
        { BLOCK_WRITE, &to->wr_operations, &to->wr_bytes, &to->wr_total_time_ns,
          &to->failed_wr_operations, &to->invalid_wr_operations },
        { BLOCK_WRITE_ZEROES, &to->wr_operations, &to->wr_bytes, &to->wr_total_time_ns,
          &to->failed_wr_operations, &to->invalid_wr_operations },
        { BLOCK_FLUSH, &to->flush_operations, NULL, &to->flush_total_time_ns,
          &to->failed_flush_operations, &to->invalid_flush_operations },
        { BLOCK_DISCARD, &to->unmap_operations, &to->unmap_bytes, &to->unmap_total_time_ns,
          &to->failed_unmap_operations, &to->invalid_unmap_operations },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        *rows[i].operations += (int64_t)from->operations[rows[i].op];
        *rows[i].ns += from->ns[rows[i].op];
        *rows[i].failed += (int64_t)from->failed[rows[i].op];
        *rows[i].invalid += (int64_t)from->invalid[rows[i].op];
        if (rows[i].bytes) {
            *rows[i].bytes += (int64_t)from->bytes[rows[i].op];
        }
    }
    to->wr_highest_offset = (int64_t)from->written_end;
    to->account_invalid = false;
    to->rd_latency_histogram = latency_info(backend, BLOCK_LATENCY_READ);
    to->wr_latency_histogram = latency_info(backend, BLOCK_LATENCY_WRITE);
    to->flush_latency_histogram = latency_info(backend, BLOCK_LATENCY_FLUSH);
    item->device = g_strdup(backend->name ? backend->name : "");
    item->qdev = block_info_device(backend);
    item->node_name = g_strdup(block_backend_image(backend)->name);
    g_ptr_array_add(list, item);
}

static GPtrArray *all_stats(void)
{
    GPtrArray *list = BlockStats_list_new();
    const Machine *machine = machine_current();

    for (unsigned i = 0; machine && i < MAX_FLASH; i++) {
        if (machine->flash[i]) {
            BlockStats *stats = g_new0(BlockStats, 1);

            stats->device = flash_drive(machine, i);
            stats->qdev = object_path(OBJECT(machine->flash[i]));
            stats->node_name = g_strdup(flash_node(machine, i));
            stats->stats = device_stats(pflash_cfi01_use(machine->flash[i]));
            g_ptr_array_add(list, stats);
        }
    }
    block_backend_foreach(add_backend_stats, list);
    return list;
}

static void add_node_stats(BlockNode *node, void *list)
{
    const Machine *machine = machine_current();
    BlockStats *stats = g_new0(BlockStats, 1);
    const PflashUse *use = NULL;

    for (unsigned i = 0; machine && i < MAX_FLASH; i++) {
        if (machine->flash[i] && g_strcmp0(flash_node(machine, i), node->name) == 0) {
            use = pflash_cfi01_use(machine->flash[i]);
        }
    }
    stats->node_name = g_strdup(node->name);
    stats->stats = device_stats(use);
    g_ptr_array_add(list, stats);
}

GPtrArray *qmp_query_blockstats(bool has_query_nodes, bool query_nodes, GError **errp)
{
    if (!has_query_nodes || !query_nodes) {
        return all_stats();
    }
    GPtrArray *list = BlockStats_list_new();
    block_node_foreach(add_node_stats, list);
    return list;
}

GPtrArray *qmp_query_pr_managers(GError **errp)
{
    g_autoptr(GPtrArray) managers = object_list_type(TYPE_PR_MANAGER_HELPER);
    GPtrArray *list = PRManagerInfo_list_new();

    for (guint i = 0; i < managers->len; i++) {
        PRManagerInfo *info = g_new0(PRManagerInfo, 1);

        info->id = g_strdup(OBJECT(managers->pdata[i])->name);
        info->connected = pr_manager_is_connected(PR_MANAGER(managers->pdata[i]));
        g_ptr_array_add(list, info);
    }
    return list;
}
