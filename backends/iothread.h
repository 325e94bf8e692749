/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "iothread": a loop with a thread of its own, which devices name as the one that their queues run
 * on. Machine lock.
 */
#ifndef BACKENDS_IOTHREAD_H
#define BACKENDS_IOTHREAD_H

#include "qom/object.h"
#include "util/loop.h"

#define TYPE_IOTHREAD "iothread"

typedef struct Iothread {
    Object parent;
    /* properties */
    int64_t poll_max_ns, poll_grow, poll_shrink; /* loop_set_polling() */
    int64_t aio_max_batch;                       /* kept for users; nothing here sends batches */
    int64_t thread_pool_min, thread_pool_max;    /* likewise; there is no pool */
    Loop *loop;                                  /* from `complete` on */
} Iothread;
OBJECT_CAST_DEFINE(Iothread, IOTHREAD, TYPE_IOTHREAD)

/* Whoever uses the loop holds a reference to @iothread: then the object cannot be deleted. */
static inline Loop *iothread_loop(const Iothread *iothread)
{
    return iothread->loop;
}

#endif
