/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is done about requests that failed. */
#include <errno.h>

#include "block/backend.h"
#include "qapi/qapi-events.h"

BlockErrorAction block_error_action(const BlockRequest *r)
{
    BlockBackend *backend = r->backend;
    BlockNode *node = block_backend_image(backend); /* the one that users know */
    bool read = r->op == BLOCK_READ, no_space = r->error == ENOSPC;
    BlockErrorAction action = BLOCK_ERROR_ACTION_REPORT;

    switch (read ? backend->on_read_error : backend->on_write_error) {
    case BLOCKDEV_ON_ERROR_IGNORE:
        action = BLOCK_ERROR_ACTION_IGNORE;
        break;
    case BLOCKDEV_ON_ERROR_AUTO:
        action = no_space && !read ? BLOCK_ERROR_ACTION_STOP : BLOCK_ERROR_ACTION_REPORT;
        break;
    case BLOCKDEV_ON_ERROR_ENOSPC:
        action = no_space ? BLOCK_ERROR_ACTION_STOP : BLOCK_ERROR_ACTION_REPORT;
        break;
    case BLOCKDEV_ON_ERROR_STOP:
        action = BLOCK_ERROR_ACTION_STOP;
        break;
    default:
        break;
    }
    backend->failed = action != BLOCK_ERROR_ACTION_IGNORE;
    backend->no_space = no_space;
    qapi_event_send_block_io_error(backend->name ? backend->name : "", node->name,
                                   read ? IO_OPERATION_TYPE_READ : IO_OPERATION_TYPE_WRITE, action,
                                   true, no_space, g_strerror(r->error));
    return action;
}
