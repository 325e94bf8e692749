/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/loop.h"

#include <poll.h>
#include <stdatomic.h>
#include <unistd.h>

#include "util/clock.h"

#define FIRST_WINDOW_NS 4000

struct Loop {
    GMainContext *context; /* NULL: GLib's default, of the main loop */
    GThread *thread;
    /* Set by the thread before loop_new() returns. */
    GMutex mutex;
    GCond started;
    int thread_id;
    bool ending; /* the thread's */
    /* Read by the thread whenever it is about to sleep (relaxed: nothing hangs on the order). */
    _Atomic int64_t max_ns, grow, shrink;
    int64_t window_ns; /* how long it looks now; the thread's */
};

static Loop main_loop;
static __thread Loop *current; /* in the thread of a loop that has one of its own */

Loop *loop_main(void)
{
    return &main_loop;
}

/* ---- waiting ---- */

static void adapt(Loop *loop, int64_t max_ns, int64_t slept_ns)
{
    int64_t factor = atomic_load_explicit(&loop->grow, memory_order_relaxed);
    int64_t divisor = atomic_load_explicit(&loop->shrink, memory_order_relaxed);

    if (slept_ns > max_ns) {
        loop->window_ns = divisor ? loop->window_ns / divisor : 0;
    } else if (loop->window_ns == 0) {
        loop->window_ns = FIRST_WINDOW_NS;
    } else if (__builtin_mul_overflow(loop->window_ns, factor ? factor : 2, &loop->window_ns)) {
        loop->window_ns = max_ns;
    }
    loop->window_ns = MIN(loop->window_ns, max_ns);
}

/* GLib's wait. */
static gint poll_and_sleep(GPollFD *fds, guint nfds, gint timeout_ms)
{
    Loop *loop = current;
    int64_t max_ns = atomic_load_explicit(&loop->max_ns, memory_order_relaxed);
    int64_t start = clock_host_ns();
    int ready = 0;

    if (timeout_ms == 0 || max_ns == 0) {
        return poll((struct pollfd *)fds, nfds, timeout_ms);
    }
    while (!ready && clock_host_ns() - start < loop->window_ns) {
        ready = poll((struct pollfd *)fds, nfds, 0);
    }
    if (!ready) {
        ready = poll((struct pollfd *)fds, nfds, timeout_ms);
        adapt(loop, max_ns, clock_host_ns() - start);
    }
    return ready;
}

void loop_set_polling(Loop *loop, int64_t max_ns, int64_t grow, int64_t shrink)
{
    atomic_store_explicit(&loop->max_ns, max_ns, memory_order_relaxed);
    atomic_store_explicit(&loop->grow, grow, memory_order_relaxed);
    atomic_store_explicit(&loop->shrink, shrink, memory_order_relaxed);
}

/* ---- loops with threads ---- */

static gpointer loop_thread(gpointer opaque)
{
    Loop *loop = current = opaque;

    g_mutex_lock(&loop->mutex);
    loop->thread_id = gettid();
    g_cond_signal(&loop->started);
    g_mutex_unlock(&loop->mutex);
    g_main_context_push_thread_default(loop->context);
    while (!loop->ending) {
        g_main_context_iteration(loop->context, TRUE);
    }
    g_main_context_pop_thread_default(loop->context);
    return NULL;
}

Loop *loop_new(const char *name, GError **errp)
{
    Loop *loop = g_new0(Loop, 1);

    g_mutex_init(&loop->mutex);
    g_cond_init(&loop->started);
    loop->context = g_main_context_new();
    g_main_context_set_poll_func(loop->context, poll_and_sleep);
    loop->thread = g_thread_try_new(name, loop_thread, loop, errp);
    if (!loop->thread) {
        loop_free(loop);
        return NULL;
    }
    g_mutex_lock(&loop->mutex);
    while (!loop->thread_id) {
        g_cond_wait(&loop->started, &loop->mutex);
    }
    g_mutex_unlock(&loop->mutex);
    return loop;
}

static void end(void *opaque)
{
    ((Loop *)opaque)->ending = true;
}

void loop_free(Loop *loop)
{
    if (!loop) {
        return;
    }
    g_assert(loop != &main_loop && loop != current);
    if (loop->thread) {
        loop_call(loop, end, loop);
        g_thread_join(loop->thread);
    }
    g_main_context_unref(loop->context);
    g_mutex_clear(&loop->mutex);
    g_cond_clear(&loop->started);
    g_free(loop);
}

int loop_thread_id(const Loop *loop)
{
    return loop->thread_id;
}

bool loop_is_mine(const Loop *loop)
{
    return loop == &main_loop ? g_main_context_is_owner(NULL) : loop == current;
}

/* ---- sources ---- */

void loop_attach(Loop *loop, GSource *source)
{
    g_source_attach(source, loop->context);
}

typedef struct Call {
    /* Stored with release, loaded with acquire: the call finds what was done before it was asked
     * for. GLib's own lock orders that as well, but no checker sees it. */
    void (*_Atomic fn)(void *opaque);
    void *opaque;
} Call;

static gboolean run_call(gpointer data)
{
    Call *call = data;

    atomic_load_explicit(&call->fn, memory_order_acquire)(call->opaque);
    return G_SOURCE_REMOVE;
}

void loop_call(Loop *loop, void (*fn)(void *opaque), void *opaque)
{
    GSource *source = g_idle_source_new();
    Call *call = g_new(Call, 1);

    call->opaque = opaque;
    atomic_store_explicit(&call->fn, fn, memory_order_release);
    g_source_set_priority(source, G_PRIORITY_DEFAULT);
    g_source_set_callback(source, run_call, call, g_free);
    loop_attach(loop, source);
    g_source_unref(source);
}
