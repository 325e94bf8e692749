/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands about block devices, which are flash, and the nodes of -blockdev (qapi/block.json).
 */
#include <string.h>
#include <sys/stat.h>

#include "hw/block/block-node.h"
#include "hw/block/pflash-cfi01.h"
#include "hw/core/machine.h"
#include "hw/i386/x86.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"

#define HOST_SECTOR 512 /* unit of st_blocks */

/* ---- nodes ---- */

static ImageInfo *image_info(const char *file, const char *driver)
{
    ImageInfo *image = g_new0(ImageInfo, 1);
    struct stat st;

    image->filename = g_strdup(file);
    image->format = g_strdup(driver);
    if (stat(file, &st) == 0) {
        image->virtual_size = st.st_size;
        image->has_actual_size = true;
        image->actual_size = (int64_t)st.st_blocks * HOST_SECTOR;
    }
    return image;
}

/* @name: of the node, or NULL. */
static BlockDeviceInfo *device_info(const char *name, const char *driver, const char *file,
                                    bool read_only)
{
    BlockDeviceInfo *info = g_new0(BlockDeviceInfo, 1);

    info->file = g_strdup(file);
    info->node_name = g_strdup(name);
    info->ro = read_only;
    info->drv = g_strdup(driver);
    info->image = image_info(file, driver);
    info->cache = g_new0(BlockdevCacheInfo, 1);
    info->cache->writeback = true;
    return info;
}

static void add_node(const BlockNode *node, void *list)
{
    g_ptr_array_add(list, device_info(node->name, node->driver, node->filename, node->read_only));
}

GPtrArray *qmp_query_named_block_nodes(bool has_flat, bool flat, GError **errp)
{
    GPtrArray *list = BlockDeviceInfo_list_new();

    block_node_foreach(add_node, list);
    return list;
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

GPtrArray *qmp_query_block(GError **errp)
{
    GPtrArray *list = BlockInfo_list_new();
    const Machine *machine = machine_current();

    for (unsigned i = 0; machine && i < MAX_FLASH; i++) {
        if (!machine->flash[i]) {
            continue;
        }
        const PflashUse *use = pflash_cfi01_use(machine->flash[i]);
        BlockInfo *info = g_new0(BlockInfo, 1);
        info->device = flash_drive(machine, i);
        info->qdev = object_path(OBJECT(machine->flash[i]));
        info->type = g_strdup("unknown");
        info->inserted = device_info(flash_node(machine, i), "raw", use->file, use->readonly);
        g_ptr_array_add(list, info);
    }
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

static GPtrArray *flash_stats(void)
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
    return list;
}

static void add_node_stats(const BlockNode *node, void *list)
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
        return flash_stats();
    }
    GPtrArray *list = BlockStats_list_new();
    block_node_foreach(add_node_stats, list);
    return list;
}

/* ---- what there is none of ---- */

GPtrArray *qmp_query_jobs(GError **errp)
{
    return JobInfo_list_new();
}

GPtrArray *qmp_query_block_jobs(GError **errp)
{
    return BlockJobInfo_list_new();
}

GPtrArray *qmp_query_pr_managers(GError **errp)
{
    return PRManagerInfo_list_new();
}
