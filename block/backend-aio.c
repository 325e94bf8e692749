/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/backend-aio.h"

#include <errno.h>
#include <glib-unix.h>

#include "block/driver.h"
#include "util/error.h"
#include "util/units.h"

#define QUICK_BYTES (64 * KIB) /* a longer read is a thread's: copying takes its time */

/* ---- results ---- */

/* What the kernel cannot do so, or not all of, is done by a thread, from the start. */
static bool is_done(const BlockRequest *r, int result)
{
    bool moves = (r->op == BLOCK_READ || r->op == BLOCK_WRITE) && !r->flushing;

    return result < 0 ? result != -EINVAL && result != -EOPNOTSUPP && result != -EAGAIN
                      : !moves || (uint64_t)result == r->bytes;
}

static bool add(BlockBackend *backend, BlockRequest *r, const BlockLocation *at)
{
    if (!aio_queue_add(backend->aio, &at->request)) {
        return false;
    }
    backend->aio_pending++;
    backend->aio_waiting = true;
    return true;
}

static bool add_flush(BlockBackend *backend, BlockRequest *r)
{
    BlockLocation at = { .request = { .op = AIO_FLUSH, .token = r } };

    r->flushing = true;
    return block_node_locate(block_backend_node(backend), &at) && add(backend, r, &at);
}

static void take_result(BlockBackend *backend, BlockRequest *r, int result)
{
    bool done = is_done(r, result), flush = r->op == BLOCK_WRITE && r->and_flush && !r->flushing;

    backend->aio_pending--;
    if (!done || (flush && result >= 0 && !add_flush(backend, r))) {
        backend_request_by_thread(r);
    } else if (result < 0 || !flush) {
        backend_request_ended(r, result < 0 ? -result : 0);
    }
}

static void take_results(BlockBackend *backend)
{
    BlockRequest *r;
    int result;

    while ((r = aio_queue_reap(backend->aio, &result))) {
        take_result(backend, r, result);
    }
    backend_aio_submit(backend);
}

static gboolean ready(gint fd, GIOCondition condition, gpointer opaque)
{
    take_results(opaque);
    backend_tell(opaque);
    return G_SOURCE_CONTINUE;
}

void backend_aio_wait(BlockBackend *backend)
{
    backend_aio_submit(backend);
    aio_queue_wait(backend->aio);
    take_results(backend);
}

void backend_aio_submit(BlockBackend *backend)
{
    if (backend->aio_waiting) {
        backend->aio_waiting = false;
        aio_queue_submit(backend->aio);
    }
}

/* ---- the queue ---- */

void backend_aio_end(void *opaque)
{
    BlockBackend *backend = opaque;

    g_assert(!backend->aio_pending);
    if (backend->aio_watch) {
        g_source_destroy(backend->aio_watch);
        g_clear_pointer(&backend->aio_watch, g_source_unref);
    }
    g_clear_pointer(&backend->aio, aio_queue_free);
    backend->aio_failed = false;
}

/* One of this kind. The node below may have been another one. */
static bool have_queue(BlockBackend *backend, BlockdevAioOptions kind)
{
    if (backend->aio && backend->aio->ops->kind != kind && !backend->aio_pending) {
        backend_aio_end(backend);
    }
    if (!backend->aio && !backend->aio_failed) {
        g_autoptr(GError) err = NULL;

        backend->aio = aio_queue_new(kind, &err);
        backend->aio_failed = !backend->aio;
        if (err) {
            error_warn("%s", err->message);
            return false;
        }
        backend->aio_watch = g_unix_fd_source_new(aio_queue_fd(backend->aio), G_IO_IN);
        g_source_set_callback(backend->aio_watch, G_SOURCE_FUNC(ready), backend, NULL);
        loop_attach(backend->loop, backend->aio_watch);
    }
    return backend->aio && backend->aio->ops->kind == kind;
}

/* ---- requests ---- */

BackendAio backend_aio_start(BlockBackend *backend, BlockRequest *r)
{
    static const AioOp ops[] = {
        [BLOCK_READ] = AIO_READ, [BLOCK_WRITE] = AIO_WRITE, [BLOCK_FLUSH] = AIO_FLUSH
    };
    BlockNode *node = block_backend_node(backend);
    BlockLocation at = { .bytes = r->bytes };

    if (r->op > BLOCK_FLUSH) {
        return BACKEND_AIO_NO;
    }
    at.request = (AioRequest){
        .op = ops[r->op], .offset = r->offset, .iov = r->iov, .iovcnt = r->iovcnt, .token = r
    };
    if (!block_node_locate(node, &at) || at.aio == BLOCKDEV_AIO_OPTIONS_THREADS) {
        return r->op == BLOCK_READ && r->bytes <= QUICK_BYTES &&
                       block_node_read_now(node, r->offset, r->iov, r->iovcnt)
                   ? BACKEND_AIO_DONE
                   : BACKEND_AIO_NO;
    }
    return have_queue(backend, at.aio) && add(backend, r, &at) ? BACKEND_AIO_STARTED
                                                               : BACKEND_AIO_NO;
}
