/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/throttle-node.h"

#include "block/driver.h"
#include "block/iov.h"
#include "util/machine-lock.h"

static __thread const BlockNode *passed_top;

static bool is_throttle(const BlockNode *node)
{
    return node && node->options->driver == BLOCKDEV_DRIVER_THROTTLE;
}

ThrottleMember *throttle_node_member(const BlockNode *node)
{
    return is_throttle(node) ? node->state : NULL;
}

void throttle_node_passed(const BlockNode *top)
{
    passed_top = top;
}

static bool has_passed(const BlockNode *node)
{
    const BlockNode *top = passed_top;

    while (is_throttle(top) && top != node) {
        top = top->file.node;
    }
    return top == node;
}

/* With the machine lock nothing waits: the clock that ends it is the main loop's. What is read and
 * written so is an image's own, when it is opened or changed as a whole. */
static void enter(const BlockNode *node, bool write, uint64_t bytes)
{
    if (!has_passed(node) && !machine_lock_held()) {
        throttle_enter_and_wait(node->state, write, bytes);
    }
}

static bool throttle_open(BlockNode *node, GError **errp)
{
    const BlockdevOptionsThrottle *options = node->options->u.throttle;
    ThrottleGroup *group;

    if (!block_node_open_below(node, &node->file, options->file, "file", errp)) {
        return false;
    }
    group = throttle_group_get(options->throttle_group, false, errp);
    node->state = group ? throttle_member_new(group) : NULL;
    return group;
}

static void throttle_close(BlockNode *node)
{
    throttle_member_free(node->state);
}

static int throttle_read(BlockNode *node, uint64_t offset, const struct iovec *iov, unsigned iovcnt)
{
    enter(node, false, iov_size(iov, iovcnt));
    return block_node_read(node->file.node, offset, iov, iovcnt);
}

static int throttle_write(BlockNode *node, uint64_t offset, const struct iovec *iov,
                          unsigned iovcnt, unsigned flags)
{
    enter(node, true, iov_size(iov, iovcnt));
    return block_node_write(node->file.node, offset, iov, iovcnt, flags);
}

static int throttle_write_zeroes(BlockNode *node, uint64_t offset, uint64_t bytes, unsigned flags)
{
    enter(node, true, bytes);
    return block_node_write_zeroes(node->file.node, offset, bytes, flags);
}

static int throttle_discard(BlockNode *node, uint64_t offset, uint64_t bytes, unsigned flags)
{
    enter(node, true, bytes);
    return block_node_discard(node->file.node, offset, bytes, flags);
}

static bool throttle_locate(BlockNode *node, BlockLocation *at)
{
    return has_passed(node) && block_node_locate(node->file.node, at);
}

static bool throttle_read_now(BlockNode *node, uint64_t offset, const struct iovec *iov,
                              unsigned iovcnt)
{
    return has_passed(node) && block_node_read_now(node->file.node, offset, iov, iovcnt);
}

static const BlockDriver throttle_driver = {
    .id = BLOCKDEV_DRIVER_THROTTLE,
    .open = throttle_open,
    .close = throttle_close,
    .read = throttle_read,
    .write = throttle_write,
    .write_zeroes = throttle_write_zeroes,
    .discard = throttle_discard,
    .locate = throttle_locate,
    .read_now = throttle_read_now,
    .can_fua = block_node_can_fua_below,
    .filter = true,
    .moves = true,
};
BLOCK_DRIVER_REGISTER(throttle_driver)
