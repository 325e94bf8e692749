/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/thread-pool.h"

#include <stdbool.h>

#define IDLE_US (10 * G_USEC_PER_SEC) /* then a thread ends */

/* A thread's place. It outlives the thread: it may be woken in vain. */
typedef struct Worker {
    ThreadPool *pool;
    GCond wake;
    /* Under the pool's mutex: */
    GList *work; /* what it is woken for */
    GList link;  /* in the pool's `idle`, or `places` */
} Worker;

struct ThreadPool {
    const char *name;
    void (*fn)(void *data);
    unsigned max;
    GMutex mutex;
    GCond ended;
    /* Under the mutex: */
    GQueue waiting; /* work that no thread has */
    GQueue idle;    /* of Worker: who sleeps, the last one first */
    GQueue places;  /* of Worker: without a thread */
    bool ending;
    Worker workers[];
};

ThreadPool *thread_pool_new(const char *name, unsigned max, void (*fn)(void *data))
{
    ThreadPool *pool = g_malloc0(sizeof(*pool) + max * sizeof(pool->workers[0]));

    pool->name = name;
    pool->fn = fn;
    pool->max = max;
    g_mutex_init(&pool->mutex);
    g_cond_init(&pool->ended);
    for (unsigned i = 0; i < max; i++) {
        Worker *worker = &pool->workers[i];

        worker->pool = pool;
        worker->link.data = worker;
        g_cond_init(&worker->wake);
        g_queue_push_tail_link(&pool->places, &worker->link);
    }
    return pool;
}

/* ---- threads ---- */

/* With the mutex. NULL: there is none, it ends. */
static GList *next_work(Worker *worker)
{
    ThreadPool *pool = worker->pool;
    GList *work = g_queue_pop_head_link(&pool->waiting);
    gint64 until = g_get_monotonic_time() + IDLE_US;
    bool in_time = true;

    if (work || pool->ending) {
        return work;
    }
    g_queue_push_head_link(&pool->idle, &worker->link);
    while (!worker->work && !pool->ending && in_time) {
        in_time = g_cond_wait_until(&worker->wake, &pool->mutex, until);
    }
    if (!worker->work) {
        g_queue_unlink(&pool->idle, &worker->link);
    }
    return g_steal_pointer(&worker->work);
}

static gpointer worker_thread(gpointer opaque)
{
    Worker *worker = opaque;
    ThreadPool *pool = worker->pool;
    GList *work;

    g_mutex_lock(&pool->mutex);
    work = g_steal_pointer(&worker->work);
    while (work) {
        g_mutex_unlock(&pool->mutex);
        pool->fn(work->data);
        g_mutex_lock(&pool->mutex);
        work = next_work(worker);
    }
    g_queue_push_head_link(&pool->places, &worker->link);
    g_cond_signal(&pool->ended);
    g_mutex_unlock(&pool->mutex);
    return NULL;
}

/* With the mutex. False: there is no thread for it now, but there are others. */
static bool start_worker(ThreadPool *pool, GList *work)
{
    GList *place = g_queue_pop_head_link(&pool->places);
    Worker *worker = place ? place->data : NULL;
    GThread *thread;

    if (!worker) {
        return false;
    }
    worker->work = work;
    thread = pool->places.length + 1 == pool->max
                 ? g_thread_new(pool->name, worker_thread, worker)
                 : g_thread_try_new(pool->name, worker_thread, worker, NULL);
    if (!thread) {
        worker->work = NULL;
        g_queue_push_head_link(&pool->places, place);
        return false;
    }
    g_thread_unref(thread);
    return true;
}

/* ---- work ---- */

void thread_pool_push(ThreadPool *pool, GList *work)
{
    GList *idle;

    g_mutex_lock(&pool->mutex);
    idle = g_queue_pop_head_link(&pool->idle);
    if (idle) {
        ((Worker *)idle->data)->work = work;
    } else if (!start_worker(pool, work)) {
        g_queue_push_tail_link(&pool->waiting, work);
    }
    g_mutex_unlock(&pool->mutex);
    if (idle) { /* without the mutex, for which it would wait at once */
        g_cond_signal(&((Worker *)idle->data)->wake);
    }
}

void thread_pool_free(ThreadPool *pool)
{
    if (!pool) {
        return;
    }
    g_mutex_lock(&pool->mutex);
    pool->ending = true;
    for (unsigned i = 0; i < pool->max; i++) {
        g_cond_signal(&pool->workers[i].wake);
    }
    while (pool->places.length < pool->max) {
        g_cond_wait(&pool->ended, &pool->mutex);
    }
    g_mutex_unlock(&pool->mutex);
    for (unsigned i = 0; i < pool->max; i++) {
        g_cond_clear(&pool->workers[i].wake);
    }
    g_mutex_clear(&pool->mutex);
    g_cond_clear(&pool->ended);
    g_free(pool);
}
