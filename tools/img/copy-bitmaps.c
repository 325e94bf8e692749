/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tools/img/copy-bitmaps.h"

#include <string.h>

#include "block/bitmap-change.h"
#include "block/driver.h"
#include "util/error.h"

enum { DIRECTORY_ENTRY = 24, DIRECTORY_ALIGN = 8 }; /* bytes, as the format qcow2 has them */

static void add_to_list(BlockDirtyBitmap *bitmap, void *opaque)
{
    if (bitmap->persistent) {
        g_ptr_array_insert(opaque, 0, bitmap);
    }
}

/* Those that @node keeps, borrowed, the oldest first: so are they in the file. */
static GPtrArray *list_of(BlockNode *node)
{
    GPtrArray *list = g_ptr_array_new();

    block_dirty_bitmap_foreach(node, add_to_list, list);
    return list;
}

bool img_bitmaps_check(BlockNode *from, bool skip, GError **errp)
{
    g_autoptr(GPtrArray) list = list_of(from);

    if (!from->driver->bitmap_possible) {
        error_set(errp, "convert: --bitmaps: %s images keep no bitmaps: qcow2 ones do",
                  BlockdevDriver_str(from->driver->id));
        return false;
    }
    for (unsigned i = 0; i < list->len && !skip; i++) {
        const BlockDirtyBitmap *bitmap = list->pdata[i];

        if (bitmap->inconsistent) {
            error_set(errp,
                      "%s: bitmap '%s' is inconsistent: --skip-broken-bitmaps leaves it out, "
                      "'dimmable-img bitmap --remove' takes it away",
                      from->filename, bitmap->name);
            return false;
        }
    }
    return true;
}

bool img_bitmaps_check_new(const char *format, const BlockQcow2Create *create, GError **errp)
{
    if (strcmp(format, "qcow2") == 0 && create->version == 3) {
        return true;
    }
    error_set(errp, "convert: --bitmaps: a new image of format %s%s keeps no bitmaps: use qcow2%s",
              format, strcmp(format, "qcow2") ? "" : " and compat=0.10",
              strcmp(format, "qcow2") ? "" : " with compat=1.1");
    return false;
}

bool img_bitmaps_check_target(BlockNode *from, BlockNode *to, GError **errp)
{
    g_autoptr(GPtrArray) list = list_of(from);

    if (!to->driver->bitmap_possible) {
        error_set(errp, "convert: --bitmaps: %s images keep no bitmaps: qcow2 ones do",
                  BlockdevDriver_str(to->driver->id));
        return false;
    }
    for (unsigned i = 0; i < list->len; i++) {
        const BlockDirtyBitmap *bitmap = list->pdata[i];

        if (!bitmap->inconsistent &&
            !to->driver->bitmap_possible(to, bitmap->name, bitmap->granularity, errp)) {
            return false;
        }
    }
    return true;
}

/* It is only enabled when it says what the other one does. */
static bool copy_one(BlockDirtyBitmap *bitmap, BlockNode *to, GError **errp)
{
    const BlockBitmapAdd add = { .name = bitmap->name,
                                 .has_granularity = true,
                                 .granularity = bitmap->granularity,
                                 .persistent = true,
                                 .disabled = true };
    BlockDirtyBitmap *copy =
        block_bitmap_add(to, &add, errp) ? block_dirty_bitmap_find(to, add.name, errp) : NULL;

    if (copy) {
        block_dirty_bitmap_merge(copy, bitmap);
        block_dirty_bitmap_set_enabled(copy, bitmap->enabled);
    }
    return copy;
}

bool img_bitmaps_copy(BlockNode *from, BlockNode *to, GError **errp)
{
    g_autoptr(GPtrArray) list = list_of(from);
    int err;

    for (unsigned i = 0; i < list->len; i++) {
        BlockDirtyBitmap *bitmap = list->pdata[i];

        if (bitmap->inconsistent) {
            error_warn("%s: bitmap '%s' is inconsistent, and is left out", from->filename,
                       bitmap->name);
        } else if (!copy_one(bitmap, to, errp)) {
            return false;
        }
    }
    err = to->driver->settle(to);
    if (err) {
        error_set_errno(errp, err, "%s: the bitmaps cannot be stored", to->filename);
    }
    return !err;
}

static uint64_t div_up(uint64_t value, uint64_t by)
{
    return value / by + (value % by != 0);
}

uint64_t img_bitmaps_measure(BlockNode *from, const BlockQcow2Create *create)
{
    g_autoptr(GPtrArray) list = list_of(from);
    uint64_t clusters = 0, directory = 0, cluster = create->cluster_size;

    for (unsigned i = 0; i < list->len; i++) {
        const BlockDirtyBitmap *bitmap = list->pdata[i];
        uint64_t bits = div_up(create->size, bitmap->granularity),
                 data = div_up(div_up(bits, 8), cluster);

        clusters += data + div_up(data * sizeof(uint64_t), cluster);
        directory +=
            div_up(DIRECTORY_ENTRY + strlen(bitmap->name), DIRECTORY_ALIGN) * DIRECTORY_ALIGN;
    }
    return (clusters + div_up(directory, cluster)) * cluster;
}
