/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/thread-pool.h"

#include <errno.h>
#include <semaphore.h>
#include <stdbool.h>
#include <time.h>

#define IDLE_SECONDS 10 /* then a thread ends */

/* A thread's place. It outlives the thread: it may be woken in vain. */
typedef struct Worker {
    ThreadPool *pool;
    sem_t wake;  /* there is work for it, or the pool ends */
    GList *work; /* atomic; given to one that was in `idle`, or that starts */
    GList link;  /* in the pool's `idle`, or `places`; under its mutex */
} Worker;

struct ThreadPool {
    const ThreadPoolOps *ops;
    unsigned max;
    GMutex mutex;
    GCond ended;
    /* Under the mutex: */
    GQueue waiting; /* work that no thread has */
    GQueue idle;    /* of Worker: who may be given work, the last one first */
    GQueue places;  /* of Worker: without a thread */
    bool ending;    /* atomic, too */
    Worker workers[];
};

ThreadPool *thread_pool_new(const ThreadPoolOps *ops, unsigned max)
{
    ThreadPool *pool = g_malloc0(sizeof(*pool) + max * sizeof(pool->workers[0]));

    pool->ops = ops;
    pool->max = max;
    g_mutex_init(&pool->mutex);
    g_cond_init(&pool->ended);
    for (unsigned i = 0; i < max; i++) {
        Worker *worker = &pool->workers[i];

        worker->pool = pool;
        worker->link.data = worker;
        sem_init(&worker->wake, 0, 0);
        g_queue_push_tail_link(&pool->places, &worker->link);
    }
    return pool;
}

/* ---- threads ---- */

static void give_work(Worker *worker, GList *work)
{
    __atomic_store_n(&worker->work, work, __ATOMIC_RELEASE);
}

static GList *take_work(Worker *worker)
{
    return __atomic_exchange_n(&worker->work, NULL, __ATOMIC_ACQ_REL);
}

/* Work that no thread has. NULL: there is none, and this thread may be given some. */
static GList *next_waiting(Worker *worker)
{
    ThreadPool *pool = worker->pool;
    GList *work;

    g_mutex_lock(&pool->mutex);
    work = g_queue_pop_head_link(&pool->waiting);
    if (!work) {
        g_queue_push_head_link(&pool->idle, &worker->link);
    }
    g_mutex_unlock(&pool->mutex);
    return work;
}

/* It is idle, and not woken. NULL: it is not idle any more; else it was given this just now. */
static GList *leave(Worker *worker)
{
    ThreadPool *pool = worker->pool;
    GList *work;

    g_mutex_lock(&pool->mutex);
    work = take_work(worker);
    if (!work) {
        g_queue_unlink(&pool->idle, &worker->link);
    }
    g_mutex_unlock(&pool->mutex);
    return work;
}

/* It is idle. NULL: it ends. */
static GList *wait_for_work(Worker *worker)
{
    struct timespec until;
    bool in_time;
    GList *work;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += IDLE_SECONDS;
    do {
        in_time = sem_clockwait(&worker->wake, CLOCK_MONOTONIC, &until) == 0 || errno == EINTR;
        work = take_work(worker);
    } while (!work && in_time && !__atomic_load_n(&worker->pool->ending, __ATOMIC_ACQUIRE));
    return work ? work : leave(worker);
}

static gpointer worker_thread(gpointer opaque)
{
    Worker *worker = opaque;
    ThreadPool *pool = worker->pool;
    GList *work = take_work(worker);

    while (work) {
        void *ended = pool->ops->work(work->data);

        work = next_waiting(worker);
        if (ended) {
            pool->ops->tell(ended);
        }
        work = work ? work : wait_for_work(worker);
    }
    g_mutex_lock(&pool->mutex);
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
    give_work(worker, work);
    thread = pool->places.length + 1 == pool->max
                 ? g_thread_new(pool->ops->name, worker_thread, worker)
                 : g_thread_try_new(pool->ops->name, worker_thread, worker, NULL);
    if (!thread) {
        take_work(worker);
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
        give_work(idle->data, work);
    } else if (!start_worker(pool, work)) {
        g_queue_push_tail_link(&pool->waiting, work);
    }
    g_mutex_unlock(&pool->mutex);
    if (idle) { /* no system call if it is awake */
        sem_post(&((Worker *)idle->data)->wake);
    }
}

void thread_pool_free(ThreadPool *pool)
{
    if (!pool) {
        return;
    }
    g_mutex_lock(&pool->mutex);
    __atomic_store_n(&pool->ending, true, __ATOMIC_RELEASE);
    for (unsigned i = 0; i < pool->max; i++) {
        sem_post(&pool->workers[i].wake);
    }
    while (pool->places.length < pool->max) {
        g_cond_wait(&pool->ended, &pool->mutex);
    }
    g_mutex_unlock(&pool->mutex);
    for (unsigned i = 0; i < pool->max; i++) {
        sem_destroy(&pool->workers[i].wake);
    }
    g_mutex_clear(&pool->mutex);
    g_cond_clear(&pool->ended);
    g_free(pool);
}
