/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Big-endian numbers at any address, as standards of disks have them. Any thread. */
#ifndef UTIL_BYTES_H
#define UTIL_BYTES_H

#include <stdint.h>

static inline uint64_t bytes_get_be(const void *from, unsigned size)
{
    const uint8_t *p = from;
    uint64_t value = 0;

    for (unsigned i = 0; i < size; i++) {
        value = value << 8 | p[i];
    }
    return value;
}

static inline uint16_t bytes_get_be16(const void *from)
{
    return (uint16_t)bytes_get_be(from, 2);
}

static inline uint32_t bytes_get_be24(const void *from)
{
    return (uint32_t)bytes_get_be(from, 3);
}

static inline uint32_t bytes_get_be32(const void *from)
{
    return (uint32_t)bytes_get_be(from, 4);
}

static inline uint64_t bytes_get_be64(const void *from)
{
    return bytes_get_be(from, 8);
}

/* The low @size bytes of @value. */
static inline void bytes_put_be(void *to, uint64_t value, unsigned size)
{
    uint8_t *p = to;

    for (unsigned i = size; i-- > 0; value >>= 8) {
        p[i] = (uint8_t)value;
    }
}

#endif
