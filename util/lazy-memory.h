/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory for something large that is used in parts: zeros, which take no memory before they are
 * written to. malloc() gives no such promise.
 */
#ifndef UTIL_LAZY_MEMORY_H
#define UTIL_LAZY_MEMORY_H

#include <stddef.h>

/* At least @size bytes, at the begin of a page. Ends the program if there is no memory. Any thread.
 */
void *lazy_memory_new(size_t size);
/* @size as it was asked for; NULL is no memory. */
void lazy_memory_free(void *memory, size_t size);

#endif
