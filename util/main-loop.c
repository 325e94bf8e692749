/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/main-loop.h"

#include <poll.h>
#include <sys/prctl.h>
#include <time.h>

#include "util/clock.h"
#include "util/loop.h"

static GMutex lock;
static __thread bool lock_is_mine;
static __thread bool main_thread;

/* A busy vCPU could take the lock again and again before the main thread wakes: while the main
 * thread wants it, others that got it first step back once. */
static int main_wants;     /* atomic */
static unsigned deferring; /* threads in main_served; under the lock */
static GCond main_served;

static bool quit;      /* under the lock, like */
static unsigned holds; /* main_loop_hold() */

/* ---- the machine lock ---- */

static void lock_as_main(void)
{
    g_atomic_int_set(&main_wants, 1);
    g_mutex_lock(&lock);
    g_atomic_int_set(&main_wants, 0);
    if (deferring) {
        g_cond_broadcast(&main_served);
    }
}

static void lock_as_other(void)
{
    g_mutex_lock(&lock);
    if (g_atomic_int_get(&main_wants)) {
        deferring++;
        g_cond_wait(&main_served, &lock);
        deferring--;
    }
}

void machine_lock(void)
{
    g_assert(!lock_is_mine);
    if (main_thread) {
        lock_as_main();
    } else {
        lock_as_other();
    }
    lock_is_mine = true;
}

void machine_lock_for_main(void)
{
    g_assert(!lock_is_mine);
    lock_as_main();
    lock_is_mine = true;
}

void machine_unlock(void)
{
    g_assert(lock_is_mine);
    lock_is_mine = false;
    g_mutex_unlock(&lock);
}

bool machine_lock_held(void)
{
    return lock_is_mine;
}

void machine_cond_wait(GCond *cond)
{
    g_assert(lock_is_mine);
    lock_is_mine = false;
    g_cond_wait(cond, &lock);
    lock_is_mine = true;
}

/* ---- timers as a GLib source; the wait for them is poll_unlocked()'s ---- */

static gboolean timers_due(void)
{
    return clock_timeout_ns() == 0;
}

static gboolean timers_prepare(GSource *source, gint *timeout)
{
    *timeout = -1;
    return timers_due();
}

static gboolean timers_check(GSource *source)
{
    return timers_due();
}

static gboolean timers_dispatch(GSource *source, GSourceFunc fn, gpointer opaque)
{
    clock_run_timers();
    return G_SOURCE_CONTINUE;
}

static GSourceFuncs timer_source_funcs = {
    .prepare = timers_prepare,
    .check = timers_check,
    .dispatch = timers_dispatch,
};

/* ---- the loop ---- */

/* GLib's wait, with nanosecond time-outs and without the machine lock. */
static gint poll_unlocked(GPollFD *fds, guint nfds, gint timeout_ms)
{
    int64_t timer_ns = clock_timeout_ns();
    int64_t wait_ns = timeout_ms < 0 ? -1 : timeout_ms * NS_PER_MS;
    struct timespec ts;
    int ret, saved_errno;

    if (timer_ns >= 0 && (wait_ns < 0 || timer_ns < wait_ns)) {
        wait_ns = timer_ns;
    }
    ts = (struct timespec){ wait_ns / NS_PER_SEC, wait_ns % NS_PER_SEC };
    machine_unlock();
    ret = ppoll((struct pollfd *)fds, nfds, wait_ns < 0 ? NULL : &ts, NULL);
    saved_errno = errno;
    machine_lock();
    errno = saved_errno;
    return ret;
}

/* Let the main loop look at time-outs again. */
static void wake(void)
{
    if (!main_thread) {
        g_main_context_wakeup(NULL);
    }
}

void main_loop_init(void)
{
    GSource *source = g_source_new(&timer_source_funcs, sizeof(GSource));

    main_thread = true;
    machine_lock();
    prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL); /* the default, 50 us, is half of a short timer */
    g_source_set_name(source, "timers");
    g_source_attach(source, NULL);
    g_source_unref(source);
    g_main_context_set_poll_func(NULL, poll_unlocked);
    clock_on_timeout_change(wake);
    loop_main_init();
}

bool main_loop_iterate(bool may_block)
{
    return g_main_context_iteration(NULL, may_block);
}

void main_loop_run(void)
{
    while (!quit || holds) {
        main_loop_iterate(true);
    }
    quit = false;
}

void main_loop_hold(void)
{
    holds++;
}

void main_loop_release(void)
{
    holds--;
}

void main_loop_quit(void)
{
    quit = true;
    wake();
}

void main_loop_schedule(void (*fn)(void *opaque), void *opaque)
{
    loop_call(loop_main(), fn, opaque);
}
