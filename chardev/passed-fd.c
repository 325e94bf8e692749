/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "chardev/passed-fd.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Keep the first of those in @msg, instead of one that was kept. */
static void keep_passed(int *passed, struct msghdr *msg)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        if (*passed >= 0) {
            close(*passed);
            *passed = -1;
        }
        for (size_t i = 0; i < count; i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            if (i == 0) {
                *passed = fd;
            } else {
                close(fd);
            }
        }
    }
}

ssize_t passed_fd_receive(int fd, void *buf, size_t len, int *passed)
{
    /* What does not fit the kernel closes. */
    union {
        struct cmsghdr align;
        char space[CMSG_SPACE(16 * sizeof(int))];
    } control;
    struct iovec iov = { .iov_base = buf, .iov_len = len };
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)
    };
    ssize_t n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);

    if (n > 0) {
        keep_passed(passed, &msg);
    }
    return n;
}
