/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What ThreadSanitizer has to be told (docs/tsan.md). In other builds these do nothing.
 */
#ifndef UTIL_TSAN_H
#define UTIL_TSAN_H

#include <stddef.h>

/* Virtual CPUs, devices and monitors meet in the @size bytes from @start in whatever order the
 * guest likes: memory of a guest is no more ordered than that of any other computer. There is no
 * way back; what lies there after it was unmapped is not looked at either. */
#ifdef __SANITIZE_THREAD__
void tsan_guest_memory(const void *start, size_t size);
#else
static inline void tsan_guest_memory(const void *start, size_t size)
{
}
#endif

#endif
