/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP commands that begin jobs on block nodes (qapi/block-job.json). */
#include <string.h>

#include "block/backend.h"
#include "block/commit.h"
#include "block/driver.h"
#include "block/mirror.h"
#include "block/target.h"
#include "qapi/qapi-commands.h"
#include "util/error.h"

/* No node is put in the graph; a name is refused as one of a node would be. */
static bool check_filter(const char *name, GError **errp)
{
    return !name || block_node_check_name(name, errp);
}

/* ---- chains ---- */

/* Filters are in it. */
static BlockNode *first_of(BlockNode *top, bool with_top)
{
    return with_top ? top : block_skip_filters(top)->backing.node;
}

/* The backing file of @top, at any depth, in this file; or, at the top, @top itself. */
static BlockNode *find_by_file(BlockNode *top, bool with_top, const char *name, GError **errp)
{
    for (BlockNode *node = first_of(top, with_top); node; node = block_chain_below(node)) {
        if (!node->driver->filter && g_strcmp0(node->filename, name) == 0) {
            return node;
        }
    }
    error_set(errp, "'%s' is not the name of a backing file of block node '%s'", name, top->name);
    return NULL;
}

/* The same of that name. */
static BlockNode *find_by_name(BlockNode *top, bool with_top, const char *name, GError **errp)
{
    BlockNode *found = block_node_find(name, errp), *node = first_of(top, with_top);

    while (found && node && node != found) {
        node = block_chain_below(node);
    }
    if (found && !node) {
        error_set(errp, "block node '%s' is not a backing file of '%s'", name, top->name);
    }
    return node && found ? node : NULL;
}

static bool find_in_chain(BlockNode *top, bool with_top, const char *file, const char *name,
                          BlockNode **found, GError **errp)
{
    if (file && name) {
        error_set(errp, "give a file or the name of a node, not both ('base' and 'base-node', "
                        "'top' and 'top-node')");
        return false;
    }
    if (file) {
        *found = find_by_file(top, with_top, file, errp);
    } else if (name) {
        *found = find_by_name(top, with_top, name, errp);
    }
    return (!file && !name) || *found;
}

static bool find_stream_base(const BlockStream *args, BlockNode *top, BlockNode **base,
                             GError **errp)
{
    BlockNode *bottom;

    if (!args->bottom) {
        return find_in_chain(top, false, args->base, args->base_node, base, errp);
    }
    if (args->base || args->base_node) {
        error_set(errp, "'bottom' does not go with 'base' or 'base-node'");
        return false;
    }
    bottom = find_by_name(top, true, args->bottom, errp);
    if (bottom && bottom->driver->filter) {
        error_set(errp, "'bottom' is a filter, '%s': name an image", bottom->name);
        return false;
    }
    *base = bottom ? bottom->backing.node : NULL;
    return bottom;
}

bool qmp_block_stream(const BlockStream *args, GError **errp)
{
    const BlockJobOptions options = BLOCK_JOB_OPTIONS(args);
    BlockChain chain = { .top = block_job_node(args->device, errp),
                         .backing_name = args->backing_file,
                         .on_error = args->on_error };

    chain.top = block_skip_filters(chain.top);
    if (!chain.top || !check_filter(args->filter_node_name, errp) ||
        !find_stream_base(args, chain.top, &chain.base, errp)) {
        return false;
    }
    if (chain.backing_name && !chain.base) {
        error_set(errp, "'backing-file' is given, and no backing file is left: give 'base-node'");
        return false;
    }
    return block_stream_start(&chain, &options, errp);
}

/* Filters go with the image that they are above of: may they? */
static bool check_filters(const BlockNode *top, GError **errp)
{
    const BlockNode *keeper = NULL;

    for (; top->driver->filter; top = top->file.node) {
        keeper = top->driver->stays ? top : keeper;
    }
    if (keeper) {
        error_set(errp,
                  "block node '%s' (%s) would not know any more of what is written: leave it where "
                  "it is by top-node=%s",
                  keeper->name, BlockdevDriver_str(keeper->driver->id), top->name);
    }
    return !keeper;
}

