/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Sets of bits, for bitmaps of what was written (block/dirty-bitmap.h): a disk of which little was
 * written takes little memory. No locks: who uses one keeps others away.
 */
#ifndef BLOCK_DIRTY_BITS_H
#define BLOCK_DIRTY_BITS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define DIRTY_BITS_MAX (UINT64_C(1) << 32) /* bits of a set */

typedef struct DirtyBits {
    uint64_t size;     /* bits there are, at most DIRTY_BITS_MAX */
    uint64_t count;    /* that are set */
    uint64_t **chunks; /* NULL: none is set there */
} DirtyBits;

/* All clear. */
DirtyBits *dirty_bits_new(uint64_t size);
void dirty_bits_free(DirtyBits *bits); /* NULL is fine */
DirtyBits *dirty_bits_copy(const DirtyBits *bits);
/* New bits are clear. */
void dirty_bits_resize(DirtyBits *bits, uint64_t size);

/* [@first, @first + @n) lies within. */
bool dirty_bits_get(const DirtyBits *bits, uint64_t bit);
void dirty_bits_set(DirtyBits *bits, uint64_t first, uint64_t n);
void dirty_bits_reset(DirtyBits *bits, uint64_t first, uint64_t n);
/* The first bit from @first on that is (or is not) set; the size: there is none. */
uint64_t dirty_bits_next(const DirtyBits *bits, uint64_t first, bool set);

/* As bytes, from bit @first (of a whole word) on, the lowest bit of each first: @len bytes, a
 * multiple of 8, which may lie beyond the size. Clear bits of @in change nothing. */
void dirty_bits_load(DirtyBits *bits, uint64_t first, const uint8_t *in, size_t len);
/* False: all of them are clear. */
bool dirty_bits_store(const DirtyBits *bits, uint64_t first, uint8_t *out, size_t len);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(DirtyBits, dirty_bits_free)

#endif
