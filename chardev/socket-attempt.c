/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "chardev/socket-attempt.h"

#include <unistd.h>

#include "util/main-loop.h"

struct SocketAttempt {
    SocketPlace *place;  /* the thread's */
    SocketAttemptFn *fn; /* NULL when cancelled; the main loop's, as is opaque */
    void *opaque;
    int fd; /* the result, handed from the thread to the main loop */
    GError *err;
};

static void attempt_done(void *opaque)
{
    SocketAttempt *attempt = opaque;

    if (attempt->fn) {
        attempt->fn(attempt->opaque, attempt->fd, attempt->err);
    } else if (attempt->fd >= 0) {
        close(attempt->fd);
    }
    g_clear_error(&attempt->err);
    socket_place_free(attempt->place);
    g_free(attempt);
}

static gpointer attempt_thread(gpointer opaque)
{
    SocketAttempt *attempt = opaque;

    attempt->fd = socket_place_open(attempt->place, NULL, &attempt->err);
    main_loop_schedule(attempt_done, attempt);
    return NULL;
}

SocketAttempt *socket_attempt_start(const SocketPlace *place, SocketAttemptFn *fn, void *opaque)
{
    SocketAttempt *attempt = g_new0(SocketAttempt, 1);
    GThread *thread;

    attempt->place = socket_place_copy(place);
    attempt->fn = fn;
    attempt->opaque = opaque;
    thread = g_thread_try_new("connect", attempt_thread, attempt, &attempt->err);
    if (thread) {
        g_thread_unref(thread);
    } else {
        attempt->fd = -1;
        main_loop_schedule(attempt_done, attempt);
    }
    return attempt;
}

void socket_attempt_cancel(SocketAttempt *attempt)
{
    attempt->fn = NULL;
}
