/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which chunks of a node a job has to do something about. Any thread. */
#ifndef BLOCK_DIRTY_SET_H
#define BLOCK_DIRTY_SET_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct DirtySet DirtySet;

/* Of @size bytes, in chunks of @chunk, a power of 2; none is in it. */
DirtySet *dirty_set_new(uint64_t size, uint64_t chunk);
void dirty_set_free(DirtySet *set); /* NULL is fine */
/* Put in, or take out, each chunk that the bytes touch, as far as there are any. */
void dirty_set_add(DirtySet *set, uint64_t offset, uint64_t bytes);
void dirty_set_remove(DirtySet *set, uint64_t offset, uint64_t bytes);
/* Is the chunk with this byte in it? */
bool dirty_set_has(DirtySet *set, uint64_t offset);
/* The first ones in it from *@offset on, or, if there are none, from the beginning on, that follow
 * each other: at most @max bytes, a multiple of the chunk. False: it is empty. */
bool dirty_set_next(DirtySet *set, uint64_t *offset, uint64_t max, uint64_t *bytes);
/* Bytes in it. */
uint64_t dirty_set_bytes(DirtySet *set);

#endif
