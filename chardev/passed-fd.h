/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Descriptors that come with the bytes of a unix socket. */
#ifndef CHARDEV_PASSED_FD_H
#define CHARDEV_PASSED_FD_H

#include <sys/types.h>

/* As recv(). The first descriptor that came is *@passed then, instead of one that was it (-1: none
 * was), which is closed, as are the others. */
ssize_t passed_fd_receive(int fd, void *buf, size_t len, int *passed);

#endif
