/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/shared-event.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <sys/uio.h>
#include <unistd.h>

static bool is_ready(int fd, short events)
{
    struct pollfd p = { .fd = fd, .events = events };

    return poll(&p, 1, 0) > 0 && p.revents & events;
}

bool shared_event_take(int fd)
{
    uint64_t count;
    struct iovec iov = { &count, sizeof(count) };
    ssize_t n = preadv2(fd, &iov, 1, -1, RWF_NOWAIT);

    if (n < 0 && errno == EOPNOTSUPP && is_ready(fd, POLLIN)) { /* an old kernel */
        n = read(fd, &count, sizeof(count));
    }
    return n == sizeof(count);
}

/* There is no write that never waits: who fills the counter just now can still stop us. */
void shared_event_signal(int fd)
{
    const uint64_t one = 1;

    if (is_ready(fd, POLLOUT) && write(fd, &one, sizeof(one)) < 0) {
        /* Its counter is full: it is signalled as it is. */
    }
}
