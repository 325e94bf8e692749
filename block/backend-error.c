/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is done about requests that failed, and what is told of all. */
#include <errno.h>
#include <inttypes.h>

#include "block/backend-aio.h"
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

/* ---- tracing ---- */

void backend_trace(TraceEvent event, const BlockRequest *r)
{
    static const char *const names[BLOCK_OP_COUNT] = {
        "read", "write", "flush", "discard", "zeros", "call",
    };

    trace(event, "drive '%s' %s offset %" PRIu64 " bytes %" PRIu64 " error %d",
          r->backend->name ? r->backend->name : "", names[r->op], r->offset, r->bytes, r->error);
}
