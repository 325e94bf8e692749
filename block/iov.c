/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "block/iov.h"

#include <stdint.h>
#include <string.h>

size_t iov_size(const struct iovec *iov, unsigned iovcnt)
{
    size_t size = 0;

    for (unsigned i = 0; i < iovcnt; i++) {
        size += iov[i].iov_len;
    }
    return size;
}

unsigned iov_slice(const struct iovec *iov, unsigned iovcnt, size_t skip, size_t len,
                   struct iovec *out)
{
    unsigned n = 0;

    for (unsigned i = 0; i < iovcnt && len; i++) {
        if (skip >= iov[i].iov_len) {
            skip -= iov[i].iov_len;
            continue;
        }
        out[n].iov_base = (uint8_t *)iov[i].iov_base + skip;
        out[n].iov_len = MIN(iov[i].iov_len - skip, len);
        len -= out[n++].iov_len;
        skip = 0;
    }
    g_assert(!len);
    return n;
}

static bool is_zero(const uint8_t *p, size_t len)
{
    return !len || (!p[0] && !memcmp(p, p + 1, len - 1));
}

bool iov_is_zero(const struct iovec *iov, unsigned iovcnt)
{
    for (unsigned i = 0; i < iovcnt; i++) {
        if (!is_zero(iov[i].iov_base, iov[i].iov_len)) {
            return false;
        }
    }
    return true;
}

/* Call @fn for each piece of [@skip, @skip + @len), with the place of it in the buffer. */
static void walk(const struct iovec *iov, unsigned iovcnt, size_t skip, size_t len,
                 void (*fn)(void *piece, size_t at, size_t len, void *buf), void *buf)
{
    size_t at = 0;

    for (unsigned i = 0; i < iovcnt && len; i++) {
        size_t size = iov[i].iov_len;

        if (skip >= size) {
            skip -= size;
            continue;
        }
        size = MIN(size - skip, len);
        fn((uint8_t *)iov[i].iov_base + skip, at, size, buf);
        at += size;
        len -= size;
        skip = 0;
    }
}

static void clear(void *piece, size_t at, size_t len, void *buf)
{
    memset(piece, 0, len);
}

static void get(void *piece, size_t at, size_t len, void *buf)
{
    memcpy((uint8_t *)buf + at, piece, len);
}

static void put(void *piece, size_t at, size_t len, void *buf)
{
    memcpy(piece, (const uint8_t *)buf + at, len);
}

void iov_clear(const struct iovec *iov, unsigned iovcnt, size_t skip)
{
    walk(iov, iovcnt, skip, SIZE_MAX, clear, NULL);
}

void iov_to_buf(const struct iovec *iov, unsigned iovcnt, size_t skip, void *buf, size_t len)
{
    walk(iov, iovcnt, skip, len, get, buf);
}

void iov_from_buf(const struct iovec *iov, unsigned iovcnt, size_t skip, const void *buf,
                  size_t len)
{
    walk(iov, iovcnt, skip, len, put, (void *)(uintptr_t)buf);
}
