/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dimmable-img snapshot: snapshots within images. */
#include <inttypes.h>
#include <stdio.h>

#include "block/driver.h"
#include "block/image-text.h"
#include "block/snapshot-internal.h"
#include "tools/img/open.h"
#include "tools/img/output.h"
#include "util/error.h"

static void print_snapshots(const GPtrArray *list)
{
    g_autoptr(GString) out = g_string_new(NULL);

    block_snapshots_text(out, list);
    fputs(out->str, stdout);
}

static bool list(BlockNode *node, GError **errp)
{
    g_autoptr(GPtrArray) all = NULL;

    if (!node->driver->snapshot_list) {
        return true; /* it can have none */
    }
    all = node->driver->snapshot_list(node, errp);
    if (all && all->len) {
        print_snapshots(all);
    }
    return all;
}

/* By name alone: a name may look like the id of another. */
static bool delete (BlockNode *node, const char *name, GError **errp)
{
    g_autoptr(GPtrArray) all = NULL;

    if (!block_snapshot_possible(node, errp)) {
        return false;
    }
    all = node->driver->snapshot_list(node, errp);
    for (unsigned i = 0; all && i < all->len; i++) {
        if (strcmp(((const SnapshotInfo *)all->pdata[i])->name, name) == 0) {
            return block_snapshot_delete(node, name, errp);
        }
    }
    if (all) {
        error_set(errp, "block node '%s' has no snapshot of the name '%s'", node->name, name);
    }
    return false;
}

static bool carry_out(BlockNode *node, const ImgArgs *args, GError **errp)
{
    const BlockSnapshot snapshot = { .name = args->snapshot_create,
                                     .date_ns = g_get_real_time() * 1000 };

    if (args->snapshot_create) {
        return block_snapshot_create_another(node, &snapshot, errp);
    }
    if (args->snapshot_apply) {
        return block_snapshot_goto(node, args->snapshot_apply, errp);
    }
    return args->snapshot_delete ? delete (node, args->snapshot_delete, errp) : list(node, errp);
}

static int run(ImgArgs *args)
{
    g_auto(ImgImage) image = { 0 };
    unsigned wanted = !!args->snapshot_create + !!args->snapshot_apply + !!args->snapshot_delete;
    GError *err = NULL;
    const ImgOpen how = { .name = args->files[0],
                          .format = args->format,
                          .flags = (wanted ? IMG_OPEN_WRITE | IMG_OPEN_RESIZE : 0) |
                                   IMG_OPEN_NO_BACKING |
                                   (args->force_share && !wanted ? IMG_OPEN_SHARE : 0) |
                                   (args->image_opts ? IMG_OPEN_OPTIONS : 0) };

    if (wanted + args->list > 1) {
        return img_error("snapshot: give one of -l, -a, -c and -d");
    }
    if (!img_open(&image, &how, &err)) {
        return img_fail(err);
    }
    return carry_out(image.edge.node, args, &err) && img_close(&image, &err) ? IMG_OK
                                                                             : img_fail(err);
}

static const ImgOption options[] = {
    IMG_OPTION('l', NULL, IMG_FLAG, NULL, list, "list them, as without an option"),
    IMG_OPTION('c', NULL, IMG_TEXT, "NAME", snapshot_create, "take one"),
    IMG_OPTION('a', NULL, IMG_TEXT, "NAME", snapshot_apply, "the disk is as it was then"),
    IMG_OPTION('d', NULL, IMG_TEXT, "NAME", snapshot_delete, "delete one"),
    IMG_OPTION_FORMAT,
    IMG_OPTION_QUIET,
    IMG_OPTION_SHARE,
    IMG_OPTION_IMAGE_OPTS,
    IMG_OPTION_OBJECT,
    IMG_OPTION_END,
};
const ImgCommand img_snapshot = {
    "snapshot", "FILE", "List, take, apply and delete snapshots within an image", options, 1, 1,
    false,      run,
};
