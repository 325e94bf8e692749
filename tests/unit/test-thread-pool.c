/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pools of threads: as many at once as may be, in order, all before the end. */
#include "util/thread-pool.h"

#include <stdbool.h>

enum { THREADS = 4, ROUNDS = 2000 };

static GMutex mutex;
static GCond changed;
static bool open; /* work that waits may go on */
static unsigned running, most, ended;

static void *wait_open(void *data)
{
    g_mutex_lock(&mutex);
    running++;
    most = MAX(most, running);
    g_cond_broadcast(&changed);
    while (!open) {
        g_cond_wait(&changed, &mutex);
    }
    running--;
    ended++;
    g_cond_broadcast(&changed);
    g_mutex_unlock(&mutex);
    return NULL;
}

static const ThreadPoolOps wait_open_ops = { .name = "work", .work = wait_open };

static void wait_for(const unsigned *number, unsigned value)
{
    g_mutex_lock(&mutex);
    while (*number < value) {
        g_cond_wait(&changed, &mutex);
    }
    g_mutex_unlock(&mutex);
}

static void set_open(bool value)
{
    g_mutex_lock(&mutex);
    open = value;
    g_cond_broadcast(&changed);
    g_mutex_unlock(&mutex);
}

static void start(void)
{
    open = false;
    running = most = ended = 0;
}

/* What there are no threads for waits, and is not forgotten; the end waits for all. */
static void test_limit(void)
{
    ThreadPool *pool = thread_pool_new(&wait_open_ops, THREADS);
    GList work[3 * THREADS] = { 0 };

    start();
    for (unsigned i = 0; i < G_N_ELEMENTS(work); i++) {
        thread_pool_push(pool, &work[i]);
    }
    wait_for(&running, THREADS);
    set_open(true);
    thread_pool_free(pool);
    g_assert_cmpuint(ended, ==, G_N_ELEMENTS(work));
    g_assert_cmpuint(most, ==, THREADS);
    g_assert_cmpuint(running, ==, 0);
}

static GQueue seen = G_QUEUE_INIT; /* under the mutex */

static void *note(void *data)
{
    g_mutex_lock(&mutex);
    g_queue_push_tail(&seen, data);
    ended++;
    g_cond_broadcast(&changed);
    g_mutex_unlock(&mutex);
    return NULL;
}

static const ThreadPoolOps note_ops = { .name = "work", .work = note };

/* One thread does it in order. */
static void test_order(void)
{
    ThreadPool *pool = thread_pool_new(&note_ops, 1);
    GList work[100];

    start();
    for (unsigned i = 0; i < G_N_ELEMENTS(work); i++) {
        work[i] = (GList){ .data = GUINT_TO_POINTER(i + 1) };
        thread_pool_push(pool, &work[i]);
    }
    thread_pool_free(pool);
    for (unsigned i = 0; i < G_N_ELEMENTS(work); i++) {
        g_assert_cmpuint(GPOINTER_TO_UINT(g_queue_pop_head(&seen)), ==, i + 1);
    }
}

/* Threads that sleep, go to sleep and are woken, again and again. */
static void push_some(ThreadPool *pool)
{
    GList work[2] = { { .data = GUINT_TO_POINTER(1) }, { .data = GUINT_TO_POINTER(2) } };
    unsigned before;

    for (unsigned i = 0; i < ROUNDS; i++) {
        g_mutex_lock(&mutex);
        before = ended;
        g_mutex_unlock(&mutex);
        thread_pool_push(pool, &work[0]);
        thread_pool_push(pool, &work[1]);
        wait_for(&ended, before + 2);
    }
}

static void test_wakes(void)
{
    ThreadPool *pool = thread_pool_new(&note_ops, THREADS);

    start();
    push_some(pool);
    g_assert_cmpuint(ended, ==, 2 * ROUNDS);
    thread_pool_free(pool);
    g_queue_clear(&seen);
}

/* Whoever is told that one thing is done asks for the next: no other thread is needed for that. */
typedef struct Chain {
    ThreadPool *pool;
    GList work;
    GThread *thread; /* that does them all */
    unsigned left, others;
} Chain;

static void *do_link(void *data)
{
    Chain *chain = data;

    chain->thread = chain->thread ? chain->thread : g_thread_self();
    chain->others += chain->thread != g_thread_self();
    return chain;
}

static void ask_next(void *data)
{
    Chain *chain = data;

    if (chain->left-- > 1) {
        chain->work = (GList){ .data = chain };
        thread_pool_push(chain->pool, &chain->work);
        return;
    }
    g_mutex_lock(&mutex);
    ended++;
    g_cond_broadcast(&changed);
    g_mutex_unlock(&mutex);
}

static void test_tells(void)
{
    static const ThreadPoolOps ops = { .name = "work", .work = do_link, .tell = ask_next };
    Chain chain = { .pool = thread_pool_new(&ops, THREADS), .left = ROUNDS };

    start();
    chain.work.data = &chain;
    thread_pool_push(chain.pool, &chain.work);
    wait_for(&ended, 1);
    thread_pool_free(chain.pool);
    g_assert_cmpuint(chain.left, ==, 0);
    g_assert_cmpuint(chain.others, ==, 0);
}

/* More than there are threads for, from all sides. */
static void test_many_tell(void)
{
    static const ThreadPoolOps ops = { .name = "work", .work = do_link, .tell = ask_next };
    ThreadPool *pool = thread_pool_new(&ops, THREADS);
    Chain chains[2 * THREADS];

    start();
    for (unsigned i = 0; i < G_N_ELEMENTS(chains); i++) {
        chains[i] = (Chain){ .pool = pool, .left = ROUNDS, .work.data = &chains[i] };
        thread_pool_push(pool, &chains[i].work);
    }
    wait_for(&ended, G_N_ELEMENTS(chains));
    thread_pool_free(pool);
}

/* Nothing to do, and no pool. */
static void test_nothing(void)
{
    thread_pool_free(thread_pool_new(&note_ops, THREADS));
    thread_pool_free(NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/thread-pool/limit", test_limit);
    g_test_add_func("/thread-pool/order", test_order);
    g_test_add_func("/thread-pool/wakes", test_wakes);
    g_test_add_func("/thread-pool/tells", test_tells);
    g_test_add_func("/thread-pool/many-tell", test_many_tell);
    g_test_add_func("/thread-pool/nothing", test_nothing);
    return g_test_run();
}
