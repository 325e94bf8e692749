/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/aio.h"

#include "util/error.h"

static const AioOps *const kinds[] = { &aio_uring, &aio_native };

AioQueue *aio_queue_new(BlockdevAioOptions kind, GError **errp)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++) {
        if (kinds[i]->kind == kind) {
            AioQueue *queue = NULL;
            int err = kinds[i]->new (&queue);

            if (err) {
                error_set_errno(errp, err, "aio=%s is not possible here (%s), aio=threads is",
                                BlockdevAioOptions_str(kind), kinds[i]->hint);
                return NULL;
            }
            queue->ops = kinds[i];
            return queue;
        }
    }
    g_assert_not_reached();
}

bool aio_is_there(BlockdevAioOptions kind, GError **errp)
{
    AioQueue *queue = aio_queue_new(kind, errp);
    bool there = queue;

    aio_queue_free(queue);
    return there;
}

void aio_queue_free(AioQueue *queue)
{
    if (queue) {
        queue->ops->free(queue);
    }
}

bool aio_queue_add(AioQueue *queue, const AioRequest *request)
{
    return queue->ops->add(queue, request);
}

void aio_queue_submit(AioQueue *queue)
{
    queue->ops->submit(queue);
}

void *aio_queue_reap(AioQueue *queue, int *result)
{
    return queue->ops->reap(queue, result);
}

void aio_queue_wait(AioQueue *queue)
{
    queue->ops->wait(queue);
}

int aio_queue_fd(const AioQueue *queue)
{
    return queue->ops->fd(queue);
}