static bool commit(const BlockCommit *args, BlockNode *active, const BlockChain *chain,
                   GError **errp)
{
    const BlockJobOptions options = BLOCK_JOB_OPTIONS(args);

    if (block_skip_filters(chain->top) != block_skip_filters(active)) {
        return block_commit_start(chain, &options, errp);
    }
    if (chain->backing_name) {
        error_set(errp, "'backing-file' is given, and no image is on top of block node '%s'",
                  active->name);
        return false;
    }
    return check_filters(chain->top, errp) &&
           block_mirror_commit(chain->top, chain->base, chain->on_error, &options, errp);
}

bool qmp_block_commit(const BlockCommit *args, GError **errp)
{
    GError *err = NULL;
    BlockNode *active = block_job_node(args->device, &err);
    BlockChain chain = { .top = active,
                         .backing_name = args->backing_file,
                         .on_error = args->on_error };

    if (!active) {
        error_set_class(errp, ERROR_CLASS_DEVICE_NOT_FOUND, "%s", err->message);
        g_error_free(err);
        return false;
    }
    if (!check_filter(args->filter_node_name, errp) ||
        !find_in_chain(active, true, args->top, args->top_node, &chain.top, errp)) {
        return false;
    }
    if (!block_skip_filters(chain.top)->backing.node) {
        error_set(errp, "block node '%s' has no backing file that could have what it has",
                  chain.top->name);
        return false;
    }
    for (chain.base = chain.top; block_chain_below(chain.base);) {
        chain.base = block_chain_below(chain.base);
    }
    return find_in_chain(chain.top, false, args->base, args->base_node, &chain.base, errp) &&
           commit(args, active, &chain, errp);
}

/* ---- mirrors ---- */

/* What it is, is ours to choose: it only has to make sense. */
static bool check_buf_size(int64_t size, GError **errp)
{
    if (size < 0) {
        error_set(errp, "'buf-size' is negative: 0 is the usual one");
    }
    return size >= 0;
}

static bool find_replaced(const char *name, BlockNode **node, GError **errp)
{
    *node = name ? block_node_find(name, errp) : NULL;
    return !name || *node;
}

bool qmp_blockdev_mirror(const BlockdevMirror *args, GError **errp)
{
    const BlockJobOptions options = BLOCK_JOB_OPTIONS(args);
    BlockMirror mirror = {
        .source = block_job_node(args->device, errp),
        .sync = args->sync,
        .write_blocking = args->copy_mode == MIRROR_COPY_MODE_WRITE_BLOCKING,
        .granularity = args->granularity,
        .on_source_error = args->on_source_error,
        .on_target_error = args->on_target_error,
    };

    if (!mirror.source || !check_buf_size(args->buf_size, errp) ||
        !find_replaced(args->replaces, &mirror.replaces, errp) ||
        !check_filter(args->filter_node_name, errp)) {
        return false;
    }
    mirror.target = block_job_node(args->target, errp);
    return mirror.target && block_mirror_start(&mirror, &options, errp);
}

bool qmp_drive_mirror(const DriveMirror *args, GError **errp)
{
    const BlockJobOptions options = BLOCK_JOB_OPTIONS(args);
    BlockMirror mirror = {
        .source = block_job_node(args->device, errp),
        .sync = args->sync,
        .write_blocking = args->copy_mode == MIRROR_COPY_MODE_WRITE_BLOCKING,
        .granularity = args->granularity,
        .on_source_error = args->on_source_error,
        .on_target_error = args->on_target_error,
    };
    const BlockTarget target = {
        .path = args->target,
        .format = args->format,
        .node_name = args->node_name,
        .existing = args->has_mode && args->mode == NEW_IMAGE_MODE_EXISTING,
        .sync = args->sync,
    };
    bool ok;

    if (!mirror.source || !check_buf_size(args->buf_size, errp) ||
        !find_replaced(args->replaces, &mirror.replaces, errp)) {
        return false;
    }
    mirror.target = block_target_open(&target, mirror.source, errp);
    ok = mirror.target && block_mirror_start(&mirror, &options, errp);
    block_node_unref(mirror.target);
    return ok;
}
