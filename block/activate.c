/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/activate.h"

#include "block/backend.h"
#include "block/dirty-bitmap.h"
#include "block/driver.h"
#include "block/job.h"
#include "util/error.h"

typedef struct Walk {
    BlockNode *failed; /* at this one it went wrong; NULL: nowhere */
    int err;
    GError *error;
} Walk;

static void set_perms(BlockNode *node, void *opaque)
{
    Walk *walk = opaque;

    if (!walk->failed && !block_node_update_perms(node, &walk->error)) {
        walk->failed = node;
    }
}

static void activate_driver(BlockNode *node, void *opaque)
{
    Walk *walk = opaque;

    if (!walk->failed && node->driver->activate && !node->driver->activate(node, &walk->error)) {
        walk->failed = node;
    }
}

static void flush_and_inactivate(BlockNode *node, void *opaque)
{
    Walk *walk = opaque;

    if (!walk->failed && !node->read_only) {
        walk->err = node->driver->inactivate ? node->driver->inactivate(node) : 0;
        walk->err = walk->err ? walk->err : block_node_flush(node);
        walk->failed = walk->err ? node : NULL;
    }
}

static void find_staying(BlockNode *node, void *opaque)
{
    if (node->driver->stays && node->edges->len) {
        ((Walk *)opaque)->failed = node;
    }
}

static void tell_resized(BlockBackend *backend, void *opaque)
{
    if (backend->ops && backend->ops->resized) {
        backend->ops->resized(backend->opaque);
    }
}

static void keep_bitmaps(BlockNode *node, void *opaque)
{
    block_dirty_bitmap_keep_all(node);
}

void block_begin_inactive(void)
{
    block_node_set_active(false);
}

/* Without locks: that cannot fail. */
static void let_go(void)
{
    Walk walk = { 0 };

    block_node_set_active(false);
    block_node_foreach(set_perms, &walk);
    g_clear_error(&walk.error);
}

bool block_activate(GError **errp)
{
    Walk walk = { 0 };

    if (block_node_is_active()) {
        return true;
    }
    block_node_set_active(true);
    block_node_foreach(set_perms, &walk);
    block_node_foreach(activate_driver, &walk); /* those below come first */
    if (walk.failed) {
        let_go();
        g_propagate_error(errp, walk.error);
        return false;
    }
    block_node_foreach(keep_bitmaps, NULL);
    block_backend_foreach(tell_resized, NULL);
    return true;
}

bool block_inactivate(GError **errp)
{
    Walk walk = { 0 };

    if (!block_node_is_active()) {
        return true;
    }
    for (const Job *job = job_next(NULL); job; job = job_next(job)) {
        if (job->status != JOB_STATUS_CONCLUDED) {
            error_set(errp, "job '%s' works on images: complete or cancel it before they go",
                      job->id);
            return false;
        }
    }
    block_node_foreach(find_staying, &walk);
    if (walk.failed) {
        error_set(errp,
                  "block node '%s' (%s) has something that does not go along: take it out of the "
                  "graph before the images go",
                  walk.failed->name, BlockdevDriver_str(walk.failed->driver->id));
        return false;
    }
    block_hold_all(); /* clients of exports go on */
    block_node_foreach_down(flush_and_inactivate, &walk);
    if (!walk.failed) {
        let_go();
    }
    block_resume_all();
    if (walk.failed) {
        error_set_errno(errp, walk.err, "block node '%s': what was written may not be on the disk",
                        walk.failed->name);
    }
    return !walk.failed;
}
