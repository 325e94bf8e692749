/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/interrupt.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "util/error.h"

static volatile atomic_bool pending;
static int event_fd = -1;

void interrupt_raise(void)
{
    int saved = errno;
    uint64_t one = 1;

    atomic_store(&pending, true);
    if (event_fd >= 0) {
        ssize_t n = write(event_fd, &one, sizeof(one));
        (void)n; /* full: readable already */
    }
    errno = saved;
}

static void on_signal(int sig)
{
    interrupt_raise();
}

bool interrupt_init(GError **errp)
{
    static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART }, before;

    event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (event_fd < 0) {
        error_set_errno(errp, errno, "cannot make a descriptor for signals");
        return false;
    }
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < G_N_ELEMENTS(signals); i++) {
        if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN) {
            sigaction(signals[i], &action, NULL);
        }
    }
    return true;
}

bool interrupt_pending(void)
{
    return atomic_load(&pending);
}

int interrupt_fd(void)
{
    return event_fd;
}

bool interrupt_check(GError **errp)
{
    if (interrupt_pending()) {
        error_set(errp, "interrupted by a signal");
        return true;
    }
    return false;
}

void interrupt_clear(void)
{
    uint64_t count;

    atomic_store(&pending, false);
    if (event_fd >= 0) {
        ssize_t n = read(event_fd, &count, sizeof(count));
        (void)n;
    }
}
