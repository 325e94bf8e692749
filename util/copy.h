/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Copying what another processor may read or write at the same time.
 *
 * memcpy() of a length that is known only at run time may store the same bytes twice: of 4 bytes
 * glibc makes two stores of 4. Between the two another processor may have written there, and what
 * it wrote is lost.
 */
#ifndef UTIL_COPY_H
#define UTIL_COPY_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint16_t __attribute__((aligned(1), may_alias)) CopyUnit16;
typedef uint32_t __attribute__((aligned(1), may_alias)) CopyUnit32;
typedef uint64_t __attribute__((aligned(1), may_alias)) CopyUnit64;
typedef uint64_t __attribute__((vector_size(16), aligned(1), may_alias)) CopyUnit128;

/* Longer ones are nobody's operand, and may be copied in any way. */
#define COPY_OPERAND_MAX 64

#define COPY_ONE(type, to, from) (*(volatile type *)(to) = *(const volatile type *)(from))

/* Copy @len bytes by one load and one store each: 1, 2, 4, 8 or 16 of them by a single load and a
 * single store, as the processor's own instructions do; up to COPY_OPERAND_MAX in pieces of those,
 * none of which is stored twice; more as memcpy() does. */
static inline void copy_operand(void *to, const void *from, size_t len)
{
    uint8_t *t = to;
    const uint8_t *f = from;

    if (len > COPY_OPERAND_MAX) {
        memcpy(to, from, len);
        return;
    }
    for (; len >= 16; len -= 16, t += 16, f += 16) {
        COPY_ONE(CopyUnit128, t, f);
    }
    if (len & 8) {
        COPY_ONE(CopyUnit64, t, f);
        t += 8;
        f += 8;
    }
    if (len & 4) {
        COPY_ONE(CopyUnit32, t, f);
        t += 4;
        f += 4;
    }
    if (len & 2) {
        COPY_ONE(CopyUnit16, t, f);
        t += 2;
        f += 2;
    }
    if (len & 1) {
        COPY_ONE(uint8_t, t, f);
    }
}

/* One load of @len bytes: 1, 2, 4 or 8. */
static inline uint64_t copy_load(const void *from, unsigned len)
{
    switch (len) {
    case 1:
        return *(const volatile uint8_t *)from;
    case 2:
        return *(const volatile CopyUnit16 *)from;
    case 4:
        return *(const volatile CopyUnit32 *)from;
    default:
        return *(const volatile CopyUnit64 *)from;
    }
}

#undef COPY_ONE

#endif
