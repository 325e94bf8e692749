/* SPDX-License-Identifier: GPL-2.0-or-later */
/* io_uring: rings that are shared with the kernel. */
#include <errno.h>
#include <liburing.h>
#include <limits.h>

#include "block/aio.h"

#define ENTRIES 128 /* requests that are submitted together; any number may be under way */

typedef struct UringQueue {
    AioQueue parent;
    struct io_uring ring;
} UringQueue;

static UringQueue *uring_of(const AioQueue *queue)
{
    return (UringQueue *)(uintptr_t)queue;
}

static int uring_new(AioQueue **queue)
{
    g_autofree UringQueue *q = g_new0(UringQueue, 1);
    int err = -io_uring_queue_init(ENTRIES, &q->ring, 0);

    *queue = err ? NULL : &g_steal_pointer(&q)->parent;
    return err;
}

static void uring_free(AioQueue *queue)
{
    io_uring_queue_exit(&uring_of(queue)->ring);
    g_free(queue);
}

static int uring_fd(const AioQueue *queue)
{
    return uring_of(queue)->ring.ring_fd;
}

/* What the kernel does not take now, as results have to be taken first, it takes next time. */
static void uring_submit(AioQueue *queue)
{
    int ret;

    do {
        ret = io_uring_submit(&uring_of(queue)->ring);
    } while (ret == -EINTR || ret == -EAGAIN);
}

static bool uring_add(AioQueue *queue, const AioRequest *r)
{
    struct io_uring *ring = &uring_of(queue)->ring;
    struct io_uring_sqe *sqe = io_uring_get_sqe(ring);

    if (!sqe) {
        uring_submit(queue);
        sqe = io_uring_get_sqe(ring);
    }
    if (!sqe || r->iovcnt > IOV_MAX) {
        return false;
    }
    if (r->op == AIO_READ) {
        io_uring_prep_readv(sqe, r->fd, r->iov, r->iovcnt, r->offset);
    } else if (r->op == AIO_WRITE) {
        io_uring_prep_writev(sqe, r->fd, r->iov, r->iovcnt, r->offset);
    } else {
        io_uring_prep_fsync(sqe, r->fd, IORING_FSYNC_DATASYNC);
    }
    io_uring_sqe_set_data(sqe, r->token);
    return true;
}

static void *uring_reap(AioQueue *queue, int *result)
{
    struct io_uring *ring = &uring_of(queue)->ring;
    struct io_uring_cqe *cqe;
    void *token;

    if (io_uring_peek_cqe(ring, &cqe)) {
        return NULL;
    }
    token = io_uring_cqe_get_data(cqe);
    *result = cqe->res;
    io_uring_cqe_seen(ring, cqe);
    if (io_uring_sq_ready(ring)) {
        uring_submit(queue);
    }
    return token;
}

static void uring_wait(AioQueue *queue)
{
    struct io_uring_cqe *cqe;

    while (io_uring_wait_cqe(&uring_of(queue)->ring, &cqe) == -EINTR) {
    }
}

const AioOps aio_uring = {
    .kind = BLOCKDEV_AIO_OPTIONS_IO_URING,
    .hint =
        "its kernel is older than 5.1, or a sandbox or sysctl kernel.io_uring_disabled forbids it",
    .new = uring_new,
    .free = uring_free,
    .fd = uring_fd,
    .add = uring_add,
    .submit = uring_submit,
    .reap = uring_reap,
    .wait = uring_wait,
};
