/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/main-loop.h"

#include <poll.h>
#include <sys/prctl.h>
#include <time.h>

#include "util/clock.h"
#include "util/loop.h"
#include "util/machine-lock.h"
#include "util/timer.h"

static __thread bool main_thread;

static bool quit;      /* machine lock, like */
static unsigned holds; /* main_loop_hold() */

/* ---- timers as a GLib source; the wait for them is poll_unlocked()'s ---- */

static gboolean timers_due(void)
{
    return timers_timeout_ns() == 0;
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
    timers_run();
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
    int64_t timer_ns = timers_timeout_ns();
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
    machine_lock_init();
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
