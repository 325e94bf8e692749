/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Driver "snapshot-access": what was in the node below a copy-before-write node. It is only read;
 * what is discarded is not kept any longer. */
#include <errno.h>

#include "block/copy-before-write.h"
#include "block/driver.h"
#include "util/error.h"

static bool access_open(BlockNode *node, GError **errp)
{
    if (!block_node_open_below(node, &node->file, node->options->u.snapshot_access->file, "file",
                               errp)) {
        return false;
    }
    node->file.stays = true; /* it knows what it reads */
    if (!cbw_is(node->file.node)) {
        error_set(errp,
                  "block node '%s' (%s) keeps nothing: 'file' is a node of the driver "
                  "copy-before-write",
                  node->file.node->name, BlockdevDriver_str(node->file.node->driver->id));
        return false;
    }
    return true;
}

/* Others go on writing to the node below, and nothing that is done here changes it. */
static bool access_set_perms(BlockNode *node, unsigned uses, unsigned shares, GError **errp)
{
    return !node->file.node ||
           block_edge_change(&node->file, uses ? BLOCK_PERM_READ : 0, BLOCK_PERM_ALL, errp);
}

static int access_read(BlockNode *node, uint64_t offset, const struct iovec *iov, unsigned iovcnt)
{
    return cbw_snapshot_read(node->file.node, offset, iov, iovcnt);
}

static int access_write(BlockNode *node, uint64_t offset, const struct iovec *iov, unsigned iovcnt,
                        unsigned flags)
{
    return ENOTSUP;
}

static int access_discard(BlockNode *node, uint64_t offset, uint64_t bytes, unsigned flags)
{
    return cbw_snapshot_discard(node->file.node, offset, bytes);
}

static int access_flush(BlockNode *node)
{
    return 0;
}

static int access_status(BlockNode *node, uint64_t offset, uint64_t bytes, BlockStatus *status)
{
    return cbw_snapshot_status(node->file.node, offset, bytes, status);
}

static int access_truncate(BlockNode *node, uint64_t size)
{
    return ENOTSUP;
}

static const BlockDriver access_driver = {
    .id = BLOCKDEV_DRIVER_SNAPSHOT_ACCESS,
    .open = access_open,
    .set_perms = access_set_perms,
    .read = access_read,
    .write = access_write,
    .discard = access_discard,
    .flush = access_flush,
    .status = access_status,
    .truncate = access_truncate,
};
BLOCK_DRIVER_REGISTER(access_driver)
