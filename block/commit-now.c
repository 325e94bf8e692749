/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An image is written to its backing file while everything else waits. */
#include <errno.h>
#include <stdlib.h>

#include "block/backend.h"
#include "block/commit.h"
#include "block/driver.h"
#include "block/reopen.h"
#include "block/throttle-group.h"
#include "util/error.h"

/* Copy what @top has. */
static int copy_down(BlockNode *top, BlockNode *base, uint64_t size)
{
    void *buf = block_job_buffer();
    int64_t length = block_node_length(base);
    int err = length < 0                ? (int)-length
              : (uint64_t)length < size ? block_node_truncate(base, size)
                                        : 0;

    for (uint64_t at = 0; at < size && !err;) {
        BlockStatus status = { 0 };
        bool read;

        err = block_status_chain(top, base, at, MIN(size - at, BLOCK_JOB_CHUNK), &status);
        if (!err && status.allocated) {
            err = block_job_copy(top, base, at, status.bytes, buf, &read);
        }
        at += status.bytes;
    }
    free(buf);
    return err ? err : block_node_flush(base);
}

/* Without a backing file what is discarded is nowhere, and not zeros. */
static int make_empty(BlockNode *top, BlockNode *base, uint64_t size)
{
    bool unmap = top->unmap;
    int err;

    block_edge_detach(&top->backing);
    top->unmap = true;
    err = block_node_discard(top, 0, size, 0);
    top->unmap = unmap;
    block_edge_link(&top->backing, top, base);
    block_node_update_perms(top, NULL); /* it was so before */
    return err ? err : block_node_flush(top);
}

/* @base can be written. */
static bool commit(BlockNode *top, BlockNode *base, uint64_t size, GError **errp)
{
    const unsigned writes = BLOCK_PERM_WRITE | BLOCK_PERM_RESIZE;
    BlockEdge edge = { 0 };
    int err;

    if (!block_edge_attach(&edge, base, "commit", BLOCK_PERM_READ | writes,
                           BLOCK_PERM_ALL & ~writes, errp)) {
        return false;
    }
    throttle_suspend();
    err = copy_down(top, base, size);
    err = err ? err : make_empty(top, base, size);
    throttle_resume();
    block_edge_detach(&edge);
    if (err) {
        error_set_errno(errp, err, "block node '%s' was not committed to '%s'", top->name,
                        base->name);
    }
    return !err;
}

static bool with_base(BlockNode *top, BlockNode *base, uint64_t size, GError **errp)
{
    bool read_only = base->read_only, ok;

    if (read_only && !block_node_set_read_only(base, false, errp)) {
        return false;
    }
    block_job_set_live(top, base, true);
    ok = commit(top, base, size, errp);
    block_job_set_live(top, base, false);
    if (read_only) {
        block_node_set_read_only(base, true, NULL);
    }
    return ok;
}

static bool check(const BlockNode *top, GError **errp)
{
    const BlockNode *base = top->backing.node;

    if (!base) {
        error_set(errp, "block node '%s' has no backing file that could have what it has",
                  top->name);
    } else if (top->read_only || !block_node_is_active()) {
        error_set(errp, "block node '%s' is only read", top->name);
    } else {
        return block_node_check_idle(top, errp) && block_node_check_idle(base, errp);
    }
    return false;
}

bool block_commit_now(BlockNode *top, GError **errp)
{
    int64_t size = block_node_length(top);
    BlockNode *base;
    bool ok;

    top = block_skip_filters(top);
    base = top->backing.node;

    if (!check(top, errp)) {
        return false;
    }
    if (size < 0) {
        error_set_errno(errp, (int)-size, "the size of block node '%s' is not known", top->name);
        return false;
    }
    base->refs++; /* while the top does not use it */
    block_hold_all();
    ok = with_base(top, base, (uint64_t)size, errp);
    block_resume_all();
    block_node_unref(base);
    return ok;
}
