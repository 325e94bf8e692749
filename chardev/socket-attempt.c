/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "chardev/socket-attempt.h"

#include <unistd.h>

#include "util/main-loop.h"

struct SocketAttempt {
    SocketPlace *place;  /* the thread's */
    SocketAttemptFn *fn; /* NULL when cancelled; the main loop's, as is opaque */
    void *opaque;
    gint refs;   /* atomic: the main loop's, and a waiting thread's */
    GMutex lock; /* of the rest */
    GCond finished;
    bool is_finished;
    int fd; /* the result; -1: there is none, or somebody took it */
    GError *err;
};

static void attempt_unref(SocketAttempt *attempt)
{
    if (g_atomic_int_dec_and_test(&attempt->refs)) {
        if (attempt->fd >= 0) {
            close(attempt->fd);
        }
        g_clear_error(&attempt->err);
        socket_place_free(attempt->place);
        g_cond_clear(&attempt->finished);
        g_mutex_clear(&attempt->lock);
        g_free(attempt);
    }
}

static void attempt_done(void *opaque)
{
    SocketAttempt *attempt = opaque;

    if (attempt->fn) {
        int fd = attempt->fd;

        attempt->fd = -1;
        attempt->fn(attempt->opaque, fd, attempt->err);
    }
    attempt_unref(attempt);
}

static void finish(SocketAttempt *attempt, int fd)
{
    g_mutex_lock(&attempt->lock);
    attempt->fd = fd;
    attempt->is_finished = true;
    g_cond_signal(&attempt->finished);
    g_mutex_unlock(&attempt->lock);
    main_loop_schedule(attempt_done, attempt);
}

static gpointer attempt_thread(gpointer opaque)
{
    SocketAttempt *attempt = opaque;

    finish(attempt, socket_place_open(attempt->place, NULL, &attempt->err));
    return NULL;
}

SocketAttempt *socket_attempt_start(const SocketPlace *place, SocketAttemptFn *fn, void *opaque)
{
    SocketAttempt *attempt = g_new0(SocketAttempt, 1);
    GThread *thread;

    attempt->refs = 1;
    attempt->fd = -1;
    g_mutex_init(&attempt->lock);
    g_cond_init(&attempt->finished);
    attempt->place = socket_place_copy(place);
    attempt->fn = fn;
    attempt->opaque = opaque;
    thread = g_thread_try_new("connect", attempt_thread, attempt, &attempt->err);
    if (thread) {
        g_thread_unref(thread);
    } else {
        finish(attempt, -1);
    }
    return attempt;
}

void socket_attempt_cancel(SocketAttempt *attempt)
{
    attempt->fn = NULL;
}

SocketAttempt *socket_attempt_claim(SocketAttempt *attempt)
{
    attempt->fn = NULL;
    g_atomic_int_inc(&attempt->refs);
    return attempt;
}

int socket_attempt_wait(SocketAttempt *attempt)
{
    int fd;

    g_mutex_lock(&attempt->lock);
    while (!attempt->is_finished) {
        g_cond_wait(&attempt->finished, &attempt->lock);
    }
    fd = attempt->fd;
    attempt->fd = -1;
    g_mutex_unlock(&attempt->lock);
    attempt_unref(attempt);
    return fd;
}
