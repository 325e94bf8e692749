/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Drives in HMP. */
#include <inttypes.h>
#include <string.h>

#include "block/drive.h"
#include "monitor/hmp.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"
#include "util/parse.h"
#include "util/units.h"

static void print_medium(Hmp *hmp, const BlockDeviceInfo *node)
{
    hmp_printf(hmp, "    Cache mode:       %s%s%s\n",
               node->cache->writeback ? "writeback" : "writethrough",
               node->cache->direct ? ", direct" : "",
               node->cache->no_flush ? ", ignore flushes" : "");
    if (node->backing_file) {
        hmp_printf(hmp, "    Backing file:     %s (chain depth: %" PRId64 ")\n", node->backing_file,
                   node->backing_file_depth);
    }
}

static void print_drive(Hmp *hmp, const BlockInfo *info)
{
    const BlockDeviceInfo *node = info->inserted;
    const char *name = *info->device || !info->qdev ? info->device : info->qdev;

    if (node) {
        hmp_printf(hmp, "%s (%s): %s (%s%s)\n", name, node->node_name ? node->node_name : "",
                   node->file, node->drv, node->ro ? ", read-only" : "");
    } else {
        hmp_printf(hmp, "%s: [not inserted]\n", name);
    }
    if (info->qdev) {
        hmp_printf(hmp, "    Attached to:      %s\n", info->qdev);
    }
    if (info->removable) {
        hmp_printf(hmp, "    Removable device: %slocked, tray %s\n", info->locked ? "" : "not ",
                   info->tray_open ? "open" : "closed");
    }
    if (node) {
        print_medium(hmp, node);
    }
    if (info->has_io_status && info->io_status != BLOCK_DEVICE_IO_STATUS_OK) {
        hmp_printf(hmp, "    I/O status:       %s\n", BlockDeviceIoStatus_lookup[info->io_status]);
    }
}

void hmp_info_block(Hmp *hmp, char **argv)
{
    g_autoptr(GPtrArray) list = qmp_query_block(NULL);
    bool any = false;

    for (unsigned i = 0; i < list->len; i++) {
        const BlockInfo *info = list->pdata[i];

        if (!argv[0] || !strcmp(argv[0], info->device)) {
            print_drive(hmp, info);
            any = true;
        }
    }
    if (argv[0] && !any) {
        hmp_printf(hmp, "Error: there is no drive '%s'; `info block` lists those there are\n",
                   argv[0]);
    }
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
