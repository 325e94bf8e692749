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
    GMutex mutex;
    GQueue calls;          /* of Call, that wait; under the mutex */
    GCond started, called; /* its thread runs; a loop_run() is done */
    int thread_id;         /* set by the thread before loop_new() returns */
    bool ending;           /* the thread's */
    atomic_uint wakes;     /* loop_post() without loop_wake() */
    /* Read by the thread whenever it is about to sleep (relaxed: nothing hangs on the order). */
    _Atomic int64_t max_ns, grow, shrink;
    int64_t window_ns; /* how long it looks now; the thread's */
};

typedef struct Call {
    void (*fn)(void *opaque);
    void *opaque;
} Call;

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

/* ---- calls: a source of each loop, which was there before others can see the loop ---- */

typedef struct CallSource {
    GSource parent;
    Loop *loop;
} CallSource;

static gboolean calls_check(GSource *source)
{
    Loop *loop = ((CallSource *)source)->loop;
    bool any;

    g_mutex_lock(&loop->mutex);
    any = !g_queue_is_empty(&loop->calls);
    g_mutex_unlock(&loop->mutex);
    return any;
}

static gboolean calls_prepare(GSource *source, gint *timeout)
{
    *timeout = -1;
    return calls_check(source);
}

/* Those that there are; one that asks for another does not hold up the rest of the loop. */
static gboolean calls_dispatch(GSource *source, GSourceFunc fn, gpointer opaque)
{
    Loop *loop = ((CallSource *)source)->loop;
    Call *call;
    GQueue now;

    g_mutex_lock(&loop->mutex);
    now = loop->calls;
    g_queue_init(&loop->calls);
    g_mutex_unlock(&loop->mutex);
    while ((call = g_queue_pop_head(&now))) {
        call->fn(call->opaque);
        g_free(call);
    }
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs call_source_funcs = {
    .prepare = calls_prepare,
    .check = calls_check,
    .dispatch = calls_dispatch,
};

static void take_calls(Loop *loop)
{
    GSource *source = g_source_new(&call_source_funcs, sizeof(CallSource));

    ((CallSource *)source)->loop = loop;
    g_source_set_name(source, "calls");
    g_source_attach(source, loop->context);
    g_source_unref(source);
}

void loop_post(Loop *loop, void (*fn)(void *opaque), void *opaque)
{
    Call *call = g_new(Call, 1);

    *call = (Call){ fn, opaque };
    atomic_fetch_add(&loop->wakes, 1);
    g_mutex_lock(&loop->mutex);
    g_queue_push_tail(&loop->calls, call);
    g_mutex_unlock(&loop->mutex);
}

void loop_wake(Loop *loop)
{
    if (loop) {
        g_main_context_wakeup(loop->context);
        atomic_fetch_sub(&loop->wakes, 1);
    }
}

void loop_call(Loop *loop, void (*fn)(void *opaque), void *opaque)
{
    loop_post(loop, fn, opaque);
    loop_wake(loop);
}

typedef struct Wait {
    Loop *loop;
    void (*fn)(void *opaque);
    void *opaque;
    bool done; /* the loop's mutex */
} Wait;

static void run_waited(void *opaque)
{
    Wait *wait = opaque;
    Loop *loop = wait->loop;

    wait->fn(wait->opaque);
    g_mutex_lock(&loop->mutex);
    wait->done = true;
    g_cond_broadcast(&loop->called);
    g_mutex_unlock(&loop->mutex);
}

void loop_run(Loop *loop, void (*fn)(void *opaque), void *opaque)
{
    Wait wait = { loop, fn, opaque, false };

    if (loop_is_mine(loop)) {
        fn(opaque);
        return;
    }
    loop_call(loop, run_waited, &wait);
    g_mutex_lock(&loop->mutex);
    while (!wait.done) {
        g_cond_wait(&loop->called, &loop->mutex);
    }
    g_mutex_unlock(&loop->mutex);
}

void loop_main_init(void)
{
    take_calls(&main_loop);
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
    g_cond_init(&loop->called);
    loop->context = g_main_context_new();
    g_main_context_set_poll_func(loop->context, poll_and_sleep);
    take_calls(loop);
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
    while (atomic_load(&loop->wakes)) { /* a thread is in loop_wake() */
        g_thread_yield();
    }
    g_main_context_unref(loop->context);
    g_queue_clear_full(&loop->calls, g_free);
    g_mutex_clear(&loop->mutex);
    g_cond_clear(&loop->started);
    g_cond_clear(&loop->called);
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

static void attach_now(void *opaque)
{
    GSource *source = opaque;

    if (!g_source_is_destroyed(source)) {
        g_source_attach(source, current->context);
    }
    g_source_unref(source);
}

/* Of a loop with a thread of its own only that thread touches the context. */
void loop_attach(Loop *loop, GSource *source)
{
    if (loop == &main_loop || loop == current) {
        g_source_attach(source, loop->context);
    } else {
        loop_call(loop, attach_now, g_source_ref(source));
    }
}
