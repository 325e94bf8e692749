/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Drives in HMP. */
#include <inttypes.h>
#include <string.h>

#include "block/commit.h"
#include "block/drive.h"
#include "block/image-info.h"
#include "block/image-text.h"
#include "monitor/hmp.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"
#include "util/parse.h"
#include "util/units.h"

static void print_limits(Hmp *hmp, const BlockDeviceInfo *node)
{
    if (node->bps || node->bps_rd || node->bps_wr || node->iops || node->iops_rd || node->iops_wr) {
        hmp_printf(
            hmp,
            "    I/O throttling:   bps=%" PRId64 " bps_rd=%" PRId64 " bps_wr=%" PRId64
            " bps_max=%" PRId64 " bps_rd_max=%" PRId64 " bps_wr_max=%" PRId64 " iops=%" PRId64
            " iops_rd=%" PRId64 " iops_wr=%" PRId64 " iops_max=%" PRId64 " iops_rd_max=%" PRId64
            " iops_wr_max=%" PRId64 " iops_size=%" PRId64 " group=%s\n",
            node->bps, node->bps_rd, node->bps_wr, node->bps_max, node->bps_rd_max,
            node->bps_wr_max, node->iops, node->iops_rd, node->iops_wr, node->iops_max,
            node->iops_rd_max, node->iops_wr_max, node->iops_size, node->group ? node->group : "");
    }
}

static void print_images(Hmp *hmp, const BlockDeviceInfo *info)
{
    g_autoptr(GString) out = g_string_new("\nImages:\n");

    for (BlockNode *node = block_skip_filters(block_node_find(info->node_name, NULL)); node;
         node = block_skip_filters(node->backing.node)) {
        g_autoptr(ImageInfo) image = block_image_info(node, false);

        block_image_text(out, node, image);
    }
    hmp_printf(hmp, "%s", out->str);
}

/* @name: of the drive; NULL or empty: that of the node. */
static void print_name(Hmp *hmp, const char *name, const BlockDeviceInfo *node)
{
    bool named = name && *name;

    hmp_printf(hmp, "%s", named ? name : node->node_name ? node->node_name : "");
    if (named && node->node_name) {
        hmp_printf(hmp, " (%s)", node->node_name);
    }
    hmp_printf(hmp, ": %s (%s%s)\n", node->file ? node->file : "", node->drv,
               node->ro ? ", read-only" : "");
}

static void print_medium(Hmp *hmp, const BlockDeviceInfo *node, bool verbose)
{
    hmp_printf(hmp, "    Cache mode:       %s%s%s\n",
               node->cache->writeback ? "writeback" : "writethrough",
               node->cache->direct ? ", direct" : "",
               node->cache->no_flush ? ", ignore flushes" : "");
    if (node->backing_file) {
        hmp_printf(hmp, "    Backing file:     %s (chain depth: %" PRId64 ")\n", node->backing_file,
                   node->backing_file_depth);
    }
    if (node->detect_zeroes != BLOCKDEV_DETECT_ZEROES_OPTIONS_OFF) {
        hmp_printf(hmp, "    Detect zeroes:    %s\n",
                   BlockdevDetectZeroesOptions_str(node->detect_zeroes));
    }
    print_limits(hmp, node);
    if (verbose) {
        print_images(hmp, node);
    }
}

static void print_drive(Hmp *hmp, const BlockInfo *info, bool verbose)
{
    const BlockDeviceInfo *node = info->inserted;

    if (node) {
        print_name(hmp, info->device, node);
    } else {
        hmp_printf(hmp, "%s: [not inserted]\n",
                   *info->device || !info->qdev ? info->device : info->qdev);
    }
    if (info->qdev) {
        hmp_printf(hmp, "    Attached to:      %s\n", info->qdev);
    }
    if (info->removable) {
        hmp_printf(hmp, "    Removable device: %slocked, tray %s\n", info->locked ? "" : "not ",
                   info->tray_open ? "open" : "closed");
    }
    if (info->has_io_status && info->io_status != BLOCK_DEVICE_IO_STATUS_OK) {
        hmp_printf(hmp, "    I/O status:       %s\n", BlockDeviceIoStatus_lookup[info->io_status]);
    }
    if (node) {
        print_medium(hmp, node, verbose);
    }
}

