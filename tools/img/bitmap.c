/* SPDX-License-Identifier: GPL-2.0-or-later */
/* dimmable-img bitmap: bitmaps of what was written, that are kept in images. */
#include <string.h>

#include "block/bitmap-change.h"
#include "block/driver.h"
#include "tools/img/open.h"
#include "util/error.h"

/* What actions work on. */
typedef struct Work {
    const ImgArgs *args;
    BlockNode *node;   /* with the bitmap */
    BlockNode *source; /* with those that are merged */
    const char *name;
    uint64_t granularity;
} Work;

static bool do_add(const Work *w, const char *value, GError **errp)
{
    /* Together with --disable it was never enabled: that comes next. */
    const BlockBitmapAdd add = { .name = w->name,
                                 .has_granularity = w->granularity,
                                 .granularity = (uint32_t)w->granularity,
                                 .persistent = true };

    return block_bitmap_add(w->node, &add, errp);
}

static bool do_remove(const Work *w, const char *value, GError **errp)
{
    return block_bitmap_remove(w->node, w->name, errp);
}

static bool do_clear(const Work *w, const char *value, GError **errp)
{
    return block_bitmap_clear(w->node, w->name, errp);
}

static bool do_enable(const Work *w, const char *value, GError **errp)
{
    return block_bitmap_set_enabled(w->node, w->name, true, errp);
}

static bool do_disable(const Work *w, const char *value, GError **errp)
{
    return block_bitmap_set_enabled(w->node, w->name, false, errp);
}

static bool do_merge(const Work *w, const char *value, GError **errp)
{
    g_autoptr(GPtrArray) sources = g_ptr_array_new();
    BlockDirtyBitmap *source = block_dirty_bitmap_find(w->source, value, errp);

    g_ptr_array_add(sources, source);
    return source && block_bitmap_merge(w->node, w->name, sources, errp);
}

static const struct {
    const char *name;
    bool (*run)(const Work *work, const char *value, GError **errp);
} actions[] = {
    { "add", do_add },       { "remove", do_remove },   { "clear", do_clear },
    { "enable", do_enable }, { "disable", do_disable }, { "merge", do_merge },
};

static bool carry_out(const Work *w, GError **errp)
{
    const GPtrArray *list = w->args->actions;
    bool ok = true;

    for (unsigned i = 0; i < list->len && ok; i += 2) {
        for (unsigned j = 0; j < G_N_ELEMENTS(actions); j++) {
            if (strcmp(actions[j].name, list->pdata[i]) == 0) {
                ok = actions[j].run(w, list->pdata[i + 1], errp);
            }
        }
    }
    return ok;
}

static bool has_action(const ImgArgs *args, const char *name)
{
    for (unsigned i = 0; args->actions && i < args->actions->len; i += 2) {
        if (strcmp(args->actions->pdata[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static bool check(const ImgArgs *args, uint64_t *granularity, GError **errp)
{
    if (!args->actions) {
        error_set(errp, "bitmap: give at least one of --add, --remove, --clear, --enable, "
                        "--disable and --merge");
    } else if (args->granularity && !has_action(args, "add")) {
        error_set(errp, "bitmap: -g goes only with --add");
    } else if (args->second_format && !args->backing) {
        error_set(errp, "bitmap: -F goes only with -b");
    } else if (args->backing && !has_action(args, "merge")) {
        error_set(errp, "bitmap: -b goes only with --merge");
    } else {
        *granularity = 0;
        return !args->granularity ||
               (img_parse_size("granularity", args->granularity, granularity, errp) &&
                (*granularity <= UINT32_MAX
                     ? true
                     : (error_set(errp, "granularity %s is too large", args->granularity), false)));
    }
    return false;
}

static int run(ImgArgs *args)
{
    g_auto(ImgImage) image = { 0 }, from = { 0 };
    GError *err = NULL;
    Work work = { .args = args, .name = args->files[1] };
    const ImgOpen how = { .name = args->files[0],
                          .format = args->format,
                          .flags = IMG_OPEN_WRITE | IMG_OPEN_RESIZE | IMG_OPEN_NO_BACKING |
                                   (args->image_opts ? IMG_OPEN_OPTIONS : 0) };
    const ImgOpen source = { .name = args->backing,
                             .format = args->second_format,
                             .flags = IMG_OPEN_NO_BACKING };

    if (!check(args, &work.granularity, &err) || !img_open(&image, &how, &err) ||
        (args->backing && !img_open(&from, &source, &err))) {
        return img_fail(err);
    }
    work.node = image.edge.node;
    work.source = args->backing ? from.edge.node : work.node;
    bool ok = carry_out(&work, &err);
    int failed = work.node->driver->settle ? work.node->driver->settle(work.node) : 0;

    if (ok && failed) {
        error_set_errno(&err, failed, "%s: the bitmaps cannot be stored", args->files[0]);
        ok = false;
    }
    return ok && img_close(&image, &err) ? IMG_OK : img_fail(err);
}

static const ImgOption options[] = {
    IMG_OPTION(0, "add", IMG_ACTION, NULL, actions, "make the bitmap"),
    IMG_OPTION(0, "remove", IMG_ACTION, NULL, actions, "take it away"),
    IMG_OPTION(0, "clear", IMG_ACTION, NULL, actions, "nothing is marked in it"),
    IMG_OPTION(0, "enable", IMG_ACTION, NULL, actions, "writes are marked"),
    IMG_OPTION(0, "disable", IMG_ACTION, NULL, actions, "writes are not marked"),
    IMG_OPTION(0, "merge", IMG_ACTION, "NAME", actions, "mark what is marked in another one"),
    IMG_OPTION('g', "granularity", IMG_TEXT, "SIZE", granularity,
               "bytes that are marked together, of --add"),
    IMG_OPTION('b', "source-file", IMG_TEXT, "FILE", backing, "the image with those of --merge"),
    IMG_OPTION('F', "source-format", IMG_TEXT, "FORMAT", second_format, "its format"),
    IMG_OPTION_FORMAT,
    IMG_OPTION_IMAGE_OPTS,
    IMG_OPTION_OBJECT,
    IMG_OPTION_END,
};
const ImgCommand img_bitmap = {
    "bitmap", "FILE NAME", "Change bitmaps of what was written, that are kept in an image",
    options,  2,           2,
    false,    run,
};
