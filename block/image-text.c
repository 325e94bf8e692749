/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/image-text.h"

#include <inttypes.h>
#include <string.h>

#include "block/image-info.h"

/* 196608 as "192 KiB": three digits. g_free. */
static char *human_size(uint64_t bytes)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    double value = (double)bytes;
    unsigned unit = 0;

    while (value >= 1000 && unit + 1 < G_N_ELEMENTS(units)) { /* so that three digits do */
        value /= 1024;
        unit++;
    }
    return g_strdup_printf("%.3g %s", value, units[unit]);
}

void block_snapshots_text(GString *out, const GPtrArray *list)
{
    g_string_append_printf(out, "Snapshot list:\n%-10s%-17s%8s%20s%13s%11s\n", "ID", "TAG",
                           "VM SIZE", "DATE", "VM CLOCK", "ICOUNT");
    for (unsigned i = 0; i < list->len; i++) {
        const SnapshotInfo *info = list->pdata[i];
        g_autofree char *size = human_size((uint64_t)info->vm_state_size);
        g_autoptr(GDateTime) date = g_date_time_new_from_unix_local(info->date_sec);
        g_autofree char *when = date ? g_date_time_format(date, "%F %T") : g_strdup("");
        int64_t seconds = info->vm_clock_sec;
        g_autofree char *clock =
            g_strdup_printf("%02d:%02d:%02d.%03d", (int)(seconds / 3600), (int)(seconds / 60 % 60),
                            (int)(seconds % 60), (int)(info->vm_clock_nsec / 1000000));

        g_string_append_printf(out, "%-9s %-16s %8s%20s%13s%11s\n", info->id, info->name, size,
                               when, clock, "");
    }
}

/* ---- what only qcow2 images have ---- */

typedef struct Bitmaps {
    GString *out;
    unsigned count;
} Bitmaps;

static void add_bitmap(const char *name, uint32_t granularity, bool in_use, bool enabled,
                       void *opaque)
{
    Bitmaps *bitmaps = opaque;
    const char *const flags[] = { "in-use", "auto" };
    const bool has[] = { in_use, enabled };

    g_string_append_printf(bitmaps->out, "%s        [%u]:\n            flags:\n",
                           bitmaps->count ? "" : "    bitmaps:\n", bitmaps->count);
    for (unsigned i = 0, n = 0; i < G_N_ELEMENTS(flags); i++) {
        if (has[i]) {
            g_string_append_printf(bitmaps->out, "                [%u]: %s\n", n++, flags[i]);
        }
    }
    g_string_append_printf(bitmaps->out,
                           "            name: %s\n            granularity: %" PRIu32 "\n", name,
                           granularity);
    bitmaps->count++;
}

static void add_specific(GString *out, const BlockNode *node)
{
    static const char *const words[] = { "false", "true" };
    Bitmaps bitmaps = { out, 0 };
    BlockQcow2Facts facts;

    if (!block_qcow2_facts(node, &facts)) {
        return;
    }
    g_string_append_printf(out,
                           "Format specific information:\n    compat: %s\n"
                           "    compression type: %s\n",
                           facts.version == 2 ? "0.10" : "1.1", facts.zstd ? "zstd" : "zlib");
    if (facts.version == 3) {
        g_string_append_printf(out, "    lazy refcounts: %s\n", words[facts.lazy_refcounts]);
        block_qcow2_bitmaps(node, add_bitmap, &bitmaps);
    }
    g_string_append_printf(out, "    refcount bits: %u\n", facts.refcount_bits);
    if (facts.version == 3) {
        g_string_append_printf(out, "    corrupt: %s\n    extended l2: false\n",
                               words[facts.corrupt]);
    }
}

/* ---- all of it ---- */

void block_image_text(GString *out, BlockNode *node, const ImageInfo *info)
{
    g_autofree char *size = human_size((uint64_t)info->virtual_size);
    g_autofree char *disk =
        info->has_actual_size ? human_size((uint64_t)info->actual_size) : g_strdup("unavailable");

    g_string_append_printf(
        out, "image: %s\nfile format: %s\nvirtual size: %s (%" PRId64 " bytes)\ndisk size: %s\n",
        info->filename, info->format, size, info->virtual_size, disk);
    if (info->has_cluster_size) {
        g_string_append_printf(out, "cluster_size: %" PRId64 "\n", info->cluster_size);
    }
    if (info->dirty_flag) {
        g_string_append_printf(out, "cleanly shut down: no\n");
    }
    if (info->backing_filename) {
        g_string_append_printf(out, "backing file: %s", info->backing_filename);
        if (g_strcmp0(info->backing_filename, info->full_backing_filename) != 0) {
            g_string_append_printf(out, " (actual path: %s)", info->full_backing_filename);
        }
        g_string_append_c(out, '\n');
        if (info->backing_filename_format) {
            g_string_append_printf(out, "backing file format: %s\n", info->backing_filename_format);
        }
    }
    if (info->snapshots) {
        block_snapshots_text(out, info->snapshots);
    }
    add_specific(out, node);
}
