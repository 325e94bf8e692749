/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Pieces of memory that together are one buffer. Any thread. */
#ifndef BLOCK_IOV_H
#define BLOCK_IOV_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

/* Bytes of all of them. */
size_t iov_size(const struct iovec *iov, unsigned iovcnt);
/* The pieces of [@skip, @skip + @len), which is part of @iov: @out has room for @iovcnt. How many.
 */
unsigned iov_slice(const struct iovec *iov, unsigned iovcnt, size_t skip, size_t len,
                   struct iovec *out);
/* All bytes are 0. */
bool iov_is_zero(const struct iovec *iov, unsigned iovcnt);
/* Set all bytes from @skip on to 0. */
void iov_clear(const struct iovec *iov, unsigned iovcnt, size_t skip);
/* Copy [@skip, @skip + @len) of @iov to @buf, and back. */
void iov_to_buf(const struct iovec *iov, unsigned iovcnt, size_t skip, void *buf, size_t len);
void iov_from_buf(const struct iovec *iov, unsigned iovcnt, size_t skip, const void *buf,
                  size_t len);

#endif