/* By the drive's name, or by its device's id or path. */
static bool is_called(const BlockInfo *info, const char *name)
{
    return strcmp(info->device, name) == 0 || g_strcmp0(info->qdev, name) == 0;
}

/* How many there are. */
static unsigned print_drives(Hmp *hmp, const char *name, bool verbose)
{
    g_autoptr(GPtrArray) list = qmp_query_block(NULL);
    unsigned count = 0;

    for (unsigned i = 0; i < list->len; i++) {
        if (!name || is_called(list->pdata[i], name)) {
            hmp_printf(hmp, "%s", count++ ? "\n" : "");
            print_drive(hmp, list->pdata[i], verbose);
        }
    }
    return count;
}

static unsigned print_nodes(Hmp *hmp, const char *name, bool verbose)
{
    g_autoptr(GPtrArray) list = qmp_query_named_block_nodes(true, true, NULL);
    unsigned count = 0;

    for (unsigned i = 0; i < list->len; i++) {
        const BlockDeviceInfo *node = list->pdata[i];

        if (!name || strcmp(node->node_name, name) == 0) {
            hmp_printf(hmp, "%s", count++ ? "\n" : "");
            print_name(hmp, NULL, node);
            print_medium(hmp, node, verbose);
        }
    }
    return count;
}

/* [-n] [-v] [DRIVE] */
void hmp_info_block(Hmp *hmp, char **argv)
{
    bool nodes = argv[0], verbose = argv[1];
    const char *name = argv[2];

    /* Who names a node that is no drive's means the node. */
    if ((nodes || !print_drives(hmp, name, verbose)) && (nodes || name) &&
        !print_nodes(hmp, name, verbose) && name) {
        hmp_printf(hmp, "Error: there is no %s'%s'; `info block%s` lists those there are\n",
                   nodes ? "block node " : "drive ", name, nodes ? " -n" : "");
    }
}

/* commit DRIVE|all */
void hmp_commit(Hmp *hmp, char **argv)
{
    bool all = strcmp(argv[0], "all") == 0;
    g_autoptr(GPtrArray) list = qmp_query_block(NULL);
    GError *err = NULL;
    bool any = false;

    for (unsigned i = 0; i < list->len && !err; i++) {
        const BlockInfo *info = list->pdata[i];
        BlockNode *node = info->inserted ? block_node_find(info->inserted->node_name, NULL) : NULL;

        if (all ? node && block_skip_filters(node)->backing.node : is_called(info, argv[0])) {
            any = true;
            if (node) {
                block_commit_now(node, &err);
            } else {
                error_set(&err, "drive '%s' has no medium", argv[0]);
            }
        }
    }
    if (!all && !any) {
        error_set(&err, "there is no drive '%s'; `info block` lists those there are", argv[0]);
    }
    hmp_error(hmp, err);
}

void hmp_block_resize(Hmp *hmp, char **argv)
{
    GError *err = NULL;
    uint64_t size;

    if (parse_size(argv[1], MIB, &size, &err)) {
        qmp_block_resize(argv[0], NULL, (int64_t)MIN(size, INT64_MAX), &err);
    }
    hmp_error(hmp, err);
}

void hmp_block_set_io_throttle(Hmp *hmp, char **argv)
{
    uint64_t limits[6];
    GError *err = NULL;
    bool ok = true;

    for (unsigned i = 0; i < G_N_ELEMENTS(limits) && ok; i++) {
        ok = parse_size(argv[i + 1], 1, &limits[i], &err);
        limits[i] = MIN(limits[i], INT64_MAX);
    }
    if (ok) {
        qmp_block_set_io_throttle(argv[0], NULL, (int64_t)limits[0], (int64_t)limits[1],
                                  (int64_t)limits[2], (int64_t)limits[3], (int64_t)limits[4],
                                  (int64_t)limits[5], false, 0, false, 0, false, 0, false, 0, false,
                                  0, false, 0, false, 0, false, 0, false, 0, false, 0, false, 0,
                                  false, 0, false, 0, NULL, &err);
    }
    hmp_error(hmp, err);
}

