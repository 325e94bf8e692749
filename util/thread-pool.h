/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Threads that carry out work which may wait for the host. There are as many as have work, up to a
 * limit; one that has had none for a while ends. Work goes to the thread that had some last: it is
 * the only one that is woken, and nothing is allocated for it.
 */
#ifndef UTIL_THREAD_POOL_H
#define UTIL_THREAD_POOL_H

#include <glib.h>

typedef struct ThreadPool ThreadPool;

/* What a pool does. */
typedef struct ThreadPoolOps {
    const char *name; /* of its threads */
    /* With what there is to do, which may be gone afterwards. Returns what to tell, or NULL. */
    void *(*work)(void *data);
    /* Tell somebody else of what `work` has returned; it does not wait. The thread may be given new
     * work already, and so need not be woken for the next thing that it is asked in return. */
    void (*tell)(void *ended);
} ThreadPoolOps;

/* Of up to @max threads; @ops is borrowed. */
ThreadPool *thread_pool_new(const ThreadPoolOps *ops, unsigned max);
/* Have @work->data worked on. @work is in no list, and the pool's until then. Work for which there
 * is no thread waits, in this order. Any thread. */
void thread_pool_push(ThreadPool *pool, GList *work);
/* When all has been done that there is; nobody pushes any more. NULL is fine. */
void thread_pool_free(ThreadPool *pool);

#endif
