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

/* Of up to @max threads called @name (borrowed), each of which calls @fn with what there is
 * to do. */
ThreadPool *thread_pool_new(const char *name, unsigned max, void (*fn)(void *data));
/* Have @fn called with @work->data. @work is in no list, and the pool's until then. Work for which
 * there is no thread waits, in this order. Any thread. */
void thread_pool_push(ThreadPool *pool, GList *work);
/* When all has been done that there is; nobody pushes any more. NULL is fine. */
void thread_pool_free(ThreadPool *pool);

#endif
