/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Linux AIO: requests of files that are open with O_DIRECT; others would wait where they are given
 * to the kernel. */
#include <errno.h>
#include <libaio.h>
#include <limits.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "block/aio.h"

#define ENTRIES 128 /* requests that may be under way; those beyond wait here */

typedef struct NativeQueue {
    AioQueue parent;
    io_context_t context;
    int eventfd;
    GQueue waiting; /* of struct iocb, which the kernel does not have yet */
    unsigned under_way;
    GQueue refused; /* of Refused */
} NativeQueue;

typedef struct Refused {
    void *token;
    int result;
} Refused;

static NativeQueue *native_of(const AioQueue *queue)
{
    return (NativeQueue *)(uintptr_t)queue;
}

static int native_new(AioQueue **queue)
{
    g_autofree NativeQueue *q = g_new0(NativeQueue, 1);
    int err = -io_setup(ENTRIES, &q->context);

    if (err) {
        return err;
    }
    q->eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (q->eventfd < 0) {
        err = errno;
        io_destroy(q->context);
        return err;
    }
    *queue = &g_steal_pointer(&q)->parent;
    return 0;
}

static void native_free(AioQueue *queue)
{
    NativeQueue *q = native_of(queue);

    io_destroy(q->context);
    close(q->eventfd);
    g_free(q);
}

static int native_fd(const AioQueue *queue)
{
    return native_of(queue)->eventfd;
}

static bool native_add(AioQueue *queue, const AioRequest *r)
{
    NativeQueue *q = native_of(queue);
    struct iocb *cb;

    if (r->iovcnt > IOV_MAX) {
        return false;
    }
    cb = g_new(struct iocb, 1);
    if (r->op == AIO_READ) {
        io_prep_preadv(cb, r->fd, r->iov, (int)r->iovcnt, (long long)r->offset);
    } else if (r->op == AIO_WRITE) {
        io_prep_pwritev(cb, r->fd, r->iov, (int)r->iovcnt, (long long)r->offset);
    } else {
        io_prep_fdsync(cb, r->fd);
    }
    io_set_eventfd(cb, q->eventfd);
    cb->data = r->token;
    g_queue_push_tail(&q->waiting, cb);
    return true;
}

/* The first one that waits has ended with this error. */
static void refuse_first(NativeQueue *q, int result)
{
    struct iocb *cb = g_queue_pop_head(&q->waiting);
    Refused *refused = g_new(Refused, 1);
    const uint64_t one = 1;

    *refused = (Refused){ cb->data, result };
    g_queue_push_tail(&q->refused, refused);
    g_free(cb);
    if (write(q->eventfd, &one, sizeof(one)) < 0) {
        /* Its counter is full: it is signalled as it is. */
    }
}

static void native_submit(AioQueue *queue)
{
    NativeQueue *q = native_of(queue);

    while (q->waiting.length && q->under_way < ENTRIES) {
        struct iocb *batch[ENTRIES];
        long count = 0;
        int ret;

        for (GList *link = q->waiting.head; link && q->under_way + count < ENTRIES;
             link = link->next) {
            batch[count++] = link->data;
        }
        ret = io_submit(q->context, count, batch);
        if (ret == -EAGAIN && q->under_way) {
            return; /* once more when one has ended */
        }
        if (ret < 0 && ret != -EINTR) {
            refuse_first(q, ret);
        }
        for (int i = 0; i < ret; i++) {
            g_queue_pop_head(&q->waiting);
            q->under_way++;
        }
    }
}

static void *take_refused(NativeQueue *q, int *result)
{
    g_autofree Refused *refused = g_queue_pop_head(&q->refused);

    *result = refused->result;
    return refused->token;
}

static void *native_reap(AioQueue *queue, int *result)
{
    NativeQueue *q = native_of(queue);
    struct io_event event;
    uint64_t count;

    if (q->refused.length) {
        return take_refused(q, result);
    }
    if (read(q->eventfd, &count, sizeof(count)) < 0) {
        /* It was not signalled, or is not any more. */
    }
    if (io_getevents(q->context, 0, 1, &event, NULL) != 1) {
        return NULL;
    }
    void *token = event.data;
    *result = (int)event.res;
    g_free(event.obj);
    q->under_way--;
    native_submit(queue);
    return token;
}

static void native_wait(AioQueue *queue)
{
    NativeQueue *q = native_of(queue);
    struct pollfd fd = { q->eventfd, POLLIN, 0 };

    if (!q->refused.length) {
        poll(&fd, 1, -1);
    }
}

const AioOps aio_native = {
    .kind = BLOCKDEV_AIO_OPTIONS_NATIVE,
    .hint = "a sandbox forbids it, or sysctl fs.aio-max-nr is used up",
    .new = native_new,
    .free = native_free,
    .fd = native_fd,
    .add = native_add,
    .submit = native_submit,
    .reap = native_reap,
    .wait = native_wait,
};