static void add_drive(const char *text, GError **errp)
{
    g_autoptr(DriveArg) drive = drive_parse(text, errp);

    if (drive && drive->options->q_if != DRIVE_INTERFACE_NONE) {
        error_set(errp, "if=%s is not possible while the machine runs: use if=none, and device_add",
                  DriveInterface_str(drive->options->q_if));
    } else if (drive) {
        drive_new(drive, false, errp);
    }
}

/* What a slot was for is in `device_add`: it can be anything. */
void hmp_drive_add(Hmp *hmp, char **argv)
{
    GError *err = NULL;

    if (argv[0]) {
        g_autoptr(BlockdevOptions) options =
            qapi_from_option(&BlockdevOptions_type, argv[2], "driver", &err);

        if (options) {
            block_node_add(options, &err);
        }
    } else {
        add_drive(argv[2], &err);
    }
    if (!err) {
        hmp_printf(hmp, "OK\n");
    }
    hmp_error(hmp, err);
}

void hmp_drive_del(Hmp *hmp, char **argv)
{
    GError *err = NULL;

    drive_del(argv[0], &err);
    hmp_error(hmp, err);
}

/* People call a drive by its name, or by the id of its device. */
static bool is_drive(const char *name)
{
    return block_backend_find(name) != NULL;
}

/* eject [-f] DRIVE */
void hmp_eject(Hmp *hmp, char **argv)
{
    bool is_name = is_drive(argv[1]);
    GError *err = NULL;

    qmp_eject(is_name ? argv[1] : NULL, is_name ? NULL : argv[1], argv[0] != NULL, argv[0] != NULL,
              &err);
    hmp_error(hmp, err);
}

/* change DRIVE FILE [FORMAT] [MODE] */
void hmp_change(Hmp *hmp, char **argv)
{
    bool is_name = is_drive(argv[0]);
    int mode = BLOCKDEV_CHANGE_READ_ONLY_MODE_RETAIN;
    GError *err = NULL;

    if (strcmp(argv[0], "vnc") == 0) {
        hmp_change_vnc(hmp, argv[1], argv[2]);
        return;
    }
    if (!argv[3] ||
        qapi_enum_parse_full(BlockdevChangeReadOnlyMode_lookup, argv[3], "MODE", &mode, &err)) {
        qmp_blockdev_change_medium(is_name ? argv[0] : NULL, is_name ? NULL : argv[0], argv[1],
                                   argv[2], false, false, true, (BlockdevChangeReadOnlyMode)mode,
                                   &err);
    }
    hmp_error(hmp, err);
}

void hmp_info_blockstats(Hmp *hmp, char **argv)
{
    GError *err = NULL;
    g_autoptr(GPtrArray) list = qmp_query_blockstats(false, false, &err);

    for (unsigned i = 0; list && i < list->len; i++) {
        const BlockStats *drive = list->pdata[i];
        const BlockDeviceStats *stats = drive->stats;

        hmp_printf(hmp,
                   "%s: rd_bytes=%" PRId64 " wr_bytes=%" PRId64 " rd_operations=%" PRId64
                   " wr_operations=%" PRId64 " flush_operations=%" PRId64
                   " wr_total_time_ns=%" PRId64 " rd_total_time_ns=%" PRId64
                   " flush_total_time_ns=%" PRId64 "\n",
                   drive->device ? drive->device : "", stats->rd_bytes, stats->wr_bytes,
                   stats->rd_operations, stats->wr_operations, stats->flush_operations,
                   stats->wr_total_time_ns, stats->rd_total_time_ns, stats->flush_total_time_ns);
    }
    hmp_error(hmp, err);
}
